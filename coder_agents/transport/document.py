"""
One document over a connection of its own: a GET that can be woken.

What a stream has to request while it is read goes this way, so that closing the stream ends
it, and so that it does not depend on the client, which may be closed by then.
"""

from __future__ import annotations

from collections.abc import Mapping

from coder_agents.errors import MessageTooLargeError
from coder_agents.transport.exchange import Head
from coder_agents.transport.source import HTTPSource


class DocumentSource(HTTPSource[bytes]):
    """
    The body of one answer, as its only message.
    """

    _success = 200

    def _headers(self) -> Mapping[str, str]:
        return {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }

    def _accept(self, head: Head) -> None:
        self._body = bytearray()

    def receive(self) -> bytes | None:
        """
        Return the whole body, None where it is not whole yet.
        """
        while data := self._exchange.read():
            self._body += data
            if len(self._body) > self._max_message_size:
                raise MessageTooLargeError(
                    f"a document of more than {self._max_message_size} bytes"
                )
        if data is None:
            self._check_silence()
            return None
        return bytes(self._body)
