"""
What a terminal starts: the program, its environment and its directory.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import attrs

# posix_spawn knows no directory, so a shell goes there and becomes the program.
IN_DIRECTORY = 'cd "$0" && unset OLDPWD && exec "$@"'

# Of the terminal that the tests run in, not of this one.
NOT_INHERITED = frozenset({"COLUMNS", "LINES"})

# What this process ignores, a fresh process does not.
SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


@attrs.frozen
class Launch:
    """
    A program with its environment and its directory.

    Attributes:
        command: what the client wrote.
        arguments: of the program, its name first.
        environment: all variables.
        directory: where it starts.
    """

    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(repr=False)
    directory: Path

    def spawn(self, terminal: str) -> int:
        """
        Start it as the leader of a session, whose terminal is that of the path *terminal*.

        Returns:
            The number of the process.

        Raises:
            OSError, ValueError: it cannot be started.
        """
        if shutil.which(self.arguments[0], path=self.environment.get("PATH")) is None:
            raise FileNotFoundError(self.arguments[0])
        # Not by a fork, as this process has threads.
        return os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", IN_DIRECTORY, str(self.directory), *self.arguments],
            self.environment,
            file_actions=[
                # The first terminal that the leader of a session opens is that of the session.
                (os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=SIGNALS,
        )


def inherited() -> dict[str, str]:
    """
    Return the environment of this process, without the variables of a deployment or a terminal.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CODER") and name not in NOT_INHERITED
    }


def arguments(command: str, shell: str) -> tuple[str, ...]:
    """
    Return the arguments with which an agent runs *command*: by its login *shell*, or by the program that
    the first line names after ``#!``.
    """
    if not command:
        return (shell, "-l")
    first, *_ = command.strip().split("\n", 1)
    if first.startswith("#!") and (words := shlex.split(first.removeprefix("#!"))):
        return (*words, "-c", command)
    return (shell, "-c", command)
