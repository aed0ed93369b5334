"""
Faults inside one message.
"""

from __future__ import annotations

import abc
from typing import Any

from coder_agents.testing.connection import ConnectionEnded
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.faults.fault import Fault


class PlacedFault(Fault, abc.ABC):
    """
    A fault inside one message, or inside the head of the answer.

    Options:
        at: how many bytes of it come before the fault, framing included; by default a random
            number.
        part: ``message`` (the default), or ``head`` for the status line and headers.
    """

    def __init__(self, *, at: int | None = None, part: str = "message", **common: Any) -> None:
        super().__init__(**common)
        if part not in ("message", "head"):
            raise ValueError(f'part must be "message" or "head", not {part!r}')
        if part == "head" and self.after:
            raise ValueError("the head is sent before any message: after must be 0")
        self.at = at
        self.part = part

    def on_head(self, exchange: ServerExchange, head: bytes) -> bytes:
        """
        Act where *part* is ``head``.
        """
        return self._act(exchange, head, 0) if self.part == "head" else head

    def on_message(self, exchange: ServerExchange, data: bytes, start: int) -> bytes:
        """
        Act where *part* is ``message``.
        """
        return self._act(exchange, data, start) if self.part == "message" else data

    def _act(self, exchange: ServerExchange, data: bytes, start: int) -> bytes:
        """
        Send the first part of *data* and return the second one. Both parts have bytes of the
        message, which begins at *start*, if it has two bytes or more.
        """
        length = len(data) - start
        at = self.random.randint(1, max(1, length - 1)) if self.at is None else self.at
        exchange.write(data[: start + at])
        self.between(exchange)
        return data[start + at :]

    @abc.abstractmethod
    def between(self, exchange: ServerExchange) -> None:
        """
        Act after the first part was sent.
        """


class Cut(PlacedFault):
    """
    The connection ends in the middle of a message.

    Options:
        at, part: as for every fault inside a message.
        reset: whether the connection ends with a TCP reset.
        seconds: how long nothing comes before the end, unless the fault is released earlier.
    """

    kind = "cut"

    def __init__(self, *, reset: bool = False, seconds: float = 0, **common: Any) -> None:
        super().__init__(**common)
        self.reset = reset
        self.seconds = seconds

    def between(self, exchange: ServerExchange) -> None:
        """
        Wait, and end the connection.
        """
        self.hold_to_the_end(exchange.connection, self.seconds)
        if self.reset:
            exchange.connection.reset()
        raise ConnectionEnded


class Split(PlacedFault):
    """
    A message comes in two parts.

    Options:
        at, part: as for every fault inside a message.
        seconds: how long the second part waits, unless the fault is released earlier.
    """

    kind = "split"

    def __init__(self, *, seconds: float = 0.2, **common: Any) -> None:
        super().__init__(**common)
        self.seconds = seconds

    def between(self, exchange: ServerExchange) -> None:
        """
        Wait before the second part.
        """
        self.hold(exchange.connection, self.seconds)


class Oversize(Fault):
    """
    A message is enlarged by white space, which has no meaning in JSON.

    Options:
        size: how many bytes its text then has.
    """

    kind = "oversize"
    combines = True

    def __init__(self, *, size: int, **common: Any) -> None:
        super().__init__(**common)
        self.size = size

    def on_payload(self, text: bytes) -> bytes:
        """
        Return the text with white space at its end.
        """
        return text.ljust(self.size)


class Replace(Fault):
    """
    A message has another text than the regular one.

    Options:
        text: the text.
    """

    kind = "replace"
    combines = True

    def __init__(self, *, text: str, **common: Any) -> None:
        super().__init__(**common)
        self.text = text.encode()

    def on_payload(self, text: bytes) -> bytes:
        """
        Return the other text.
        """
        return self.text


class InvalidJson(Fault):
    """
    A message whose text is incomplete, and so no JSON.
    """

    kind = "invalid_json"
    combines = True

    def on_payload(self, text: bytes) -> bytes:
        """
        Return the text without its end.
        """
        return text.rstrip()[:-1]


class InvalidUtf8(Fault):
    """
    A message with bytes that are not UTF-8.
    """

    kind = "invalid_utf8"
    combines = True

    def on_payload(self, text: bytes) -> bytes:
        """
        Return the text with such bytes in place of its last byte.
        """
        return text.rstrip()[:-1] + b"\xff\xfe"
