"""
What can be requested of one job; each request is sent until an answer comes.
"""

from __future__ import annotations

import errno
import math
import secrets

import attrs

from coder_agents.errors import (
    APIError,
    CoderError,
    CommandLostError,
    ControlShellError,
    JobNotFoundError,
    ShellError,
)
from coder_agents.errors.advice import Advice
from coder_agents.jobs.answers import Answer
from coder_agents.jobs.loan import Loan
from coder_agents.jobs.piece_size import FIRST_PIECE
from coder_agents.jobs.requests import (
    Prevent,
    Read,
    Remove,
    Request,
    Signal,
    Start,
    WriteInput,
)
from coder_agents.jobs.results import Progress, numbers_of
from coder_agents.jobs.shells import Shells, UnreachableError

_BAD_GATEWAY = 502  # what a deployment answers for an agent that is not connected


@attrs.frozen(kw_only=True)
class JobHandle:
    """
    One job on an agent.

    Attributes:
        shells: reach the agent.
        id: the job's id.
    """

    shells: Shells
    id: str

    @property
    def what(self) -> str:
        """
        The job, for messages.
        """
        within = f": job {self.id}" if self.id else ""
        return f"{self.shells.place.what}{within}"

    def start(self, request: Start, loan: Loan | None = None) -> Progress:
        """
        Start the job, once however often the request is sent.

        *loan* knows, where an exception ends the call, whether the request was sent and not answered.

        Raises *CommandLostError* where the agent cannot be reached, *ShellError* where it cannot
        start anything, *CoderError* where the deployment refuses.
        """
        answer = self._call(request, request.wait, started=None, loan=loan)
        return _checked(Progress.read(answer), (0, 0), request.max_bytes)

    def read(
        self,
        offsets: tuple[int, int],
        *,
        wait: float = 0,
        max_bytes: int = FIRST_PIECE,
        loan: Loan | None = None,
        deadline: float = math.inf,
    ) -> Progress:
        """
        Return the state of the job, and its outputs from *offsets* on.

        *wait* is the seconds that the agent waits for output or the end where there is nothing yet.
        *loan* and *deadline* are those of `Shells.call`.

        Raises *JobNotFoundError* where the agent has no such job, *ShellError* where output was
        lost on the agent, *ControlShellError* for what cannot be, *LateError* and *ClosedError* as
        `Shells.call` does; otherwise as `start` does.
        """
        request = Read(
            job=self.id,
            stdout=offsets[0],
            stderr=offsets[1],
            max_bytes=max_bytes,
            wait=min(wait, self.shells.max_wait),
        )
        progress = self._read(request, loan, deadline)
        if progress.cut:
            raise ShellError(f"{self.what}: output was lost on the agent, as its disk was full")
        if progress.shrunk:
            raise ShellError(
                f"{self.what}: the command cut its own output off, which was read already; let it append"
                " (>>/dev/stdout)"
            )
        return _checked(progress, offsets, max_bytes)

    def state(self, sizes: tuple[int, int] = (0, 0), *, wait: float = 0) -> Progress:
        """
        Return the state of the job, whatever became of its outputs.

        *wait* is the seconds that the agent waits for the end, or for outputs of other *sizes*. Raises
        *JobNotFoundError* where the agent has no such job; otherwise as `start` does.
        """
        seconds = min(wait, self.shells.max_wait)
        request = Read(job=self.id, stdout=sizes[0], stderr=sizes[1], max_bytes=0, wait=seconds)
        return self._read(request, None, math.inf)

    def _read(self, request: Read, loan: Loan | None, deadline: float) -> Progress:
        progress = Progress.read(self._call(request, request.wait, loan=loan, deadline=deadline))
        if progress.state == "new":
            raise JobNotFoundError(f"{self.what}: the agent has no such job", job_id=self.id)
        return progress

    def write(self, offset: int, data: bytes, *, end: bool, started: bool = True) -> int:
        """
        Write *data* into the job's stdin at *offset*; return how many bytes it has now.

        *started* is whether the job has started, for errors.
        """
        request = WriteInput(job=self.id, offset=offset, data=data, end=end)
        return numbers_of(self._call(request, 0, started=started))[0]

    def signal(self, number: int) -> bool:
        """
        Send the signal *number* to the job's process group, once; return whether it was running.
        """
        request = Signal(job=self.id, signal=number, token=secrets.token_hex(8))
        return numbers_of(self._call(request, 2))[0] == 1

    def remove(self) -> None:
        """
        Delete the job's folder.

        Raises *ShellError* while the job runs.
        """
        self._remove(Remove(self.id))

    def prevent(self) -> None:
        """
        Delete the job's folder; where there is none yet, let a start that is on its way do nothing.

        Raises *ShellError* while the job runs.
        """
        self._remove(Prevent(self.id))

    def _remove(self, request: Remove | Prevent) -> None:
        try:
            self._call(request, 0)
        except ShellError as error:
            if getattr(error.__cause__, "errno", None) != errno.EBUSY:
                raise
        else:
            return
        raise ShellError(f"{self.what} still runs: {Advice.END_JOB}")

    def remove_later(self) -> None:
        """
        Delete the job's folder, and do not wait for that.
        """
        self.shells.post(Remove(self.id))

    def _call(
        self,
        request: Request,
        wait: float,
        *,
        started: bool | None = True,
        loan: Loan | None = None,
        deadline: float = math.inf,
    ) -> Answer:
        answers = self.answers(request, wait, started=started, loan=loan, deadline=deadline)
        if len(answers) > 1:
            raise ControlShellError("the control shell gave several answers to one question")
        return answers[0]

    def answers(
        self,
        request: Request,
        wait: float = 0,
        *,
        started: bool | None = True,
        loan: Loan | None = None,
        deadline: float = math.inf,
    ) -> list[Answer]:
        """
        Return all answers to *request*.
        """
        failure: CoderError
        try:
            return self.shells.call(request, wait=wait, loan=loan, deadline=deadline)
        except UnreachableError as error:
            failure = self._lost(error, started)
        except OSError as error:
            if isinstance(error, CoderError):
                raise
            failure = ShellError(f"{self.what}: {_refused(request)}{error.strerror or error}")
            failure.__cause__ = error
        raise failure

    def _lost(self, error: UnreachableError, started: bool | None) -> CommandLostError:
        # What was never sent has started nothing.
        known = started if started or error.was_sent else False
        words = f": {_STARTED[known]}" if self.id else ""
        container = self.shells.place.container
        reached = f"the container {container!r} of the agent" if container else "the agent"
        lost = CommandLostError(
            f"{self.what}: {reached} cannot be reached ({_reason(error)}){words}",
            job_id=self.id,
            started=known if self.id else None,
        )
        lost.__cause__ = error.failure
        return lost


def _checked(progress: Progress, offsets: tuple[int, int], max_bytes: int) -> Progress:
    """
    Return *progress*, from *offsets* on.

    Raises *ControlShellError* where it has more bytes than were requested or than there are, or an
    end without the bytes that are left.
    """
    pieces = len(progress.stdout), len(progress.stderr)
    left = [size - offset for size, offset in zip(progress.sizes, offsets, strict=True)]
    if sum(pieces) > max_bytes or any(
        piece > max(0, rest) for piece, rest in zip(pieces, left, strict=True)
    ):
        raise ControlShellError("the control shell sent more of an output than there is")
    is_over = progress.returncode is not None
    if is_over and max_bytes and not any(pieces) and any(rest > 0 for rest in left):
        raise ControlShellError("the control shell keeps a part of an output back")
    return progress


def _refused(request: Request) -> str:
    """
    Return what the agent did not do, for messages.
    """
    if not isinstance(request, Start):
        return ""
    within = f" in {request.cwd!r}" if request.cwd else ""
    return f"the command was not started{within}: "


def _reason(error: UnreachableError) -> str:
    """
    Return why no answer came, in one line.
    """
    if isinstance(error.failure, APIError) and error.failure.status_code == _BAD_GATEWAY:
        return "status 502, as for an agent that is not connected"
    return " ".join(str(error).split())


_STARTED = {
    True: "the command had started, and its job can be found again",
    None: "whether the command had started is not known",
    False: "the command had not started",
}
