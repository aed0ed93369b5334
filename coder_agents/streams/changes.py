"""
The changes between two states of an agent's ports or containers.

Pure: no input or output. The changes applied to the earlier state give the later state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from coder_agents.render import escape_controls
from coder_agents.representation.objects import Represented
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPort,
)


class Change(Represented):
    """
    A change, which a table shows as its sentence.
    """

    __slots__ = ()

    _columns = ("Change",)
    _noun = "change"

    def _cells(self) -> Sequence[object]:
        return (str(self),)

    def _title(self) -> str:
        return str(self)


@attrs.frozen(repr=False)
class PortOpened(Change):
    """
    A process began to listen on a port.

    Attributes:
        port: the port, and the process that listens.
    """

    port: WorkspaceAgentListeningPort

    def __str__(self) -> str:
        return f"port opened: {_port(self.port)}"


@attrs.frozen(repr=False)
class PortClosed(Change):
    """
    A process no longer listens on a port.

    Attributes:
        port: the port, and the process that listened.
    """

    port: WorkspaceAgentListeningPort

    def __str__(self) -> str:
        return f"port closed: {_port(self.port)}"


@attrs.frozen(repr=False)
class ContainerStarted(Change):
    """
    A container runs that did not run, or did not exist, before.

    Attributes:
        container: its state now.
    """

    container: WorkspaceAgentContainer

    def __str__(self) -> str:
        return f"container started: {_name_of(self.container)}"


@attrs.frozen(repr=False)
class ContainerStopped(Change):
    """
    A container no longer runs.

    Attributes:
        container: its state now, or its last state where the container was removed.
    """

    container: WorkspaceAgentContainer

    def __str__(self) -> str:
        return f"container stopped: {_name_of(self.container)}"


@attrs.frozen(repr=False)
class DevcontainerAdded(Change):
    """
    A dev container was added, in any status.

    Attributes:
        devcontainer: its state now.
    """

    devcontainer: WorkspaceAgentDevcontainer

    def __str__(self) -> str:
        return f"devcontainer added: {_with_status(self.devcontainer)}"


@attrs.frozen(repr=False)
class DevcontainerChanged(Change):
    """
    A dev container changed, most often in its status.

    Attributes:
        devcontainer: its state now.
        before: its state before.
    """

    devcontainer: WorkspaceAgentDevcontainer
    before: WorkspaceAgentDevcontainer

    def __str__(self) -> str:
        return f"devcontainer changed: {_with_status(self.devcontainer)}"


@attrs.frozen(repr=False)
class DevcontainerRemoved(Change):
    """
    A dev container was removed.

    Attributes:
        devcontainer: its last state.
    """

    devcontainer: WorkspaceAgentDevcontainer

    def __str__(self) -> str:
        return f"devcontainer removed: {_name_of(self.devcontainer)}"


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
    Return the ports closed and opened between *before* and *after*: closed ones first, each by
    number.

    A port on which another process listens now counts as closed and opened.
    """
    old, new = set(before), set(after)
    closed = [PortClosed(port) for port in sorted(old - new, key=_by_number)]
    return [*closed, *(PortOpened(port) for port in sorted(new - old, key=_by_number))]


def container_changes(
    before: WorkspaceAgentListContainersResponse, after: WorkspaceAgentListContainersResponse
) -> list[ContainerChange]:
    """
    Return the changes between *before* and *after*: containers that stopped, containers that
    started, then the changes of devcontainers.

    Changes of a container other than its start and stop are skipped.
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
    changed = [
        DevcontainerChanged(each, was)
        for each, was in both
        if _normalized_devcontainer(each) != _normalized_devcontainer(was)
    ]
    added = [DevcontainerAdded(each) for each in new.values() if each.id not in old]
    return [*removed, *changed, *added]


def same_ports(
    before: Iterable[WorkspaceAgentListeningPort], after: Iterable[WorkspaceAgentListeningPort]
) -> bool:
    """
    Whether both lists have the same ports, in any order.
    """
    return set(before) == set(after)


def same_containers(
    before: WorkspaceAgentListContainersResponse, after: WorkspaceAgentListContainersResponse
) -> bool:
    """
    Whether both states have the same content, in any order.
    """
    return all(
        (
            sorted(before.warnings) == sorted(after.warnings),
            _ordered(map(_normalized, before.containers))
            == _ordered(map(_normalized, after.containers)),
            _ordered(map(_normalized_devcontainer, before.devcontainers))
            == _ordered(map(_normalized_devcontainer, after.devcontainers)),
        )
    )


def _ordered(things: Iterable[attrs.AttrsInstance]) -> list[attrs.AttrsInstance]:
    return sorted(things, key=lambda thing: repr(attrs.astuple(thing)))


def _normalized(container: WorkspaceAgentContainer) -> WorkspaceAgentContainer:
    # The agent lists ports, labels and volumes in random order: it keeps them in Go maps.
    return attrs.evolve(
        container,
        ports=tuple(sorted(container.ports, key=attrs.astuple)),
        labels=dict(sorted(container.labels.items())),
        volumes=dict(sorted(container.volumes.items())),
    )


def _normalized_devcontainer(
    devcontainer: WorkspaceAgentDevcontainer,
) -> WorkspaceAgentDevcontainer:
    if devcontainer.container is None:
        return devcontainer
    return attrs.evolve(devcontainer, container=_normalized(devcontainer.container))


def _key(container: WorkspaceAgentContainer) -> str:
    return container.id or container.name


def _by_number(port: WorkspaceAgentListeningPort) -> tuple[int, str, str]:
    return port.port, port.network, port.process_name


def _port(port: WorkspaceAgentListeningPort) -> str:
    name = f" ({port.process_name})" if port.process_name else ""
    return escape_controls(f"{port.network} {port.port}{name}")


def _name_of(thing: WorkspaceAgentContainer | WorkspaceAgentDevcontainer) -> str:
    return escape_controls(thing.name or str(thing.id))


def _with_status(devcontainer: WorkspaceAgentDevcontainer) -> str:
    error = f": {devcontainer.error}" if devcontainer.error else ""
    return f"{_name_of(devcontainer)} {escape_controls(devcontainer.status + error)}"
