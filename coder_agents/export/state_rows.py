"""
The rows of an agent's state: its metadata, ports, containers and dev containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from coder_agents.export.columns import (
    Kind,
    Owner,
    Table,
    Values,
    boolean,
    category,
    integer,
    mapping,
    moment,
    number,
    text,
    transposed,
)
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentContainerPort,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPort,
    WorkspaceAgentListeningPortsResponse,
    WorkspaceAgentMetadata,
)

METADATA = Table(
    "metadata",
    (
        category("agent"),
        category("key"),
        category("name"),
        text("value"),
        number("number"),
        number("of"),
        category("unit"),
        integer("age"),
        text("error"),
        moment("collected_at"),
    ),
)

PORTS = Table(
    "listening ports",
    (
        category("agent"),
        integer("port", is_required=True),
        category("network"),
        text("process_name"),
    ),
)

CONTAINERS = Table(
    "containers",
    (
        category("agent"),
        category("kind"),
        text("id"),
        text("name"),
        category("status"),
        boolean("running", is_required=False),
        text("image"),
        moment("created_at"),
        text("ports"),
        mapping("labels"),
        mapping("volumes"),
        text("container"),
        text("subagent"),
        text("workspace_folder"),
        text("config_path"),
        boolean("dirty", is_required=False),
        text("error"),
    ),
)


def states() -> dict[type, Kind]:
    """
    Return the kinds of an agent's state.
    """
    return {
        WorkspaceAgentMetadata: Kind(METADATA, _read_metadata),
        WorkspaceAgentListeningPort: Kind(PORTS, _read_ports),
        WorkspaceAgentListeningPortsResponse: Kind(PORTS, _read_lists_of_ports),
        WorkspaceAgentContainer: Kind(CONTAINERS, _read_containers),
        WorkspaceAgentDevcontainer: Kind(CONTAINERS, _read_devcontainers),
        WorkspaceAgentListContainersResponse: Kind(CONTAINERS, _read_lists_of_containers),
    }


def _read_metadata(items: Sequence[WorkspaceAgentMetadata], owner: Owner) -> Sequence[Values]:
    return transposed(METADATA, [_metadata(item, owner) for item in items])


def _metadata(item: WorkspaceAgentMetadata, owner: Owner) -> tuple[Any, ...]:
    description, result, parsed = item.description, item.result, item.number
    return (
        owner.label,
        description.key,
        description.display_name,
        result.value,
        None if parsed is None else parsed.value,
        None if parsed is None else parsed.of,
        None if parsed is None else parsed.unit,
        result.age,
        result.error,
        result.collected_at,
    )


def _read_ports(ports: Sequence[WorkspaceAgentListeningPort], owner: Owner) -> Sequence[Values]:
    rows = [(owner.label, port.port, port.network, port.process_name) for port in ports]
    return transposed(PORTS, rows)


def _read_lists_of_ports(
    answers: Sequence[WorkspaceAgentListeningPortsResponse], owner: Owner
) -> Sequence[Values]:
    return _read_ports([port for answer in answers for port in answer.ports], owner)


def _read_containers(
    containers: Sequence[WorkspaceAgentContainer], owner: Owner
) -> Sequence[Values]:
    return transposed(CONTAINERS, [_container(each, owner) for each in containers])


def _read_devcontainers(
    devcontainers: Sequence[WorkspaceAgentDevcontainer], owner: Owner
) -> Sequence[Values]:
    return transposed(CONTAINERS, [_devcontainer(each, owner) for each in devcontainers])


def _read_lists_of_containers(
    answers: Sequence[WorkspaceAgentListContainersResponse], owner: Owner
) -> Sequence[Values]:
    rows: list[tuple[Any, ...]] = []
    for answer in answers:
        rows += [_devcontainer(each, owner) for each in answer.devcontainers]
        rows += [_container(each, owner) for each in answer.containers]
    return transposed(CONTAINERS, rows)


def _container(container: WorkspaceAgentContainer, owner: Owner) -> tuple[Any, ...]:
    return (
        owner.label,
        "container",
        container.id,
        container.name,
        container.status,
        container.running,
        container.image,
        container.created_at,
        _ports(container.ports),
        dict(container.labels),
        dict(container.volumes),
        *[None] * 6,
    )


def _devcontainer(devcontainer: WorkspaceAgentDevcontainer, owner: Owner) -> tuple[Any, ...]:
    container, agent = devcontainer.container, devcontainer.agent
    return (
        owner.label,
        "devcontainer",
        str(devcontainer.id),
        devcontainer.name,
        devcontainer.status.value,
        None if container is None else container.running,
        *[None] * 5,
        None if container is None else container.name,
        None if agent is None else agent.name,
        devcontainer.workspace_folder,
        devcontainer.config_path,
        devcontainer.dirty,
        devcontainer.error,
    )


def _ports(ports: Iterable[WorkspaceAgentContainerPort]) -> str:
    """
    Return *ports* in the form of ``docker ps``, such as ``127.0.0.1:8080->80/tcp, 443/tcp``.
    """
    return ", ".join(map(_port, ports))


def _port(port: WorkspaceAgentContainerPort) -> str:
    inside = f"{port.port}/{port.network}"
    if not port.host_port:
        return inside
    host = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    return f"{host}:{port.host_port}->{inside}" if host else f"{port.host_port}->{inside}"
