"""
An agent of the embedded deployment.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from coder_agents.schema import (
    LogLevel,
    LogLevelName,
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListeningPort,
    WorkspaceAgentScriptStatus,
)
from coder_agents.testing.containers import ContainerBoard
from coder_agents.testing.description import EXTERNAL_SOURCE_ID, Facts, InstalledScript
from coder_agents.testing.logs import PendingLogs
from coder_agents.testing.metadata import Metadata, MetadataBoard
from coder_agents.testing.ports import read_listening_ports
from coder_agents.testing.releases import Release
from coder_agents.testing.reported_agent import ReportedAgent
from coder_agents.testing.scripts import Outcome, Script
from coder_agents.testing.timings import ScriptTiming, TimingBoard

if TYPE_CHECKING:
    from coder_agents.testing.state import State
    from coder_agents.testing.workspace import EmbeddedBuild

# What an agent is after the scripts of a phase: all went well, the first that did not took
# too long, or it failed.
VERDICTS = {
    "start": ("ready", "start_timeout", "start_error"),
    "stop": ("off", "shutdown_timeout", "shutdown_error"),
}

LEVELS = {"stdout": LogLevel.INFO, "stderr": LogLevel.ERROR}

PIPES_WARNING = "WARNING: the script has ended, but a process it started still holds its output."


class EmbeddedAgent(ReportedAgent):
    """
    An agent that runs its scripts on this machine.

    Made by `Deployment.add_agent` and `add_subagent`; all methods can be called from any thread.

    Attributes:
        id: its UUID.
        name: its name in the workspace.
        build: the build that made it.
        parent: the agent that runs it in a dev container; None for a template's own.
        deleted: whether it is gone, which only a sub-agent can be.
        release: the release of its program, which may be older than the deployment.
        specification: the scripts and metadata it was made with.
        containers: what it tells of containers.
        metadata: the newest value of each item.
        timings: the runs of its scripts that have ended.
        notices: tells when it gets in touch or loses it.
    """

    def __init__(
        self,
        state: State,
        build: EmbeddedBuild,
        name: str,
        *,
        parent: EmbeddedAgent | None = None,
        scripts: Iterable[Script] = (),
        metadata: Iterable[Metadata] = (),
        release: Release | None = None,
    ) -> None:
        inherited = state.release if parent is None else parent.release
        self.release: Release = release or inherited
        specification = (tuple(scripts), tuple(metadata))
        facts = Facts(
            state.new_id(),
            name,
            build.resource_id,
            state.now(),
            [InstalledScript(state.new_id(), state.new_id(), each) for each in specification[0]],
            self.release,
            None if parent is None else parent.id,
        )
        super().__init__(state, facts)
        self.name = name
        self.build = build
        self.parent = parent
        self.deleted = False
        self.specification = specification
        self.containers = ContainerBoard(self.release)
        self.metadata = MetadataBoard(specification[1], now=state.now)
        self.timings = TimingBoard()
        self._went_wrong: dict[str, Outcome] = {}
        self._shutting_down = False
        self._ports: tuple[WorkspaceAgentListeningPort, ...] | None = None

    def __repr__(self) -> str:
        return f"<EmbeddedAgent {self.name} {self.id}>"

    # What tests and scripts do with it.

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

    def add_subagent(
        self, name: str, *, scripts: Iterable[Script | str] = (), metadata: Iterable[Metadata] = ()
    ) -> EmbeddedAgent:
        """
        Add an agent that this one runs, as in a dev container, and start it.

        It is listed beside this one. The next build does not have it: whoever made it makes it anew.

        Arguments:
            name: its name, unique in the workspace.
            scripts: what it runs when it starts, all at once; a text is a `Script`.
            metadata: what it collects while it runs.

        Raises:
            ValueError: the workspace has an agent of that name, or this one is a sub-agent itself.
        """
        if self.parent is not None:
            raise ValueError(f"{self!r} is a sub-agent: it has none of its own")
        return self.build.add_agent(name, parent=self, scripts=scripts, metadata=metadata)

    def delete(self) -> None:
        """
        Delete a sub-agent, as its parent does when it stops the dev container. Twice is once.

        Nothing finds it any more; a log that is being followed ends from 2.31 on, and goes on
        without a word before.

        Raises:
            ValueError: it is no sub-agent: those of a template go with their build.
        """
        if self.parent is None:
            raise ValueError(f"{self!r} is no sub-agent: a newer build would replace it")
        self.deleted = True
        self.build.remove_agent(self)
        self.kill()

    def push_logs(
        self, lines: str | Iterable[str], level: LogLevel | LogLevelName = "info"
    ) -> list[int]:
        """
        Store log lines, in one batch, as a program of the workspace can.

        Arguments:
            lines: the lines, or one text of several lines.
            level: ``trace``, ``debug``, ``info``, ``warn`` or ``error``.

        Returns:
            The ids of the lines; none where the batch passed the limit and was refused.
        """
        pending = self.begin_logs(lines, level)
        return pending.ids if pending.commit() else []

    def begin_logs(
        self, lines: str | Iterable[str], level: LogLevel | LogLevelName = "info"
    ) -> PendingLogs:
        """
        Take the ids of log lines and store the lines later, as a writer that is slow.

        What others write meanwhile has higher ids and is seen earlier.

        Arguments:
            lines: the lines, or one text of several lines.
            level: as for `push_logs`.
        """
        texts = lines.splitlines() if isinstance(lines, str) else lines
        with self._changed:
            self._facts.external_since = self._facts.external_since or self._state.now()
        logs = self._state.logs
        batch = [(LogLevel(level), text) for text in texts]
        return PendingLogs(logs, logs.reserve(self.id, EXTERNAL_SOURCE_ID, batch))

    def purge_logs(self, before: int | None = None) -> None:
        """
        Delete log lines, as a deployment does with those of a week ago.

        Arguments:
            before: the lines with ids below it; all by default. Ids are not given again.
        """
        self._state.logs.purge(self.id, before)

    def set_metadata(self, key: str, value: str, error: str = "") -> None:
        """
        Set the value of an item of metadata, as if collected now.

        A key that nobody described becomes an item of its own name, without a script.
        """
        self.metadata.set(key, value, error)

    def set_ports(self, ports: Iterable[WorkspaceAgentListeningPort]) -> None:
        """
        Tell of *ports* instead of those of this machine.
        """
        self._ports = tuple(ports)

    def open_port(self, port: int, process_name: str = "") -> None:
        """
        Tell of a TCP port besides those that were set or opened, not of those of this machine.

        A port that is open already gets the other name.
        """
        opened = WorkspaceAgentListeningPort(process_name=process_name, network="tcp", port=port)
        with self._changed:
            others = [each for each in self._ports or () if each.port != port]
            self._ports = tuple(sorted([*others, opened], key=lambda each: each.port))

    def close_port(self, port: int) -> None:
        """
        Tell of a port no longer.

        Raises:
            ValueError: it was neither set nor opened.
        """
        with self._changed:
            left = tuple(each for each in self._ports or () if each.port != port)
            if len(left) == len(self._ports or ()):
                raise ValueError(f"port {port} is not open")
            self._ports = left

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
        for installed in self._startup_scripts:
            self._runner.spawn(partial(self.run_script, installed))
        if not self._startup_scripts:
            self.set_lifecycle("ready")
        for item in self.specification[1]:
            if item.script:
                self._runner.spawn(partial(self._runner.collect, item, self.metadata.set))

    def stop(self) -> None:
        """
        Shut down: run the scripts for it, kill what else runs, and disconnect. Twice is once.

        It is ``shutting_down`` meanwhile, and then ``off``, or ``shutdown_timeout`` or
        ``shutdown_error`` as the first script that did not go well.
        """
        with self._changed:
            again = self._shutting_down or self._runner.stopped
            self._shutting_down = True
        if again:
            return
        self.set_lifecycle("shutting_down")
        scripts = [each for each in self._facts.scripts if each.script.run_on_stop]
        work = [partial(self.run_script, each, "stop") for each in scripts]
        for thread in [self._runner.spawn(each) for each in work]:
            thread.join()
        self.set_lifecycle(self._verdict("stop"))
        self.kill()

    def kill(self) -> None:
        """
        Kill its processes and disconnect, as when its machine is switched off. Twice is once.
        """
        if not self._runner.stopped:
            self._runner.stop()
            self.containers.close()
            self.disconnect()

    @property
    def _startup_scripts(self) -> list[InstalledScript]:
        return [each for each in self._facts.scripts if each.script.run_on_start]

    def run_script(self, installed: InstalledScript, phase: str = "start") -> None:
        """
        Run a script at the ``start`` or at the ``stop``; with the last one to end the start is over.
        """
        store = partial(self._store, installed.source_id)
        began = self._state.now()
        outcome = self._runner.run_script(installed.script, store)
        if outcome is None:
            return
        if outcome.status == WorkspaceAgentScriptStatus.PIPES_LEFT_OPEN:
            store("stderr", [PIPES_WARNING])
        name, ended = installed.script.display_name, self._state.now()
        self.timings.add(ScriptTiming(name, phase, began, ended, outcome))
        self._finish(installed, outcome, phase)

    def _store(self, source_id: UUID, stream: str, lines: list[str]) -> None:
        if lines:
            batch = [(LEVELS[stream], line) for line in lines]
            self._state.logs.append(self.id, source_id, batch)

    def _finish(self, installed: InstalledScript, outcome: Outcome, phase: str) -> None:
        with self._changed:
            installed.outcome = outcome
            if outcome.error:
                self._went_wrong.setdefault(phase, outcome)
            over = all(each.outcome for each in self._startup_scripts)
            ended = self._shutting_down or self._runner.stopped
        if over and not ended:
            self.set_lifecycle(self._verdict("start"))

    def _verdict(self, phase: str) -> str:
        well, late, badly = VERDICTS[phase]
        outcome = self._went_wrong.get(phase)
        if outcome is None:
            return well
        return late if outcome.status == WorkspaceAgentScriptStatus.TIMED_OUT else badly
