"""
The store of log lines, and the calls that read it.
"""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from coder_agents.schema import LogLevel
from coder_agents.testing import Deployment
from coder_agents.testing.logs import LogStore

SOURCE = uuid4()


def make_store(limit: int = 1_000, line_length: int | None = None) -> LogStore:
    """
    A store that keeps the time of the system.
    """
    return LogStore(now=lambda: datetime.now(UTC), limit=limit, line_length=line_length)


def lines(*texts: str) -> list[tuple[LogLevel, str]]:
    """
    Lines of the level info.
    """
    return [(LogLevel.INFO, text) for text in texts]


def test_ids_come_from_one_sequence_of_all_agents() -> None:
    """
    Two agents that write in turn share the ids, and a skipped id is never given.
    """
    store, one, other = make_store(), uuid4(), uuid4()
    assert store.append(one, SOURCE, lines("a", "b")) == [1, 2]
    store.skip_ids(3)
    assert store.append(other, SOURCE, lines("c")) == [6]
    assert store.append(one, SOURCE, lines("d")) == [7]
    assert [log.output for log in store.after(one, 1)] == ["b", "d"]


def test_a_late_commit_appears_below_what_was_seen() -> None:
    """
    A batch takes its ids first and is committed later, below the other's ids.
    """
    store, agent = make_store(), uuid4()
    late = store.reserve(agent, SOURCE, lines("late"))
    store.append(agent, SOURCE, lines("early"))
    assert [log.id for log in store.after(agent, 0)] == [2]
    assert store.commit(late)
    assert [(log.id, log.output) for log in store.after(agent, 0)] == [(1, "late"), (2, "early")]
    assert store.after(agent, 2) == []


def test_the_batch_that_passes_the_limit_is_refused_whole() -> None:
    """
    Nothing of it is stored, nothing after it, and its ids are lost.
    """
    store, agent = make_store(limit=5), uuid4()
    assert store.append(agent, SOURCE, lines("é", "b")) == [1, 2]
    assert store.append(agent, SOURCE, lines("1", "22")) == []
    assert store.overflowed(agent)
    assert store.append(agent, SOURCE, lines("1")) == []
    assert store.size(agent) == 3
    assert [log.id for log in store.after(agent, 0)] == [1, 2]


def test_subscribers_hear_of_commits_while_subscribed() -> None:
    """
    A callback is called for each commit inside its context, and not after it.
    """
    store, agent = make_store(), uuid4()
    heard: list[int] = []
    with store.notices(agent).subscribed(lambda: heard.append(1)):
        store.append(agent, SOURCE, lines("a"))
        store.append(uuid4(), SOURCE, lines("of another"))
    store.append(agent, SOURCE, lines("b"))
    assert heard == [1]


@pytest.mark.parametrize(("release", "length"), [("2.24", 1_500), ("2.31", 1_024)])
def test_lines_are_cut_as_the_release_does(release: str, length: int) -> None:
    """
    From 2.31 on a line ends after 1,024 code points, before it does not.
    """
    with Deployment(release=release) as deployment:
        agent = deployment.add_agent()
        agent.push_logs(["\N{GRINNING FACE}" * 1_500, "nul\0"])
        cut, nul = deployment._state.logs.after(agent.id, 0)
    assert cut.output == "\N{GRINNING FACE}" * length
    assert nul.output == "nul\N{CROSS MARK}"


def test_logs_after_an_id(deployment: Deployment, call: Any) -> None:
    """
    GET logs gives what follows an id, by id, and an empty list where nothing does.
    """
    agent = deployment.add_agent()
    ids = agent.push_logs("one\ntwo\nthree", level="warn")
    everything = call.get(f"/workspaceagents/{agent.id}/logs").json()
    assert [(log["id"], log["output"], log["level"]) for log in everything] == [
        (ids[0], "one", "warn"),
        (ids[1], "two", "warn"),
        (ids[2], "three", "warn"),
    ]
    assert len({log["created_at"] for log in everything}) == 1
    after = call.get(f"/workspaceagents/{agent.id}/logs?after={ids[1]}").json()
    assert after == everything[2:]
    assert call.get(f"/workspaceagents/{agent.id}/logs?after={ids[2]}").text == "[]\n"
    assert call.get(f"/workspaceagents/{agent.id}/logs?after=").json() == everything


def test_a_gap_can_be_left(deployment: Deployment) -> None:
    """
    Other agents of a busy deployment leave one.
    """
    agent = deployment.add_agent()
    (before,) = agent.push_logs(["a"])
    deployment.skip_log_ids(1_000)
    assert agent.push_logs(["b"]) == [before + 1_001]


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "+1", str(2**63), "%C2%B2"])
def test_a_bad_id_is_refused(deployment: Deployment, call: Any, after: str) -> None:
    """
    Anything but a whole number that fits 64 bits is answered with 400.
    """
    agent = deployment.add_agent()
    for follow in ("", "&follow"):
        response = call.get(f"/workspaceagents/{agent.id}/logs?after={after}{follow}")
        assert response.status_code == 400
        assert response.json()["validations"][0]["field"] == "after"


def test_a_large_answer_is_chunked(deployment: Deployment, call: Any) -> None:
    """
    The length of a body is told below 2 KiB only.
    """
    agent = deployment.add_agent()
    small = call.get(f"/workspaceagents/{agent.id}/logs")
    agent.push_logs(["x" * 1_000, "<&>\u2028"] * 3)
    large = call.get(f"/workspaceagents/{agent.id}/logs")
    assert small.headers["Content-Length"] == "3"
    assert large.headers["Transfer-Encoding"] == "chunked"
    assert "\\u003c\\u0026\\u003e\\u2028" in large.text
    assert len(large.json()) == 6


@pytest.mark.parametrize("coder_deployment", [{"release": "2.35"}], indirect=True)
def test_text_names_agent_and_source(coder_deployment: Deployment, calls: Any) -> None:
    """
    The text format tells time, level, agent and source of each line.
    """
    agent = coder_deployment.add_agent("main", scripts=["printf 'a\\033[31m\\n'"])
    agent.wait_started()
    agent.push_logs(["b"], level="debug")
    answer = calls(coder_deployment).get(f"/workspaceagents/{agent.id}/logs?format=text")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    first, second = answer.text.splitlines()
    assert first.endswith("Z [info] [agent.main|Startup Script] a\x1b[31m")
    assert second.endswith("Z [debug] [agent.main|External] b")


@pytest.mark.parametrize("coder_deployment", [{"release": "2.24"}], indirect=True)
def test_old_releases_answer_json_for_text(coder_deployment: Deployment, calls: Any) -> None:
    """
    2.24 does not know the format and ignores it.
    """
    agent = coder_deployment.add_agent()
    answer = calls(coder_deployment).get(f"/workspaceagents/{agent.id}/logs?format=text")
    assert answer.text == "[]\n"


def test_following_begins_with_the_backlog_in_one_message(
    deployment: Deployment, call: Any
) -> None:
    """
    The first message holds every line after the id, the next ones what is new.
    """
    agent = deployment.add_agent()
    ids = agent.push_logs([f"line {number}" for number in range(2_000)])
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow&after={ids[0]}")
    assert [log["id"] for log in json.loads(stream.recv())] == ids[1:]
    new = agent.push_logs(["new"])
    assert [log["id"] for log in json.loads(stream.recv())] == new


def test_following_an_empty_log_begins_with_an_empty_message(
    deployment: Deployment, call: Any
) -> None:
    """
    Without a line the first message is an empty list; `follow=false` follows too.
    """
    agent = deployment.add_agent()
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow=false")
    assert stream.recv() == "[]\n"


def test_a_late_line_is_never_followed_but_can_be_had(deployment: Deployment, call: Any) -> None:
    """
    A line that is committed below what was sent is not sent any more.
    """
    agent, store = deployment.add_agent(), deployment._state.logs
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    stream.recv()
    late = store.reserve(agent.id, SOURCE, lines("late"))
    agent.push_logs(["early"])
    assert [log["output"] for log in json.loads(stream.recv())] == ["early"]
    store.commit(late)
    agent.push_logs(["next"])
    assert [log["output"] for log in json.loads(stream.recv())] == ["next"]
    stored = call.get(f"/workspaceagents/{agent.id}/logs").json()
    assert [log["output"] for log in stored] == ["late", "early", "next"]


def test_a_newer_build_ends_following(deployment: Deployment, call: Any) -> None:
    """
    Even a pending one closes with 1000; a new connection gets the backlog, then 1000.
    """
    agent = deployment.add_agent()
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    stream.recv()
    build = agent.build.workspace.start_build()
    assert stream.recv_data() == (8, (1000).to_bytes(2))
    ids = agent.push_logs(["the old agent still writes"])
    again = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    assert [log["id"] for log in json.loads(again.recv())] == ids
    assert again.recv_data() == (8, (1000).to_bytes(2))
    build.fail()
    assert call.get(f"/workspaceagents/{agent.id}").json()["status"] == "connected"


def test_following_is_pinged(deployment: Deployment, call: Any) -> None:
    """
    Pings are numbered, and a ping of the peer is answered.
    """
    agent = deployment.add_agent()
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    stream.recv()
    assert stream.recv_data(control_frame=True) == (9, b"1")
    stream.ping("mine")
    answers = {stream.recv_data(control_frame=True) for _ in range(3)}
    assert (10, b"mine") in answers
    assert (9, b"2") in answers


@pytest.mark.parametrize("message", [b"text", b"binary"])
def test_whoever_speaks_is_closed(deployment: Deployment, call: Any, message: bytes) -> None:
    """
    A message on a stream of logs is a violation of policy.
    """
    agent = deployment.add_agent()
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    stream.recv()
    stream.send(message)
    opcode, reason = stream.recv_data()
    assert (opcode, reason[:2]) == (8, (1008).to_bytes(2))


def test_a_close_is_answered(deployment: Deployment, call: Any) -> None:
    """
    The peer's close frame comes back, and then the end of the connection.
    """
    agent = deployment.add_agent()
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    stream.recv()
    stream.send_close(4000, b"enough")
    assert stream.recv_data() == (8, (4000).to_bytes(2) + b"enough")
    assert stream.sock.recv(1) == b""


def test_a_broken_frame_is_a_protocol_error(deployment: Deployment, call: Any) -> None:
    """
    A frame that no peer may send (not masked) is answered with 1002.
    """
    agent = deployment.add_agent()
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    stream.recv()
    stream.sock.sendall(b"\x81\x01a")
    opcode, reason = stream.recv_data()
    assert (opcode, reason[:2]) == (8, (1002).to_bytes(2))


@pytest.mark.parametrize(
    ("headers", "status", "problem"),
    [
        ((), 426, 'Connection header "" does not contain Upgrade'),
        (("Connection: Upgrade",), 426, 'Upgrade header "" does not contain websocket'),
        (("Connection: Upgrade", "Upgrade: websocket"), 400, "Sec-WebSocket"),
    ],
)
def test_following_needs_a_handshake(
    deployment: Deployment,
    call: Any,
    drain: Any,
    headers: tuple[str, ...],
    status: int,
    problem: str,
) -> None:
    """
    What is missing is told in a body that is not JSON.
    """
    agent = deployment.add_agent()
    wire = call.socket(f"/workspaceagents/{agent.id}/logs?follow", *headers)
    wire.shutdown(socket.SHUT_WR)
    head, _, body = drain(wire).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert body.startswith(b"WebSocket protocol violation: ")
    assert problem.encode() in body


def test_a_peer_that_leaves_ends_the_stream(deployment: Deployment, call: Any) -> None:
    """
    It does so without a close frame, too: no thread stays behind (see `nothing_is_left`).
    """
    agent = deployment.add_agent()
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    stream.recv()
    stream.sock.close()
