"""
An agent of the embedded deployment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from coder_agents.schema import (
    LogLevel,
    LogLevelName,
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListeningPort,
)
from coder_agents.testing.description import EXTERNAL_SOURCE_ID, DescriptionFacts, InstalledScript
from coder_agents.testing.logs import PendingLogs
from coder_agents.testing.machine import Machine
from coder_agents.testing.metadata import Metadata
from coder_agents.testing.ports import read_listening_ports
from coder_agents.testing.releases import Release
from coder_agents.testing.running_agent import RunningAgent
from coder_agents.testing.scripts import Script

if TYPE_CHECKING:
    from coder_agents.testing.build import EmbeddedBuild
    from coder_agents.testing.state import State


class EmbeddedAgent(RunningAgent):
    """
    An agent that runs its scripts on this machine.

    Created by `Deployment.add_agent` and `add_subagent`. Any thread may call any method.

    Attributes:
        id: its UUID.
        name: its name in the workspace.
        build: the build that created it.
        parent: the agent that runs it in a dev container; None for an agent of the template.
        deleted: whether it was deleted; only a sub-agent can be.
        release: the release of its program, which may be older than the deployment.
        specification: its scripts and metadata.
        machine: the machine that it runs on.
        containers: the containers that it reports.
        metadata: the newest value of each item.
        timings: the runs of its scripts that have ended.
        terminals: the processes of its terminals.
        notices: notifies when the agent connects or disconnects.
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
        machine: Machine | None = None,
    ) -> None:
        inherited = state.release if parent is None else parent.release
        self.release: Release = release or inherited
        facts = DescriptionFacts(
            state.new_id(),
            name,
            build.resource_id,
            state.now(),
            [InstalledScript(state.new_id(), state.new_id(), each) for each in scripts],
            self.release,
            machine or (Machine() if parent is None else parent.machine),
            None if parent is None else parent.id,
        )
        super().__init__(state, facts, tuple(metadata))
        self.name = name
        self.build = build
        self.parent = parent
        self.deleted = False
        self._ports: tuple[WorkspaceAgentListeningPort, ...] | None = None

    def __repr__(self) -> str:
        return f"<EmbeddedAgent {self.name} {self.id}>"

    # Methods for tests and scripts.

    @property
    def ports(self) -> list[WorkspaceAgentListeningPort]:
        """
        The ports that the agent reports: those that were set, else those of this machine.
        """
        return read_listening_ports() if self._ports is None else list(self._ports)

    @property
    def superseded(self) -> bool:
        """
        Whether the workspace has a newer build, successful or not.
        """
        return self.build is not self.build.workspace.latest_build

    def add_subagent(
        self, name: str, *, scripts: Iterable[Script | str] = (), metadata: Iterable[Metadata] = ()
    ) -> EmbeddedAgent:
        """
        Add a sub-agent of this agent, as in a dev container, and start it.

        The next build does not have the sub-agent: it has to be added again.

        Arguments:
            name: its name, unique in the workspace.
            scripts: the scripts that it runs at its start, all at once; a text is a `Script`.
            metadata: the items that it collects.

        Raises:
            ValueError: the workspace has an agent of that name, or this agent is a sub-agent
                itself.
        """
        if self.parent is not None:
            raise ValueError(f"{self!r} is a sub-agent, and can have no sub-agents")
        return self.build.add_agent(name, parent=self, scripts=scripts, metadata=metadata)

    def delete(self) -> None:
        """
        Delete a sub-agent, as its parent does when it stops the dev container; repeatable.

        No call finds the sub-agent any more. A log that is followed ends from 2.31 on; before, it
        continues without new lines.

        Raises:
            ValueError: it is an agent of the template, which only a newer build ends.
        """
        if self.parent is None:
            raise ValueError(f"{self!r} is no sub-agent: only a newer build ends it")
        self.deleted = True
        self.build.remove_agent(self)
        self.kill()

    def push_logs(
        self, lines: str | Iterable[str], level: LogLevel | LogLevelName = "info"
    ) -> list[int]:
        """
        Store log lines in one batch, as a program in the workspace can.

        Arguments:
            lines: the lines, or one text of several lines.
            level: ``trace``, ``debug``, ``info``, ``warn`` or ``error``.

        Returns:
            The ids of the lines; empty where the batch exceeded the limit and was refused.
        """
        pending = self.begin_logs(lines, level)
        return pending.ids if pending.commit() else []

    def begin_logs(
        self, lines: str | Iterable[str], level: LogLevel | LogLevelName = "info"
    ) -> PendingLogs:
        """
        Take the ids of log lines, and store the lines later, as a slow writer does.

        Lines that other writers store meanwhile have higher ids and appear earlier.

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
        Delete log lines, as a deployment does after a week.

        Arguments:
            before: delete the lines with lower ids; by default all. No id is used again.
        """
        self._state.logs.purge(self.id, before)

    def set_metadata(self, key: str, value: str, error: str = "") -> None:
        """
        Set the value of an item of metadata, as if it were collected now.

        An unknown key becomes a new item of that name, without a script.
        """
        self.metadata.set(key, value, error)

    def set_ports(self, ports: Iterable[WorkspaceAgentListeningPort]) -> None:
        """
        Report *ports* in place of those of this machine.
        """
        self._ports = tuple(ports)

    def open_port(self, port: int, process_name: str = "") -> None:
        """
        Report a TCP port in addition to those that were set or opened; ports of this machine are
        not reported.

        A port that is open already gets the new name.
        """
        opened = WorkspaceAgentListeningPort(process_name=process_name, network="tcp", port=port)
        with self._changed:
            others = [each for each in self._ports or () if each.port != port]
            self._ports = tuple(sorted([*others, opened], key=lambda each: each.port))

    def close_port(self, port: int) -> None:
        """
        Stop reporting a port.

        Raises:
            ValueError: the port was neither set nor opened.
        """
        with self._changed:
            remaining = tuple(each for each in self._ports or () if each.port != port)
            if len(remaining) == len(self._ports or ()):
                raise ValueError(f"port {port} is not open")
            self._ports = remaining

    def set_containers(
        self, containers: Iterable[WorkspaceAgentContainer], *, warnings: Iterable[str] = ()
    ) -> None:
        """
        Report *containers*, and *warnings* from listing them.
        """
        self.containers.set_containers(containers, warnings)

    def set_devcontainers(self, devcontainers: Iterable[WorkspaceAgentDevcontainer]) -> None:
        """
        Report *devcontainers*.
        """
        self.containers.set_devcontainers(devcontainers)

    def new_build(self) -> EmbeddedAgent:
        """
        Start and complete a new build of the workspace, which ends this agent.

        Returns:
            The agent of the same name in the new build.
        """
        build = self.build.workspace.start_build()
        build.complete()
        return next(agent for agent in build.agents if agent.name == self.name)
