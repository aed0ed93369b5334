"""
The control shells of one place: kept while in use, replaced when they break.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
import weakref

import attrs

from coder_agents.errors import CoderError, ControlShellError, UnsupportedError
from coder_agents.jobs.answers import Answer
from coder_agents.jobs.container import check_container
from coder_agents.jobs.idle import close_all, close_idle
from coder_agents.jobs.loan import Loan
from coder_agents.jobs.requests import Inside, Request
from coder_agents.jobs.results import error_of, facts_of
from coder_agents.jobs.shell import WAITS, ControlShell, LateError, Place, Waits
from coder_agents.streams.reconnect import (
    Reconnect,
    is_resumable,
    requested_pause,
    without_frames,
)
from coder_agents.transport import ClosedError, DroppedError, fork, unwoken

_RETRY = Reconnect(initial=0.1, maximum=5.0, give_up_after=None)
_MAX_NONSENSE = 3  # answers in a row that make no sense, after which nothing is tried again
_ON_THE_WAY = 0.5  # seconds after a deadline in which an answer to a request still counts
_PLACES = ("host", "mounts", "processes")  # facts that are equal in all processes of one place


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
        give_up_after: seconds without an answer after which no other control shell is tried.
    """

    def __init__(self, place: Place, *, give_up_after: float, waits: Waits = WAITS) -> None:
        self.place = place
        self._give_up_after = give_up_after
        self._waits = waits.within(give_up_after)
        self._inside = Inside(place.container)
        self._was_inside = False
        self._machine: Shells | None = None
        self._kept: list[ControlShell] = []
        self._owed: list[Request] = []  # posted, and not known to be executed
        self._lock = threading.RLock()  # a signal handler may close, too
        self._closer: threading.Thread | None = None
        self._is_over = threading.Event()
        fork.register(self)
        self._finalizer = weakref.finalize(self, close_all, self._kept, self._is_over)

    @property
    def max_wait(self) -> float:
        """
        Seconds that an agent may be left to wait for something before it answers.
        """
        return self._waits.answer

    @property
    def is_connected(self) -> bool:
        """
        Whether a control shell is kept whose connection stands, as far as is known without a request.
        """
        with self._lock:
            return any(shell.is_usable for shell in self._kept)

    def call(
        self,
        request: Request,
        *,
        wait: float = 0,
        loan: Loan | None = None,
        deadline: float = math.inf,
    ) -> list[Answer]:
        """
        Return the answers to *request*, sent again over another control shell where one breaks.

        *wait* is the seconds that the agent may take before it answers. *loan* is what wakes the
        call; it counts the tries, also of the calls after a *LateError*. Such a call takes the answer
        that was still due, so its request is the same but for *wait*.

        Raises *CoderError* where the deployment refuses, *OSError* for an answer ``ERR``,
        *UnreachableError* where no answer came for so long as this object tries, *LateError* where none has
        come soon after *deadline*, *ClosedError* when woken.
        """
        loan = Loan() if loan is None else loan
        self.place.http.opening(loan)
        while True:
            broken: CoderError | DroppedError
            try:
                answers = self._request(request, wait, loan, deadline + _ON_THE_WAY)
            except DroppedError as error:
                broken = error
            except CoderError as error:
                loan.nonsense += isinstance(error, ControlShellError)
                if not self._may_retry(error, loan):
                    raise
                broken = error
            else:
                loan.answered()
                if answers[-1].status == "ERR":
                    raise error_of(answers[-1])
                return answers
            self._pause(without_frames(broken), loan, deadline)

    def post(self, request: Request) -> None:
        """
        Send *request*, which may be executed twice, and do not wait for its answer.

        Where the connection breaks before the answer, or none is open, the request is sent after the next
        one. No failure of the request is raised.
        """
        self._owed.append(request)
        loan = Loan()
        try:
            shell = self._taken(loan)
            if shell is not None:
                self._keep(shell)
            loan.shell = None
        finally:
            self._drop(loan)

    def _pay(self, shell: ControlShell) -> bool:
        """
        Send over *shell* what was posted and has no answer; return whether the connection stands.
        """
        try:
            for request in list(self._owed):
                # Sent before it is removed: an interrupt in between sends it twice, and not never; as two
                # threads may do.
                shell.post(request)
                with contextlib.suppress(ValueError):
                    self._owed.remove(request)
        except (ClosedError, DroppedError):
            return False
        return True

    def _drop(self, loan: Loan) -> None:
        if loan.shell is not None:
            self._owed += loan.shell.unanswered
        loan.drop()

    def _may_retry(self, error: CoderError, loan: Loan) -> bool:
        if isinstance(error, ControlShellError):
            return loan.nonsense < _MAX_NONSENSE
        return is_resumable(error)

    def _request(self, request: Request, wait: float, loan: Loan, deadline: float) -> list[Answer]:
        try:
            shell = self._lend(loan, deadline)
            if shell.is_due:
                answers = shell.answers(deadline)
            else:
                is_repeated, loan.was_sent = loan.was_sent, True
                answers = shell.request(request, repeated=is_repeated, wait=wait, deadline=deadline)
            self._keep(shell)
        except LateError:
            raise  # the loan holds the control shell for the next call
        except ClosedError:
            self._drop(loan)
            loan.check()
            # Somebody else who had it before was woken just when the request was over.
            raise DroppedError("the control shell was woken") from None
        except BaseException:
            self._drop(loan)
            raise
        loan.shell = None
        return answers

    def _pause(self, broken: CoderError | DroppedError, loan: Loan, deadline: float) -> None:
        now = time.monotonic()
        outage = loan.broken(now - getattr(broken, "silent_for", 0.0))
        left = outage.since + self._give_up_after - now
        if left <= 0:
            raise UnreachableError(broken, was_sent=loan.was_sent) from None
        delay = outage.pause(_RETRY, requested_pause(broken), now) or 0.0
        loan.pause(min(now + min(delay, left), deadline))
        if time.monotonic() >= deadline:
            raise LateError

    def _lend(self, loan: Loan, deadline: float) -> ControlShell:
        shell = loan.shell or self._taken(loan) or self._new(loan)
        if not shell.is_open:
            self._open(shell, deadline)
        return shell

    def _open(self, shell: ControlShell, deadline: float) -> None:
        place = self.place
        try:
            shell.open(deadline)
        except DroppedError:
            # Once a container was there, its absence is an outage like others.
            if place.container and not self._was_inside:
                check_container(place.http, place.agent_id, place.container, what=place.what)
            raise
        if place.container:
            self._check_inside(shell)
            self._was_inside = True

    def _new(self, loan: Loan) -> ControlShell:
        since = time.monotonic() if loan.outage is None else loan.outage.since
        shell = ControlShell(self.place, open_by=since + self._give_up_after + 1, waits=self._waits)
        loan.take(shell)
        return shell

    def _check_inside(self, shell: ControlShell) -> None:
        """
        Raise *UnsupportedError* where *shell* is not in the container: an agent whose containers are
        switched off ignores the parameter, and runs the command on its machine.
        """
        [answer] = shell.request(self._inside)
        facts = facts_of(answer)
        if "1" in (facts.get("mount"), facts.get("name")):
            return
        machine = self._facts_of_machine()
        if not any(facts.get(name) and facts[name] != machine.get(name) for name in _PLACES):
            raise UnsupportedError(
                f"{self.place.what}: the agent did not open the container {self.place.container!r},"
                " and nothing was run. The agent's containers are switched off, or there is no such"
                " container",
                call="agent.run()",
                found="the agent's machine",
            )

    def _facts_of_machine(self) -> dict[str, str]:
        if self._machine is None:
            self._machine = self._with(attrs.evolve(self.place, container="", container_user=""))
        try:
            [answer] = self._machine.call(Inside(""))
        except UnreachableError as error:
            # The request of the caller was not sent yet.
            raise error.failure from None
        return facts_of(answer)

    def _taken(self, loan: Loan) -> ControlShell | None:
        while True:
            with self._lock:
                shell = loan.take_from(self._kept)
            if shell is None or shell.is_usable:
                return shell
            self._drop(loan)

    def _keep(self, shell: ControlShell) -> None:
        is_standing = self._pay(shell)
        with self._lock:
            if is_standing and not self._is_over.is_set():
                self._kept.append(shell)
                self._start_closer()
                return
        self._owed += shell.unanswered
        shell.close()

    def _start_closer(self) -> None:
        if self._closer is None or not self._closer.is_alive():
            self._closer = threading.Thread(
                target=close_idle,
                args=(weakref.ref(self), self._is_over, self._waits.idle),
                name=f"idle control shells of {self.place.what}",
                daemon=True,
            )
            self._closer.start()

    def brief(self) -> Shells:
        """
        Return control shells of the same place that are tried for a few seconds only, also after
        the client was woken; close them.
        """
        place = attrs.evolve(self.place, http=unwoken(self.place.http))
        return self._with(place, give_up_after=min(3.0, self._give_up_after))

    def _with(self, place: Place, *, give_up_after: float | None = None) -> Shells:
        seconds = self._give_up_after if give_up_after is None else give_up_after
        return Shells(place, give_up_after=seconds, waits=self._waits)

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
        Close the control shells that nobody uses, and the others after their requests. Also twice.

        Jobs live on.
        """
        self._is_over.set()
        with self._lock:
            kept, self._kept[:] = list(self._kept), []
        for each in kept:
            each.close()
        if self._machine is not None:
            self._machine.close()

    def after_fork_in_child(self) -> None:
        """
        Drop the parent's control shells; their sockets are closed by who holds them.
        """
        self._lock = threading.RLock()
        self._kept.clear()
        self._owed.clear()
        self._closer = None
        is_over, self._is_over = self._is_over.is_set(), threading.Event()
        if is_over:
            self._is_over.set()
