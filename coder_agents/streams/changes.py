"""
What happened between two states of an agent's ports or containers.

Pure. Applied to what was before, the changes give what is after.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from coder_agents.render import escape_controls
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPort,
)


@attrs.frozen
class PortOpened:
    """
    Something listens on a port.

    Attributes:
        port: which, and what listens.
    """

    port: WorkspaceAgentListeningPort

    def __str__(self) -> str:
        return f"port opened: {_port(self.port)}"


@attrs.frozen
class PortClosed:
    """
    Something listens on a port no longer.

    Attributes:
        port: which, and what listened.
    """

    port: WorkspaceAgentListeningPort

    def __str__(self) -> str:
        return f"port closed: {_port(self.port)}"


@attrs.frozen
class ContainerStarted:
    """
    A container runs, which did not or was not there.

    Attributes:
        container: as it is.
    """

    container: WorkspaceAgentContainer

    def __str__(self) -> str:
        return f"container started: {_named(self.container)}"


@attrs.frozen
class ContainerStopped:
    """
    A container runs no longer.

    Attributes:
        container: as it is, or as it was before it was gone.
    """

    container: WorkspaceAgentContainer

    def __str__(self) -> str:
        return f"container stopped: {_named(self.container)}"


@attrs.frozen
class DevcontainerAdded:
    """
    A devcontainer is there, in whatever status.

    Attributes:
        devcontainer: as it is.
    """

    devcontainer: WorkspaceAgentDevcontainer

    def __str__(self) -> str:
        return f"devcontainer added: {_standing(self.devcontainer)}"


@attrs.frozen
class DevcontainerChanged:
    """
    Something about a devcontainer is not as it was: its status, most of all.

    Attributes:
        devcontainer: as it is.
        before: as it was.
    """

    devcontainer: WorkspaceAgentDevcontainer
    before: WorkspaceAgentDevcontainer

    def __str__(self) -> str:
        return f"devcontainer changed: {_standing(self.devcontainer)}"


@attrs.frozen
class DevcontainerRemoved:
    """
    A devcontainer is gone.

    Attributes:
        devcontainer: as it was.
    """

    devcontainer: WorkspaceAgentDevcontainer

    def __str__(self) -> str:
        return f"devcontainer removed: {_named(self.devcontainer)}"


PortChange = PortOpened | PortClosed
ContainerChange = (
    ContainerStarted
    | ContainerStopped
    | DevcontainerAdded
    | DevcontainerChanged
    | DevcontainerRemoved
)


def port_changes(
    before: Iterable[WorkspaceAgentListeningPort], after: Iterable[WorkspaceAgentListeningPort]
) -> list[PortChange]:
    """
    Return what was closed and opened between *before* and *after*, by number, closed first.

    Where something else listens on the same port, it was closed and opened.
    """
    old, new = set(before), set(after)
    closed = [PortClosed(port) for port in sorted(old - new, key=_by_number)]
    return [*closed, *(PortOpened(port) for port in sorted(new - old, key=_by_number))]


def container_changes(
    before: WorkspaceAgentListContainersResponse, after: WorkspaceAgentListContainersResponse
) -> list[ContainerChange]:
    """
    Return what stopped and started, and what became of the devcontainers, in this order.

    Containers that do not run, and all else about those that do, are left out.
    """
    return [
        *_containers(before.containers, after.containers),
        *_devcontainers(before.devcontainers, after.devcontainers),
    ]


def _containers(
    before: Sequence[WorkspaceAgentContainer], after: Sequence[WorkspaceAgentContainer]
) -> list[ContainerChange]:
    there = {_key(each): each for each in after}
    old = {_key(each): each for each in before if each.running}
    new = {key: each for key, each in there.items() if each.running}
    stopped = [
        ContainerStopped(there.get(key, each)) for key, each in old.items() if key not in new
    ]
    return [*stopped, *(ContainerStarted(each) for key, each in new.items() if key not in old)]


def _devcontainers(
    before: Sequence[WorkspaceAgentDevcontainer], after: Sequence[WorkspaceAgentDevcontainer]
) -> list[ContainerChange]:
    old = {each.id: each for each in before}
    new = {each.id: each for each in after}
    removed = [DevcontainerRemoved(each) for each in old.values() if each.id not in new]
    both = [(each, old[each.id]) for each in new.values() if each.id in old]
    changed = [DevcontainerChanged(each, was) for each, was in both if _said(each) != _said(was)]
    added = [DevcontainerAdded(each) for each in new.values() if each.id not in old]
    return [*removed, *changed, *added]


def same_ports(
    before: Iterable[WorkspaceAgentListeningPort], after: Iterable[WorkspaceAgentListeningPort]
) -> bool:
    """
    Whether both lists say the same, in whatever order.
    """
    return set(before) == set(after)


def same_containers(
    before: WorkspaceAgentListContainersResponse, after: WorkspaceAgentListContainersResponse
) -> bool:
    """
    Whether both states say the same, in whatever order.
    """
    return all(
        (
            sorted(before.warnings) == sorted(after.warnings),
            _ordered(map(_what, before.containers)) == _ordered(map(_what, after.containers)),
            _ordered(map(_said, before.devcontainers)) == _ordered(map(_said, after.devcontainers)),
        )
    )


def _ordered(things: Iterable[attrs.AttrsInstance]) -> list[attrs.AttrsInstance]:
    return sorted(things, key=repr)


def _what(container: WorkspaceAgentContainer) -> WorkspaceAgentContainer:
    # The agent takes the ports, and all maps, from maps of its own.
    return attrs.evolve(
        container,
        ports=tuple(sorted(container.ports, key=attrs.astuple)),
        labels=dict(sorted(container.labels.items())),
        volumes=dict(sorted(container.volumes.items())),
    )


def _said(devcontainer: WorkspaceAgentDevcontainer) -> WorkspaceAgentDevcontainer:
    if devcontainer.container is None:
        return devcontainer
    return attrs.evolve(devcontainer, container=_what(devcontainer.container))


def _key(container: WorkspaceAgentContainer) -> str:
    return container.id or container.name


def _by_number(port: WorkspaceAgentListeningPort) -> tuple[int, str, str]:
    return port.port, port.network, port.process_name


def _port(port: WorkspaceAgentListeningPort) -> str:
    name = f" ({port.process_name})" if port.process_name else ""
    return escape_controls(f"{port.network} {port.port}{name}")


def _named(thing: WorkspaceAgentContainer | WorkspaceAgentDevcontainer) -> str:
    return escape_controls(thing.name or str(thing.id))


def _standing(devcontainer: WorkspaceAgentDevcontainer) -> str:
    error = f": {devcontainer.error}" if devcontainer.error else ""
    return f"{_named(devcontainer)} {escape_controls(devcontainer.status + error)}"
