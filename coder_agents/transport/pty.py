"""
The terminal of an agent, as the deployment carries it: bytes out, JSON in, over a WebSocket.
"""

from __future__ import annotations

import json
import string

import requests
from websocket import ABNF

from coder_agents.errors import CoderError
from coder_agents.transport.websocket import WebSocketSource

# Coder's own name for it; the suffix keeps it apart from the parameters of users' programs.
_BASE64 = (string.ascii_letters + string.digits + "+/=").encode()

_SIGNED_TOKEN = "coder_signed_app_token_23db1dde"


class PtySource(WebSocketSource):
    """
    One attachment to a terminal: each message received is output, exactly as the terminal wrote it.

    The agent reads a stream of JSON objects, whose borders need not be those of the messages. Their
    text is UTF-8: no other byte can be typed.
    """

    def sign(self, token: str) -> None:
        """
        Send *token* with the request: it admits to a workspace proxy, where no session token is valid.
        """
        self._params = [*self._params, (_SIGNED_TOKEN, token)]

    def write(self, text: str) -> None:
        """
        Send *text* as typed, as much as can be sent now; see `Connection.send`.

        Raises *ClosedError* when woken.
        """
        data = text.encode()
        if not data.translate(None, _BASE64):
            # Most of what is long is base64: as it is, it is JSON already.
            self._send_frame(ABNF.OPCODE_BINARY, b'{"data":"%s"}' % data)
        else:
            self._send_object({"data": text})

    def resize(self, width: int, height: int) -> None:
        """
        Send the size of the terminal, in characters.

        Raises *ClosedError* when woken.
        """
        self._send_object({"height": height, "width": width})

    @property
    def has_output(self) -> bool:
        """
        Whether something that was written waits for the socket.
        """
        return self._connection.has_output

    @property
    def _url(self) -> str:
        # Without the query: it has the command, which may be long, and is nobody else's business.
        return super()._url.partition("?")[0]

    def _refused_by(self, answer: requests.Response) -> CoderError:
        request = answer.request.copy()
        request.url = answer.url = self._url
        answer.request = request
        return super()._refused_by(answer)

    def _send_object(self, message: dict[str, object]) -> None:
        text = json.dumps(message, separators=(",", ":"))
        self._send_frame(ABNF.OPCODE_BINARY, text.encode())
