"""
Metadata: what is kept of it, and the two streams that tell of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import pytest

from coder_agents.testing import Deployment, Metadata
from coder_agents.testing.connection import ServerStopping
from coder_agents.testing.message_streams import ServedStream
from coder_agents.testing.metadata import MetadataBoard
from coder_agents.testing.streaming import run_stream, send_metadata


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def test_what_was_never_collected_has_an_age_of_its_own() -> None:
    """
    Its time is the zero time and its age what the server computes from that.
    """
    board = MetadataBoard([Metadata("Load", "load", "uptime", 1.5, 0.2)], now=Clock())
    (item,) = board.snapshot()
    assert (item.result.collected_at, item.result.age) == (None, None)
    assert (item.description.interval, item.description.timeout) == (2, 1)
    assert item.description.script == "uptime"


def test_ages_grow_and_the_order_stays() -> None:
    """
    A value keeps its place among the others and tells how old it is.
    """
    clock = Clock()
    board = MetadataBoard([Metadata("B", "b"), Metadata("A", "a")], now=clock)
    before = board.version
    board.set("a", "1\n")
    board.set("unknown", "2", "failed")
    clock.time += timedelta(seconds=7.9)
    found = {item.description.key: item.result for item in board.snapshot()}
    assert list(found) == ["b", "a", "unknown"]
    assert (found["a"].value, found["a"].age) == ("1\n", 7)
    assert found["unknown"].error == "failed"
    assert board.version == before + 2


@pytest.mark.parametrize(
    ("value", "error", "kept", "said"),
    [
        ("x" * 2_048, "", "x" * 2_048, ""),
        ("x" * 2_049, "bad", "x" * 2_048, "value of 2049 bytes exceeded 2048 bytes"),
        ("é" * 1_024 + "é", "", "é" * 1_024, "value of 2050 bytes exceeded 2048 bytes"),
        ("x" + "é" * 1_024, "", "x" + "é" * 1_023 + "\ufffd", "value of 2049 bytes exceeded 2048"),
        ("", "e" * 3_000, "", "error of 3000 bytes exceeded 2048 bytes"),
    ],
)
def test_long_values_are_cut(value: str, error: str, kept: str, said: str) -> None:
    """
    Value and error hold 2,048 bytes, and the error says what was cut.
    """
    board = MetadataBoard([], now=Clock())
    board.set("key", value, error)
    (item,) = board.snapshot()
    assert item.result.value == kept
    assert item.result.error.startswith(said)
    assert bool(item.result.error) == bool(said)


def test_the_first_event_comes_at_once(deployment: Deployment, call: Any) -> None:
    """
    It holds every item, and the answer's headers are those of an event stream.
    """
    agent = deployment.add_agent(metadata=[Metadata("Load", "load"), Metadata("Disk", "disk")])
    agent.set_metadata("disk", "28%\n")
    answer = call.get(f"/workspaceagents/{agent.id}/watch-metadata", stream=True)
    answer.close()
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Connection"] == "keep-alive"
    event = next(call.events(f"/workspaceagents/{agent.id}/watch-metadata"))
    name, data = event.split(b"\n", 1)
    assert name == b"event: data"
    items = json.loads(data.removeprefix(b"data: "))
    assert [item["description"]["key"] for item in items] == ["load", "disk"]
    assert items[1]["result"]["value"] == "28%\n"


def data_events(blocks: Iterable[bytes]) -> list[str]:
    """
    The data events among *blocks*.
    """
    return [block.decode() for block in blocks if block.startswith(b"event: data\n")]


def test_a_change_comes_with_the_next_read(deployment: Deployment, call: Any) -> None:
    """
    A value that is set between two looks is in the next event.
    """
    agent = deployment.add_agent(metadata=[Metadata("Load", "load")])
    events = call.events(f"/workspaceagents/{agent.id}/watch-metadata")
    next(events)
    agent.set_metadata("load", "new value")
    while b"new value" not in (event := next(events)):
        pass
    assert event.startswith(b"event: data\n")


class RecordingStream(ServedStream):
    """
    Records what is sent and until when is waited; ends at the third message.

    At the look *change_at* after the first message something changes.
    """

    def __init__(self, change_at: int = 0, change: Callable[[], None] = lambda: None) -> None:
        self.messages: list[set[float]] = []
        self._change_at = change_at
        self._change = change

    def send(self, text: str) -> None:
        if len(self.messages) == 2:
            raise ServerStopping
        self.messages.append(set())

    def wait(self, deadline: float | None = None) -> None:
        assert deadline is not None
        self.messages[-1].add(deadline)
        if len(self.messages) == 1 and len(self.messages[0]) == self._change_at:
            self._change()
        time.sleep(max(0, deadline - time.monotonic()))

    def finish(self) -> None:
        self.finished = True

    def frame(self, text: bytes) -> bytes:
        raise AssertionError

    def ping(self) -> None:
        raise AssertionError

    def receive(self) -> None:
        raise AssertionError

    def fail(self, problem: str) -> None:
        raise AssertionError


def test_quiet_metadata_is_sent_again_after_six_reads() -> None:
    """
    Six looks without a change bring an event all the same: no more, no fewer.
    """
    with Deployment(metadata_interval=0.005) as deployment:
        agent = deployment.add_agent(metadata=[Metadata("Load", "load")])
        stream = RecordingStream()
        run_stream(stream, partial(send_metadata, deployment._state, agent, stream, str))
    assert [len(reads) for reads in stream.messages] == [6, 6]
    assert stream.finished


def test_changed_metadata_is_sent_at_the_next_read() -> None:
    """
    What changes before the second look is sent after it.
    """
    with Deployment(metadata_interval=0.005) as deployment:
        agent = deployment.add_agent(metadata=[Metadata("Load", "load")])
        stream = RecordingStream(2, lambda: agent.set_metadata("load", "new"))
        run_stream(stream, partial(send_metadata, deployment._state, agent, stream, str))
    assert [len(reads) for reads in stream.messages] == [2, 6]


def test_pings_have_no_data_line(deployment: Deployment, call: Any) -> None:
    """
    A ping is the one line that names the event.
    """
    agent = deployment.add_agent()
    events = call.events(f"/workspaceagents/{agent.id}/watch-metadata")
    assert next(events) == b"event: data\ndata: []"
    assert b"event: ping" in list(islice(events, 4))


def test_the_websocket_tells_the_same(deployment: Deployment, call: Any) -> None:
    """
    Its messages wrap the same list, and a message to it is a protocol error.
    """
    agent = deployment.add_agent(metadata=[Metadata("Load", "load")])
    stream = call.websocket(f"/workspaceagents/{agent.id}/watch-metadata-ws")
    message = json.loads(stream.recv())
    assert message["type"] == "data"
    assert message["data"][0]["description"]["key"] == "load"
    assert stream.recv_data(control_frame=True)[0] == 9
    stream.send("anything")
    while (found := stream.recv_data())[0] != 8:
        pass
    assert found[1][:2] == (1002).to_bytes(2)


@pytest.mark.parametrize("path", ["watch-metadata", "watch-metadata-ws"])
def test_a_build_does_not_end_metadata(deployment: Deployment, call: Any, path: str) -> None:
    """
    The watch of an agent goes on when the workspace is built anew.
    """
    agent = deployment.add_agent(metadata=[Metadata("Load", "load")])
    agent.new_build()
    if path == "watch-metadata":
        assert len(data_events(islice(call.events(f"/workspaceagents/{agent.id}/{path}"), 6))) >= 2
    else:
        stream = call.websocket(f"/workspaceagents/{agent.id}/{path}")
        assert [stream.recv_data()[0] for _ in range(2)] == [1, 1]


def test_input_on_an_event_stream_means_nothing(deployment: Deployment, call: Any) -> None:
    """
    What the peer sends is ignored, and its end is the end of the stream.
    """
    agent = deployment.add_agent()
    wire = call.socket(f"/workspaceagents/{agent.id}/watch-metadata")
    wire.recv(65_536)
    wire.sendall(b"noise")
    received = b""
    while received.count(b"event: data") < 2:
        received += wire.recv(65_536)
    wire.close()
