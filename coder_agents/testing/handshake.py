"""
The handshake of a WebSocket.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.http import ServerResponse
from coder_agents.testing.message_streams import WebSocketStream
from coder_agents.testing.requirements import Refusal
from coder_agents.testing.websocket_library import wsproto

S = TypeVar("S", bound=WebSocketStream)


def accept(exchange: ServerExchange, make: Callable[[ServerExchange], S]) -> S:
    """
    Do the handshake; *make* makes the stream that answers it.

    Raises:
        Refusal: the request is no proper handshake.
    """
    for name, wanted in (("Connection", "Upgrade"), ("Upgrade", "websocket")):
        value = exchange.request.headers.get(name.lower(), "")
        words = [word.strip().lower() for word in value.split(",")]
        if wanted.lower() not in words:
            raise _refusal(426, f'{name} header "{value}" does not contain {wanted}')
    try:
        return make(exchange)
    except (wsproto.utilities.RemoteProtocolError, UnicodeError) as error:
        raise _refusal(400, str(error)) from None


def _refusal(status: int, violation: str) -> Refusal:
    # A real server sends the error twice, as text and as JSON, so the body is neither.
    problem = f"WebSocket protocol violation: {violation}"
    detail = f"failed to accept WebSocket connection: {problem}"
    document = {"message": "Failed to accept websocket.", "detail": detail}
    text = f"{problem}\n{json.dumps(document, indent=chr(9))}\n"
    headers = (("Connection", "Upgrade"), ("Content-Type", "text/plain; charset=utf-8"))
    return Refusal(ServerResponse(status, text.encode(), headers))
