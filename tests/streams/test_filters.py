"""
Which lines of a log are wanted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
import pytest
from effort import times
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_agents.schema import LogLevel, WorkspaceAgentLog, WorkspaceAgentLogSource, to_json
from coder_agents.streams.filters import LogFilter, Sources
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.lines import NewAmong, NewLines, new_lines

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STARTUP, EXTERNAL, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
SOURCES = (
    WorkspaceAgentLogSource(id=STARTUP, display_name="Startup"),
    WorkspaceAgentLogSource(id=EXTERNAL, display_name="External"),
    WorkspaceAgentLogSource(id=OTHER, display_name="Startup"),
)
LEVELS = ["trace", "debug", "info", "warn", "error"]


@st.composite
def a_log(draw: st.DrawFn) -> list[WorkspaceAgentLog]:
    """
    Lines by id, of any level, time, source and text.
    """
    ids = sorted(draw(st.sets(st.integers(1, 60), max_size=25)))
    line = st.builds(
        WorkspaceAgentLog,
        created_at=st.none() | st.integers(0, 20).map(lambda ago: NOW - timedelta(minutes=ago)),
        output=st.text("ab", max_size=4),
        level=st.sampled_from([*LEVELS, "fatal"]).map(LogLevel),
        source_id=st.sampled_from([STARTUP, EXTERNAL, OTHER]),
    )
    return [attrs.evolve(draw(line), id=number) for number in ids]


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "tail": st.integers(0, 8),
        "since": st.integers(0, 20).map(lambda ago: timedelta(minutes=ago))
        | st.integers(0, 20).map(lambda ago: NOW - timedelta(minutes=ago)),
        "before": st.integers(0, 60),
        "source": st.sampled_from([STARTUP, str(EXTERNAL), "Startup", ["External", OTHER]]),
        "level": st.sampled_from(LEVELS),
        "grep": st.sampled_from(["", "a", "ab", re.compile("^b"), re.compile("b.a")]),
    },
)


def passes(log: WorkspaceAgentLog, filters: dict[str, Any]) -> bool:
    """
    Whether a line passes all predicates, in the plainest words.
    """
    since, source, grep = filters.get("since"), filters.get("source"), filters.get("grep")
    earliest = NOW - since if isinstance(since, timedelta) else since
    ids = {
        "Startup": {STARTUP, OTHER},
        str(EXTERNAL): {EXTERNAL},
        str(STARTUP): {STARTUP},
        "['External', " + repr(OTHER) + "]": {EXTERNAL, OTHER},
    }
    rank = {level: number for number, level in enumerate(LEVELS)}
    return (
        (earliest is None or log.created_at is None or log.created_at >= earliest)
        and ("before" not in filters or log.id < filters["before"])
        and (source is None or log.source_id in ids[str(source)])
        and ("level" not in filters or rank.get(log.level, 9) >= rank[filters["level"]])
        and (grep is None or re.search(grep, log.output) is not None)
    )


def all_new(ids: object) -> None:
    """
    Call all lines new.
    """


def chosen_of(
    logs: list[WorkspaceAgentLog], log_filter: LogFilter, new_among: NewAmong = all_new
) -> NewLines:
    """
    Return what is chosen of a message of *logs*, read in either way, which have to agree.
    """
    message = to_json(logs).encode()
    found = new_lines([message], new_among, log_filter, ids_first=False)
    by_ids = new_lines([message], new_among, log_filter, ids_first=True)
    assert (by_ids.logs, list(by_ids.ids), list(by_ids.new)) == (
        found.logs,
        list(found.ids),
        list(found.new),
    )
    assert list(found.ids) == [log.id for log in found.logs]
    return found


def wanted(logs: list[WorkspaceAgentLog], filters: dict[str, Any]) -> list[WorkspaceAgentLog]:
    """
    The lines that a filter shall choose.
    """
    passing = [log for log in logs if passes(log, filters)]
    tail = filters.get("tail")
    return passing if tail is None else passing[len(passing) - min(tail, len(passing)) :]


def selected(
    asked: LogFilter, logs: list[WorkspaceAgentLog], sources: Sources, now: datetime
) -> list[WorkspaceAgentLog]:
    """
    Return those of *logs*, of a log of *sources* read at the time *now*, that are wanted.
    """
    log_filter = asked.bind(sources, now)
    return logs if log_filter is None else log_filter.select(logs)


@given(logs=a_log(), filters=FILTERS)
def test_every_predicate_has_to_hold_and_the_tail_is_of_what_passes(
    logs: list[WorkspaceAgentLog], filters: dict[str, Any]
) -> None:
    """
    This holds also where the lines are chosen from JSON, and objects are made of few.
    """
    asked = LogFilter(**filters)
    assert selected(asked, logs, SOURCES, NOW) == wanted(logs, filters)
    log_filter = asked.bind(SOURCES, NOW)
    assert (log_filter is None) is (not filters)
    if log_filter is not None:
        assert chosen_of(logs, log_filter).logs == wanted(logs, filters)
        assert [log for log in logs if log_filter.wants(log)] == wanted(
            logs, {**filters, "tail": None}
        )
        after = log_filter.without_tail()
        assert after.select(logs) == wanted(logs, {**filters, "tail": None})


@given(
    logs=a_log(),
    filters=FILTERS,
    known=st.sets(st.integers(1, 60)),
    floor=st.integers(0, 30),
)
def test_only_new_lines_count_and_all_of_them_are_told(
    logs: list[WorkspaceAgentLog], filters: dict[str, Any], known: set[int], floor: int
) -> None:
    """
    The tail is of what is new, and what is left out is told beside it.
    """
    ledger = Ledger(floor)
    ledger.restore(sorted(number for number in known if number > floor), 0.0)
    log_filter = LogFilter(**{"tail": 99, **filters}).bind(SOURCES, NOW)
    assert log_filter is not None
    found = chosen_of(logs, log_filter, ledger.new_among)
    new = [log for log in logs if log.id > floor and log.id not in known]
    assert found.logs == wanted(new, filters)
    assert list(found.new) == [log.id for log in new]


@settings(max_examples=times(4, 20), deadline=None)
@given(count=st.integers(1_000, 3_000), tail=st.integers(0, 2_000), before=st.integers(1, 4_000))
def test_a_message_of_many_pieces_has_one_tail(count: int, tail: int, before: int) -> None:
    """
    The tail is the same however the message is cut to be read.
    """
    logs = [WorkspaceAgentLog(id=number, output="x" * 80) for number in range(1, count + 1)]
    log_filter = LogFilter(tail=tail, before=before).bind((), NOW)
    assert log_filter is not None
    chosen = chosen_of(logs, log_filter).logs
    passing = [log for log in logs if log.id < before]
    assert chosen == passing[max(0, len(passing) - tail) :]


def test_pieces_without_a_wanted_line_are_not_decoded() -> None:
    """
    A tail of a long log costs what it holds, and a line that is not wanted need not be one.
    """
    first = '{"id": 1, "output": 7},' + ",".join(
        f'{{"id": {number}, "output": "{"x" * 1000}"}}' for number in range(2, 600)
    )
    message = f"[{first}]".replace(": ", ":").encode()
    log_filter = LogFilter(tail=1).bind((), NOW)
    assert log_filter is not None
    found = new_lines([message], all_new, log_filter, ids_first=False)
    assert list(found.ids) == [599]
    assert len(found.new) == 599


def test_lines_that_come_twice_in_a_message_are_one() -> None:
    """
    They are one line whatever a deployment does.
    """
    logs = [WorkspaceAgentLog(id=number) for number in (3, 5, 5, 4)]
    log_filter = LogFilter(before=6).bind((), NOW)
    assert log_filter is not None
    found = chosen_of(logs, log_filter, Ledger().new_among)
    assert [log.id for log in found.logs] == [3, 5, 4]
    assert list(found.new) == [3, 5, 4]


def test_the_tail_goes_by_id_and_keeps_the_order() -> None:
    """
    Where a deployment sends lines out of order, the newest are those of the highest ids.
    """
    logs = [WorkspaceAgentLog(id=number) for number in (9, 3, 7, 5)]
    assert [log.id for log in selected(LogFilter(tail=2), logs, (), NOW)] == [9, 7]


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"tail": -1}, ValueError, "tail must be 0 or more, not -1"),
    ({"tail": True}, TypeError, "tail must be a whole number, not bool"),
    ({"tail": "20"}, TypeError, "tail must be a whole number, not str"),
    ({"before": -1}, ValueError, "before must be 0 or more"),
    ({"before": 1.5}, TypeError, "before must be a whole number"),
    ({"since": datetime(2026, 1, 1)}, ValueError, "since must have a time zone"),  # noqa: DTZ001
    ({"since": timedelta(seconds=-1)}, ValueError, "since must not be negative"),
    ({"since": 60}, TypeError, "since must be a datetime or a timedelta, not int"),
    (
        {"level": "fatal"},
        ValueError,
        "level must be one of trace, debug, info, warn, error, not 'fatal'",
    ),
    ({"level": ""}, ValueError, "error, not ''"),
    ({"level": 3}, TypeError, "level must be a word such as 'warn', not int"),
    ({"grep": b"x"}, TypeError, "grep must be text or a compiled pattern of text, not bytes"),
    ({"grep": re.compile(b"x")}, TypeError, "not Pattern of bytes"),
    ({"grep": ["x"]}, TypeError, "not list"),
    ({"source": 7}, TypeError, "source must be an id or a display name, not int"),
    ({"source": ["a", None]}, TypeError, "not NoneType"),
    ({"source": []}, ValueError, "source must name one source at least"),
]


@pytest.mark.parametrize(("filters", "error", "says"), BAD)
def test_what_cannot_be_chosen_by_is_refused(
    filters: dict[str, Any], error: type[Exception], says: str
) -> None:
    """
    The error says what is wrong and what would be right.
    """
    with pytest.raises(error, match=re.escape(says)):
        LogFilter(**filters)


def test_a_name_that_no_source_has_is_refused_with_those_there_are() -> None:
    """
    Names are of whoever wrote the template: they are made safe to show.
    """
    asked = LogFilter(source=["Startup", "Missing"])
    with pytest.raises(ValueError, match="no source 'Missing'; its sources are: 'External', 'S"):
        asked.check_names(SOURCES)
    hostile = WorkspaceAgentLogSource(display_name="\x1b[2J")
    with pytest.raises(ValueError, match=r"sources are: '\\x1b\[2J'"):
        asked.check_names([hostile])
    with pytest.raises(ValueError, match="its sources are: none"):
        asked.check_names([])


def test_an_id_need_not_be_listed() -> None:
    """
    A source is told of when it first prints something.
    """
    asked = LogFilter(source=STARTUP)
    logs = [WorkspaceAgentLog(id=1, source_id=STARTUP), WorkspaceAgentLog(id=2)]
    assert [log.id for log in selected(asked, logs, (), NOW)] == [1]


def test_since_is_the_earliest_time_itself() -> None:
    """
    In whatever zone, and however long ago.
    """
    log = WorkspaceAgentLog(id=1, created_at=NOW)
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    for since in (elsewhere, timedelta(), timedelta.max):
        assert selected(LogFilter(since=since), [log], (), NOW) == [log]
    late = NOW + timedelta(microseconds=1)
    assert selected(LogFilter(since=late), [log], (), NOW) == []
    assert selected(LogFilter(since=timedelta()), [log], (), late) == []


def test_the_next_builds_agent_has_sources_of_its_own() -> None:
    """
    A name means its ids there too; one that is missing there means what it meant before.
    """
    log_filter = LogFilter(source=["Startup", "External"], tail=1).bind(SOURCES, NOW)
    assert log_filter is not None
    new = UUID(int=9)
    following = log_filter.for_next_build([WorkspaceAgentLogSource(id=new, display_name="Startup")])
    logs = [
        WorkspaceAgentLog(id=number, source_id=source)
        for number, source in enumerate([new, EXTERNAL, UUID(int=7), STARTUP])
    ]
    assert [log.id for log in following.select(logs)] == [0, 1, 3]
    everything = LogFilter(level="trace").bind(SOURCES, NOW)
    assert everything is not None
    assert everything.for_next_build(()).select(logs) == logs


def test_text_is_found_as_it_is_written() -> None:
    """
    In that case, and not as a pattern.
    """
    logs = [WorkspaceAgentLog(output=text) for text in ("a.b", "acb", "A.B")]
    assert selected(LogFilter(grep="a.b"), logs, (), NOW) == logs[:1]
    assert selected(LogFilter(grep=re.compile("a.b")), logs, (), NOW) == logs[:2]


@pytest.mark.parametrize("grep", ["error: x", re.compile("^error: x$"), re.compile("rror: ")])
def test_text_is_found_across_colours(grep: str | re.Pattern[str]) -> None:
    """
    A terminal shows the same text in a line with colours and in a line without.
    """
    outputs = ("error: x", "\x1b[1;31merror\x1b[0m: x", "error\x1b[0m; x", "\x1b[2Kwarning: x")
    logs = [WorkspaceAgentLog(output=text) for text in outputs]
    assert selected(LogFilter(grep=grep), logs, (), NOW) == logs[:2]


@pytest.mark.parametrize("grep", ["\x1b[1;31m", re.compile(r"\x1b\[1;31merr")])
def test_colours_are_found(grep: str | re.Pattern[str]) -> None:
    """
    The output as it was written is searched too.
    """
    logs = [WorkspaceAgentLog(output=text) for text in ("\x1b[1;31merror\x1b[0m", "error")]
    assert selected(LogFilter(grep=grep), logs, (), NOW) == logs[:1]


def test_only_a_filter_that_is_bound_takes_lines() -> None:
    """
    Before that it knows neither the time nor the ids of the sources.
    """
    with pytest.raises(AssertionError, match="not bound"):
        LogFilter(level="warn").wants(WorkspaceAgentLog())
