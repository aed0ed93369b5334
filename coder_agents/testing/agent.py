"""
An agent of the embedded deployment.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from coder_agents.schema import (
    DERPRegion,
    DisplayApp,
    LogLevel,
    WorkspaceAgent,
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentHealth,
    WorkspaceAgentLifecycle,
    WorkspaceAgentListeningPort,
    WorkspaceAgentLogSource,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
    WorkspaceAgentStartupScriptBehavior,
    WorkspaceAgentStatus,
)
from coder_agents.testing.containers import ContainerBoard
from coder_agents.testing.metadata import Metadata, MetadataBoard
from coder_agents.testing.notices import Notices
from coder_agents.testing.ports import read_listening_ports
from coder_agents.testing.scripts import LineSplitter, Outcome, ReceiveOutput, Script, ScriptRun

if TYPE_CHECKING:
    from coder_agents.testing.state import State
    from coder_agents.testing.workspace import EmbeddedBuild

# The source of lines that no script wrote, the same in every deployment.
EXTERNAL_ICON = "/emojis/1f310.png"
EXTERNAL_SOURCE_ID = UUID("3b579bf4-1ed8-4b99-87a8-e9a1e3410410")

STARTED = frozenset({"ready", "start_timeout", "start_error"})

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

RELAY = "Coder Embedded Relay"

PIPES_WARNING = "WARNING: the script has ended, but a process it started still holds its output."

LEVELS = {"stdout": LogLevel.INFO, "stderr": LogLevel.ERROR}


class EmbeddedAgent:
    """
    An agent that runs its scripts on this machine.

    Made by `Deployment.add_agent`; all methods can be called from any thread.

    Attributes:
        id: its UUID.
        name: its name in the workspace.
        build: the build that made it.
        containers: what it tells of containers.
    """

    def __init__(
        self,
        state: State,
        build: EmbeddedBuild,
        name: str,
        *,
        scripts: Iterable[Script] = (),
        metadata: Iterable[Metadata] = (),
    ) -> None:
        self.id = state.new_id()
        self.name = name
        self.build = build
        self.containers = ContainerBoard()
        self.specification = (tuple(scripts), tuple(metadata))
        self._state = state
        self._scripts = {state.new_id(): script for script in self.specification[0]}
        self._sources = {script_id: state.new_id() for script_id in self._scripts}
        self._outcomes: dict[UUID, Outcome] = {}
        self._metadata = MetadataBoard(self.specification[1], now=state.now)
        self._ports: tuple[WorkspaceAgentListeningPort, ...] | None = None
        self._created_at = state.now()
        self._times: dict[str, datetime] = {}
        self._status = WorkspaceAgentStatus.CONNECTING
        self._lifecycle = WorkspaceAgentLifecycle.CREATED
        self._external_since: datetime | None = None
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._runs: set[ScriptRun] = set()
        self.notices = Notices()

    def __repr__(self) -> str:
        return f"<EmbeddedAgent {self.name} {self.id}>"

    # What tests and scripts do with it.

    @property
    def data(self) -> WorkspaceAgent:
        """
        What the deployment tells of it now.
        """
        with self._changed:
            return self._describe()

    @property
    def metadata(self) -> MetadataBoard:
        """
        Its metadata.
        """
        return self._metadata

    @property
    def ports(self) -> list[WorkspaceAgentListeningPort]:
        """
        The ports it tells of: those that were set, else those of this machine.
        """
        return read_listening_ports() if self._ports is None else list(self._ports)

    @property
    def superseded(self) -> bool:
        """
        Whether the workspace has a newer build, of whatever success.
        """
        return self.build is not self.build.workspace.latest_build

    @property
    def logs_overflowed(self) -> bool:
        """
        Whether log lines were refused because there were too many.
        """
        return self._state.logs.overflowed(self.id)

    def push_logs(self, lines: str | Iterable[str], level: str = "info") -> list[int]:
        """
        Store log lines, in one batch, as a program of the workspace can.

        Arguments:
            lines: the lines, or one text of several lines.
            level: ``trace``, ``debug``, ``info``, ``warn`` or ``error``.

        Returns:
            The ids of the lines; none where the batch passed the limit and was refused.
        """
        texts = lines.splitlines() if isinstance(lines, str) else lines
        with self._changed:
            self._external_since = self._external_since or self._state.now()
        batch = [(LogLevel(level), text) for text in texts]
        return self._state.logs.append(self.id, EXTERNAL_SOURCE_ID, batch)

    def set_metadata(self, key: str, value: str, error: str = "") -> None:
        """
        Set the value of an item of metadata, as if collected now.

        A key that nobody described becomes an item of its own name, without a script.
        """
        self._metadata.set(key, value, error)

    def set_ports(self, ports: Iterable[WorkspaceAgentListeningPort]) -> None:
        """
        Tell of *ports* instead of those of this machine.
        """
        self._ports = tuple(ports)

    def set_containers(
        self, containers: Iterable[WorkspaceAgentContainer], *, warnings: Iterable[str] = ()
    ) -> None:
        """
        Tell of *containers*, and of *warnings* that came up while listing them.
        """
        self.containers.set_containers(containers, warnings)

    def set_devcontainers(self, devcontainers: Iterable[WorkspaceAgentDevcontainer]) -> None:
        """
        Tell of *devcontainers*.
        """
        self.containers.set_devcontainers(devcontainers)

    def set_status(self, status: str) -> None:
        """
        Set whether it is in touch: ``connecting``, ``connected``, ``disconnected`` or ``timeout``.
        """
        with self._changed:
            self._status = WorkspaceAgentStatus(status)
            moment = self._touch()
            if status == "connected":
                self._times.setdefault("first_connected_at", moment)
                self._times["last_connected_at"] = moment
                self._times.pop("disconnected_at", None)
            elif status == "disconnected":
                self._times["disconnected_at"] = moment
            self._changed.notify_all()
        self.notices.notify()

    def disconnect(self) -> None:
        """
        Lose touch with the deployment, as when its machine's network fails.
        """
        self.set_status("disconnected")

    def connect(self) -> None:
        """
        Get in touch with the deployment again.
        """
        self.set_status("connected")

    def set_lifecycle(self, lifecycle: str) -> None:
        """
        Set how far it has come, such as ``starting`` or ``shutting_down``.
        """
        with self._changed:
            self._lifecycle = WorkspaceAgentLifecycle(lifecycle)
            moment = self._touch()
            if lifecycle == "starting":
                self._times["started_at"] = moment
            elif lifecycle in STARTED:
                self._times["ready_at"] = moment
            self._changed.notify_all()

    def wait_started(self, timeout: float = 30) -> WorkspaceAgentLifecycle:
        """
        Wait until its startup scripts are done, well or badly.

        Returns:
            How it went: ``ready``, ``start_timeout`` or ``start_error``.

        Raises:
            TimeoutError: they are not done after *timeout* seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._lifecycle in STARTED, timeout):
                raise TimeoutError(f"{self!r} is still {self._lifecycle} after {timeout} s")
            return self._lifecycle

    def new_build(self) -> EmbeddedAgent:
        """
        Build the workspace anew, which ends this agent.

        Returns:
            The agent of the same name that the new build has.
        """
        build = self.build.workspace.start_build()
        build.complete()
        return next(agent for agent in build.agents if agent.name == self.name)

    # What its workspace does with it.

    def start(self) -> None:
        """
        Connect, and run the scripts.
        """
        self.connect()
        self.set_lifecycle("starting")
        startup = {key: each for key, each in self._scripts.items() if each.run_on_start}
        for script_id, script in startup.items():
            self._spawn(partial(self._run_script, script_id, script, len(startup)))
        if not startup:
            self.set_lifecycle("ready")
        for item in self.specification[1]:
            if item.script:
                self._spawn(partial(self._collect, item))

    def stop(self) -> None:
        """
        Kill its processes and disconnect. Twice is once.
        """
        if self._stopped.is_set():
            return
        with self._changed:
            self._stopped.set()
            runs = list(self._runs)
        for run in runs:
            run.kill()
        for thread in self._threads:
            thread.join()
        for run in runs:
            run.close()
        self.containers.close()
        self.disconnect()

    def _touch(self) -> datetime:
        moment = self._times["updated_at"] = self._state.now()
        return moment

    def _spawn(self, work: partial[None]) -> None:
        thread = threading.Thread(target=work, name=f"deployment-{self.name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run_script(self, script_id: UUID, script: Script, count: int) -> None:
        splitters = {"stdout": LineSplitter(), "stderr": LineSplitter()}
        store = partial(self._store, self._sources[script_id])

        def receive(name: str, data: bytes) -> None:
            store(name, splitters[name].feed(data))

        run = self._begin(script.script, receive, script.timeout)
        if run is None:
            return
        outcome = run.wait()
        for name, splitter in splitters.items():
            store(name, splitter.flush())
        if outcome.status == WorkspaceAgentScriptStatus.PIPES_LEFT_OPEN:
            store("stderr", [PIPES_WARNING])
        self._finish(script_id, outcome, count)

    def _begin(self, script: str, receive: ReceiveOutput, timeout: float) -> ScriptRun | None:
        with self._changed:
            if self._stopped.is_set():
                return None
            run = ScriptRun(script, receive, timeout=timeout)
            self._runs.add(run)
            return run

    def _store(self, source_id: UUID, stream: str, lines: list[str]) -> None:
        if lines:
            batch = [(LEVELS[stream], line) for line in lines]
            self._state.logs.append(self.id, source_id, batch)

    def _finish(self, script_id: UUID, outcome: Outcome, count: int) -> None:
        with self._changed:
            self._outcomes[script_id] = outcome
            done = len(self._outcomes) == count
        if done and not self._stopped.is_set():
            self.set_lifecycle(self._verdict())

    def _verdict(self) -> str:
        # The first script that went wrong decides.
        for outcome in self._outcomes.values():
            if outcome.status == WorkspaceAgentScriptStatus.TIMED_OUT:
                return "start_timeout"
            if outcome.error:
                return "start_error"
        return "ready"

    def _collect(self, item: Metadata) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            self._collect_once(item)
            left = item.interval - (time.monotonic() - began)
            self._stopped.wait(max(0.0, left) if item.interval else None)

    def _collect_once(self, item: Metadata) -> None:
        output = bytearray()

        def receive(name: str, data: bytes) -> None:
            if name == "stdout":
                output.extend(data)

        run = self._begin(item.script, receive, item.timeout)
        if run is not None:
            error = run.wait().error
            run.close()
            with self._changed:
                self._runs.discard(run)
            if not self._stopped.is_set():
                value = output.decode(errors="replace")
                self._metadata.set(item.key, value, f"run cmd: {error}" if error else "")

    # What it looks like.

    def _describe(self) -> WorkspaceAgent:
        connected = "first_connected_at" in self._times
        release = self._state.release
        home = str(Path.cwd())
        return WorkspaceAgent(
            id=self.id,
            created_at=self._created_at,
            updated_at=self._times.get("updated_at", self._created_at),
            first_connected_at=self._times.get("first_connected_at"),
            last_connected_at=self._times.get("last_connected_at"),
            disconnected_at=self._times.get("disconnected_at"),
            started_at=self._times.get("started_at"),
            ready_at=self._times.get("ready_at"),
            status=self._status,
            lifecycle_state=self._lifecycle,
            name=self.name,
            resource_id=self.build.resource_id,
            architecture=GO_ARCHITECTURES.get(platform.machine(), platform.machine()),
            operating_system=platform.system().lower(),
            logs_length=self._state.logs.size(self.id),
            logs_overflowed=self.logs_overflowed,
            directory=home,
            expanded_directory=home if connected else "",
            version=release.version if connected else "",
            api_version=release.agent_api if connected else "",
            latency={RELAY: DERPRegion(preferred=True, latency_ms=0.1)} if connected else {},
            connection_timeout_seconds=120,
            troubleshooting_url="https://coder.com/docs/admin/templates/troubleshooting",
            health=self._health(),
            display_apps=(DisplayApp.WEB_TERMINAL, DisplayApp.SSH_HELPER),
            log_sources=self._log_sources(),
            scripts=tuple(self._script(script_id) for script_id in self._scripts),
            startup_script_behavior=self._behavior(),
        )

    def _health(self) -> WorkspaceAgentHealth:
        if self._status != "connected" and self._lifecycle == "off":
            reason = "agent is not running"
        elif self._status == "timeout":
            reason = "agent is taking too long to connect"
        elif self._status == "disconnected":
            reason = "agent has lost connection"
        elif self._lifecycle == "start_error":
            reason = "agent startup script exited with an error"
        else:
            reason = "agent is shutting down" if self._lifecycle == "shutting_down" else ""
        return WorkspaceAgentHealth(healthy=not reason, reason=reason)

    def _log_sources(self) -> tuple[WorkspaceAgentLogSource, ...]:
        found = [
            (self._sources[script_id], script.display_name, script.icon, self._created_at)
            for script_id, script in self._scripts.items()
        ]
        if self._external_since is not None:
            found.append((EXTERNAL_SOURCE_ID, "External", EXTERNAL_ICON, self._external_since))
        return tuple(
            WorkspaceAgentLogSource(
                workspace_agent_id=self.id,
                id=source_id,
                created_at=created_at,
                display_name=name,
                icon=icon,
            )
            for source_id, name, icon, created_at in found
        )

    def _script(self, script_id: UUID) -> WorkspaceAgentScript:
        script = self._scripts[script_id]
        told = self._outcomes.get(script_id) if self._state.release.tells_outcomes else None
        return WorkspaceAgentScript(
            id=script_id,
            log_source_id=self._sources[script_id],
            log_path=script.log_path,
            script=script.script,
            cron=script.cron,
            run_on_start=script.run_on_start,
            run_on_stop=script.run_on_stop,
            start_blocks_login=script.start_blocks_login,
            timeout=timedelta(seconds=script.timeout),
            display_name=script.display_name,
            exit_code=told.exit_code if told else None,
            status=told.status if told else None,
        )

    def _behavior(self) -> WorkspaceAgentStartupScriptBehavior:
        blocks = any(
            each.run_on_start and each.start_blocks_login for each in self._scripts.values()
        )
        return (
            WorkspaceAgentStartupScriptBehavior.BLOCKING
            if blocks
            else WorkspaceAgentStartupScriptBehavior.NON_BLOCKING
        )
