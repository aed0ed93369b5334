"""
The transport: the only modules that use the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.transport.decoding import decoded, other_than_requested
    from coder_agents.transport.document import DocumentSource
    from coder_agents.transport.failures import is_gone, lacks_call, page_error, refusal
    from coder_agents.transport.http import HTTP, Params
    from coder_agents.transport.http_source import HTTPSource
    from coder_agents.transport.kept import KeptConnections
    from coder_agents.transport.kept_request import KeptRequest
    from coder_agents.transport.pace import DEFAULT_RATE, Pace
    from coder_agents.transport.pages import is_page
    from coder_agents.transport.paths import quoted
    from coder_agents.transport.polled import PolledSource
    from coder_agents.transport.pty import PtySource
    from coder_agents.transport.repeating import RepeatingHTTP
    from coder_agents.transport.source import Source
    from coder_agents.transport.sse import ReceivedEvent, SSESource
    from coder_agents.transport.together import WokenTogether
    from coder_agents.transport.unreached import is_final, transport_error
    from coder_agents.transport.waiting import ClosedError, DroppedError, Interest
    from coder_agents.transport.wakeable import WakeableHTTP, unwoken
    from coder_agents.transport.websocket import WebSocketSource, blocks_websockets
    from coder_agents.transport.workspace_proxy import WorkspaceProxyHTTP

__all__ = [
    "DEFAULT_RATE",
    "HTTP",
    "ClosedError",
    "DocumentSource",
    "DroppedError",
    "HTTPSource",
    "Interest",
    "KeptConnections",
    "KeptRequest",
    "Pace",
    "Params",
    "PolledSource",
    "PtySource",
    "ReceivedEvent",
    "RepeatingHTTP",
    "SSESource",
    "Source",
    "WakeableHTTP",
    "WebSocketSource",
    "WokenTogether",
    "WorkspaceProxyHTTP",
    "blocks_websockets",
    "decoded",
    "is_final",
    "is_gone",
    "is_page",
    "lacks_call",
    "other_than_requested",
    "page_error",
    "quoted",
    "refusal",
    "transport_error",
    "unwoken",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "decoding": "decoded other_than_requested",
        "document": "DocumentSource",
        "failures": "is_gone lacks_call page_error refusal",
        "http": "HTTP Params",
        "http_source": "HTTPSource",
        "kept": "KeptConnections",
        "kept_request": "KeptRequest",
        "pace": "DEFAULT_RATE Pace",
        "pages": "is_page",
        "paths": "quoted",
        "polled": "PolledSource",
        "pty": "PtySource",
        "repeating": "RepeatingHTTP",
        "source": "Source",
        "sse": "ReceivedEvent SSESource",
        "together": "WokenTogether",
        "unreached": "is_final transport_error",
        "waiting": "ClosedError DroppedError Interest",
        "wakeable": "WakeableHTTP unwoken",
        "websocket": "WebSocketSource blocks_websockets",
        "workspace_proxy": "WorkspaceProxyHTTP",
    },
)
