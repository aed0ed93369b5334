"""
The settings of a stream are checked when they are made; its counts and its end are plain data.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from coder_agents import Reconnect, StreamEnd, StreamOptions
from coder_agents.streams import StreamStats


def test_the_defaults_are_what_is_documented() -> None:
    """
    Three pings of silence, ten seconds to settle, 40 seconds of 5,000 lines each.
    """
    options = StreamOptions()
    assert options.reconnect == Reconnect()
    assert options.idle_timeout == 45
    assert options.settle == 10
    assert options.remember == 200_000
    assert options.max_message_size == 256 * 1024 * 1024
    assert options.on_reconnect is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reconnect", None),
        ("reconnect", Reconnect(initial=1)),
        ("idle_timeout", 0.1),
        ("idle_timeout", 600),
        ("settle", 0),
        ("settle", 0.0),
        ("settle", -0.0),
        ("settle", 0.001),
        ("settle", 90),
        ("remember", 1),
        ("remember", 10**9),
        ("max_message_size", 1),
        ("on_reconnect", print),
        ("on_reconnect", None),
    ],
)
def test_what_is_given_is_kept(field: str, value: object) -> None:
    """
    Every value up to the ends of what is allowed is kept.
    """
    settings: dict[str, Any] = {field: value}
    assert getattr(StreamOptions(**settings), field) == value


def each(*values: Any) -> tuple[Any, ...]:
    """
    Return values of any kinds.
    """
    return values


SECONDS = "must be a finite number of seconds above 0, not"
NUMBER = "must be a number of seconds, not"
BAD: list[tuple[str, Any, str]] = [
    *(("idle_timeout", value, SECONDS) for value in (0, -1, math.nan, math.inf, -math.inf)),
    *(("settle", value, SECONDS) for value in (-1, -1e-9, math.nan, math.inf, -math.inf)),
    *(("remember", value, "must be 1 or more, not") for value in (0, -1)),
    *(("max_message_size", value, "must be 1 or more, not") for value in (0, -1)),
]
NOT_EVEN: list[tuple[str, Any, str]] = [
    *(("idle_timeout", value, NUMBER) for value in each(True, False, "45", None, [45])),
    *(("settle", value, NUMBER) for value in each(True, False, "0", "10", None, [])),
    *(
        (field, value, "must be a whole number, not")
        for field in ("remember", "max_message_size")
        for value in each(True, False, 1.0, 1e6, math.inf, "1", None)
    ),
    *(
        ("reconnect", value, "must be a Reconnect or None, not")
        for value in each(True, False, 0, 5, "never", {}, Reconnect)
    ),
    *(
        ("on_reconnect", value, "must be a function or None, not")
        for value in each(True, 0, "print", [])
    ),
]


@pytest.mark.parametrize(("field", "value", "says"), BAD)
def test_a_value_that_cannot_be_is_refused(field: str, value: float, says: str) -> None:
    """
    The error names the field, what would be right, and the value.
    """
    settings: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=f"^{field}.* {says}") as raised:
        StreamOptions(**settings)
    assert str(raised.value).endswith(f" not {value}")


@pytest.mark.parametrize(("field", "value", "says"), NOT_EVEN)
def test_a_value_of_another_type_is_refused(field: str, value: object, says: str) -> None:
    """
    The error names the field, what would be right, and the type.
    """
    settings: dict[str, Any] = {field: value}
    with pytest.raises(TypeError, match=f"^{field}.* {says}") as raised:
        StreamOptions(**settings)
    assert str(raised.value).endswith(f" not {type(value).__name__}")


def test_the_error_of_settle_says_that_zero_is_allowed() -> None:
    """
    It switches the looking for late lines off.
    """
    with pytest.raises(ValueError, match=r"^settle, where it is not 0, must be a finite"):
        StreamOptions(settle=-1)


def test_options_are_data() -> None:
    """
    They are compared by what they say, given by name, and never change.
    """
    options = StreamOptions()
    assert options == StreamOptions(settle=10)
    assert options != StreamOptions(settle=5)
    assert StreamOptions(idle_timeout=1).reconnect == options.reconnect
    with pytest.raises(AttributeError):
        options.settle = 5  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional"):
        StreamOptions(Reconnect())  # type: ignore[call-arg]


def test_an_end_is_a_sentence() -> None:
    """
    Each one its own, in plain text that goes on from "the stream ended:".
    """
    assert [end.name for end in StreamEnd] == [
        "CLOSED",
        "INTERRUPTED",
        "FORKED",
        "SERVER_CLOSED",
        "NOT_IN_LATEST_BUILD",
        "AGENT_GONE",
        "WORKSPACE_STOPPED",
        "WORKSPACE_DELETED",
        "JOB_ENDED",
        "BUILD_ENDED",
        "ALL_ENDED",
        "GAVE_UP",
        "FAILED",
    ]
    texts = [str(end) for end in StreamEnd]
    assert len(set(texts)) == len(texts)
    for end, text in zip(StreamEnd, texts, strict=True):
        assert text == end.value == f"{end}"
        assert text.isascii()
        assert text.isprintable()
        assert len(text) > 10
        assert end.name not in text
    assert str(StreamEnd.CLOSED) == "closed by this program"


def test_stats_are_data() -> None:
    """
    A copy of the counts at one moment, each with its name.
    """
    counts: dict[str, Any] = {
        "items": 3,
        "bytes": 4096,
        "reconnects": 2,
        "late": 1,
        "checks": 5,
        "overflowed": False,
        "since": datetime(2026, 1, 1, tzinfo=UTC),
    }
    stats = StreamStats(**counts)
    assert {name: getattr(stats, name) for name in counts} == counts
    assert stats == StreamStats(**counts)
    assert "reconnects=2" in repr(stats)
    with pytest.raises(AttributeError):
        stats.items = 4  # type: ignore[misc]
    for name in counts:
        with pytest.raises(TypeError, match=name):
            StreamStats(**{key: value for key, value in counts.items() if key != name})
