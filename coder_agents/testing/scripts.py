"""
Scripts, and running them like an agent.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO

import attrs

from coder_agents.schema import WorkspaceAgentScriptStatus

# How long output is read after the end of a script, where a background process holds it open; and
# how long after the script was killed.
PIPE_SECONDS = 10.0
PIPE_SECONDS_WHEN_KILLED = 0.1

READ_SIZE = 65_536

KILLED = 255  # the exit code that an agent reports for a script that it killed

ReceiveOutput = Callable[[str, bytes], None]


@attrs.frozen
class Script:
    """
    A script of an agent, as in a template.

    Attributes:
        script: the text that ``/bin/sh`` runs.
        display_name: its name for people, and the name of its log source.
        start_blocks_login: whether the login waits for it.
        timeout: the maximum duration of a run, in seconds; 0 for no limit.
        run_on_start: whether it runs when the agent starts.
        run_on_stop: whether it runs when the agent stops, for instance for a new build.
        cron: reported by the API, but not run.
        log_path: reported by the API, but not written.
        icon: the icon of its log source.
    """

    script: str
    display_name: str = "Startup Script"
    start_blocks_login: bool = True
    timeout: float = 0
    run_on_start: bool = True
    run_on_stop: bool = False
    cron: str = ""
    log_path: str = ""
    icon: str = ""

    @property
    def _pipe_seconds(self) -> float:
        """
        How long its output is read after its end; tests have scripts with another limit.
        """
        return PIPE_SECONDS


@attrs.frozen
class ScriptOutcome:
    """
    The outcome of a script.

    Attributes:
        status: its status in the API.
        exit_code: its exit code; -1 where a signal ended it, and 255 where the agent killed it.
        error: the error text of Go's os/exec; empty after a success.
    """

    status: WorkspaceAgentScriptStatus
    exit_code: int
    error: str = ""


class ScriptRun:
    """
    One run of a script, in a process group of its own.

    *receive* is called with ``stdout`` or ``stderr`` and a piece of output. Processes that the
    script leaves in the background live until `close`.
    """

    def __init__(
        self,
        script: str,
        receive: ReceiveOutput,
        *,
        timeout: float = 0,
        pipe_seconds: float = PIPE_SECONDS,
    ) -> None:
        self._receive = receive
        self._pipe_seconds = pipe_seconds
        self._deadline = time.monotonic() + timeout if timeout else math.inf
        self._exit_code = 0
        self._exited = False
        self._timed_out = False
        self._killed = threading.Event()
        self._wake_reader, self._wake_writer = os.pipe()
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._watcher = threading.Thread(target=self._watch, name="deployment-script", daemon=True)
        self._watcher.start()

    def kill(self) -> None:
        """
        Kill the script and every process of its group; callable from any thread.
        """
        self._killed.set()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> ScriptOutcome:
        """
        Read the script's output until the script is done; return the outcome.
        """
        try:
            left_open = not self._read_all()
        finally:
            self._watcher.join()
            for pipe in self._pipes():
                pipe.close()
            os.close(self._wake_reader)
            os.close(self._wake_writer)
        return self._outcome(left_open)

    def close(self) -> None:
        """
        Kill the remaining processes of the group, after `wait`.
        """
        self.kill()
        self._process.wait()

    def _watch(self) -> None:
        self._exit_code = await_exit(self._process)
        os.write(self._wake_writer, b"!")

    def _read_all(self) -> bool:
        stdout, stderr = self._pipes()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ, "stdout")
            selector.register(stderr, selectors.EVENT_READ, "stderr")
            selector.register(self._wake_reader, selectors.EVENT_READ, "exit")
            while selector.get_map():
                ready = selector.select(self._time_left())
                if not ready and self._is_given_up():
                    return False
                for key, _ in ready:
                    self._read(selector, key)
        return True

    def _time_left(self) -> float | None:
        left = self._deadline - time.monotonic()
        return None if left == math.inf else max(0.0, left)

    def _is_given_up(self) -> bool:
        # The deadline of the script itself, or of output after its end, has passed.
        if not self._exited:
            self._timed_out = True
            self._deadline = math.inf
            self.kill()
        return self._exited

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if key.data == "exit":
            selector.unregister(key.fileobj)
            self._exited = True
            killed = self._killed.is_set()
            seconds = PIPE_SECONDS_WHEN_KILLED if killed else self._pipe_seconds
            self._deadline = time.monotonic() + seconds
        elif data := os.read(key.fd, READ_SIZE):
            self._receive(key.data, data)
        else:
            selector.unregister(key.fileobj)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        return self._process.stdout, self._process.stderr

    def _outcome(self, left_open: bool) -> ScriptOutcome:
        code = self._exit_code
        exit_code, error = max(code, -1), describe_exit(code)
        if self._timed_out:
            return ScriptOutcome(
                WorkspaceAgentScriptStatus.TIMED_OUT,
                KILLED,
                f"{error}\ncontext deadline exceeded",
            )
        if code < 0 and self._killed.is_set():
            exit_code = KILLED
        if code != 0:
            return ScriptOutcome(WorkspaceAgentScriptStatus.EXIT_FAILURE, exit_code, error)
        if left_open:
            error = "exec: WaitDelay expired before I/O complete"
            return ScriptOutcome(WorkspaceAgentScriptStatus.PIPES_LEFT_OPEN, exit_code, error)
        return ScriptOutcome(WorkspaceAgentScriptStatus.OK, exit_code)


def await_exit(process: subprocess.Popen[bytes]) -> int:
    """
    Wait for the end of *process*.

    The process stays a zombie where the system supports that. The id of its group then stays taken,
    so killing the group later hits no other process.

    Returns:
        Its exit code, or the negative number of the signal that ended it.
    """
    if not hasattr(os, "waitid"):  # pragma: no cover - macOS with Python before 3.13
        return process.wait()
    result = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert result is not None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def describe_exit(code: int) -> str:
    """
    Return the text of Go's os/exec for the exit code of a `Popen`.
    """
    if code < 0:
        return f"signal: {(signal.strsignal(-code) or str(-code)).lower()}"
    return f"exit status {code}" if code else ""


class LineSplitter:
    """
    Cuts output, which comes in pieces, into lines.
    """

    def __init__(self) -> None:
        self._unfinished = b""

    def feed(self, data: bytes) -> list[str]:
        """
        Return the lines that *data* completes.
        """
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        return [_decode(line) for line in lines]

    def flush(self) -> list[str]:
        """
        Return the last line where no newline ended it.
        """
        line, self._unfinished = self._unfinished, b""
        return [_decode(line)] if line else []


def _decode(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(errors="replace")
