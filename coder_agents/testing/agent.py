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
from coder_agents.testing.description import EXTERNAL_SOURCE_ID, Facts, InstalledScript
from coder_agents.testing.logs import PendingLogs
from coder_agents.testing.machine import Machine
from coder_agents.testing.metadata import Metadata
from coder_agents.testing.ports import read_listening_ports
from coder_agents.testing.releases import Release
from coder_agents.testing.running_agent import RunningAgent
from coder_agents.testing.scripts import Script

if TYPE_CHECKING:
    from coder_agents.testing.state import State
    from coder_agents.testing.workspace import EmbeddedBuild


class EmbeddedAgent(RunningAgent):
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
        machine: what it runs on.
        containers: what it tells of containers.
        metadata: the newest value of each item.
        timings: the runs of its scripts that have ended.
        terminals: the processes of its terminals.
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
        machine: Machine | None = None,
    ) -> None:
        inherited = state.release if parent is None else parent.release
        self.release: Release = release or inherited
        facts = Facts(
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
