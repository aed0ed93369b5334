"""
The containers and dev containers that an agent lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from coder_agents.render.html import Markup
from coder_agents.render.line import counted
from coder_agents.representation.cells import names, problem, status, tables
from coder_agents.representation.objects import Represented
from coder_agents.schema.enumerations import WorkspaceAgentDevcontainerStatus
from coder_agents.schema.fields import NIL_UUID, empty_map, identifying, maybe_absent


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentContainerPort(Represented):
    """
    A port that a container exposes.

    Attributes:
        port: its number inside the container.
        network: ``tcp``, ``udp`` or another word of the container runtime.
        host_ip: the address of IPv4 or IPv6 on the host to which it is bound; empty if unbound.
        host_port: its number outside the container; 0 if unbound.
    """

    port: int = 0
    network: str = ""
    host_ip: str = maybe_absent("")
    host_port: int = maybe_absent(0)

    def _mapping(self) -> str:
        outside = f"{self.host_port} -> " if self.host_port else ""
        return f"{outside}{self.port}"


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentContainer(Represented):
    """
    A container on the machine of an agent, running or not.

    Attributes:
        created_at: when it was created.
        id: the container runtime's id.
        name: its name for people.
        image: the image it was created from.
        labels: its labels.
        running: whether it is running.
        ports: the ports that it exposes.
        status: a word of the container runtime, such as ``running`` or ``exited``.
        volumes: its mounts: a mapping of paths outside to paths inside.
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

    _first_fields = ("name", "status", "image", "id")
    _columns = ("Container", "Status", "Image", "Ports", "Created")
    _noun = "container"

    def _cells(self) -> Sequence[object]:
        ports = names([port._mapping() for port in self.ports])
        return self.name, status(self.status), self.image, ports, self.created_at

    def _title(self) -> str:
        return self.name

    def match(self, id_or_name: str) -> bool:
        """
        Whether *id_or_name* is this container's full id or its name.
        """
        return id_or_name in (self.id, self.name)


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentDevcontainerAgent(Represented):
    """
    The agent that runs inside a dev container.

    Attributes:
        id: the agent's id, which `Client.agent` accepts.
        name: the agent's name.
        directory: the first directory of its shells, inside the container.
    """

    id: UUID = NIL_UUID
    name: str = ""
    directory: str = ""


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentDevcontainer(Represented):
    """
    A dev container: a definition in the workspace, and its container.

    Attributes:
        id: the dev container's id; it stays the same when its container is recreated.
        name: its name for people.
        workspace_folder: the folder that the definition belongs to.
        config_path: the path of the definition.
        status: its state.
        dirty: whether the definition has changed since the container was created.
        container: its container, running or not; None where there is none.
        agent: the agent in the container; None where there is none.
        subagent_id: the id of the agent that the template declares for it; None where the template
            declares none. By 2.31.
        error: why it failed, or empty. By 2.31.
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

    _first_fields = ("name", "status", "workspace_folder", "error", "id")
    _columns = ("Dev container", "Status", "Folder", "Container", "Agent", "Outdated", "Error")
    _noun = "dev container"

    def _cells(self) -> Sequence[object]:
        return (
            self.name,
            status(self.status),
            self.workspace_folder,
            self.container and self.container.name,
            self.agent and self.agent.name,
            "yes" if self.dirty else "",
            problem(self.error),
        )

    def _title(self) -> str:
        return self.name


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentListContainersResponse(Represented):
    """
    The containers and dev containers that an agent lists.

    Attributes:
        devcontainers: the dev containers; labels do not filter them.
        containers: the containers, including exited ones and those of dev containers.
        warnings: problems while the agent made the list; the list is valid.
    """

    devcontainers: tuple[WorkspaceAgentDevcontainer, ...] = ()
    containers: tuple[WorkspaceAgentContainer, ...] = identifying(())
    warnings: tuple[str, ...] = maybe_absent(())

    def _title(self) -> str:
        inside = counted(len(self.devcontainers), "dev container")
        return f"{inside}, {counted(len(self.containers), 'container')}"

    def _facts(self) -> Iterable[tuple[str, object]]:
        return (("Warning", problem(text)) for text in self.warnings)

    def _below(self) -> Iterable[Markup]:
        return tables(self.devcontainers, self.containers)
