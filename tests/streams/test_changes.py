"""
What happened between two states: a rule, so tried on many.
"""

from __future__ import annotations

import random
import uuid
from typing import TypeVar

import attrs
import pytest
from characters import is_safe_line, unsafe_characters
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentContainerPort,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPort,
)
from coder_agents.streams.changes import (
    ContainerChange,
    ContainerStarted,
    ContainerStopped,
    DevcontainerAdded,
    DevcontainerChanged,
    DevcontainerRemoved,
    PortChange,
    PortClosed,
    PortOpened,
    container_changes,
    port_changes,
    same_containers,
    same_ports,
)

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

T = TypeVar("T")

Listing = WorkspaceAgentListContainersResponse

PORTS = st.lists(
    st.builds(
        WorkspaceAgentListeningPort,
        process_name=st.sampled_from(["", "python", "node"]),
        network=st.sampled_from(["tcp", "udp"]),
        port=st.integers(1, 4),
    )
)
BOUND = st.builds(
    WorkspaceAgentContainerPort, port=st.integers(1, 3), host_ip=st.sampled_from(["", "::"])
)
CONTAINERS = st.builds(
    WorkspaceAgentContainer,
    id=st.sampled_from("abcd"),
    labels=st.dictionaries(st.sampled_from("xy"), st.just("1")),
    running=st.booleans(),
    ports=st.lists(BOUND, max_size=2).map(tuple),
)
DEVCONTAINERS = st.builds(
    WorkspaceAgentDevcontainer,
    id=st.sampled_from([uuid.UUID(int=number) for number in range(1, 5)]),
    status=st.sampled_from(WorkspaceAgentDevcontainerStatus),
    dirty=st.booleans(),
    container=st.none() | CONTAINERS,
)
LISTINGS = st.builds(
    Listing,
    containers=st.lists(CONTAINERS, unique_by=lambda each: each.id).map(tuple),
    devcontainers=st.lists(DEVCONTAINERS, unique_by=lambda each: each.id).map(tuple),
    warnings=st.lists(st.sampled_from("vw")).map(tuple),
)


def applied_to_ports(
    before: list[WorkspaceAgentListeningPort], changes: list[PortChange]
) -> set[WorkspaceAgentListeningPort]:
    """
    Return the ports after *changes*, each of which must be possible.
    """
    there = set(before)
    for change in changes:
        if isinstance(change, PortOpened):
            assert change.port not in there
            there.add(change.port)
        else:
            there.remove(change.port)
    return there


def applied(
    before: Listing, changes: list[ContainerChange]
) -> tuple[set[str], dict[uuid.UUID, WorkspaceAgentDevcontainer]]:
    """
    Return which containers run after *changes*, and the devcontainers.
    """
    running = {each.id for each in before.containers if each.running}
    devcontainers = {each.id: each for each in before.devcontainers}
    for change in changes:
        match change:
            case ContainerStarted(container):
                assert container.running
                assert container.id not in running
                running.add(container.id)
            case ContainerStopped(container):
                running.remove(container.id)
            case DevcontainerRemoved(devcontainer):
                assert devcontainers.pop(devcontainer.id) == devcontainer
            case DevcontainerChanged(devcontainer, was):
                assert devcontainers[devcontainer.id] == was
                devcontainers[devcontainer.id] = devcontainer
            case DevcontainerAdded(devcontainer):
                assert devcontainer.id not in devcontainers
                devcontainers[devcontainer.id] = devcontainer
    return running, devcontainers


def in_any_order(devcontainer: WorkspaceAgentDevcontainer) -> WorkspaceAgentDevcontainer:
    """
    Return *devcontainer* with the ports of its container in order.
    """
    if devcontainer.container is None:
        return devcontainer
    ports = tuple(sorted(devcontainer.container.ports, key=repr))
    return attrs.evolve(devcontainer, container=attrs.evolve(devcontainer.container, ports=ports))


@given(before=PORTS, after=PORTS)
def test_the_changes_of_ports_lead_from_one_state_to_the_other(
    before: list[WorkspaceAgentListeningPort], after: list[WorkspaceAgentListeningPort]
) -> None:
    """
    Each of them is possible, and there are none where both say the same.
    """
    changes = port_changes(before, after)
    assert applied_to_ports(before, changes) == set(after)
    assert (not changes) == same_ports(before, after)


@given(before=LISTINGS, after=LISTINGS)
def test_the_changes_of_containers_lead_from_one_state_to_the_other(
    before: Listing, after: Listing
) -> None:
    """
    They lead there as to what runs, and as to all of the devcontainers.
    """
    running, devcontainers = applied(before, container_changes(before, after))
    assert running == {each.id for each in after.containers if each.running}
    expected = {each.id: in_any_order(each) for each in after.devcontainers}
    assert {key: in_any_order(each) for key, each in devcontainers.items()} == expected


@given(state=LISTINGS, seed=st.integers())
def test_the_order_says_nothing(state: Listing, seed: int) -> None:
    """
    Agents list what they keep in maps.
    """
    chance = random.Random(seed)

    def mixed(things: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(chance.sample(things, len(things)))

    containers = mixed(state.containers)
    devcontainers = mixed(
        tuple(
            each
            if each.container is None
            else attrs.evolve(
                each, container=attrs.evolve(each.container, ports=mixed(each.container.ports))
            )
            for each in state.devcontainers
        )
    )
    other = attrs.evolve(
        state,
        containers=containers,
        devcontainers=devcontainers,
        warnings=mixed(state.warnings),
    )
    assert same_containers(state, other)
    assert container_changes(state, other) == []


@given(before=LISTINGS, after=LISTINGS)
def test_what_says_the_same_has_no_changes(before: Listing, after: Listing) -> None:
    """
    What has changes does not say the same.
    """
    if same_containers(before, after):
        assert container_changes(before, after) == []
    else:
        assert not same_containers(after, before)


@pytest.mark.parametrize(
    "other",
    [
        Listing(warnings=("w",)),
        Listing(containers=(WorkspaceAgentContainer(id="a"),)),
        Listing(devcontainers=(WorkspaceAgentDevcontainer(name="d"),)),
    ],
)
def test_each_part_of_a_state_counts(other: Listing) -> None:
    """
    A warning counts too, though it is no change of what runs.
    """
    assert not same_containers(Listing(), other)


def test_another_process_on_the_same_port_is_a_close_and_an_opening() -> None:
    """
    The close comes before the opening.
    """
    before = WorkspaceAgentListeningPort(process_name="python", network="tcp", port=80)
    after = attrs.evolve(before, process_name="node")
    assert port_changes([before], [after]) == [PortClosed(before), PortOpened(after)]


def test_a_stopped_container_is_told_as_it_is_or_was() -> None:
    """
    It is told as it became where it is still listed; one without an id is known by its name.
    """
    runs = WorkspaceAgentContainer(name="web", running=True)
    exited = attrs.evolve(runs, running=False, status="exited")
    before = Listing(containers=(runs,))
    stopped = container_changes(before, Listing(containers=(exited,)))
    assert stopped == [ContainerStopped(exited)]
    assert container_changes(before, Listing()) == [ContainerStopped(runs)]
    both = Listing(containers=(runs, attrs.evolve(runs, name="db")))
    assert container_changes(both, before) == [ContainerStopped(both.containers[1])]


NAME = "x\x1b[2J"
SHOWN = "x\\x1b[2J"
HOSTILE_PORT = WorkspaceAgentListeningPort(process_name=NAME, network="tcp", port=1)
HOSTILE_CONTAINER = WorkspaceAgentContainer(id="1", name=NAME)
HOSTILE = WorkspaceAgentDevcontainer(
    name=NAME, status=WorkspaceAgentDevcontainerStatus.ERROR, error=NAME
)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (PortOpened(HOSTILE_PORT), f"port opened: tcp 1 ({SHOWN})"),
        (PortClosed(attrs.evolve(HOSTILE_PORT, process_name="")), "port closed: tcp 1"),
        (ContainerStarted(HOSTILE_CONTAINER), f"container started: {SHOWN}"),
        (ContainerStopped(attrs.evolve(HOSTILE_CONTAINER, name="")), "container stopped: 1"),
        (DevcontainerAdded(HOSTILE), f"devcontainer added: {SHOWN} error: {SHOWN}"),
        (
            DevcontainerChanged(attrs.evolve(HOSTILE, error=""), HOSTILE),
            f"devcontainer changed: {SHOWN} error",
        ),
        (DevcontainerRemoved(HOSTILE), f"devcontainer removed: {SHOWN}"),
    ],
)
def test_a_change_as_text_is_safe_to_show(change: PortChange | ContainerChange, shown: str) -> None:
    """
    One line, without control characters.
    """
    assert str(change) == shown


def test_no_character_of_unicode_breaks_or_reorders_a_change() -> None:
    """
    Each change is one line, whatever a container, a dev container or a program is called.
    """
    whole = "".join(sorted(unsafe_characters()))
    port = attrs.evolve(HOSTILE_PORT, process_name=whole, network=whole)
    container = attrs.evolve(HOSTILE_CONTAINER, name=whole)
    status = WorkspaceAgentDevcontainerStatus(whole)
    devcontainer = attrs.evolve(HOSTILE, name=whole, error=whole, status=status)

    changes = [
        *(change(port) for change in (PortOpened, PortClosed)),
        *(change(container) for change in (ContainerStarted, ContainerStopped)),
        *(change(devcontainer) for change in (DevcontainerAdded, DevcontainerRemoved)),
        DevcontainerChanged(devcontainer, HOSTILE),
    ]
    assert {type(change) for change in changes} == {*PortChange.__args__, *ContainerChange.__args__}
    assert all(is_safe_line(str(change)) for change in changes)
