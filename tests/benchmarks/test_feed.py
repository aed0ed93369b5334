"""
What the benchmarks feed to their contestants is what they say it is.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

import pytest
from contest import feed, limits, scenes
from contest.figures import Scale

from coder_agents.schema import (
    LogLevel,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    WorkspacesResponse,
    from_json,
    to_json,
)

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]


def test_log_messages_are_95_lines_of_20_kilobytes() -> None:
    """
    Each message has its 95 lines, about 20 KB, and every level is one that is known.
    """
    for message in feed.log_messages(3):
        logs = from_json(message, list[WorkspaceAgentLog])
        assert len(logs) == 95
        assert 19_000 < len(message) < 22_000
        assert {log.level for log in logs} <= set(LogLevel)


def test_ids_ascend_over_all_messages_with_gaps() -> None:
    """
    No id comes twice, whatever number of messages is read.
    """
    ids = [
        log.id
        for message in feed.log_messages(20)
        for log in from_json(message, list[WorkspaceAgentLog])
    ]
    steps = {after - before for before, after in itertools.pairwise(ids)}
    assert min(steps) > 0
    assert max(steps) > 1


def test_a_batch_has_one_time_and_the_next_another() -> None:
    """
    The lines of a message were stored at one moment, those of the next later.
    """
    times = [
        {log.created_at for log in from_json(message, list[WorkspaceAgentLog])}
        for message in feed.log_messages(3)
    ]
    assert [len(one) for one in times] == [1, 1, 1]
    assert len(set.union(*times)) == 3


def test_in_the_other_feed_all_times_differ() -> None:
    """
    Each line has a time and a source that the one before has not, each item a time of its own.
    """
    logs = [
        log
        for message in feed.log_messages(5, different=True)
        for log in from_json(message, list[WorkspaceAgentLog])
    ]
    assert len({log.created_at for log in logs}) == len(logs) == 5 * 95
    assert all(a.source_id != b.source_id for a, b in itertools.pairwise(logs))
    items = [
        item
        for number in range(5)
        for item in from_json(feed.metadata(number, different=True), list[WorkspaceAgentMetadata])
    ]
    assert len({item.result.collected_at for item in items}) == len(items) == 5 * 84


def test_a_list_of_agents_repeats_no_id_and_no_time() -> None:
    """
    Only the names of things are the same in two agents.
    """
    page = from_json(feed.workspaces(20), WorkspacesResponse)
    agents = [workspace.latest_build.agents[0] for workspace in page.workspaces]
    assert len({agent.id for agent in agents}) == len({agent.ready_at for agent in agents}) == 20
    assert len({script.id for agent in agents for script in agent.scripts}) == 80


def test_the_server_sends_both_feeds() -> None:
    """
    Agents of the other feed send what the same work reads in memory.
    """
    made = scenes.Scenes(Scale(messages=1, warm=0, body=10))
    for different in (False, True):
        scale = Scale(different=different)
        [log] = made.frames(scenes.fed(scenes.LOGS, scale), 0, "")
        assert log == scenes.frame(next(feed.log_messages(1, different=different)))
        [event] = made.chunks(scenes.fed(scenes.METADATA, scale))
        assert event == scenes.chunk(feed.event(feed.metadata(0, different=different)))
        single = next(made.frames(scenes.fed(scenes.SINGLE, scale), 0, ""))
        assert single == scenes.frame(feed.logs(1, different=different))
        assert made.body(scenes.fed(scenes.LOGS, scale), 0, "") == feed.logs(
            10, different=different
        )


def test_lines_are_escaped_as_go_escapes_them() -> None:
    """
    Escape characters and angle brackets are written as escapes, other letters as they are.
    """
    text = feed.logs(200).decode()
    assert "\\u001b[32m" in text
    assert "\\u003c" in text
    assert "✓" in text
    assert not {"<", ">", "&", "\x1b"} & set(text)


def test_messages_are_the_same_in_every_process() -> None:
    """
    What is read in memory are the bytes that the server sends.
    """
    assert feed.logs(95, first=95) == list(feed.log_messages(2))[1]
    assert feed.logs(95 * 2) != feed.logs(95 * 2, first=95)


def test_metadata_are_84_items_of_20_kilobytes_that_change() -> None:
    """
    Each event has its 84 items, in about 20 KB, and no event is the one before.
    """
    events = [feed.metadata(number) for number in range(3)]
    assert {len(from_json(one, list[WorkspaceAgentMetadata])) for one in events} == {84}
    assert all(19_000 < len(one) < 22_000 for one in events)
    assert len(set(events)) == 3


def test_an_event_of_a_stamp_is_a_kilobyte() -> None:
    """
    The event whose way is timed is of 1 KB, and its first value is the stamp.
    """
    data = feed.metadata(0, 4, first_value="00000000000000000042")
    assert 900 < len(data) < 1_100
    assert from_json(data, list[WorkspaceAgentMetadata])[0].result.value.endswith("42")


def test_agent_is_one_of_5_kilobytes() -> None:
    """
    The agent has 5 KB, every part of it is read, and it differs from reading to reading.
    """
    agent = from_json(feed.agent(1), WorkspaceAgent)
    assert 4_800 < len(feed.agent(1)) < 5_600
    assert (len(agent.apps), len(agent.scripts), len(agent.latency)) == (4, 4, 4)
    assert agent != from_json(feed.agent(2), WorkspaceAgent)
    assert set(json.loads(to_json(agent))) == set(json.loads(feed.agent(1)))


@pytest.mark.parametrize("size", [5, 125, 126, 65_535, 65_536])
def test_frames_are_what_the_bare_reader_reads(size: int) -> None:
    """
    A frame of any length is one that has its payload back.
    """
    payload = bytes(size)
    sent = iter([scenes.frame(payload), scenes.frame(b"the one behind it")])
    bare = limits.frames(lambda _: next(sent), bytearray())
    assert [next(bare), next(bare)] == [payload, b"the one behind it"]


@pytest.mark.parametrize("reader", [limits.events, limits.events_by_lines])
def test_chunks_are_what_the_bare_reader_reads(
    reader: Callable[[Iterator[bytes]], Iterator[bytes]],
) -> None:
    """
    Events in pieces, cut anywhere on their way, are the events.
    """
    event = feed.event(feed.metadata(0, 1))
    both = event * 2
    wire = b"".join(scenes.chunk(both[at : at + 128]) for at in range(0, len(both), 128))
    sent = iter([wire[at : at + 50] for at in range(0, len(wire), 50)])
    bare = reader(limits.chunks(lambda _: next(sent), bytearray()))
    assert [next(bare), next(bare)] == [event[:-2]] * 2


def test_busy_log_goes_on_behind_an_id() -> None:
    """
    A second connection to a busy log begins with every line behind the id that it names.
    """
    made = scenes.Scenes(Scale(seconds=1))
    first = _lines(next(made.frames(scenes.BUSY, 0, "a visitor")))
    assert [log.id for log in first] == sorted(log.id for log in first)
    behind = _lines(next(made.frames(scenes.BUSY, first[4].id, "a visitor")))
    assert behind[: len(first) - 5] == first[5:]


def _lines(frame: bytes) -> list[WorkspaceAgentLog]:
    payload = next(limits.frames(lambda _: b"", bytearray(frame)))
    return from_json(payload, list[WorkspaceAgentLog])
