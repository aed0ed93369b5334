"""
What can be requested of one job; each request is sent until an answer comes.
"""

from __future__ import annotations

import secrets

import attrs

from coder_agents.errors import CoderError, CommandLostError, JobNotFoundError, ShellError
from coder_agents.jobs.answers import Answer
from coder_agents.jobs.requests import MAX_PIECE, Read, Remove, Request, Signal, Start, WriteInput
from coder_agents.jobs.results import Progress, numbers_of
from coder_agents.jobs.shells import Lend, Shells, UnreachableError

MAX_WAIT = 20.0
"""
Seconds that the agent waits for output or the end before it answers.
"""


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
        return f"{self.shells.place.what}: job {self.id}"

    def start(self, request: Start) -> Progress:
        """
        Start the job, once however often the request is sent.

        Raises *CommandLostError* where the agent cannot be reached, *ShellError* where it cannot
        start anything, *CoderError* where the deployment refuses.
        """
        return Progress.read(self._call(request, request.wait, started=None))

    def read(
        self,
        offsets: tuple[int, int],
        *,
        wait: float = 0,
        max_bytes: int = MAX_PIECE,
        on_lend: Lend = bool,
    ) -> Progress:
        """
        Return the state of the job, and its outputs from *offsets* on.

        *wait* is the seconds that the agent waits for output or the end where there is nothing yet.

        Raises *JobNotFoundError* where the agent has no such job, *ShellError* where output was
        lost on the agent; otherwise as `start` does.
        """
        request = Read(
            job=self.id,
            stdout=offsets[0],
            stderr=offsets[1],
            max_bytes=max_bytes,
            wait=min(wait, MAX_WAIT),
        )
        progress = Progress.read(self._call(request, request.wait, on_lend=on_lend))
        if progress.state == "new":
            raise JobNotFoundError(f"{self.what}: the agent has no such job", job_id=self.id)
        if progress.cut:
            raise ShellError(f"{self.what}: output was lost on the agent, as its disk was full")
        if progress.shrunk:
            raise ShellError(
                f"{self.what}: the command cut its own output off, which was read already; let it append"
                " (>>/dev/stdout)"
            )
        return progress

    def write(self, offset: int, data: bytes, *, end: bool) -> int:
        """
        Write *data* into the job's stdin at *offset*; return how many bytes it has now.
        """
        request = WriteInput(job=self.id, offset=offset, data=data, end=end)
        return numbers_of(self._call(request, 0, started=None))[0]

    def signal(self, number: int) -> bool:
        """
        Send the signal *number* to the job's process group, once; return whether it was running.
        """
        request = Signal(job=self.id, signal=number, token=secrets.token_hex(8))
        return numbers_of(self._call(request, 2))[0] == 1

    def remove(self) -> None:
        """
        Delete the job's folder.
        """
        self._call(Remove(self.id), 0)

    def _call(
        self, request: Request, wait: float, *, started: bool | None = True, on_lend: Lend = bool
    ) -> Answer:
        return self.answers(request, wait, started=started, on_lend=on_lend)[-1]

    def answers(
        self,
        request: Request,
        wait: float = 0,
        *,
        started: bool | None = True,
        on_lend: Lend = bool,
    ) -> list[Answer]:
        """
        Return all answers to *request*.
        """
        failure: CoderError
        try:
            return self.shells.call(request, wait=wait, on_lend=on_lend)
        except UnreachableError as error:
            # What was never sent has started nothing.
            known = started if started or error.was_sent else False
            failure = CommandLostError(
                f"{self.what}: the agent cannot be reached ({error}); {_STARTED[known]}",
                job_id=self.id,
                started=known,
            )
            failure.__cause__ = error.failure
        except OSError as error:
            failure = ShellError(f"{self.what}: {error.strerror or error}")
        raise failure


_STARTED = {
    True: "the command had started, and its job can be found again",
    None: "whether the command had started is not known",
    False: "the command had not started",
}
