from __future__ import annotations

import copy
import gc
import itertools
import operator
import pickle
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.schema import (
    AgentSubsystem,
    BuildReason,
    LogLevel,
    OpenEnumeration,
    WorkspaceAgentDevcontainerStatus,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLifecycleOrder,
    WorkspaceAgentStatus,
    from_json,
    to_json,
)

ENUMERATIONS = OpenEnumeration.__subclasses__()


@pytest.mark.parametrize("cls", ENUMERATIONS)
def test_listed_values_are_known_members(cls: type[OpenEnumeration]) -> None:
    """
    What an enumeration lists is found by its text, is the one member, and is known.
    """
    for member in cls:
        assert cls(member.value) is member
        assert member.known
        assert repr(member) == f"<{cls.__name__}.{member.name}: {member.value!r}>"


@given(st.sampled_from(ENUMERATIONS), st.text())
def test_any_text_is_a_value(cls: type[OpenEnumeration], text: str) -> None:
    """
    Every string is of every enumeration, equals and hashes as its text, and survives a round trip.
    """
    value = cls(text)

    assert isinstance(value, cls)
    assert value == text
    assert hash(value) == hash(text)
    assert str(value) == f"{value}" == value.value == text
    assert value.known == (text in [member.value for member in cls])
    read = from_json(to_json(value), cls)
    assert read == value
    assert type(read) is cls


def test_an_unknown_value_says_so() -> None:
    """
    Its repr names the enumeration, says unknown, and shows the text with escapes.
    """
    value = LogLevel("fa\x1btal")

    assert not value.known
    assert repr(value) == "<LogLevel unknown: 'fa\\x1btal'>"
    assert value.name == "fa\x1btal"


def test_the_name_of_a_member_is_no_value() -> None:
    """
    ``READY`` is not ``ready``, although there is a member of that name.
    """
    assert not WorkspaceAgentLifecycle("READY").known


@pytest.mark.parametrize("value", [5, None, b"info", ["info"]])
def test_only_strings_are_values(value: Any) -> None:
    """
    What is no string is refused as enumerations refuse.
    """
    with pytest.raises(ValueError, match="is not a valid LogLevel"):
        LogLevel(value)


@pytest.mark.parametrize("value", [LogLevel.INFO, LogLevel("fatal"), LogLevel("")])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_values_can_be_pickled_and_copied(value: LogLevel, protocol: int) -> None:
    """
    Known and unknown values come back as equal instances of the enumeration.
    """
    copies = [
        pickle.loads(pickle.dumps(value, protocol)),
        copy.copy(value),
        copy.deepcopy(value),
    ]

    for made in copies:
        assert type(made) is LogLevel
        assert made == value
        assert made.known == value.known


def test_unknown_values_are_not_cached() -> None:
    """
    A deployment that makes up values for ever fills no memory, and adds no members.
    """
    before = len(LogLevel), len(LogLevel._value2member_map_), len(LogLevel.__members__)

    for number in range(2000):
        from_json(f'"made up {number}"', LogLevel)
    gc.collect()

    assert (len(LogLevel), len(LogLevel._value2member_map_), len(LogLevel.__members__)) == before
    alive = [made for made in gc.get_objects() if type(made) is LogLevel and not made.known]
    assert len(alive) < 100


def test_lifecycle_order_is_the_order_of_a_life() -> None:
    """
    It goes from created to off and has every state once.
    """
    assert WorkspaceAgentLifecycleOrder == (
        "created",
        "starting",
        "start_timeout",
        "start_error",
        "ready",
        "shutting_down",
        "shutdown_timeout",
        "shutdown_error",
        "off",
    )
    assert all(isinstance(state, WorkspaceAgentLifecycle) for state in WorkspaceAgentLifecycleOrder)


def test_which_lifecycle_states_are_starting_and_shutting_down() -> None:
    """
    Two states are starting, four are shutting down, and unknown ones are neither.
    """
    states = [*WorkspaceAgentLifecycle, WorkspaceAgentLifecycle("napping")]

    assert [state for state in states if state.starting] == ["created", "starting"]
    assert [state for state in states if state.shutting_down] == [
        "shutting_down",
        "shutdown_timeout",
        "shutdown_error",
        "off",
    ]


def test_which_devcontainer_states_are_transitioning() -> None:
    """
    Starting, stopping and deleting are; the others and unknown ones are not.
    """
    states = [*WorkspaceAgentDevcontainerStatus, WorkspaceAgentDevcontainerStatus("melting")]

    assert {state for state in states if state.transitioning} == {
        "starting",
        "stopping",
        "deleting",
    }


def test_which_subsystems_are_valid() -> None:
    """
    Those that are listed are.
    """
    assert all(subsystem.valid for subsystem in AgentSubsystem)
    assert not AgentSubsystem("envelope").valid


def test_severity_ranks_levels_with_unknown_ones_on_top() -> None:
    """
    Trace is least; a filter by severity never hides a level it does not know.
    """
    levels = [LogLevel("fatal"), LogLevel.ERROR, LogLevel.WARN, LogLevel.INFO, LogLevel.DEBUG]

    ranked = sorted([*levels, LogLevel.TRACE], key=lambda level: level.severity)

    assert ranked == ["trace", "debug", "info", "warn", "error", "fatal"]
    assert [level.severity for level in ranked] == [0, 1, 2, 3, 4, 5]


COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("cls", [LogLevel, WorkspaceAgentLifecycle])
def test_words_with_an_order_compare_by_it(cls: Any, compare: Any) -> None:
    """
    They do not compare by the alphabet, and do so with plain text on either side as with each
    other.
    """
    for (at, one), (place, other) in itertools.product(enumerate(cls), repeat=2):
        expected = compare(at, place)
        assert compare(one, other) is expected
        assert compare(one, other.value) is expected
        assert compare(one.value, other) is expected


def test_a_line_is_compared_by_its_severity() -> None:
    """
    Errors are not less than warnings, although their word is, nor is a level of a newer deployment.
    """
    levels = [*LogLevel, LogLevel("fatal")]

    assert [level for level in levels if level >= "warn"] == ["warn", "error", "fatal"]
    assert [level for level in levels if level < "warn"] == ["trace", "debug", "info"]
    assert max(LogLevel) == "error"


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("word", ["warning", "WARN", "", "\x1b[2J", LogLevel("fatal")])
def test_comparing_with_an_unknown_word_raises(compare: Any, word: str) -> None:
    """
    A misspelt level would drop lines without a word; the error lists those that there are.
    """
    text = f"{str(word)!r} cannot be compared: the known values of LogLevel are trace, debug,"
    with pytest.raises(ValueError, match=re.escape(text)):
        compare(LogLevel.WARN, word)
    with pytest.raises(ValueError, match="the known values of WorkspaceAgentLifecycle are created"):
        compare(WorkspaceAgentLifecycle.READY, word)


def test_an_unknown_lifecycle_state_has_no_place_in_the_order() -> None:
    """
    Nobody can know whether it is before or after the others.
    """
    with pytest.raises(ValueError, match="'napping' cannot be compared"):
        assert WorkspaceAgentLifecycle("napping") < "ready"


@pytest.mark.parametrize("compare", COMPARISONS)
def test_a_word_does_not_compare_with_what_is_no_text(compare: Any) -> None:
    """
    Python says so itself.
    """
    with pytest.raises(TypeError, match="not supported between instances of 'LogLevel' and 'int'"):
        compare(LogLevel.WARN, 3)


def test_values_of_newer_releases_are_known() -> None:
    """
    What came after 2.24 is listed as well.
    """
    assert BuildReason("task_resume").known
    assert WorkspaceAgentDevcontainerStatus("deleting").known


def test_two_enumerations_share_a_value_but_no_type() -> None:
    """
    Equal text is equal across enumerations, as for any strings; `isinstance` tells them apart.
    """
    assert sys.intern("timeout") == WorkspaceAgentStatus.TIMEOUT
    assert not isinstance(LogLevel.ERROR, WorkspaceAgentStatus)
