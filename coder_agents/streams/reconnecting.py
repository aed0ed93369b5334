"""
A connection that is replaced by a new one when it breaks.
"""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Generic, NoReturn, TypeVar

from coder_agents.errors import CoderError, StreamError
from coder_agents.streams.engine import EndedError
from coder_agents.streams.options import StreamEnd, StreamOptions
from coder_agents.streams.reconnect import Outage, is_resumable, requested_pause
from coder_agents.transport import ClosedError, DroppedError, Interest, Source

logger = logging.getLogger("coder_agents")

M = TypeVar("M", bound=Sized)
Broken = DroppedError | CoderError

_MAX_BATCH = 16 * 1024  # bytes; larger batches are not faster, and exceed the processor's caches


class ReconnectingConnection(Generic[M]):
    """
    Owns the one source that a feed reads, the back-off and the outage.

    Connecting has two steps, so that waiting for an answer blocks no other work: the request is
    sent, then the answer is read. Only the dial before the request blocks.

    Args:
        new_source: returns the next source, unopened.
        what: the name of the connection, for messages.
        connect_timeout: the most seconds that a dial may take.

    Attributes:
        new_source: as above.
        what: as above.
        sent: whether the request of the current connection was sent.
        requested: when the current connection was requested, by `time.monotonic`.
        messages: how many messages the current connection has returned.
        has_more: whether bytes of the next message came together with the last one.
        reconnects: how many connections were made after an earlier one broke.
        outage: the tries since the connection last made progress; None while it works.
        expects_break: whether a break is expected, because no thread has read for a long time.
    """

    def __init__(
        self,
        new_source: Callable[[], Source[M]],
        *,
        what: str,
        options: StreamOptions,
        connect_timeout: float,
    ) -> None:
        self.new_source = new_source
        self.what = what
        self._options = options
        self._connect_timeout = connect_timeout
        self._source: Source[M] | None = None
        self._answered = False
        self._put_back: collections.deque[M] = collections.deque()
        self._broken: Broken | None = None  # raised after the messages that came before it
        self._woken = False
        self.outage: Outage | None = None
        self._retry_at = 0.0
        self._is_disconnected = False
        self._received_before = 0
        self.sent = False
        self.requested = 0.0
        self.messages = 0
        self.has_more = False
        self.reconnects = 0
        self.expects_break = False

    @property
    def pinged(self) -> bool:
        """
        Whether the current connection has received a ping.
        """
        return self._source is not None and self._source.pinged

    @property
    def received(self) -> int:
        """
        How many bytes all connections have received.
        """
        source = self._source
        return self._received_before + (0 if source is None else source.received)

    def connected(self) -> bool:
        """
        Take the next step towards a connection; return whether it is open.

        Raises what `Source.send_request` and `Source.answered` raise.
        """
        source = self._source
        if source is None:
            if time.monotonic() < self._retry_at:
                return False
            source = self._source = self.new_source()
            if self._woken:  # a later wake finds the source
                raise ClosedError
            self.requested = time.monotonic()
            source.send_request(self._connect_timeout)
            self.sent = True
        if not source.answered():
            return False
        self._answered = True
        self.reconnects += self._is_disconnected
        self._is_disconnected = False
        return True

    def receive(self) -> M | None:
        """
        Return the next message, None where none has come; connect where a connection is due.

        Raises *ClosedError* when woken, and the error that broke the connection: pass that error to
        `disconnected`.
        """
        if self._put_back:
            return self._put_back.popleft()
        if self._broken is not None:
            self._raise_broken()
        if not self._answered and not self.connected():
            return None
        source = self._source
        assert source is not None
        message = source.receive()
        if message is not None:
            self.messages += 1
            self.has_more = source.has_input and len(message) < _MAX_BATCH
            self.expects_break = False
        return message

    def arrived(self) -> Sequence[M]:
        """
        Return the messages that came together with the last one.

        A burst of lines comes as many small messages, and taking them together costs a fraction. An
        error that breaks the connection meanwhile is raised by the next `receive`.
        """
        messages: list[M] = []
        size = 0
        source = self._source
        assert source is not None
        max_messages = self._options._pauses.max_messages
        while source.has_input and size < _MAX_BATCH and len(messages) < max_messages:
            try:
                message = source.receive()
            except (DroppedError, CoderError) as broken:
                self._broken = broken
                break
            if message is None:
                break
            size += len(message)
            messages.append(message)
        self.messages += len(messages)
        self.has_more = False
        return messages

    def put_back(self, messages: Iterable[M]) -> None:
        """
        Make `receive` return the last *messages* once more, one by one.
        """
        self._put_back.extend(messages)

    def _raise_broken(self) -> NoReturn:
        broken, self._broken = self._broken, None
        assert broken is not None
        try:
            raise broken.with_traceback(None)
        finally:
            del broken  # the exception, its traceback and this frame would form a cycle

    def disconnected(self, broken: Broken, delay: float | None = None) -> None:
        """
        Drop the connection after *broken* and plan the next one: *delay* seconds from now, or with
        None after the back-off of the options.

        Raises *EndedError* where no further connection is made.
        """
        if self.pinged:
            self.progress()
        if self.outage is not None and self._source is not None:
            self.outage.since += self._source.waited  # no try failed while one waited for its turn
        self.drop()
        self._is_disconnected = True
        if delay is None:
            delay = self.pause(broken)
        self._retry_at = time.monotonic() + delay
        self._report(broken, delay)

    def pause(self, broken: Broken) -> float:
        """
        Return the seconds until the next try after *broken*.

        Raises *EndedError* where no try is left.
        """
        policy = self._options.reconnect
        if policy is None or not is_resumable(broken):
            raise EndedError(StreamEnd.FAILED, self._failure(broken))
        now = time.monotonic()
        if self.outage is None:
            self.outage = Outage(since=now)
        delay = self.outage.pause(policy, requested_pause(broken), now)
        if delay is None:
            raise EndedError(StreamEnd.GAVE_UP, self._failure(broken))
        return delay

    def _failure(self, broken: Broken) -> CoderError:
        if isinstance(broken, CoderError):
            return broken
        return StreamError(f"{self.what}: {broken}", code=broken.code, reason=broken.reason)

    def _report(self, broken: Broken, delay: float) -> None:
        attempt = 1 if self.outage is None else self.outage.attempts
        level = logging.DEBUG if self.expects_break else logging.INFO
        reason = str(broken)  # text: a log record that is kept must not keep the exception
        logger.log(
            level, "%s: %s; connecting again in %.1f s (try %d)", self.what, reason, delay, attempt
        )
        if self._options.on_reconnect is not None:
            self._options.on_reconnect(reason, attempt, delay)

    def progress(self) -> None:
        """
        Note that the connection works: a later break begins another outage.
        """
        self.outage = None

    def drop(self, *, with_close_frame: bool = False) -> None:
        """
        Drop the current connection; the next read makes a new one at once.
        """
        source, self._source = self._source, None
        self._put_back.clear()
        self._broken = None
        self.has_more = False
        self._answered = self.sent = False
        self.messages = 0
        self._retry_at = 0.0
        self._is_disconnected = False
        if source is not None:
            self._received_before += source.received
            if with_close_frame:
                source.close()
            else:
                source.free()

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before another step; None where a step may find input now.
        """
        if self._source is None:
            return (Interest(None, 0, self._retry_at),)
        interest = self._source.interest()
        return None if interest is None else (interest,)

    def may_connect(self) -> bool:
        """
        Whether another step may dial.
        """
        if self._source is None:
            return self._retry_at <= time.monotonic()
        return self._source.may_connect()

    def wake(self) -> None:
        """
        Stop the thread that reads with *ClosedError*; callable from any thread or signal handler.
        """
        self._woken = True
        source = self._source
        if source is not None:
            source.wake()

    def free(self) -> None:
        """
        Send a close frame and free the socket. Only while no thread uses the connection.
        """
        self._woken = True
        self.drop(with_close_frame=True)
