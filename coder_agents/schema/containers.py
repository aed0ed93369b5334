"""
Containers an agent sees, and the dev containers among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import attrs

from coder_agents.schema.enumerations import WorkspaceAgentDevcontainerStatus
from coder_agents.schema.fields import NIL_UUID, empty_map, identifying, maybe_absent


@attrs.frozen(kw_only=True)
class WorkspaceAgentContainerPort:
    """
    A port that a container exposes.

    Attributes:
        port: its number inside the container.
        network: ``tcp``, ``udp`` or what else the container runtime says.
        host_ip: the address on the host it is bound to, of IPv4 or IPv6; empty if it is not.
        host_port: its number outside the container; 0 if it is not bound.
    """

    port: int = 0
    network: str = ""
    host_ip: str = maybe_absent("")
    host_port: int = maybe_absent(0)


@attrs.frozen(kw_only=True)
class WorkspaceAgentContainer:
    """
    A container on the machine of an agent, running or not.

    Attributes:
        created_at: when it was made.
        id: the container runtime's id.
        name: its name for people.
        image: what it was made of.
        labels: its labels.
        running: whether it runs.
        ports: what it exposes.
        status: a word of the container runtime, such as ``running`` or ``exited``.
        volumes: what is mounted into it: path outside to path inside.
    """

    created_at: datetime | None = None
    id: str = ""
    name: str = ""
    image: str = ""
    labels: Mapping[str, str] = empty_map()
    running: bool = False
    ports: tuple[WorkspaceAgentContainerPort, ...] = ()
    status: str = ""
    volumes: Mapping[str, str] = empty_map()

    def match(self, id_or_name: str) -> bool:
        """
        Whether *id_or_name* is this container's id, in full, or its name.
        """
        return id_or_name in (self.id, self.name)


@attrs.frozen(kw_only=True)
class WorkspaceAgentDevcontainerAgent:
    """
    The agent that runs inside a dev container.

    Attributes:
        id: of the agent, which can be had like any other.
        name: of the agent.
        directory: where its shells start, inside the container.
    """

    id: UUID = NIL_UUID
    name: str = ""
    directory: str = ""


@attrs.frozen(kw_only=True)
class WorkspaceAgentDevcontainer:
    """
    A dev container: a definition in the workspace, and what runs of it.

    Attributes:
        id: of the dev container; it stays when its container is made anew.
        name: for people.
        workspace_folder: the folder that the definition is of.
        config_path: the definition's file.
        status: what it is doing.
        dirty: whether the definition has changed since the container was made.
        container: what runs, or ran; None where there is none.
        agent: the agent inside; None where there is none.
        subagent_id: the agent the template declares for it; None where it does not. By 2.31.
        error: what went wrong with it, or empty. By 2.31.
    """

    id: UUID = NIL_UUID
    name: str = ""
    workspace_folder: str = ""
    config_path: str = maybe_absent("")
    status: WorkspaceAgentDevcontainerStatus = WorkspaceAgentDevcontainerStatus("")
    dirty: bool = False
    container: WorkspaceAgentContainer | None = maybe_absent(None)
    agent: WorkspaceAgentDevcontainerAgent | None = maybe_absent(None)
    subagent_id: UUID | None = None
    error: str = maybe_absent("")


@attrs.frozen(kw_only=True)
class WorkspaceAgentListContainersResponse:
    """
    The containers an agent sees.

    Attributes:
        devcontainers: dev containers; they are never filtered by labels.
        containers: containers, also those that have exited and those of dev containers.
        warnings: what went wrong on the way to this list, without spoiling it.
    """

    devcontainers: tuple[WorkspaceAgentDevcontainer, ...] = ()
    containers: tuple[WorkspaceAgentContainer, ...] = identifying(())
    warnings: tuple[str, ...] = maybe_absent(())
