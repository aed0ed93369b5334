"""
Faults inside one message.
"""

from __future__ import annotations

from typing import Any

from coder_agents.testing.connection import ConnectionEnded
from coder_agents.testing.exchange import Exchange
from coder_agents.testing.faults.fault import Fault


class PlacedFault(Fault):
    """
    A fault inside one message.

    Options:
        at: how many bytes of the message come before it (what frames the message
            counts too); by default left to chance.
    """

    def __init__(self, *, at: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.at = at

    def halves(self, data: bytes, start: int) -> tuple[bytes, bytes]:
        """
        *data* in two parts; both hold a byte of the message where it has two.
        """
        length = len(data) - start
        at = self.random.randint(1, max(1, length - 1)) if self.at is None else self.at
        return data[: start + at], data[start + at :]


class Cut(PlacedFault):
    """
    The connection ends in the middle of a message.

    Options:
        at: as for every fault inside a message.
        reset: whether it ends with a TCP reset.
    """

    kind = "cut"

    def __init__(self, *, reset: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.reset = reset

    def on_message(self, exchange: Exchange, data: bytes, start: int) -> bytes:
        """
        Send the first part and end.
        """
        exchange.write(self.halves(data, start)[0])
        if self.reset:
            exchange.connection.reset()
        raise ConnectionEnded


class Split(PlacedFault):
    """
    A message comes in two parts.

    Options:
        at: as for every fault inside a message.
        seconds: how long the second part waits, unless it is released before.
    """

    kind = "split"

    def __init__(self, *, seconds: float = 0.2, **common: Any) -> None:
        super().__init__(**common)
        self.seconds = seconds

    def on_message(self, exchange: Exchange, data: bytes, start: int) -> bytes:
        """
        Send the first part, wait, and leave the second.
        """
        first, second = self.halves(data, start)
        exchange.write(first)
        self.hold(exchange, self.seconds)
        return second


class Oversize(Fault):
    """
    A message is made larger by white space, which means nothing in JSON.

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
        The text, filled up.
        """
        return text.ljust(self.size)


class Replace(Fault):
    """
    A message has another text than the right one.

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
        The other text.
        """
        return self.text


class InvalidJson(Fault):
    """
    A message whose text breaks off: it is no JSON.
    """

    kind = "invalid_json"
    combines = True

    def on_payload(self, text: bytes) -> bytes:
        """
        The text without its end.
        """
        return text.rstrip()[:-1]


class InvalidUtf8(Fault):
    """
    A message with bytes that are no UTF-8.
    """

    kind = "invalid_utf8"
    combines = True

    def on_payload(self, text: bytes) -> bytes:
        """
        The text with such bytes before its end.
        """
        return text.rstrip()[:-1] + b"\xff\xfe"
