"""
The only rooms that talk to the network.
"""

from coder_agents.transport.alarm import Alarm
from coder_agents.transport.connection import ClosedError, DroppedError
from coder_agents.transport.document import DocumentSource
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
    "WebSocketSource",
    "quoted",
]
