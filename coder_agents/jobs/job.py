"""
A command that lives on an agent without this program.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Literal

from coder_agents.config import seconds_or_none
from coder_agents.errors import CommandTimeoutError
from coder_agents.jobs import launch
from coder_agents.jobs.handle import JobHandle
from coder_agents.jobs.job_info import JobInfo, state_of
from coder_agents.jobs.launch import Input
from coder_agents.jobs.loan import Loan
from coder_agents.jobs.output import OutputEngine, OutputStream, lines_of, offsets_of
from coder_agents.jobs.requests import ListJobs
from coder_agents.jobs.results import Progress, read_jobs
from coder_agents.jobs.run import lost
from coder_agents.jobs.run_text import Command, shown_command
from coder_agents.jobs.shell import LateError
from coder_agents.jobs.shells import Shells
from coder_agents.render.html import render_html_card
from coder_agents.render.line import counted
from coder_agents.representation import ResultList
from coder_agents.streams.stream import opened

_BEGINNING = 5.0  # seconds in which the process of a job that was started has begun

_PAUSES = (0.05, 1.0)  # seconds between two reads of a job that writes all the time: first and most


class Job:
    """
    A command on an agent, with the names of `subprocess.Popen`. Any process finds it again by its id.

    Attributes:
        id: what `Agent.job` takes.
        args: the command; None where the job was found by its id.
    """

    def __init__(
        self,
        handle: JobHandle,
        progress: Progress,
        args: Command | None = None,
        *,
        takes_input: bool | None = None,
    ) -> None:
        self.id = handle.id
        self.args = args
        self._handle = handle
        self._progress = progress
        # None where another process has started the job.
        self._takes_input = takes_input
        self._is_input_over = False

    def __repr__(self) -> str:
        state = self._progress.state if self.returncode is None else f"returncode {self.returncode}"
        return f"<{type(self).__name__} {self.id}, {state}>"

    def _repr_html_(self) -> str:
        facts = (
            ("Command", None if self.args is None else shown_command(self.args)),
            ("State", state_of(self._progress.state, self.returncode)),
            ("Return code", self.returncode),
            ("Pid", self.pid),
        )
        return render_html_card(f"Job {self.id}", facts)

    @property
    def pid(self) -> int | None:
        """
        The id of the process, and of its group, on the agent.

        Right after the start it waits until the process has begun, some milliseconds; None where that
        takes more than 5 seconds, or where the machine has lost the job.

        Raises *CommandLostError* where the agent cannot be reached.
        """
        self._wait_begun()
        return self._progress.pid or None

    def _wait_begun(self) -> None:
        until = time.monotonic() + _BEGINNING
        while self._progress.state == "starting" and time.monotonic() < until:
            time.sleep(_PAUSES[0])
            self._progress = self._handle.state()

    @property
    def returncode(self) -> int | None:
        """
        The return code as it was last read; None while the job runs.
        """
        return self._progress.returncode

    def poll(self) -> int | None:
        """
        Read whether the job has ended; return its return code, or None.

        Raises *CommandLostError* where the agent cannot be reached, or the machine has lost the job;
        *JobNotFoundError* where its folder was removed.
        """
        if self.returncode is None:
            self._read(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """
        Wait until the job has ended; return its return code.

        Raises *CommandTimeoutError* after *timeout* seconds, and the job still runs; otherwise as `poll` does.
        """
        seconds = seconds_or_none("timeout", timeout)
        deadline = None if seconds is None else time.monotonic() + seconds
        pause = _PAUSES[0]
        loan = Loan()
        while self.returncode is None:
            began = time.monotonic()
            left = math.inf if deadline is None else deadline - began
            try:
                self._read(max(0.0, left), loan=loan, deadline=began + left)
            except LateError:
                break
            finally:
                loan.drop()
            if left <= 0:
                break
            # Output ends the wait, too: what writes without end is not read without end.
            if self._progress.returncode is None:
                time.sleep(max(0.0, min(pause - (time.monotonic() - began), left)))
                pause = min(2 * pause, _PAUSES[1])
        if self.returncode is None:
            raise self._still_runs(timeout)
        return self.returncode

    def _still_runs(self, timeout: float | None, **outputs: bytes) -> CommandTimeoutError:
        return CommandTimeoutError(
            f"{self._handle.what} still runs after {counted(timeout or 0.0, 'second')}",
            cmd=self.args or self.id,
            timeout=timeout or 0.0,
            **outputs,
        )

    def _read(self, wait: float, *, loan: Loan | None = None, deadline: float = math.inf) -> None:
        self._progress = self._handle.read(
            self._progress.sizes, wait=wait, max_bytes=0, loan=loan, deadline=deadline
        )
        if self._progress.state == "lost":
            raise lost(self._handle)

    def send_signal(self, number: int) -> None:
        """
        Send the signal *number* to the job's process group; nothing where it has ended.
        """
        if self.returncode is None:
            self._handle.signal(number)

    def terminate(self) -> None:
        """
        Send TERM to the job's process group.
        """
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """
        Send KILL to the job's process group. What has made a session of its own (``setsid``) escapes.
        """
        self.send_signal(signal.SIGKILL)

    def communicate(
        self, input: Input | None = None, timeout: float | None = None
    ) -> tuple[bytes, bytes]:
        """
        Write *input* and its end, read both outputs from their beginning to the end, and wait for the job.

        After a *CommandTimeoutError* it may be called again; the outputs are whole then, too.

        Raises *ValueError* for *input* where the job was not started with ``stdin=subprocess.PIPE``,
        where its input is over, or where it was found by its id and has ended; *CommandTimeoutError*
        after *timeout* seconds; otherwise as `wait` does.
        """
        seconds = seconds_or_none("timeout", timeout)
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        self._write(input)
        outputs = {"stdout": bytearray(), "stderr": bytearray()}
        with self.output() as stream:
            while stream.end is None:
                left = None if seconds is None else max(0.0, deadline - time.monotonic())
                output = stream.poll(left)
                if output is not None:
                    outputs[output.name] += output.data
                elif stream.end is None:
                    read = {name: bytes(data) for name, data in outputs.items()}
                    raise self._still_runs(timeout, output=read["stdout"], stderr=read["stderr"])
        self.wait()
        return bytes(outputs["stdout"]), bytes(outputs["stderr"])

    def _write(self, input: Input | None) -> None:
        read = launch.check_input(input)
        if read is None and not self._takes_input:
            return
        if self._takes_input is None:
            self._wait_begun()
            self._takes_input = self._handle.state().piped
        if not self._takes_input:
            raise ValueError(
                "the job takes no input: it has ended, or was not started with stdin=subprocess.PIPE"
            )
        if self._is_input_over:
            if read is not None:
                raise ValueError("the job's input is over: communicate has written it before")
            return
        launch.write_input(self._handle, read or (lambda _: b""), ends=True)
        self._is_input_over = True

    def output(self, *, after: str | None = None) -> OutputStream:
        """
        Return a stream of the job's output from its beginning, or *after* a bookmark, until the job ends.

        Raises *ValueError* where *after* is no bookmark of this job, and what `poll` raises.
        """
        engine = OutputEngine(self._handle, offsets_of(after, self.id))
        stream: OutputStream = opened(OutputStream, engine)
        return stream

    def lines(self, *, encoding: str = "utf-8", errors: str = "replace") -> Iterator[str]:
        """
        Yield the lines of both outputs without their ends, each when it is whole.
        """
        with self.output() as stream:
            yield from lines_of(stream, encoding, errors)

    def remove(self) -> None:
        """
        Delete the job's folder on the agent.

        Raises *ShellError* while the job runs.
        """
        self._handle.remove()


def start_job(
    shells: Shells,
    command: Command,
    *,
    stdin: int | None = None,
    input: Input | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    timeout: float | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    shell: str | bool | None = None,
) -> Job:
    """
    Start *command*; see `Agent.start_job`.
    """
    for name, target in (("stdout", stdout), ("stderr", stderr)):
        if target not in (None, subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT):
            raise TypeError(f"{name} of a job is kept on the agent: read it with output()")
    if stdin not in (None, subprocess.PIPE, subprocess.DEVNULL):
        raise ValueError("stdin of a job is None, subprocess.DEVNULL or subprocess.PIPE")
    if input is not None and stdin is not None:
        raise ValueError("stdin and input may not both be given")
    read = launch.check_input(input)
    takes_input = stdin == subprocess.PIPE
    followed: Literal["none", "followed"] = "followed" if takes_input else "none"
    handle = JobHandle(shells=shells, id=launch.new_id())
    request = launch.start_request(
        handle.id,
        command,
        stdin=followed if read is None else "spooled",
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=env,
        shell=shell,
        timeout=timeout,
        wait=0,
    )
    with launch.abandoned_on_error(handle) as loan:
        if read is not None:
            launch.write_input(handle, read)
        return Job(handle, handle.start(request, loan), command, takes_input=takes_input)


def found(shells: Shells, id: str) -> Job:
    """
    Return the job *id*. Raises *JobNotFoundError* where the agent has none.
    """
    handle = JobHandle(shells=shells, id=id)
    return Job(handle, handle.read((0, 0), max_bytes=0))


def listed(shells: Shells) -> ResultList[JobInfo]:
    """
    Return the jobs of an agent, as it lists them.
    """
    handle = JobHandle(shells=shells, id="")
    records = read_jobs(handle.answers(ListJobs()))
    return ResultList((JobInfo.of(record) for record in records), of=JobInfo)
