"""
Commands, jobs, files and terminals of an agent.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO, cast

from coder_agents import schema
from coder_agents.agent.base import BaseAgent
from coder_agents.errors import UnsupportedError
from coder_agents.progress import transfer, waiting

if TYPE_CHECKING:
    from coder_agents.jobs import CompletedCommand, Job, JobInfo
    from coder_agents.jobs.files import Data
    from coder_agents.jobs.launch import Input
    from coder_agents.jobs.paths import FilePath
    from coder_agents.jobs.run_text import Command
    from coder_agents.jobs.shells import Shells
    from coder_agents.jobs.sinks import Target
    from coder_agents.representation import ResultList
    from coder_agents.terminal import Terminal
    from coder_agents.terminal.route import TerminalRoute


class CommandMethods(BaseAgent):
    """
    What can be run on an agent.
    """

    def run(
        self,
        command: Command,
        *,
        input: Input | None = None,
        stdin: int | BinaryIO | None = None,
        stdout: Target = None,
        stderr: Target = None,
        capture_output: bool = False,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        check: bool = False,
        timeout: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        shell: str | bool | None = None,
        container: str | None = None,
        container_user: str | None = None,
        max_output: int = 64 * 2**20,
    ) -> CompletedCommand:
        """
        Run *command* on the agent, once, and return how it ended.

        The names and the behaviour are those of `subprocess.run`; a script that calls it needs only the
        other name. A list is executed as it is; a string is run by ``/bin/sh``, or by *shell*. The command
        runs in the agent's directory, or in *cwd* (``~`` is the home on the agent), with *env* in addition
        to the environment there.

        Both outputs are captured, at most *max_output* bytes of each. ``stdout=`` and ``stderr=`` take a file
        or a function in place of that, which get each piece as it comes; ``subprocess.DEVNULL`` discards, and
        ``stderr=subprocess.STDOUT`` merges. *input* is bytes, text, or a binary file of any size; without it
        stdin is empty. With *text*, *encoding* or *errors* the outputs are text, in UTF-8 by default.

        After *timeout* seconds the process group gets TERM, and KILL five seconds later: the agent does
        that, also where this program has ended. Ctrl-C kills the group.

        *container* runs the command in a container of the agent's machine, which is verified before.

        Raises *CommandError* with ``check=True`` for a return code other than 0, *CommandTimeoutError*,
        *CommandLostError* where the agent cannot be reached any more, *ShellError* where it cannot run
        anything, *ControlShellError* where its answers make no sense, *UnsupportedError* where the agent has no
        POSIX shell or is not in the container, *CoderError* where the deployment refuses. *ValueError*,
        *TypeError* and *LookupError* for bad arguments, before anything is sent.
        """
        from coder_agents.jobs.run import run
        from coder_agents.jobs.run_text import shown_command

        shells = self._shells(container, container_user)
        own = [None if isinstance(each, int) and each < 0 else each for each in (stdout, stderr)]
        with waiting(lambda: f"{self._label_or_id}: {shown_command(command)}", *own):
            return run(
                shells,
                command,
                input=input,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                capture_output=capture_output,
                text=text or universal_newlines,
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
        shell: str | bool | None = None,
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

    def job(
        self, id: str, *, container: str | None = None, container_user: str | None = None
    ) -> Job:
        """
        Return the job *id*, also one that another process has started.

        Raises *JobNotFoundError* where the agent has none.
        """
        from coder_agents.jobs.job import found

        return found(self._shells(container, container_user), id)

    def jobs(
        self, *, container: str | None = None, container_user: str | None = None
    ) -> ResultList[JobInfo]:
        """
        Return the jobs of the agent whose folders are there.

        A container, and each user there, has jobs of its own.
        """
        from coder_agents.jobs.job import listed

        return listed(self._shells(container, container_user))

    def read_file(self, path: FilePath, *, container: str | None = None) -> bytes:
        """
        Return the content of the file *path* on the agent, compared with its checksum there.

        *path* is text, bytes, or a path of pathlib; a relative one begins at the agent's directory.

        Raises Python's own errors, such as `FileNotFoundError`, and *OSError* where the file changes
        meanwhile.
        """
        from coder_agents.jobs.files import Files
        from coder_agents.jobs.paths import path_of

        files = Files(self._shells(container, None))
        with transfer(f"{self._label_or_id}:{path!s}") as advance:
            return files.read(path_of(path), on_piece=advance)

    def write_file(
        self,
        path: FilePath,
        data: Data | str,
        *,
        mode: int | None = None,
        container: str | None = None,
    ) -> int:
        """
        Make *data* the content of the file *path* on the agent, in one step; return its size in bytes.

        *path* is as in `read_file`. *data* is bytes, text, which is written as UTF-8, or a binary file. The file keeps
        its mode, unless *mode* is given. Until the end it is as it was.

        Raises Python's own errors, such as `PermissionError`.
        """
        from coder_agents.jobs.files import Files
        from coder_agents.jobs.paths import path_of

        content = data.encode() if isinstance(data, str) else data
        files = Files(self._shells(container, None))
        size = len(content) if isinstance(content, (bytes, bytearray)) else None
        with transfer(f"{self._label_or_id}:{path!s}", size) as advance:
            return files.write(path_of(path), content, mode=mode, on_piece=advance)

    def terminal(
        self,
        command: str = "",
        *,
        size: tuple[int, int] = (80, 24),
        container: str | None = None,
        container_user: str | None = None,
        reconnect_id: uuid.UUID | str | None = None,
        workspace_proxy: str | None = None,
    ) -> Terminal:
        """
        Return a terminal in which *command* runs, or the login shell where that is empty.

        The command is run by the login shell, once, whatever drops. *size* is columns and rows. *reconnect_id*
        attaches again to a terminal that runs, and replays the end of its output. *container* is a container on the
        agent's machine.

        *workspace_proxy* is the URL of a workspace proxy, over which the terminal is attached: it may be
        nearer to the agent. The proxy gets a token for this terminal only, and neither the session token nor
        the client's *headers*. Licensed deployments have workspace proxies.

        Raises *TerminalNotFoundError* where no terminal of that id runs, *TerminalError* where the agent can
        start none, *UnsupportedError* where the agent has no POSIX shell or the command would not run in the
        container, *CoderError* where the deployment refuses, *ValueError* for a *command* that is too long or one
        beside *reconnect_id*.
        """
        from coder_agents.terminal.route import Direct, Proxied
        from coder_agents.terminal.terminal import open_terminal

        self._check_posix(container, container_user, call="agent.terminal()")
        route: TerminalRoute = Direct(self._http, self.id)
        if workspace_proxy is not None:
            sign = self.issue_pty_signed_token
            route = Proxied.of(self._http, self.id, workspace_proxy, sign)
        return open_terminal(
            route,
            what=self._label_or_id,
            command=command,
            size=size,
            container=container or "",
            container_user=container_user or "",
            reconnect_id=reconnect_id,
            reconnect=self._stream_options.reconnect,
        )

    def issue_pty_signed_token(self, url: str) -> str:
        """
        Return a token that opens the agent's terminal at *url*, once.

        *url* is the ``ws`` or ``wss`` URL of the terminal on a workspace proxy.

        Raises *ValueError* or *TypeError*, before any request, for any other *url*;
        *UnsupportedCallError* on open-source builds, which do not have the call.
        """
        if not isinstance(url, str):
            raise TypeError(f"url must be text, not {type(url).__name__}")
        if not url.lower().startswith(("wss://", "ws://")):
            raise ValueError(f"url must begin with wss:// or ws://, but it is {url!r}")
        request = schema.IssueReconnectingPTYSignedTokenRequest(url=url, agent_id=self.id)
        path = "/applications/reconnecting-pty-signed-token"
        with self._capabilities.requesting("pty_signed_token"):
            kind = schema.IssueReconnectingPTYSignedTokenResponse
            return self._http.read(kind, "POST", path, body=schema.to_json(request)).signed_token

    @property
    def _label_or_id(self) -> str:
        return self.label or str(self.id)

    def _check_posix(self, container: str | None, container_user: str | None, *, call: str) -> None:
        """
        Raise *UnsupportedError* where the agent has no POSIX shell (a container may have one), *ValueError*
        for what is no container.
        """
        self._http.check_open()
        if container_user and not container:
            raise ValueError("container_user is a user in a container: give container, too")
        system = self._data.operating_system
        if system == "windows" and not container:
            raise UnsupportedError(
                f"{self._label_or_id}: the agent runs on Windows and has no POSIX shell, which commands,"
                " jobs, files and terminals need",
                call=call,
                found=system,
            )

    def _shells(self, container: str | None, container_user: str | None) -> Shells:
        """
        Return the control shells of the agent, or of one of its containers.

        Raises *UnsupportedError* where the agent has no POSIX shell, *ValueError* for what is no container.
        """
        from coder_agents.jobs.shell import Place
        from coder_agents.jobs.shells import Shells

        self._check_posix(container, container_user, call="agent.run()")
        key = "shells", self.id, container or "", container_user or ""
        held = self._http.held
        if key not in held:
            place = Place(
                http=self._http,
                agent_id=self.id,
                what=self._label_or_id,
                container=container or "",
                container_user=container_user or "",
            )
            made = Shells(place, give_up_after=self._http.settings.read_timeout)
            held.setdefault(key, made)
        return cast("Shells", held[key])
