"""
The control shells of one place: kept while in use, replaced when they break.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable

from coder_agents.errors import CoderError, ControlShellError, UnsupportedError
from coder_agents.jobs.answers import Answer
from coder_agents.jobs.requests import Inside, Request
from coder_agents.jobs.results import error_of, facts_of
from coder_agents.jobs.shell import WAITS, ControlShell, Place, Waits
from coder_agents.streams.reconnect import (
    Outage,
    Reconnect,
    is_resumable,
    requested_pause,
    without_frames,
)
from coder_agents.transport import ClosedError, DroppedError, fork

_RETRY = Reconnect(initial=0.1, maximum=5.0, give_up_after=None)
_MAX_NONSENSE = 3  # answers in a row that make no sense, after which nothing is tried again


Lend = Callable[[ControlShell | None], object]
"""
Is called with a control shell before it is used, and with None afterwards.
"""


class UnreachableError(Exception):
    """
    No control shell could be had any more.

    Attributes:
        failure: what came last.
        was_sent: whether the request was sent at least once.
    """

    def __init__(self, failure: CoderError | DroppedError, *, was_sent: bool) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.was_sent = was_sent


class Shells:
    """
    Sends requests to a place. Any number of threads may use it; each has a control shell while it does.

    Args:
        place: where commands run.
        give_up_after: seconds for which a request is tried again.
    """

    def __init__(self, place: Place, *, give_up_after: float, waits: Waits = WAITS) -> None:
        self.place = place
        self._give_up_after = give_up_after
        self._waits = waits
        self._kept: list[ControlShell] = []
        self._lock = threading.Lock()
        self._closer: threading.Thread | None = None
        self._is_over = threading.Event()
        fork.register(self)
        self._finalizer = weakref.finalize(self, _close_all, self._kept, self._is_over)

    def call(
        self,
        request: Request,
        *,
        wait: float = 0,
        on_lend: Callable[[ControlShell | None], object] = bool,
    ) -> list[Answer]:
        """
        Return the answers to *request*, sent again over another control shell where one breaks.

        *wait* is the seconds that the agent may take before it answers. *on_lend* is called with the control
        shell that is used, and with None when that is over.

        Raises *CoderError* where the deployment refuses, *OSError* for an answer ``ERR``, *UnreachableError*
        where no answer came for so long as this object tries, *ClosedError* when the shell is woken.
        """
        outage: Outage | None = None
        was_sent = False
        nonsense = 0
        while True:
            broken: CoderError | DroppedError
            try:
                shell = self._lend(outage)
                repeated, was_sent = was_sent, True
                return self._request(shell, request, repeated, wait, on_lend)
            except ControlShellError as error:
                nonsense += 1
                if nonsense >= _MAX_NONSENSE:
                    raise
                broken = error
            except DroppedError as error:
                broken = error
            except CoderError as error:
                if not is_resumable(error):
                    raise
                broken = error
            outage = self._pause(outage, broken, was_sent=was_sent)

    def _request(
        self, shell: ControlShell, request: Request, repeated: bool, wait: float, on_lend: Lend
    ) -> list[Answer]:
        is_whole = False
        try:
            on_lend(shell)
            answers = shell.request(request, repeated=repeated, wait=wait)
            is_whole = True
        finally:
            on_lend(None)
            if is_whole:
                self._keep(shell)
            else:
                shell.close()
        if answers[-1].status == "ERR":
            raise error_of(answers[-1])
        return answers

    def _pause(
        self, outage: Outage | None, broken: CoderError | DroppedError, *, was_sent: bool
    ) -> Outage:
        now = time.monotonic()
        outage = outage or Outage(since=now)
        without_frames(broken)
        if now - outage.since >= self._give_up_after:
            raise UnreachableError(broken, was_sent=was_sent) from None
        delay = outage.pause(_RETRY, requested_pause(broken), now) or 0.0
        time.sleep(min(delay, max(0.0, outage.since + self._give_up_after - now)))
        return outage

    def _lend(self, outage: Outage | None) -> ControlShell:
        while (shell := self._taken()) is not None:
            if shell.is_usable:
                return shell
            shell.close()
        since = time.monotonic() if outage is None else outage.since
        open_by = since + self._give_up_after + 1
        shell = ControlShell(self.place, open_by=open_by, waits=self._waits)
        try:
            shell.open()
            if self.place.container:
                self._check_inside(shell)
        except BaseException:
            shell.close()
            raise
        return shell

    def _check_inside(self, shell: ControlShell) -> None:
        """
        Raise *UnsupportedError* where *shell* is not in the container: an agent whose containers are switched
        off ignores the parameter, and runs the command on its machine.
        """
        [answer] = shell.request(Inside(self.place.container))
        if facts_of(answer).get("inside") != "yes":
            raise UnsupportedError(
                f"{self.place.what}: the agent did not run the command in the container"
                f" {self.place.container!r}; nothing was run. Containers are switched off there, or the container's"
                " id is another one"
            )

    def _taken(self) -> ControlShell | None:
        with self._lock:
            return self._kept.pop() if self._kept else None

    def _keep(self, shell: ControlShell) -> None:
        with self._lock:
            self._kept.append(shell)
            if self._closer is None or not self._closer.is_alive():
                target = weakref.ref(self)
                self._closer = threading.Thread(
                    target=_close_idle,
                    args=(target, self._is_over, self._waits.idle),
                    name=f"idle control shells of {self.place.what}",
                    daemon=True,
                )
                self._closer.start()

    def brief(self) -> Shells:
        """
        Return control shells of the same place that are tried for a few seconds only.
        """
        return Shells(self.place, give_up_after=min(3.0, self._give_up_after), waits=self._waits)

    def close_idle(self) -> bool:
        """
        Close the control shells that were not used for long; return whether others are kept.
        """
        now = time.monotonic()
        with self._lock:
            idle = [each for each in self._kept if now - each.idle_since >= self._waits.idle]
            for each in idle:
                self._kept.remove(each)
            is_left = bool(self._kept)
            if not is_left:
                self._closer = None
        for each in idle:
            each.close()
        return is_left

    def close(self) -> None:
        """
        Close all control shells that nobody uses, also twice. Jobs live on.
        """
        with self._lock:
            kept, self._kept[:] = list(self._kept), []
        for each in kept:
            each.close()

    def after_fork_in_child(self) -> None:
        """
        Drop the parent's control shells; their sockets are closed by who holds them.
        """
        self._lock = threading.Lock()
        self._kept.clear()
        self._closer = None
        self._is_over = threading.Event()


def _close_idle(shells: weakref.ref[Shells], is_over: threading.Event, idle: float) -> None:
    while not is_over.wait(idle / 3):
        held = shells()
        if held is None or not held.close_idle():
            return
        del held


def _close_all(kept: list[ControlShell], is_over: threading.Event) -> None:
    is_over.set()
    for shell in kept:
        with contextlib.suppress(ClosedError, DroppedError):
            shell.close()
