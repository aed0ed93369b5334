"""
A job as the agent lists it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import attrs

from coder_agents.jobs.results import JobRecord, State
from coder_agents.render.html import Markup, dot
from coder_agents.representation import Represented
from coder_agents.representation.cells import size, status


@attrs.frozen(repr=False)
class JobInfo(Represented):
    """
    A job as the agent lists it.

    Attributes:
        id: what `Agent.job` takes.
        command: the beginning of the command.
        state: ``starting``, ``running``, ``exited``, ``signaled``, or ``lost`` where the machine has lost it.
        returncode: its exit code, the negative number of the signal that ended it, None while it runs.
        pid: the id of its process and process group; None where it is not known.
        started_at: when it started; None where the agent does not report it.
        stdout_size: bytes that it wrote to stdout.
        stderr_size: bytes that it wrote to stderr.
    """

    id: str
    command: str
    state: State
    returncode: int | None
    pid: int | None
    started_at: datetime | None
    stdout_size: int
    stderr_size: int

    _columns = ("Job", "State", "Return code", "Command", "Started", "Stdout", "Stderr")
    _noun = "job"

    def _cells(self) -> Sequence[object]:
        return (
            self.id,
            state_of(self.state, self.returncode),
            self.returncode,
            self.command,
            self.started_at,
            size(self.stdout_size),
            size(self.stderr_size),
        )

    def _title(self) -> str:
        return f"Job {self.id}"

    def _facts(self) -> Iterable[tuple[str, object]]:
        return list(zip(self._columns, self._cells(), strict=True))[1:]

    @classmethod
    def of(cls, record: JobRecord) -> JobInfo:
        """
        Return the public form of *record*.
        """
        codes = {"exited": record.code, "signaled": -record.code}
        started = record.started
        return cls(
            record.job,
            record.command.decode("utf-8", "replace"),
            record.state,
            codes.get(record.state),
            record.pid or None,
            None if started is None else datetime.fromtimestamp(started, UTC),
            *record.sizes,
        )


def state_of(state: str, returncode: int | None) -> Markup | None:
    """
    Return the *state* of a job with a dot that shows whether the job succeeded.
    """
    if returncode is None:
        return status(state)
    return dot(state, "bad" if returncode else "good")
