"""
When an agent counts as ready, and how often it is looked at.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.readiness.rules import Verdict, poll_interval, verdict
from coder_agents.schema import (
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentScript,
    WorkspaceAgentStatus,
)

WAITING, READY, WARNED, SHUT_DOWN = (
    Verdict.WAITING,
    Verdict.READY,
    Verdict.WARNED,
    Verdict.SHUT_DOWN,
)
STATUSES = [*WorkspaceAgentStatus, WorkspaceAgentStatus("asleep"), WorkspaceAgentStatus("")]

# Of an agent that is connected: where its scripts are waited for, and where they are not.
CONNECTED = {
    "created": (WAITING, READY),
    "starting": (WAITING, READY),
    "start_timeout": (WARNED, WARNED),
    "start_error": (WARNED, WARNED),
    "ready": (READY, READY),
    "shutting_down": (SHUT_DOWN, SHUT_DOWN),
    "shutdown_timeout": (SHUT_DOWN, SHUT_DOWN),
    "shutdown_error": (SHUT_DOWN, SHUT_DOWN),
    "off": (SHUT_DOWN, SHUT_DOWN),
    "from_the_future": (WARNED, WARNED),
    "": (WARNED, WARNED),
}


def decided(status: str, lifecycle: str, *, blocks: bool, blocking_only: bool) -> Verdict:
    """
    Return the verdict about an agent with a script that blocks login, or one that does not.
    """
    agent = WorkspaceAgent(
        status=WorkspaceAgentStatus(status),
        lifecycle_state=WorkspaceAgentLifecycle(lifecycle),
        scripts=(WorkspaceAgentScript(run_on_start=True, start_blocks_login=blocks),),
    )
    return verdict(agent, blocking_only=blocking_only)


def test_the_table_has_every_state() -> None:
    """
    None that the API lists is left to chance.
    """
    assert set(CONNECTED) >= set(WorkspaceAgentLifecycle)


@pytest.mark.parametrize(("lifecycle", "wanted"), CONNECTED.items())
@pytest.mark.parametrize(
    ("blocks", "blocking_only", "column"),
    [(True, True, 0), (True, False, 0), (False, False, 0), (False, True, 1)],
)
def test_a_connected_agent_is_decided_by_its_lifecycle(
    lifecycle: str, wanted: tuple[Verdict, Verdict], blocks: bool, blocking_only: bool, column: int
) -> None:
    """
    Scripts are waited for unless none blocks login and only such are asked for.
    """
    found = decided("connected", lifecycle, blocks=blocks, blocking_only=blocking_only)
    assert found is wanted[column]


@pytest.mark.parametrize(
    ("status", "lifecycle"),
    [pair for pair in itertools.product(STATUSES, CONNECTED) if pair[0] != "connected"],
)
def test_an_agent_out_of_touch_is_waited_for_unless_it_shuts_down(
    status: str, lifecycle: str
) -> None:
    """
    It is waited for whatever its scripts did.
    """
    wanted = SHUT_DOWN if CONNECTED[lifecycle][0] is SHUT_DOWN else WAITING
    for blocks, blocking_only in itertools.product((True, False), repeat=2):
        assert decided(status, lifecycle, blocks=blocks, blocking_only=blocking_only) is wanted


def test_polls_become_rarer() -> None:
    """
    Half a second in the first minute, then twice as long, up to eight seconds.
    """
    moments = [0, 59.9, 60, 119, 120, 299, 300, 599, 600, 86400]
    wanted = [0.5, 0.5, 1, 1, 2, 2, 4, 4, 8, 8]
    assert [poll_interval(moment) for moment in moments] == wanted


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_polls_never_become_more_frequent(one: float, other: float) -> None:
    """
    Two of them are half a second apart at least, and eight seconds at most.
    """
    first, second = sorted((one, other))
    assert 0.5 <= poll_interval(first) <= poll_interval(second) <= 8
