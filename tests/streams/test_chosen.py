"""
A log that is followed, and of which not all is wanted.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
import responses
from effort import times
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peer import Conversation, Script

from coder_agents import Client, LogStream, StreamEnd, StreamOptions
from coder_agents.agent import Agent
from coder_agents.schema import LogLevel, WorkspaceAgentLog, to_json
from coder_agents.streams.bookmark import Bookmark
from coder_agents.testing import Deployment, EmbeddedAgent

from .conftest import AGENT, LOGS, TOKEN, agent_at, feed_of, logs, until_1000
from .playing import poll_until
from .test_logs import saying
from .test_resume import OPTIONS, QUICK, breaking, hang_up
from .test_schedules import OPTIONS as SETTLING
from .test_schedules import SETTLE, STEPS, Schedule, Writing

Serve = Callable[..., Agent]


def even(*ids: int) -> str:
    """
    Return a message of lines, of which those of even ids are errors.
    """
    levels = {0: LogLevel.ERROR, 1: LogLevel.INFO}
    return to_json([WorkspaceAgentLog(id=each, level=levels[each % 2]) for each in ids])


def asked_after(requests: list[bytes]) -> list[int]:
    """
    Return the ids that the heads of *requests* ask after.
    """
    found = (re.search(rb"after=(\d+)", head) for head in requests)
    return [int(each[1]) if each else 0 for each in found]


class Noting:
    """
    Scripts that note the heads of the requests they answer.
    """

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    def __call__(self, *messages: str, stay: bool = False) -> Script:
        def script(conversation: Conversation) -> None:
            conversation.accept_websocket()
            self.heads.append(conversation.head)
            for message in messages:
                conversation.text(message)
            if stay:
                conversation.until_gone()

        return script


def test_the_tail_is_of_what_is_there_and_then_all_comes(serve: Serve) -> None:
    """
    The lines come as with tail -n 2 -f.
    """
    agent = serve(saying(logs(1, 2, 3, 4), logs(5), logs(6, 7, 8)))
    assert [log.id for log in until_1000(agent.follow_logs(tail=2))] == [3, 4, 5, 6, 7, 8]
    assert [log.id for log in until_1000(agent.follow_logs(tail=0))] == [5, 6, 7, 8]
    assert [log.id for log in until_1000(agent.follow_logs(tail=9))] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [log.id for log in until_1000(agent.follow_logs(2, tail=1))] == [4, 5, 6, 7, 8]


def test_the_id_before_the_tail_is_the_floor_so_late_lines_still_come(serve: Serve) -> None:
    """
    Nothing below it is asked for again; what is late and above it comes, once.
    """
    noting = Noting()
    agent = serve(
        noting(logs(1, 3, 5, 6)),
        noting(logs(4, 5, 6)),
        noting(logs(4, 5, 6, 7), stay=True),
        options=StreamOptions(reconnect=QUICK, settle=60),
    )
    with agent.follow_logs(tail=2) as stream:
        assert [next(stream).id for _ in range(4)] == [5, 6, 4, 7]
        assert stream.stats.late == 1
        assert stream.last_id == 7
    assert asked_after(noting.heads) == [0, 3, 3]


def test_the_tail_of_a_tail_that_is_not_full_may_grow(serve: Serve) -> None:
    """
    A late line belongs to it wherever it is.
    """
    noting = Noting()
    agent = serve(
        noting(even(3, 4, 5, 6)),
        noting(even(1, 2, 3, 4, 5, 6), stay=True),
        options=StreamOptions(reconnect=QUICK, settle=60),
    )
    with agent.follow_logs(tail=3, level="error") as stream:
        assert [next(stream).id for _ in range(3)] == [4, 6, 2]
    assert asked_after(noting.heads) == [0, 0]


def test_the_tail_is_of_the_first_message_on_whichever_connection(serve: Serve) -> None:
    """
    A connection that breaks before it says anything has told of no line.
    """
    noting = Noting()
    agent = serve(noting(), noting(logs(1, 2, 3)), noting(logs(4), stay=True), options=OPTIONS)
    with agent.follow_logs(tail=1) as stream:
        assert [next(stream).id for _ in range(2)] == [3, 4]
    assert asked_after(noting.heads) == [0, 0, 3]


@pytest.mark.parametrize("settle", [0, 60])
def test_what_is_skipped_is_done(serve: Serve, settle: float) -> None:
    """
    It is not requested again where ids are trusted, never taken again, and in the bookmark.
    """
    noting = Noting()
    agent = serve(
        noting(even(1, 3), even(5)),
        noting(even(1, 3, 5, 7, 8, 9) if settle else even(7, 8, 9), stay=True),
        options=StreamOptions(reconnect=QUICK, settle=settle),
    )
    with agent.follow_logs(level="error") as stream:
        assert next(stream).id == 8
        assert stream.poll(0) is None
        assert (stream.stats.items, stream.stats.late, stream.last_id) == (1, 0, 8)
        done = Bookmark.read(stream.bookmark, AGENT)
    assert asked_after(noting.heads) == [0, 0 if settle else 5]
    expected = (0, [1, 3, 5, 7, 8, 9]) if settle else (9, [])
    assert (done.floor, list(done.ids())) == expected


def test_lines_below_what_was_skipped_are_new(serve: Serve) -> None:
    """
    One of them is late only where one that was yielded is above it.
    """
    options = StreamOptions(reconnect=QUICK, settle=60)
    agent = serve(saying(even(1, 9), even(4), even(2), code=None), options=options)
    with agent.follow_logs(level="error") as stream:
        assert [(next(stream).id, stream.stats.late) for _ in range(2)] == [(4, 0), (2, 1)]
        assert stream.last_id == 4


@pytest.mark.parametrize("settle", [0, 60])
@pytest.mark.parametrize(
    ("read", "after"),
    [(0, []), (1, [3, 4]), (2, [3, 4, 5, 6]), (3, [3, 4, 5, 6, 7, 8, 9])],
)
def test_a_bookmark_counts_what_was_passed_by(
    serve: Serve, settle: float, read: int, after: list[int]
) -> None:
    """
    Up to the line that was yielded last, and all of a message with the last one of it.
    """
    options = StreamOptions(reconnect=None, settle=settle)
    stream = serve(saying(even(3, 4, 5, 6, 7, 8, 9), code=None), options=options).follow_logs(
        level="error"
    )
    for _ in range(read):
        next(stream)
    opened = Bookmark.read(stream.bookmark, AGENT)
    assert {*range(opened.floor + 1), *opened.ids()}.issuperset(after)
    stream.close()
    closed = Bookmark.read(stream.bookmark, AGENT)
    top = max(after, default=0)
    expected = (0, after) if settle else (top, [])
    assert (closed.floor, list(closed.ids())) == expected
    assert not {*range(top + 1, 20)}.intersection(opened.ids())


def test_a_bookmark_within_the_tail_leaves_out_what_is_before_it(serve: Serve) -> None:
    """
    Whoever goes on with it, without a tail, gets the rest of it and what follows.
    """
    stream = serve(saying(logs(1, 2, 3, 4, 5), code=None)).follow_logs(tail=3)
    assert next(stream).id == 3
    stream.close()
    marked = Bookmark.read(stream.bookmark, AGENT)
    assert (marked.floor, list(marked.ids())) == (2, [3])


def test_the_tail_after_a_bookmark_is_of_what_is_new(serve: Serve) -> None:
    """
    Lines that were yielded before do not count.
    """
    bookmark = str(Bookmark.of(AGENT, 2, [5, 6]))
    agent = serve(saying(logs(3, 4, 5, 6), logs(7)))
    assert [log.id for log in until_1000(agent.follow_logs(bookmark, tail=1))] == [4, 7]
    assert [log.id for log in until_1000(agent.follow_logs(bookmark, tail=5))] == [3, 4, 7]


def test_what_is_not_below_before_is_skipped_for_ever(serve: Serve) -> None:
    """
    Nothing comes any more then, but for late lines; the stream ends as its log does.
    """
    agent = serve(saying(logs(1, 2, 3, 4), logs(5), logs(6)))
    stream = agent.follow_logs(before=3)
    assert [log.id for log in until_1000(stream)] == [1, 2]
    marked = Bookmark.read(stream.bookmark, AGENT)
    assert {*range(1, marked.floor + 1), *marked.ids()} == {1, 2, 3, 4, 5, 6}
    assert [log.id for log in until_1000(agent.follow_logs(before=4, tail=1))] == [3]


def test_a_message_of_which_nothing_is_wanted_is_progress(serve: Serve) -> None:
    """
    A connection that brings lines works, whoever wants them.
    """
    attempts: list[int] = []
    options = attrs.evolve(OPTIONS, on_reconnect=lambda *what: attempts.append(what[1]))
    number = iter(range(1, 1000, 2))

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(even(next(number)))

    with serve(script, options=options).follow_logs(level="error") as stream:
        assert poll_until(stream, lambda: len(attempts) > 5) == []
        assert stream.end is None
    assert set(attempts) == {1}, "each outage is a new one"


def test_the_newest_lines_can_be_forgotten_though_nobody_wants_them(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What is left out is held as what is yielded; where that is too much, it is said once.
    """
    options = StreamOptions(reconnect=None, remember=2)
    agent = serve(saying(even(1, 3, 5), even(7), even(8)), options=options)
    assert [log.id for log in until_1000(agent.follow_logs(level="error"))] == [8]
    assert sum("more than 2 lines" in record.message for record in caplog.records) == 1


def test_a_filtered_stream_is_closed_from_elsewhere(serve: Serve) -> None:
    """
    It ends also while everything that comes is left out.
    """
    agent = serve(saying(even(1), code=None))
    stream = agent.follow_logs(level="error")
    threading.Timer(0.2, stream.close).start()
    assert list(stream) == []
    assert stream.end is StreamEnd.CLOSED


def test_batches_and_polls_are_of_what_is_wanted(serve: Serve) -> None:
    """
    Messages of which nothing is wanted are no batch.
    """
    agent = serve(saying(even(1), even(2, 3, 4), even(5), even(6)))
    batches = [
        [log.id for log in batch]
        for batch in until_1000(agent.follow_logs(level="error").batches())
    ]
    assert all(batches)
    assert list(itertools.chain.from_iterable(batches)) == [2, 4, 6]


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"tail": -1}, ValueError, "tail"),
    ({"since": datetime(2026, 1, 1)}, ValueError, "time zone"),  # noqa: DTZ001
    ({"before": "x"}, TypeError, "before"),
    ({"source": 3}, TypeError, "source"),
    ({"level": "loud"}, ValueError, "level"),
    ({"grep": 3}, TypeError, "grep"),
    ({"after": -1, "source": "Missing"}, ValueError, "after"),
]


@pytest.mark.parametrize(("filters", "error", "says"), BAD)
def test_bad_filters_are_refused_before_any_io(
    filters: dict[str, Any], error: type[Exception], says: str
) -> None:
    """
    Both calls refuse them.
    """
    agent = agent_at("http://127.0.0.1:9")  # where nobody listens
    for call in (agent.logs, agent.follow_logs):
        with pytest.raises(error, match=says):
            call(**filters)
    with pytest.raises(ValueError, match="bookmark"):
        agent.follow_logs("1:nonsense", source="Missing")


@responses.activate
def test_an_agent_is_read_again_before_a_source_is_refused() -> None:
    """
    Once: a source is told of when it first prints something.
    """
    base = f"https://coder.test/api/v2/workspaceagents/{AGENT}"
    sources = [{"id": str(AGENT), "display_name": "Late"}]
    responses.get(base, json={"id": str(AGENT), "log_sources": sources})
    lines = [{"id": 1, "output": "one", "source_id": str(AGENT)}, {"id": 2, "output": "two"}]
    responses.get(f"{base}/logs", json=lines)
    client = Client("https://coder.test", TOKEN)
    agent = Agent(AGENT, client._http, client._stream_options, client._capabilities)
    assert [log.output for log in agent.logs(source="Late")] == ["one"]
    assert [log.output for log in agent.logs(source="Late", grep="two")] == []
    assert [call.request.url for call in responses.calls].count(base) == 1
    with pytest.raises(ValueError, match="no source 'Missing'; its sources are: 'Late'"):
        agent.logs(source="Missing")
    with pytest.raises(ValueError, match="no source 'Missing'"):
        agent.follow_logs(source="Missing")
    assert [call.request.url for call in responses.calls].count(base) == 3


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """
    One deployment for all schedules; each has an agent of its own.
    """
    with Deployment(log_limit=1 << 40) as made:
        yield made


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "grep": st.sampled_from(["line", "1", re.compile("[02]$"), "nothing"]),
        "level": st.sampled_from(["trace", "info", "warn"]),
        "source": st.sampled_from(["External", ["External"]]),
        "since": st.just(timedelta(hours=1)) | st.just(datetime(2026, 1, 1, tzinfo=UTC)),
        "before": st.integers(1, 30),
    },
)
QUIETLY = settings(
    max_examples=times(5, 20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Choosing(Schedule):
    """
    A schedule beside which only some lines are wanted.
    """

    def __init__(self, deployment: Deployment, agent: EmbeddedAgent, there: int) -> None:
        super().__init__(deployment, agent)
        self.first = agent.push_logs([f"line {number % 4}" for number in range(there)])

    def follow_to_the_end(
        self, stream: LogStream, agent: Agent, filters: dict[str, Any], after: int = 0
    ) -> None:
        """
        Check that what comes is what reading the log with the same filters gives.
        """
        self.commit_all()
        chosen = {log.id for log in agent.logs(after, **filters)}
        promised = chosen & {*self.first, *self.promised()}
        self.finish(stream, promised)
        assert len(self.yielded) == len(set(self.yielded))
        assert promised <= set(self.yielded) <= chosen


def filters_at(agent: EmbeddedAgent, filters: dict[str, Any]) -> dict[str, Any]:
    """
    Return *filters* with ``before`` counted from the agent's first line.
    """
    if "before" not in filters:
        return filters
    first = agent.push_logs("line 0")[0]
    return {**filters, "before": first + filters["before"]}


@QUIETLY
@given(steps=STEPS, filters=FILTERS, there=st.integers(0, 9))
def test_following_chosen_lines_is_reading_them_whatever_happens(
    deployment: Deployment,
    steps: list[tuple[str, int | str]],
    filters: dict[str, Any],
    there: int,
) -> None:
    """
    Through late writers, drops, cut messages and restarts.
    """
    embedded = deployment.add_agent(f"agent-{len(deployment.agents)}")
    embedded.push_logs("line 0")  # so that its source is known
    schedule = Choosing(deployment, embedded, there)
    filters = filters_at(embedded, filters)
    with deployment.client() as client:
        agent = client.agent(embedded.id)
        with agent.follow_logs(options=SETTLING, **filters) as stream:
            for what, how in steps:
                schedule.step(stream, what, how)
            schedule.follow_to_the_end(stream, agent, filters)


@QUIETLY
@given(
    steps=STEPS,
    filters=FILTERS,
    there=st.integers(0, 9),
    tail=st.integers(0, 6),
    stops=st.lists(st.integers(0, 24), max_size=2),
)
def test_a_tail_that_is_followed_is_read_after_its_floor_whatever_happens(
    deployment: Deployment,
    steps: list[tuple[str, int | str]],
    filters: dict[str, Any],
    there: int,
    tail: int,
    stops: list[int],
) -> None:
    """
    This holds also where another stream continues from its bookmark with the same filters.
    """
    embedded = deployment.add_agent(f"agent-{len(deployment.agents)}")
    embedded.push_logs("line 0")
    schedule = Choosing(deployment, embedded, there)
    filters = filters_at(embedded, filters)
    with deployment.client() as client:
        agent = client.agent(embedded.id)
        read = agent.logs(tail=tail, **filters)
        stream = agent.follow_logs(options=SETTLING, tail=tail, **filters)
        schedule.yielded = [next(stream).id for _ in read]
        while not feed_of(stream).answered:  # what is there is in the first one
            assert stream.poll(0.01) is None
        assert schedule.yielded == [log.id for log in read]
        floor = floor_of(agent, schedule, tail)
        for number, (what, how) in enumerate(steps):
            schedule.step(stream, what, how)
            if number in stops:
                stream.close()
                stream = agent.follow_logs(stream.bookmark, options=SETTLING, **filters)
        schedule.follow_to_the_end(stream, agent, filters, floor)
        stream.close()


def floor_of(agent: Agent, schedule: Schedule, tail: int) -> int:
    """
    Return the id before the tail; 0 where it may grow.
    """
    if len(schedule.yielded) < tail:
        return 0
    below = min(schedule.yielded, default=2**63)
    return max((log.id for log in agent.logs() if log.id < below), default=0)


def test_a_slow_writers_lines_come_after_the_tail(deployment: Deployment) -> None:
    """
    They took their ids before the lines of the tail, and are committed after these were read.
    """
    embedded = deployment.add_agent(f"agent-{len(deployment.agents)}")
    embedded.push_logs(["old"] * 5)
    taken = time.monotonic()
    writing = Writing(embedded.begin_logs(["late"]), taken)
    embedded.push_logs(["new"] * 3)
    with deployment.client() as client:
        with client.agent(embedded.id).follow_logs(tail=3, options=SETTLING) as stream:
            assert [next(stream).output for _ in range(3)] == ["new"] * 3
            writing.commit()
            late = stream.poll(SETTLE * 8)
            assert (late is not None and late.output == "late") or not writing.in_time
            assert stream.poll(SETTLE * 2) is None
        targets = (each.target for each in deployment.requests if each.route == "logs")
        checks = [target for target in targets if str(embedded.id) in target]
    assert checks[0].endswith(f"after={min(writing.pending.ids) - 1}")


def test_a_broken_connection_in_the_middle_of_a_tail_repeats_nothing(serve: Serve) -> None:
    """
    What was received is yielded; what comes again is known.
    """
    agent = serve(
        breaking(LOGS, hang_up, 5),
        saying(logs(5, 6), code=None),
        options=StreamOptions(reconnect=QUICK, settle=60),
    )
    with agent.follow_logs(tail=1) as stream:
        assert [next(stream).id for _ in range(2)] == [5, 6]
