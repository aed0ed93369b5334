"""
A connection that is made again when it breaks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from coder_agents.errors import APIError, CoderError, StreamError, TransportError
from coder_agents.streams.options import StreamEnd, StreamOptions
from coder_agents.streams.reconnect import Outage, asked_pause, is_resumable
from coder_agents.transport import Alarm, ClosedError, DroppedError, Source, Wait

logger = logging.getLogger("coder_agents")

M = TypeVar("M")
Broken = DroppedError | CoderError


class EndedError(Exception):
    """
    The stream is over: for *end*, and with *failure* to raise where there is one.
    """

    def __init__(self, end: StreamEnd, failure: CoderError | None = None) -> None:
        super().__init__(str(end))
        self.end = end
        self.failure = failure


class Link(Generic[M]):
    """
    Owns the sources of one stream: the one that is read, and one that is being dialled.

    One thread at a time may use it; any thread or signal handler may wake it.

    Args:
        new_source: makes the next source, unopened.
        judge: is asked first what a break means. It returns the seconds until the next try,
            or None for the rules of *options*; it may raise *EndedError*.

    Attributes:
        what: names it in messages.
        asked: when the connection that is read was asked for, by `time.monotonic`.
        messages: how many messages it has given.
        reconnects: how many connections were made again after one broke.
        quietly: whether a break is to be expected, as nobody has read for long.
    """

    def __init__(
        self,
        new_source: Callable[[], Source[M]],
        judge: Callable[[Broken], float | None],
        *,
        what: str,
        options: StreamOptions,
    ) -> None:
        self._new_source = new_source
        self._judge = judge
        self.what = what
        self._options = options
        self._source: Source[M] | None = None
        self._dialled: Source[M] | None = None
        self._woken = False
        self._alarm = Alarm()
        self._outage: Outage | None = None
        self._retry_at = 0.0
        self._broke = False
        self._received_before = 0
        self.asked = 0.0
        self.messages = 0
        self.reconnects = 0
        self.quietly = False

    @property
    def pinged(self) -> bool:
        """
        Whether the connection that is read lived to see a ping.
        """
        return self._source is not None and self._source.pinged

    @property
    def broken(self) -> bool:
        """
        Whether there is no connection to read, so that `receive` makes one when it is time.
        """
        return self._source is None

    @property
    def received(self) -> int:
        """
        How many bytes have come over all connections.
        """
        current = 0 if self._source is None else self._source.received
        return self._received_before + current

    def dial(self) -> None:
        """
        Connect, and leave the connection there was.

        Raises what `Source.open` raises; the connection there was then stays.
        """
        source = self._new_source()
        self._dialled = source
        self._check()
        asked = time.monotonic()
        try:
            source.open()
        except Exception:
            self._dialled = None
            raise
        self._leave(polite=True)
        self._source, self._dialled, self.asked = source, None, asked
        self._check()

    def receive(self, until: float | None) -> M | None:
        """
        Return the next message; None at the time *until*, or after connecting again.

        Raises *EndedError* and *ClosedError*.
        """
        self._check()
        if self._source is None:
            self._resume(until)
            return None
        broken: Broken
        try:
            message = self._source.receive(until)
        except (DroppedError, APIError, TransportError) as error:  # the last two while it polls
            broken = error
        else:
            if message is not None:
                self.messages += 1
                self.quietly = False
            return message
        self.lost(broken)
        return None

    def waits_for(self) -> Wait | None:
        """
        Return what to wait for before `receive` does something; None where it may now.
        """
        if self._source is None:
            return Wait(None, writable=False, until=self._retry_at)
        return self._source.waits_for()

    def fetch(self, source: Source[M]) -> M | None:
        """
        Return the one message of *source*, which is asked beside the stream.

        Raises *CoderError* where there is none, *ClosedError* when woken.
        """
        self._dialled = source
        self._check()
        try:
            source.open()
            return source.receive(None)
        except DroppedError as drop:
            broken = self._failure(drop)
        finally:
            source.free()
            self._dialled = None
        raise broken

    def progress(self) -> None:
        """
        Note that something new has come: an outage, if there was one, is over.
        """
        self._outage = None

    def _resume(self, until: float | None) -> None:
        if not self.waited(until):
            return
        try:
            self.dial()
        except CoderError as error:
            broken = error
        else:
            self.reconnects += self._broke
            return
        self.lost(broken)

    def rest(self, seconds: float) -> None:
        """
        Leave the connection there is; *seconds* from now the next may be made.
        """
        self._leave(polite=True)
        self._retry_at = time.monotonic() + seconds
        self._broke = False

    def waited(self, until: float | None) -> bool:
        """
        Wait for when the next connection may be made, no longer than *until*; return whether
        it may.

        Raises *ClosedError* when woken.
        """
        pause = self._retry_at - time.monotonic()
        self._alarm.wait(pause if until is None else min(pause, until - time.monotonic()))
        self._check()
        return time.monotonic() >= self._retry_at

    def lost(self, broken: Broken) -> None:
        """
        Leave a connection that broke, or that could not be made; decide when the next may be.

        Raises *EndedError* where there shall be none.
        """
        self._broke = True
        if self.pinged:
            self.progress()
        delay = self._judge(broken)
        self._leave(polite=False)
        if delay is None:
            delay = self._pause(broken)
        self._retry_at = time.monotonic() + delay
        self._tell(broken, delay)

    def _pause(self, broken: Broken) -> float:
        policy = self._options.reconnect
        failure = self._failure(broken)
        if policy is None or not is_resumable(broken):
            raise EndedError(StreamEnd.FAILED, failure)
        now = time.monotonic()
        if self._outage is None:
            self._outage = Outage(since=now)
        self._outage.attempts += 1
        delay = max(policy.delay(self._outage.attempts), asked_pause(broken))
        limit = policy.give_up_after
        if limit is not None and now + delay - self._outage.since > limit:
            raise EndedError(StreamEnd.GAVE_UP, failure)
        return delay

    def _failure(self, broken: Broken) -> CoderError:
        if isinstance(broken, CoderError):
            return broken
        return StreamError(f"{self.what}: {broken}", code=broken.code, reason=broken.reason)

    def _tell(self, broken: Broken, delay: float) -> None:
        attempt = 1 if self._outage is None else self._outage.attempts
        level = logging.DEBUG if self.quietly else logging.INFO
        logger.log(
            level, "%s: %s; connecting again in %.1f s (try %d)", self.what, broken, delay, attempt
        )
        if self._options.on_reconnect is not None:
            self._options.on_reconnect(str(broken), attempt, delay)

    def _leave(self, *, polite: bool) -> None:
        source, self._source = self._source, None
        self.messages = 0
        if source is not None:
            self._received_before += source.received
            (source.close if polite else source.free)()

    def _check(self) -> None:
        if self._woken:
            raise ClosedError

    def wake(self) -> None:
        """
        Make whoever dials, receives or waits stop with *ClosedError*; from anywhere.
        """
        self._woken = True
        for source in (self._source, self._dialled):
            if source is not None:
                source.wake()
        self._alarm.ring()

    def close(self) -> None:
        """
        Take leave of the server and free the socket. Only while nobody uses the link.
        """
        self._woken = True
        self._leave(polite=True)
        if self._dialled is not None:  # where Ctrl-C came while it was opened
            self._dialled.free()
