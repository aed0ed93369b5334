"""
One document over a connection of its own: a GET that can be woken.

A stream sends its further requests this way. Closing the stream ends them, and they do not depend
on the client, which may be closed by then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import attrs

from coder_agents.transport.decoding import JSON
from coder_agents.transport.exchange import Head
from coder_agents.transport.http_source import HTTPSource
from coder_agents.transport.waiting import DroppedError, Interest


class DocumentSource(HTTPSource[bytes]):
    """
    The body of one answer, as the only message.
    """

    _success = 200
    _wanted = JSON

    def _headers(self) -> Mapping[str, str]:
        return {
            "Accept": JSON,
            "Accept-Encoding": "identity",
            "Connection": "close",
        }

    def _accept(self, head: Head) -> None:
        self._body = bytearray()

    def interest(self) -> Interest | None:
        """
        Return what to wait for before the next step; None where a step may find input now.
        """
        interest = super().interest()
        if interest is None or not self._is_sent or interest.until <= self._answer_until:
            return interest
        return attrs.evolve(interest, until=self._answer_until)

    def receive(self) -> bytes | None:
        """
        Return the complete body, None while it is not complete.
        """
        if self._exchange.read_into(self._body, self._max_message_size):
            return bytes(self._body)
        self._check_silence()
        if time.monotonic() >= self._answer_until:
            raise DroppedError("the document was not complete in time")
        return None
