"""
The interface of a source of messages.
"""

from __future__ import annotations

import abc
from typing import Generic, TypeVar

from coder_agents.transport.waiting import Interest

M = TypeVar("M")


class Source(abc.ABC, Generic[M]):
    """
    A source of messages.

    Only a dial waits. One thread at a time may open, receive, close and free; any thread or signal
    handler may wake.

    Attributes:
        pinged: whether the peer has sent a ping, so that the connection works.
        has_input: whether bytes of the next message have come already.
    """

    pinged = False
    has_input = False

    @abc.abstractmethod
    def send_request(self, timeout: float) -> None:
        """
        Connect, within *timeout* seconds in all, and send the request.

        Raises *TransportError* where the deployment cannot be reached, *ClosedError* when woken.
        """

    @abc.abstractmethod
    def answered(self) -> bool:
        """
        Return whether the deployment has accepted the request. Where `may_connect` is true, it
        dials.

        Raises *APIError* where it refuses, *TransportError* where no answer came in time,
        *DecodeError* where it answers with something else, *ClosedError* when woken.
        """

    @abc.abstractmethod
    def receive(self) -> M | None:
        """
        Return the next message, None while it is not complete.

        Bytes that came are kept: the next call continues where this one ended.

        Raises *ClosedError* when woken, *DroppedError* at the end of the connection and after
        *idle_timeout* without a byte, *MessageTooLargeError*; a source that sends several requests
        raises also the errors of `send_request` and `answered`.
        """

    @abc.abstractmethod
    def interest(self) -> Interest | None:
        """
        Return what to wait for before the next step; None where a step may find input now.
        """

    def may_connect(self) -> bool:
        """
        Whether the next `answered` or `receive` may dial.
        """
        return False

    @property
    def waited(self) -> float:
        """
        For how many seconds requests have waited for their turns; see `Pace`.
        """
        return 0.0

    @property
    @abc.abstractmethod
    def received(self) -> int:
        """
        How many bytes have come, headers included.
        """

    @abc.abstractmethod
    def wake(self) -> None:
        """
        Stop the thread that opens or receives with *ClosedError*; callable from any thread or
        signal handler.
        """

    def close(self) -> None:
        """
        Send the peer a close frame if that needs no waiting, and free the socket.

        Only while no thread reads.
        """
        self.free()

    @abc.abstractmethod
    def free(self) -> None:
        """
        Free the socket. Only the thread that reads may call it, or any thread while none reads.
        """
