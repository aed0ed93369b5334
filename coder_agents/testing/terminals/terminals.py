"""
The terminals of one agent.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

from coder_agents.testing.containers import ContainerBoard
from coder_agents.testing.machine import Machine
from coder_agents.testing.terminals.attachment import Attachment
from coder_agents.testing.terminals.launch import Launch, on_host
from coder_agents.testing.terminals.leftovers import kill_leftovers
from coder_agents.testing.terminals.process import Size, TerminalProcess

TIMEOUT = 300.0
MARK = "CODER_AGENTS_TERMINALS"


class NotStarted(Exception):
    """
    The command of a terminal cannot be started.
    """


class Terminals:
    """
    The processes that the terminals of one agent have started, each under its reconnect id.

    Attributes:
        token: what ``CODER_AGENT_TOKEN`` is in them.
        closed: whether they are over for good.
    """

    def __init__(self, machine: Machine, containers: ContainerBoard) -> None:
        self.token = str(uuid.uuid4())
        self._machine = machine
        self._containers = containers
        self._mark = str(uuid.uuid4())
        self._timeout = TIMEOUT
        self._lock = threading.Lock()
        self._processes: dict[UUID, TerminalProcess] = {}
        self._alive: list[TerminalProcess] = []
        self._commands: list[str] = []
        self._home: Path | None = None
        self.closed = False

    def __repr__(self) -> str:
        return f"<Terminals: {len(self._commands)} started, {len(self._processes)} running>"

    @property
    def timeout(self) -> float:
        """
        Seconds that a terminal without clients lives: 300 like a real agent's, unless it is set.
        """
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._timeout = seconds
        for process in self.running.values():
            process.wake()

    @property
    def home(self) -> Path:
        """
        The home directory of the agent's user, which goes with the agent.
        """
        with self._lock:
            return self._make_home()

    @property
    def commands(self) -> list[str]:
        """
        Every command that was started, oldest first.
        """
        return list(self._commands)

    @property
    def running(self) -> dict[UUID, TerminalProcess]:
        """
        The terminals that have not ended, by their reconnect ids.
        """
        with self._lock:
            return dict(self._processes)

    def hang_up(self) -> None:
        """
        End every terminal, as when the agent's program ends or is restarted.

        The shells get SIGHUP; what ignores it or has a session of its own lives on.
        """
        for process in self.running.values():
            process.hang_up()

    def close(self) -> None:
        """
        Kill all that the terminals have started, and what that has started. Twice is once.
        """
        with self._lock:
            self.closed = True
            alive, self._alive = self._alive, []
            home, self._home = self._home, None
        if home is None:
            return
        # First, while those without the mark still have a parent that has it.
        kill_leftovers(f"{MARK}={self._mark}")
        for process in alive:
            process.kill()
        for process in alive:
            process.thread.join()
        shutil.rmtree(home, ignore_errors=True)

    @contextlib.contextmanager
    def attached(
        self, reconnect: UUID, command: str, *, size: Size, wake: Callable[[], None]
    ) -> Iterator[tuple[TerminalProcess, Attachment]]:
        """
        Attach a client for the length of the context.

        Arguments:
            reconnect: the terminal's id; one that has none yet, or none any more, gets one.
            command: what to start in that case.
            size: rows and columns.
            wake: is called when there is something for the client.

        Raises:
            NotStarted: it cannot be started.
        """
        process, attachment = self._attach(reconnect, command, size, wake)
        try:
            yield process, attachment
        finally:
            process.detach(attachment)

    def _attach(
        self, reconnect: UUID, command: str, size: Size, wake: Callable[[], None]
    ) -> tuple[TerminalProcess, Attachment]:
        with self._lock:
            process = self._processes.get(reconnect)
            attachment = None if process is None else process.attach(wake, size)
            if process is not None and attachment is not None:
                return process, attachment
            process = self._start(reconnect, command)
            attachment = process.attach(wake, size)
            assert attachment is not None
            # Only now, as a command that ends at once shall have its client by then.
            process.start()
            return process, attachment

    def _start(self, reconnect: UUID, command: str) -> TerminalProcess:
        if self.closed:
            raise NotStarted
        try:
            process = TerminalProcess(
                self._launch(command), timeout=lambda: self._timeout, forget=self._forget
            )
        except (OSError, ValueError):
            raise NotStarted from None
        self._alive = [each for each in self._alive if each.thread.is_alive()]
        self._alive.append(process)
        self._processes[reconnect] = process
        self._commands.append(command)
        return process

    def _launch(self, command: str) -> Launch:
        variables = {"CODER": "true", "CODER_AGENT_TOKEN": self.token, MARK: self._mark}
        return on_host(command, self._machine, self._make_home(), variables)

    def _make_home(self) -> Path:
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="coder-agents-home-")).resolve()
        return self._home

    def _forget(self, process: TerminalProcess) -> None:
        with self._lock:
            self._processes = {k: v for k, v in self._processes.items() if v is not process}
