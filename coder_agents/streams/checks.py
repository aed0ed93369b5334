"""
Checks: requests beside a stream's connection, for late lines of a log and for containers that a
watch does not report.

A GET over a kept connection costs a tenth of a new WebSocket, and replaces no connection that
works. For a log, the deployment computes the answer to a GET of the lines after the floor exactly
as the first message of a follow. So such a GET settles the same ids.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Generic, ParamSpec

from coder_agents.errors import CoderError
from coder_agents.streams.pauses import PAUSES, Pauses
from coder_agents.streams.reconnect import requested_pause
from coder_agents.transport import Interest, KeptRequest

logger = logging.getLogger("coder_agents")

P = ParamSpec("P")


class Check(Generic[P]):
    """
    The checks beside one connection, one at a time.

    A failed check ends nothing: it is repeated later.

    Args:
        new_request: returns a new request.
        would_dial: whether a new request would dial.
        what: the name of the data, for messages.
        connect_timeout: the most seconds that a dial may take after many failures.
        pauses: the pauses between tries, and the limit of the first dials.

    Attributes:
        count: how many checks were answered.
        requested: when the check that was answered last was sent, by `time.monotonic`.
    """

    def __init__(
        self,
        new_request: Callable[P, KeptRequest],
        would_dial: Callable[[], bool],
        *,
        what: str,
        connect_timeout: float,
        pauses: Pauses = PAUSES,
    ) -> None:
        self._new_request = new_request
        self._would_dial = would_dial
        self._what = what
        self._connect_timeout = connect_timeout
        self._pauses = pauses
        self._request: KeptRequest | None = None
        self._not_before = 0.0
        self._failures = 0
        self._lent_out = 0  # how often in a row all connections were in use
        self._received_before = 0
        self._woken = False
        self.count = 0
        self.requested = 0.0

    @property
    def in_flight(self) -> bool:
        """
        Whether a check was begun and is not answered yet.
        """
        return self._request is not None

    @property
    def received(self) -> int:
        """
        How many bytes the checks have received.
        """
        request = self._request
        return self._received_before + (0 if request is None else request.received)

    def due_at(self, wanted_at: float | None) -> float:
        """
        Return the time to call `receive`: 0 (at once) while a check is in flight, infinity where no
        check is wanted, else *wanted_at*, or later where a check has failed.
        """
        if self._request is not None:
            return 0.0
        return math.inf if wanted_at is None else max(wanted_at, self._not_before)

    def receive(self, *args: P.args, **kwargs: P.kwargs) -> bytes | None:
        """
        Return the answer as JSON, or None while it has not come. Where no check is in flight, begin
        one; the arguments are those of its request.

        Raises *ClosedError* when woken.
        """
        request = self._request
        if request is None:
            request = self._request = self._new_request(*args, **kwargs)
            if self._woken:  # a later wake finds the request
                request.wake()
        try:
            dial = self._pauses.check_dial * 2.0**self._failures
            body = request.receive(min(dial, self._connect_timeout))
        except CoderError as error:
            self.failed(error)
            return None
        if body is not None:
            self.requested = request.requested
            self._drop()
            self._lent_out = 0
        elif request.lent_out:
            self._drop()
            self._lent_out += 1
            first, maximum = self._pauses.check_lent, self._pauses.max_check_lent
            pause = min(first * 2.0 ** min(self._lent_out - 1, 10), maximum)
            # Without jitter, a thousand logs that are due together would try again together.
            self._not_before = time.monotonic() + pause * random.uniform(0.5, 1.0)
        return body

    def succeeded(self) -> None:
        """
        Count the check that was answered last as a success.
        """
        self.count += 1
        self._failures = 0

    def failed(self, error: CoderError) -> None:
        """
        Drop the check in flight because of *error*, which may also come from reading its answer.
        """
        pause = self._pauses.check_retry * 2.0 ** min(self._failures, 10)
        pause = min(pause, self._pauses.max_check_retry)
        pause = max(pause, requested_pause(error))
        logger.debug(
            "%s: the next check comes in %.1f s at the earliest: %s", self._what, pause, str(error)
        )
        self._drop()
        self._failures += 1
        self._not_before = time.monotonic() + pause

    def _drop(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            self._received_before += request.received
            request.free()

    def interest(self) -> Interest | None:
        """
        Return what the check in flight waits for; None where it may have an answer now.
        """
        return None if self._request is None else self._request.interest()

    def interests_beside(
        self, interests: Sequence[Interest] | None, due: float
    ) -> Sequence[Interest] | None:
        """
        Return *interests*, those of the connection, and those of the check, which is due at *due*;
        None where one of the two may have input now.
        """
        if interests is None:
            return None
        if self.in_flight:
            interest = self.interest()
            return None if interest is None else (*interests, interest)
        return interests if due == math.inf else (*interests, Interest(None, 0, due))

    def may_connect(self) -> bool:
        """
        Whether the next `receive` may dial.
        """
        request = self._request
        return self._would_dial() if request is None else request.may_connect()

    def wake(self) -> None:
        """
        Stop the thread that reads with *ClosedError*; callable from any thread or signal handler.
        """
        self._woken = True
        request = self._request
        if request is not None:
            request.wake()

    def free(self) -> None:
        """
        Free the socket; a second call does nothing.
        """
        self._drop()
