"""
Commands, jobs, files and terminals of an agent.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from coder_agents.agent.base import BaseAgent

if TYPE_CHECKING:
    from coder_agents.jobs import CompletedCommand, Job, JobInfo
    from coder_agents.jobs.files import Data
    from coder_agents.jobs.launch import Input
    from coder_agents.jobs.run import Target
    from coder_agents.jobs.run_text import Command
    from coder_agents.jobs.shells import Shells
    from coder_agents.terminal import Terminal


class CommandMethods(BaseAgent):
    """
    What can be run on an agent.
    """

    def run(
        self,
        command: Command,
        *,
        input: Input | None = None,
        stdout: Target = None,
        stderr: Target = None,
        text: bool = False,
        encoding: str | None = None,
        errors: str | None = None,
        check: bool = False,
        timeout: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        shell: str | None = None,
        container: str | None = None,
        container_user: str | None = None,
        max_output: int = 64 * 2**20,
    ) -> CompletedCommand:
        """
        Run *command* on the agent, once, and return how it ended.

        The names and the behaviour are those of `subprocess.run`. A list is executed as it is; a
        string is run by ``/bin/sh``, or by *shell*. It runs in the agent's directory, or in *cwd*, with
        *env* in addition to the environment.

        Both outputs are captured, at most *max_output* bytes of each. ``stdout=`` and ``stderr=`` take
        a binary file or a function in place of that, which get each piece as it comes;
        ``subprocess.DEVNULL`` discards, and ``stderr=subprocess.STDOUT`` merges. *input* is bytes,
        text, or a binary file of any size; without it stdin is empty. With *text*, *encoding* or *errors* the outputs are
        text.

        After *timeout* seconds the process group gets TERM, and KILL five seconds later: the agent does that,
        also where this program has ended. Ctrl-C kills the group.

        *container* runs the command in a container of the agent's machine, which is verified before.

        Raises *CommandError* with ``check=True`` for a return code other than 0, *CommandTimeoutError*,
        *CommandLostError* where the agent cannot be reached any more, *ShellError* where it cannot run
        anything, *UnsupportedError* where the agent has no POSIX shell or is not in the
        container, *CoderError* where the deployment refuses. *ValueError* and *TypeError* for what no process can get.
        """
        from coder_agents.jobs.run import run

        return run(
            self._shells(container, container_user),
            command,
            input=input,
            stdout=stdout,
            stderr=stderr,
            text=text,
            encoding=encoding,
            errors=errors,
            check=check,
            timeout=timeout,
            cwd=cwd,
            env=env,
            shell=shell,
            max_output=max_output,
        )

    def start_job(
        self,
        command: Command,
        *,
        stdin: int | None = None,
        input: Input | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        timeout: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        shell: str | None = None,
        container: str | None = None,
        container_user: str | None = None,
    ) -> Job:
        """
        Start *command* on the agent, once, and return it as a job: it lives on without this program.

        The arguments are those of `run`. The outputs are kept on the agent until `Job.remove`, or for
        a week after the end. ``stdin=subprocess.PIPE`` lets `Job.communicate` write.

        Raises as `run` does.
        """
        from coder_agents.jobs.job import start_job

        return start_job(
            self._shells(container, container_user),
            command,
            stdin=stdin,
            input=input,
            stdout=stdout,
            stderr=stderr,
            timeout=timeout,
            cwd=cwd,
            env=env,
            shell=shell,
        )

    def job(self, id: str, *, container: str | None = None) -> Job:
        """
        Return the job *id*, also one that another process has started.

        Raises *JobNotFoundError* where the agent has none.
        """
        from coder_agents.jobs.job import found

        return found(self._shells(container, None), id)

    def jobs(self, *, container: str | None = None) -> list[JobInfo]:
        """
        Return the jobs of the agent whose folders are there.
        """
        from coder_agents.jobs.job import listed

        return listed(self._shells(container, None))

    def read_file(self, path: str | bytes, *, container: str | None = None) -> bytes:
        """
        Return the content of the file *path* on the agent, compared with its checksum there.

        Raises Python's own errors, such as `FileNotFoundError`, and *OSError* where the file changes
        meanwhile.
        """
        from coder_agents.jobs.files import Files

        return Files(self._shells(container, None)).read(path)

    def write_file(
        self,
        path: str | bytes,
        data: Data | str,
        *,
        mode: int | None = None,
        container: str | None = None,
    ) -> int:
        """
        Make *data* the content of the file *path* on the agent, in one step; return its size in bytes.

        *data* is bytes, text, which is written as UTF-8, or a binary file. The file keeps its mode, unless *mode* is
        given. Until the end it is as it was.

        Raises Python's own errors, such as `PermissionError`.
        """
        from coder_agents.jobs.files import Files

        content = data.encode() if isinstance(data, str) else data
        return Files(self._shells(container, None)).write(path, content, mode=mode)

    def terminal(
        self,
        command: str = "",
        *,
        size: tuple[int, int] = (80, 24),
        container: str | None = None,
        container_user: str | None = None,
        reconnect_id: uuid.UUID | str | None = None,
    ) -> Terminal:
        """
        Return a terminal in which *command* runs, or the login shell where that is empty.

        The command is run by the login shell, once, whatever drops. *size* is columns and rows. *reconnect_id*
        attaches again to a terminal that runs, and replays the end of its output. *container* is a container on the
        agent's machine.

        Raises *TerminalNotFoundError* where no terminal of that id runs, *TerminalError* where the agent can
        start none, *UnsupportedError* where the command would not run in the container, *CoderError* where the
        deployment refuses, *ValueError* for a *command* that is too long or one beside *reconnect_id*.
        """
        from coder_agents.terminal.terminal import open_terminal

        self._http.check_open()
        return open_terminal(
            self._http,
            self.id,
            what=self._label_or_id,
            command=command,
            size=size,
            container=container or "",
            container_user=container_user or "",
            reconnect_id=reconnect_id,
            reconnect=self._stream_options.reconnect,
        )

    @property
    def _label_or_id(self) -> str:
        return self.label or str(self.id)

    def _shells(self, container: str | None, container_user: str | None) -> Shells:
        """
        Return the control shells of the agent, or of one of its containers.
        """
        from coder_agents.jobs.shell import Place
        from coder_agents.jobs.shells import Shells

        self._http.check_open()
        key = container or "", container_user or ""
        with _LOCK:
            found: Shells | None = self._kept_shells.get(key)
            if found is None:
                place = Place(
                    http=self._http,
                    agent_id=self.id,
                    what=self._label_or_id,
                    container=key[0],
                    container_user=key[1],
                )
                found = Shells(place, give_up_after=self._http.settings.read_timeout)
                self._kept_shells[key] = found
        return found

    @property
    def _kept_shells(self) -> dict[tuple[str, str], Any]:
        kept: dict[tuple[str, str], Any] = self.__dict__.setdefault("_shells_by_place", {})
        return kept


_LOCK = threading.Lock()
