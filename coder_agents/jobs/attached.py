"""
A command with the input and the outputs of this program.

In difference to `coder_agents.jobs.run`, the input is passed on while the command runs, as a pipe does.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping

import attrs

from coder_agents.errors import CoderError
from coder_agents.jobs import launch
from coder_agents.jobs.handle import JobHandle
from coder_agents.jobs.job import Job

Read = Callable[[int], bytes]
Write = Callable[[bytes], object]


@attrs.frozen
class Ended:
    """
    How a command ended.

    Attributes:
        returncode: its exit code; the negative number of the signal that ended it.
        timed_out: whether its time limit ended it.
    """

    returncode: int
    timed_out: bool


def attach(job: Job, *, read: Read | None, writes: Mapping[str, Write]) -> Ended:
    """
    Pass what *read* returns to *job*, and the outputs of *job* to *writes*, until it ends; then delete it.

    *read* is called with a number of bytes, in a thread of its own; None where the job takes no input. *writes*
    has the functions for ``stdout`` and ``stderr``. Any exception, such as Ctrl-C, kills the job.

    Raises *CommandLostError* where the agent cannot be reached, and what *writes* raise.
    """
    handle = job._handle
    with launch.abandoned_on_error(handle):
        if read is not None:
            # The input may wait for a person, so the end of the program does not wait for this thread.
            threading.Thread(
                target=_pass_input, args=(handle, read), name="input of a command", daemon=True
            ).start()
        with job.output() as outputs:
            for output in outputs:
                writes[output.name](output.data)
        job.wait()
        ended = handle.state()
        handle.remove_later()
    return Ended(job.returncode or 0, ended.timed_out)


def _pass_input(handle: JobHandle, read: Read) -> None:
    """
    Pass an input on, until the input or the command ends.
    """
    # The command may end before its input does, as head(1) does. What else fails, the outputs show.
    with contextlib.suppress(CoderError, OSError):
        launch.write_input(handle, read, ends=True)
