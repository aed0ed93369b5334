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
from coder_agents.testing.terminals.attachment import ClientAttachment
from coder_agents.testing.terminals.launch import Launch
from coder_agents.testing.terminals.leftovers import kill_leftovers
from coder_agents.testing.terminals.places import in_container, on_host, on_windows
from coder_agents.testing.terminals.process import TerminalProcess
from coder_agents.testing.terminals.wanted import WantedTerminal

TIMEOUT = 300.0
MARK = "CODER_AGENTS_TERMINALS"
RUNNING = "running"


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
        shutil.rmtree(home.parent, ignore_errors=True)

    @contextlib.contextmanager
    def attached(
        self, wanted: WantedTerminal, wake: Callable[[], None]
    ) -> Iterator[tuple[TerminalProcess, ClientAttachment]]:
        """
        Attach a client for the length of the context.

        Arguments:
            wanted: the terminal; where none has its id, or none any more, one is started.
            wake: is called when there is something for the client.

        Raises:
            NotStarted: it cannot be started.
        """
        process, attachment = self._attach(wanted, wake)
        try:
            yield process, attachment
        finally:
            process.detach(attachment)

    def _attach(
        self, wanted: WantedTerminal, wake: Callable[[], None]
    ) -> tuple[TerminalProcess, ClientAttachment]:
        with self._lock:
            process = self._processes.get(wanted.reconnect)
            attachment = None if process is None else process.attach(wake, wanted.size)
            if process is not None and attachment is not None:
                return process, attachment
            process = self._start(wanted)
            attachment = process.attach(wake, wanted.size)
            assert attachment is not None
            # Only now, as a command that ends at once shall have its client by then.
            process.start()
            return process, attachment

    def _start(self, wanted: WantedTerminal) -> TerminalProcess:
        if self.closed or wanted.backend_type == "screen":
            raise NotStarted
        try:
            process = TerminalProcess(
                self._launch(wanted), max_alone=lambda: self._timeout, forget=self._forget
            )
        except (OSError, ValueError):
            raise NotStarted from None
        self._alive = [each for each in self._alive if each.thread.is_alive()]
        self._alive.append(process)
        self._processes[wanted.reconnect] = process
        self._commands.append(wanted.command)
        return process

    def _launch(self, wanted: WantedTerminal) -> Launch:
        home, mark = self._make_home(), {MARK: self._mark}
        if self._machine.operating_system == "windows":
            return on_windows(wanted.command, home, mark)
        if wanted.container and self._containers.enabled:
            found = self._containers.find_container(wanted.container)
            if found is None or not (found.running or found.status == RUNNING):
                raise NotStarted
            user, folder = wanted.container_user, home.parent / "containers"
            return in_container(wanted.command, found, user, folder, mark)
        variables = {"CODER": "true", "CODER_AGENT_TOKEN": self.token, **mark}
        return on_host(wanted.command, self._machine, home, variables)

    def _make_home(self) -> Path:
        if self._home is None:
            folder = tempfile.mkdtemp(prefix="coder-agents-")
            self._home = Path(folder).resolve() / "home"
            self._home.mkdir()
        return self._home

    def _forget(self, process: TerminalProcess) -> None:
        with self._lock:
            self._processes = {k: v for k, v in self._processes.items() if v is not process}
