"""
Commands that failed, with the names and attributes of `subprocess`.
"""

from __future__ import annotations

import subprocess
from typing import Any

from coder_agents.errors.root import CoderError

_PUBLIC = "coder_agents.errors"


class CommandError(CoderError, subprocess.CalledProcessError):
    """
    A command that was run with ``check=True`` did not succeed.

    It is also a `subprocess.CalledProcessError`.

    Attributes:
        returncode: its exit code; the negative number of the signal that ended it.
        cmd: the command.
        output: what it wrote to stdout; also `stdout`.
        stderr: what it wrote to stderr.
    """

    def __init__(
        self,
        text: str = "",
        *,
        returncode: int = 0,
        cmd: Any = "",
        output: Any = None,
        stderr: Any = None,
    ) -> None:
        Exception.__init__(self, text)
        self.returncode = returncode
        self.cmd = cmd
        self.output = output
        self.stderr = stderr

    def __str__(self) -> str:
        return Exception.__str__(self)


class CommandTimeoutError(CoderError, subprocess.TimeoutExpired):
    """
    A command took longer than its *timeout*.

    `Agent.run` has ended its process group; after `Job.wait` the job still runs.

    It is also a `subprocess.TimeoutExpired`.

    Attributes:
        cmd: the command.
        timeout: seconds that it had.
        output: what it wrote to stdout until then; also `stdout`.
        stderr: what it wrote to stderr until then.
    """

    def __init__(
        self,
        text: str = "",
        *,
        cmd: Any = "",
        timeout: float = 0.0,
        output: Any = None,
        stderr: Any = None,
    ) -> None:
        Exception.__init__(self, text)
        self.cmd = cmd
        self.timeout = timeout
        self.output = output
        self.stderr = stderr

    def __str__(self) -> str:
        return Exception.__str__(self)


# A traceback and a pickle name each class as users import it.
for _class in (CommandError, CommandTimeoutError):
    _class.__module__ = _PUBLIC
