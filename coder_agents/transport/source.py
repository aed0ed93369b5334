"""
What every source of messages can do: it is requested and answered, can be woken and freed.
"""

from __future__ import annotations

import abc
from typing import Generic, TypeVar

from coder_agents.transport.connection import Interest

M = TypeVar("M")


class Source(abc.ABC, Generic[M]):
    """
    Where messages come from.

    Nothing but a dial waits. One thread at a time may open, receive, close and free; any thread or
    signal handler may wake.

    Attributes:
        pinged: whether the peer has sent a ping: the connection works.
        has_input: whether bytes of the next message are here already.
    """

    pinged = False
    has_input = False

    @abc.abstractmethod
    def ask(self, timeout: float) -> None:
        """
        Connect, within *timeout* seconds in all, and send the request.

        Raises *TransportError* where the deployment cannot be reached, *ClosedError* when woken.
        """

    @abc.abstractmethod
    def answered(self) -> bool:
        """
        Return whether the deployment has accepted the request.

        Raises *APIError* where it refuses, *TransportError* where no answer came in time,
        *DecodeError* where it answers with something else, *ClosedError* when woken.
        """

    @abc.abstractmethod
    def receive(self) -> M | None:
        """
        Return the next message, None where it is not whole yet.

        Nothing that came is lost: the next call continues where this one ended.

        Raises *ClosedError* when woken, *DroppedError* at the end of the connection and
        after *idle_timeout* without a byte, *MessageTooLargeError*; a source that requests
        again and again also what `ask` and `answered` raise.
        """

    @abc.abstractmethod
    def interest(self) -> Interest | None:
        """
        Return what to wait for before the next step; None where it may find something now.
        """

    def may_connect(self) -> bool:
        """
        Whether the next `receive` may dial.
        """
        return False

    @property
    @abc.abstractmethod
    def received(self) -> int:
        """
        How many bytes have come, headers and all.
        """

    @abc.abstractmethod
    def wake(self) -> None:
        """
        Make whoever opens or receives stop with *ClosedError*; from any thread or signal handler.
        """

    def close(self) -> None:
        """
        Say goodbye to the peer, as far as that takes no waiting, and free the socket.

        Only while nobody reads.
        """
        self.free()

    @abc.abstractmethod
    def free(self) -> None:
        """
        Free the socket. Only for whoever reads, or while nobody does.
        """
