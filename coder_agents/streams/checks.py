"""
Requests beside the connection that is read: for late lines of a log, for containers that a watch does
not report.

A GET over a kept connection costs a tenth of a new WebSocket, and no connection has to take the place of
one that works. For a log, the deployment computes the answer to a GET of the lines after the floor
exactly as the first message of a follow, so it settles as much.
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

    What fails ends nothing: the check is made again later.

    Args:
        new_request: makes the request.
        what: names what is read in messages.
        connect_timeout: seconds that a dial may take after many failures.
        pauses: between tries, and how long the first dials may take.

    Attributes:
        count: how many were answered.
        requested: when the one that was answered last had been sent, by `time.monotonic`.
    """

    def __init__(
        self,
        new_request: Callable[P, KeptRequest],
        *,
        what: str,
        connect_timeout: float,
        pauses: Pauses = PAUSES,
    ) -> None:
        self._new_request = new_request
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
        Whether one was begun and not answered yet.
        """
        return self._request is not None

    @property
    def received(self) -> int:
        """
        How many bytes have come.
        """
        request = self._request
        return self._received_before + (0 if request is None else request.received)

    def due_at(self, wanted_at: float | None) -> float:
        """
        Return when to call `receive`: at once where a check is in flight, never where none is
        wanted, else at *wanted_at*, or later where a check has failed.
        """
        if self._request is not None:
            return 0.0
        return math.inf if wanted_at is None else max(wanted_at, self._not_before)

    def receive(self, *args: P.args, **kwargs: P.kwargs) -> bytes | None:
        """
        Return the answer, as JSON; None while it has not come. Begins a check, with the arguments of
        its request, where none is in flight.

        Raises *ClosedError* when woken.
        """
        request = self._request
        if request is None:
            request = self._request = self._new_request(*args, **kwargs)
            if self._woken:  # whoever wakes from now on finds the request
                request.wake()
        try:
            dial = self._pauses.check_dial * 2.0**self._failures
            body = request.receive(min(dial, self._connect_timeout))
        except CoderError as error:
            self.failed(error)
            return None
        if body is not None:
            self.requested = request.asked
            self._leave()
            self._lent_out = 0
        elif request.lent_out:
            self._leave()
            self._lent_out += 1
            first, maximum = self._pauses.check_lent, self._pauses.max_check_lent
            pause = min(first * 2.0 ** min(self._lent_out - 1, 10), maximum)
            # Jitter, or a thousand logs that are due together would come back together.
            self._not_before = time.monotonic() + pause * random.uniform(0.5, 1.0)
        return body

    def succeeded(self) -> None:
        """
        Count the check whose answer came last.
        """
        self.count += 1
        self._failures = 0

    def failed(self, error: CoderError) -> None:
        """
        Leave the check in flight for *error*; also where its answer could not be read.
        """
        pause = self._pauses.check_retry * 2.0 ** min(self._failures, 10)
        pause = min(pause, self._pauses.max_check_retry)
        pause = max(pause, requested_pause(error))
        logger.debug("%s: no check for %.1f s: %s", self._what, pause, str(error))
        self._leave()
        self._failures += 1
        self._not_before = time.monotonic() + pause

    def _leave(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            self._received_before += request.received
            request.free()

    def interest(self) -> Interest | None:
        """
        Return what the check in flight waits for; None where it may have something now.
        """
        return None if self._request is None else self._request.interest()

    def interests_beside(
        self, interests: Sequence[Interest] | None, due: float
    ) -> Sequence[Interest] | None:
        """
        Return *interests*, those of the connection, with those of the check, which is due at *due*;
        None where one of both may have something now.
        """
        if interests is None:
            return None
        if self.in_flight:
            interest = self.interest()
            return None if interest is None else (*interests, interest)
        return interests if due == math.inf else (*interests, Interest(None, 0, due))

    def may_connect(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """
        Whether `receive` may dial.
        """
        request = self._request or self._new_request(*args, **kwargs)
        return request.may_connect()

    def wake(self) -> None:
        """
        Make whoever reads stop with *ClosedError*; from any thread or signal handler.
        """
        self._woken = True
        request = self._request
        if request is not None:
            request.wake()

    def free(self) -> None:
        """
        Free the socket, also twice.
        """
        self._leave()
