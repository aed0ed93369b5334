"""
The only rooms that talk to the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.transport.alarm import Alarm
    from coder_agents.transport.connection import ClosedError, DroppedError, Wait
    from coder_agents.transport.document import DocumentSource
    from coder_agents.transport.failures import is_gone
    from coder_agents.transport.http import HTTP, Params, quoted
    from coder_agents.transport.polled import PolledSource
    from coder_agents.transport.source import HTTPSource, Source
    from coder_agents.transport.sse import ServerSentEvent, SSESource
    from coder_agents.transport.websocket import WebSocketSource

__all__ = [
    "HTTP",
    "Alarm",
    "ClosedError",
    "DocumentSource",
    "DroppedError",
    "HTTPSource",
    "Params",
    "PolledSource",
    "SSESource",
    "ServerSentEvent",
    "Source",
    "Wait",
    "WebSocketSource",
    "is_gone",
    "quoted",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "alarm": "Alarm",
        "connection": "ClosedError DroppedError Wait",
        "document": "DocumentSource",
        "failures": "is_gone",
        "http": "HTTP Params quoted",
        "polled": "PolledSource",
        "source": "HTTPSource Source",
        "sse": "ServerSentEvent SSESource",
        "websocket": "WebSocketSource",
    },
)
