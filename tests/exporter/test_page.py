"""
The samples of a page, from states made by hand.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from top.states import agent_of, item, log_of

from coder_agents import Agent, AgentLog, schema
from coder_agents.errors import RequestTimeoutError
from coder_agents.exporter.labels import MAX_LENGTH, label_value
from coder_agents.exporter.log_groups import StreamHealth
from coder_agents.exporter.metrics import METRICS
from coder_agents.exporter.observed import Histogram, Observed
from coder_agents.exporter.page import Page, time_to_ready

from .conftest import Scrape, scraped

HOSTILE = 'a"b\\c\nd\r\x1b[31m\u202e\ud800é🦀{}='
LONG = "x" * 100_000


class Made:
    """
    A collector of states made by hand.
    """

    def __init__(self, observed: Observed, *, clock: float = 0.0, **options: Any) -> None:
        self.observed = observed
        self.health = StreamHealth()
        self._clock = clock
        self._options = {"max_series": 10_000, "is_wanted": lambda _: True, **options}

    def collect(self) -> list[Any]:
        """
        Return the metrics.
        """
        page = Page(METRICS, clock=self._clock, **self._options)
        page.add(self.observed.snapshot(), self.health)
        return page.families


def observed_of(*agents: Agent, items: Sequence[schema.WorkspaceAgentMetadata] = ()) -> Observed:
    """
    Return states of *agents*, which all have the metadata *items*, read at the time 0.
    """
    observed = Observed(clock=lambda: 0.0)
    observed.list_agents(agents)
    for agent in agents:
        observed.put_metadata(agent.id, items)
    return observed


def page_of(*agents: Agent, items: Sequence[schema.WorkspaceAgentMetadata] = ()) -> Scrape:
    """
    Return the page of *agents*.
    """
    return scraped(Made(observed_of(*agents, items=items)))


def test_a_number_is_a_gauge_with_its_labels() -> None:
    """
    A part of a whole is two gauges, and both have the labels of the agent, the key and the unit.
    """
    page = page_of(agent_of(), items=[item("3/16 GiB", key="mem"), item("0.5", key="load")])
    labels = {"workspace": "dev", "owner": "alice", "agent": "main"}
    assert page.of("coder_agent_metadata_value", key="mem", unit="bytes", **labels) == [3 * 2**30]
    assert page.of("coder_agent_metadata_whole", key="mem", unit="bytes", **labels) == [2**34]
    assert page.of("coder_agent_metadata_value", key="load", unit="", **labels) == [0.5]
    assert page.of("coder_agent_metadata_whole", key="load") == []


@pytest.mark.parametrize(
    "text", ["ready", "", "NaN", "inf", "-Infinity", "1e999", "1e308 GiB", LONG]
)
def test_what_is_no_number_has_an_age_alone(text: str) -> None:
    """
    Text, not-a-number and infinite numbers have no value on the page.
    """
    page = page_of(agent_of(), items=[item(text, key="word", age=3)])
    assert page.of("coder_agent_metadata_value") == []
    assert page.of("coder_agent_metadata_whole") == []
    assert page.of("coder_agent_metadata_age_seconds", key="word") == [3.0]


def test_an_error_is_counted_and_has_no_number() -> None:
    """
    The value beside an error is not valid.
    """
    page = page_of(agent_of(), items=[item("5", error="exit status 1"), item("6", key="b")])
    assert page.of("coder_agent_metadata_value", key="cpu") == []
    assert page.of("coder_agent_metadata_value", key="b") == [6.0]
    assert page.of("coder_agent_metadata_failing_items") == [1.0]


def test_the_age_grows_until_the_next_read() -> None:
    """
    The age is that at the scrape, and an item that was never collected has none.
    """
    items = [item("5", age=2), item("", at=None, key="never")]
    made = Made(observed_of(agent_of(), items=items), clock=7.5)
    page = scraped(made)
    assert page.of("coder_agent_metadata_age_seconds", key="cpu") == [9.5]
    assert page.of("coder_agent_metadata_age_seconds", key="never") == []


def test_the_interval_is_that_of_the_template() -> None:
    """
    An item that is collected only once has none: its age is no sign of a fault.
    """
    items = [item("5", key="daily", interval=86_400), item("6", key="once", interval=0)]
    page = page_of(agent_of(), items=items)
    assert page.of("coder_agent_metadata_interval_seconds", key="daily") == [86_400.0]
    assert page.labels("coder_agent_metadata_interval_seconds", "key") == {"daily"}
    assert page.labels("coder_agent_metadata_age_seconds", "key") == {"daily", "once"}


def test_states_are_sets_and_a_new_state_is_another_one() -> None:
    """
    Exactly one state of each set is 1; a state that this package does not know is "other".
    """
    page = page_of(
        agent_of("known", status="disconnected", lifecycle="start_error"),
        agent_of("new", status="hibernating", lifecycle=""),
    )
    for name, agent, state in [
        ("coder_agent_status", "known", "disconnected"),
        ("coder_agent_lifecycle", "known", "start_error"),
        ("coder_agent_status", "new", "other"),
        ("coder_agent_lifecycle", "new", "other"),
    ]:
        values = page.of(name, agent=agent)
        assert sorted(values) == [0.0] * (len(values) - 1) + [1.0]
        assert page.of(name, agent=agent, **{name: state}) == [1.0]


def test_text_of_others_is_safe_in_labels() -> None:
    """
    Quotes, controls, half surrogate pairs and 100 KB keep the page readable, and lead to no series
    but their own.
    """
    hostile = agent_of(version=HOSTILE, operating_system=LONG)
    assert hostile._workspace is not None
    hostile._data = attrs.evolve(hostile._data, name=HOSTILE)
    hostile._workspace = attrs.evolve(hostile._workspace, name=HOSTILE, owner_name=LONG)
    page = page_of(hostile, items=[item("1", key=HOSTILE), item("2", key=LONG)])
    assert sorted(page.of("coder_agent_metadata_value")) == [1.0, 2.0]
    assert page.labels("coder_agent_metadata_value", "workspace") == {label_value(HOSTILE)}
    assert max(map(len, page.page.splitlines())) < 10 * MAX_LENGTH
    assert all(line.isprintable() for line in page.page.splitlines())
    assert "é🦀" in page.page


def test_long_texts_of_one_beginning_stay_different() -> None:
    """
    A text that is cut ends with a checksum.
    """
    values = {label_value(LONG + end) for end in "abc"}
    assert len(values) == 3
    assert {len(each) for each in values} == {MAX_LENGTH}
    assert label_value("x" * MAX_LENGTH) == "x" * MAX_LENGTH


def test_series_of_the_same_labels_come_once() -> None:
    """
    The first of two agents or keys of the same labels has its series, and the others are counted.
    """
    # A control character, and the code by which it is shown.
    items = [item("1", key="a\n"), item("2", key="a\\x0a"), item("3/4", key="a\n")]
    first, second = agent_of("b\n"), agent_of("b\\x0a", status="timeout")
    page = page_of(first, second, items=items)
    assert page.of("coder_agent_metadata_value") == [1.0]
    assert page.of("coder_agent_status", coder_agent_status="timeout") == [0.0]
    states = len(page.of("coder_agent_status")) + len(page.of("coder_agent_lifecycle")) + 2
    # Of the second agent, everything; of the first one, value, age and interval, and the whole.
    assert page.of("coder_exporter_dropped_series", reason="duplicate") == [states + 10 + 7]
    assert page.of("coder_exporter_dropped_series", reason="limit") == [0.0]


def series_of_agents(page: Scrape) -> int:
    """
    Return how many series the agents have.
    """
    return sum(
        len(family.samples)
        for name, family in page.families.items()
        if name.startswith("coder_agent")
    )


@pytest.mark.parametrize("limit", [0, 18, 19, 20, 37, 38, 40, 48, 100])
def test_the_number_of_series_is_limited(limit: int) -> None:
    """
    No page has more series than its limit, and what it lacks is counted exactly.
    """
    observed = observed_of(agent_of("a"), agent_of("b"), items=[item("1/2"), item("3", key="k")])
    whole = series_of_agents(scraped(Made(observed)))
    page = scraped(Made(observed, max_series=limit))
    [dropped] = page.of("coder_exporter_dropped_series", reason="limit")
    assert series_of_agents(page) == whole - dropped <= limit
    # The states of all agents, 17 series each, come before metadata.
    assert len(page.of("coder_agent_info")) == min(2, limit // 17)
    assert limit < 17 or page.of("coder_agent_info", agent="a") == [1.0]
    assert page.of("coder_exporter_agents") == [2.0]


def test_only_the_wanted_keys_are_exported() -> None:
    """
    Other keys have no series, and are not counted as dropped.
    """
    observed = observed_of(
        agent_of(), items=[item("1", key="cpu"), item("2", key="mem", error="x")]
    )
    page = scraped(Made(observed, is_wanted=lambda key: key == "cpu"))
    assert page.labels("coder_agent_metadata_age_seconds", "key") == {"cpu"}
    assert page.of("coder_agent_metadata_failing_items") == [0.0]
    assert page.of("coder_exporter_dropped_series") == [0.0, 0.0]


def test_lines_are_counted_by_level() -> None:
    """
    Every level begins with 0, so that the first error is an increase; a new level is "other".
    """
    agent = agent_of()
    observed = observed_of(agent)
    observed.follow([agent.id])
    lines = [log_of("x"), log_of("y", level="error"), log_of("z", level="fatal"), log_of("z")]
    observed.count_lines([AgentLog(agent, line) for line in lines], since=0.0)
    page = scraped(Made(observed))
    levels = ("trace", "debug", "info", "warn", "error", "other")
    counts = [page.of("coder_agent_log_lines_total", level=level) for level in levels]
    assert counts == [[0.0], [0.0], [2.0], [0.0], [1.0], [1.0]]


def test_the_lag_is_that_of_lines_stored_while_the_log_was_followed() -> None:
    """
    Older lines have no lag, and a deployment whose clock is ahead has a lag of 0.
    """
    agent = agent_of()
    observed = observed_of(agent)
    now = datetime.now(UTC)
    ages = [timedelta(hours=1), timedelta(seconds=20), timedelta(hours=-1)]
    lines = [attrs.evolve(log_of("x"), created_at=now - age) for age in ages]
    observed.count_lines(
        [AgentLog(agent, line) for line in [*lines, log_of("no time")]],
        since=now.timestamp() - 60,
    )
    page = scraped(Made(observed))
    assert page.of("coder_exporter_log_lag_seconds_count") == [2.0]
    assert page.of("coder_exporter_log_lag_seconds_bucket", le="0.1") == [1.0]
    assert page.of("coder_exporter_log_lag_seconds_bucket", le="10.0") == [1.0]
    [total] = page.of("coder_exporter_log_lag_seconds_sum")
    assert 20 <= total < 60


def test_a_histogram_counts_each_value_once() -> None:
    """
    A value on a bound is within the bucket, and one above all bounds is in the last one.
    """
    buckets = dict(Histogram().with_values([0.1, 0.2, 1e9]).buckets)
    assert buckets["0.1"] == 1
    assert buckets["0.25"] == buckets["300.0"] == 2
    assert buckets["+Inf"] == 3


def test_streams_and_errors_are_counted() -> None:
    """
    The health of the streams and each class of error have their series.
    """
    observed = observed_of(agent_of())
    for _ in range(2):
        observed.put_error("metadata", RequestTimeoutError("late"))
    observed.put_away()
    made = Made(observed)
    made.health = StreamHealth(followed=3, reconnects=5, late=7)
    page = scraped(made)
    kind = {"operation": "metadata", "kind": "RequestTimeoutError"}
    assert page.of("coder_exporter_errors_total", **kind) == [2.0]
    assert page.of("coder_exporter_followed_logs") == [3.0]
    assert page.of("coder_exporter_log_reconnects_total") == [5.0]
    assert page.of("coder_exporter_late_log_lines_total") == [7.0]
    assert page.of("coder_deployment_up") == [0.0]
    assert page.of("coder_deployment_last_success_timestamp_seconds") != []


def test_a_page_without_agents_is_readable() -> None:
    """
    Before the first list, the deployment is not up, and has never been.
    """
    page = scraped(Made(Observed()))
    assert page.of("coder_deployment_up") == [0.0]
    assert page.of("coder_deployment_last_success_timestamp_seconds") == []
    assert series_of_agents(page) == 0


def newer_agent(workspace: str) -> Agent:
    """
    Return an agent with the name of another one, as the next build of *workspace* has.
    """
    agent = agent_of("newer")
    assert agent._workspace is not None
    agent._data = attrs.evolve(agent._data, name="main")
    agent._workspace = attrs.evolve(agent._workspace, name=workspace)
    return agent


def test_a_restarted_workspace_continues_its_counts() -> None:
    """
    Each line of the new agent is an increase, and no count is kept for ever.
    """
    now = 0.0
    observed = Observed(forget=60.0, clock=lambda: now)
    first, second = agent_of(), newer_agent("dev")

    def errors() -> list[float]:
        return scraped(Made(observed)).of("coder_agent_log_lines_total", level="error")

    for agent in (first, second):
        observed.list_agents([agent])
        observed.follow([agent.id])
        observed.count_lines([AgentLog(agent, log_of("x", level="error"))] * 30, since=0.0)
    assert errors() == [60.0]
    observed.count_lines([AgentLog(first, log_of("late", level="error"))], since=0.0)
    now = 60.0
    assert observed.list_agents([second]) == [first.id]
    observed.count_lines([AgentLog(first, log_of("too late", level="error"))], since=0.0)
    assert errors() == [61.0]
    observed.list_agents([newer_agent("renamed")])
    assert errors() == [61.0]
    observed.clear()
    now = 120.0
    observed.list_agents([])
    assert (observed._lines, observed._names) == ({}, {})


START = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("build", "created", "ready", "parent", "seconds"),
    [
        (0, 5, 42, False, 42.0),
        (0, 30, 42, True, 12.0),
        (0, 5, None, False, None),
        (None, 5, 42, False, None),
        (50, 5, 42, False, None),  # the times of an earlier start
    ],
)
def test_the_time_to_ready_begins_with_the_build(
    build: int | None, created: int, ready: int | None, parent: bool, seconds: float | None
) -> None:
    """
    A sub-agent's time begins with itself, and an agent that is not ready yet has no time.
    """

    def at(offset: int | None) -> datetime | None:
        return None if offset is None else START + timedelta(seconds=offset)

    agent = agent_of(
        created_at=at(created), ready_at=at(ready), parent_id=uuid.uuid4() if parent else None
    )
    assert agent._workspace is not None
    latest = schema.WorkspaceBuild(created_at=at(build))
    agent._workspace = attrs.evolve(agent._workspace, latest_build=latest)
    assert time_to_ready(agent) == seconds
    expected = [] if seconds is None else [seconds]
    assert page_of(agent).of("coder_agent_time_to_ready_seconds") == expected


def test_counts_of_agents_are_kept_for_some_time() -> None:
    """
    An agent that is listed again within the time continues its counts, and metadata of a gone agent
    is not kept.
    """
    now = 0.0
    observed = Observed(forget=60.0, clock=lambda: now)
    agent, other = agent_of(), agent_of("other")
    observed.list_agents([agent, other])
    observed.count_lines([AgentLog(agent, log_of("x"))], since=0.0)
    observed.put_metadata(agent.id, [item("1")])
    observed.list_agents([other])
    observed.put_metadata(agent.id, [item("1")])
    assert [facts.agent for facts in observed.snapshot().agents] == [other]
    now = 59.0
    assert observed.list_agents([other]) == []
    observed.list_agents([other, agent])
    facts = observed.snapshot().agents[1]
    assert (facts.read, facts.lines) == (None, {"info": 1})
    now = 70.0
    assert observed.list_agents([other, agent]) == []
    observed.list_agents([other])
    now = 130.0
    assert observed.list_agents([other]) == [agent.id]
    observed.list_agents([agent])
    assert observed.snapshot().agents[0].lines == {}
