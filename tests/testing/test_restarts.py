"""
What goes wrong with a whole deployment: late commits, restarts, purges, clocks, pongs.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import requests
import websocket

from coder_agents.schema import LogLevel
from coder_agents.testing import Deployment
from coder_agents.testing.logs import LogStore
from coder_agents.testing.server import hold_port

Calls = Callable[[Deployment], Any]


def test_lines_that_are_begun_are_seen_when_they_are_committed(calls: Calls) -> None:
    """
    They have their ids from the beginning: a follower that goes by the newest never sees them.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent()
        call = calls(deployment)
        late = agent.begin_logs("one\ntwo", level="warn")
        soon = agent.begin_logs(["three"])
        assert late.ids[-1] < soon.ids[0]
        follower = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
        assert json.loads(follower.recv()) == []
        assert soon.commit()
        assert [line["id"] for line in json.loads(follower.recv())] == soon.ids
        assert late.commit()
        agent.push_logs("four")
        assert [line["output"] for line in json.loads(follower.recv())] == ["four"]
        lines = call.get(f"/workspaceagents/{agent.id}/logs").json()
        assert [line["output"] for line in lines] == ["one", "two", "three", "four"]
        assert lines[0]["level"] == "warn"


def test_an_empty_batch_changes_nothing() -> None:
    """
    It takes no id and shows no line.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent()
        nothing = agent.begin_logs([])
        assert nothing.ids == []
        assert nothing.commit()


@pytest.mark.parametrize("limit", [3, 2])
def test_lines_are_committed_once(limit: int) -> None:
    """
    A second time is an error and stores nothing, whether they were taken or refused.
    """
    with Deployment(log_limit=limit) as deployment:
        agent = deployment.add_agent()
        pending = agent.begin_logs("one")
        assert pending.commit() is (limit == 3)
        with pytest.raises(RuntimeError, match="committed before"):
            pending.commit()
        assert agent.data.logs_length == (3 if limit == 3 else 0)


def test_committing_is_cheap_however_long_the_log_is() -> None:
    """
    Batches in any order end up by id; nothing is sorted anew.
    """
    store = LogStore(now=lambda: datetime.now(UTC), limit=1 << 40)
    agent, source = UUID(int=1), UUID(int=2)
    batches = [store.reserve(agent, source, [(LogLevel.INFO, "x")] * 100) for _ in range(500)]
    for batch in reversed(batches):
        assert store.commit(batch)
    assert [log.id for log in store.after(agent, 0)] == list(range(1, 50_001))


@pytest.mark.parametrize(("before", "left"), [(None, []), (2, ["two", "three"])])
def test_old_lines_are_purged_and_their_ids_not_used_again(
    calls: Calls, before: int | None, left: list[str]
) -> None:
    """
    All, or those with lower ids.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent()
        newest = agent.push_logs(["one", "two", "three"])[-1]
        agent.purge_logs(before)
        lines = calls(deployment).get(f"/workspaceagents/{agent.id}/logs").json()
        assert [line["output"] for line in lines] == left
        assert agent.push_logs("four")[0] == newest + 1


def test_a_restart_keeps_the_port_and_everything_else(calls: Calls) -> None:
    """
    WebSockets are told 1000, event streams end, and the same token and lines hold after it.
    """
    with Deployment(metadata_interval=0.05) as deployment:
        agent = deployment.add_agent()
        agent.push_logs("one")
        call, url = calls(deployment), deployment.url
        follower = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
        follower.recv()
        events = call.events(f"/workspaceagents/{agent.id}/watch-metadata")
        next(events)
        deployment.restart()
        opcode, data = follower.recv_data()
        assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, b"\x03\xe8")
        assert all(block.startswith(b"event:") for block in events)
        assert deployment.url == url
        lines = call.get(f"/workspaceagents/{agent.id}/logs").json()
        assert [line["output"] for line in lines] == ["one"]


def test_connections_are_refused_while_it_is_down(calls: Calls) -> None:
    """
    They are refused for as long as was asked.
    """
    with Deployment() as deployment:
        call = calls(deployment)
        restart = threading.Thread(target=deployment.restart, kwargs={"down": 0.3})
        restart.start()
        refused = 0
        while restart.is_alive():
            with contextlib.suppress(requests.ConnectionError):
                call.get("/buildinfo")
                continue
            refused += 1
            time.sleep(0.01)
        restart.join()
        assert refused > 0
        assert call.get("/buildinfo").status_code == 200


def test_a_close_ends_a_restart(calls: Calls) -> None:
    """
    What is down stays down: nothing listens afterwards, and no restart is possible.
    """
    with Deployment() as deployment:
        call = calls(deployment)
        restart = threading.Thread(target=deployment.restart, kwargs={"down": 50})
        restart.start()
        while can_be_called(call):
            pass
        deployment.close()
        restart.join(60)
        assert not restart.is_alive()
        assert not can_be_called(call)
        with pytest.raises(RuntimeError, match="closed"):
            deployment.restart()


def can_be_called(call: Any) -> bool:
    """
    Whether something answers.
    """
    with contextlib.suppress(requests.ConnectionError):
        return bool(call.get("/buildinfo").ok)
    return False


@pytest.mark.parametrize("down", [-1, float("inf"), float("nan")])
def test_a_restart_that_cannot_be_changes_nothing(calls: Calls, down: float) -> None:
    """
    The arguments are looked at first: nothing is stopped.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent()
        call = calls(deployment)
        follower = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
        follower.recv()
        with pytest.raises(ValueError, match="down must be 0 or more seconds"):
            deployment.restart(down=down)
        agent.push_logs("still there")
        assert "still there" in follower.recv()


@pytest.mark.parametrize("connections", [0, 3])
def test_the_port_is_held_while_it_is_down(calls: Calls, connections: int) -> None:
    """
    Nobody else can take it, and connections are refused, whatever went before.
    """
    with Deployment() as deployment:
        call, port = calls(deployment), int(deployment.url.rpartition(":")[2])
        for wire in [call.socket("/buildinfo") for _ in range(connections)]:
            wire.recv(65_536)
        holder = deployment._server.suspend()
        with holder:
            for shared in (0, 1):
                with socket.socket() as other:
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shared)
                    with pytest.raises(OSError, match="in use"):
                        other.bind(("127.0.0.1", port))
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=60)


def test_a_port_that_somebody_else_has_cannot_be_held() -> None:
    """
    It is told, and no socket stays behind.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(OSError, match="in use"):
            hold_port(other.getsockname()[1])


def test_a_rolling_restart_gives_the_backlog_and_then_1000(calls: Calls) -> None:
    """
    It happens to as many connections as there are replicas.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent()
        agent.push_logs("one")
        call = calls(deployment)
        deployment.faults.add("rolling_restart", route="logs_follow", times=2)
        for _ in range(2):
            follower = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
            assert len(json.loads(follower.recv())) == 1
            assert follower.recv_data()[1][:2] == b"\x03\xe8"
        follower = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
        follower.recv()
        agent.push_logs("two")
        assert len(json.loads(follower.recv())) == 1


def test_a_rolling_restart_ends_events(calls: Calls, drain: Any) -> None:
    """
    After the first event the body ends as a body does.
    """
    with Deployment(metadata_interval=0.05) as deployment:
        agent = deployment.add_agent()
        deployment.faults.add("rolling_restart", route="watch_metadata")
        received = drain(calls(deployment).socket(f"/workspaceagents/{agent.id}/watch-metadata"))
        assert received.count(b"event: data") == 1
        assert received.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("hours", [-5, 5])
def test_the_clock_can_jump(calls: Calls, hours: int) -> None:
    """
    What is stored from then on has the deployment's time.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent()
        agent.push_logs("before")
        deployment.set_clock(timedelta(hours=hours))
        agent.push_logs("after")
        lines = calls(deployment).get(f"/workspaceagents/{agent.id}/logs").json()
        jumped = [line["created_at"] for line in lines]
        assert (jumped[1] > jumped[0]) is (hours > 0)


@pytest.mark.parametrize("offset", [5, 1.5, "1h", None, datetime.now(UTC), 0])
def test_the_clock_is_set_by_a_timedelta(offset: Any) -> None:
    """
    Anything else is refused where it is given, and not when a line is stored.
    """
    with Deployment() as deployment:
        with pytest.raises(TypeError, match="offset must be a timedelta, not"):
            deployment.set_clock(offset)
        assert len(deployment.add_agent().push_logs("stored")) == 1


@pytest.mark.parametrize("offset", [timedelta.max, timedelta.min, timedelta(days=365_001)])
def test_the_clock_is_set_to_a_time_that_has_a_date(offset: timedelta) -> None:
    """
    An offset that leads out of the calendar is refused where it is given.
    """
    with Deployment() as deployment:
        with pytest.raises(ValueError, match="offset must be 365000 days at most"):
            deployment.set_clock(offset)
        deployment.set_clock(timedelta(days=-365_000))
        deployment.set_clock(timedelta(days=365_000))
        assert len(deployment.add_agent().push_logs("stored")) == 1


@pytest.mark.parametrize(
    ("release", "reason"), [("2.31", b"Ping failed"), ("2.35", b"liveness probe failed")]
)
def test_a_peer_that_answers_no_ping_is_closed(calls: Calls, release: str, reason: bytes) -> None:
    """
    The close has 1001 and the release's own words.
    """
    with Deployment(release=release, ping_interval=0.05) as deployment:
        deployment.pong_timeout = 0.2
        agent = deployment.add_agent()
        follower = calls(deployment).websocket(f"/workspaceagents/{agent.id}/logs?follow")
        follower.recv()
        frames = iter(follower.recv_frame, None)
        last = next(frame for frame in frames if frame.opcode == websocket.ABNF.OPCODE_CLOSE)
        assert last.data == b"\x03\xe9" + reason


@pytest.mark.parametrize(("release", "answers"), [("2.24", False), ("2.31", True)])
def test_a_peer_that_answers_or_is_not_checked_stays(
    calls: Calls, release: str, answers: bool
) -> None:
    """
    2.24 never looks; from 2.31 on each pong counts.
    """
    with Deployment(release=release, ping_interval=0.02) as deployment:
        deployment.pong_timeout = 0.15
        agent = deployment.add_agent()
        follower = calls(deployment).websocket(f"/workspaceagents/{agent.id}/logs?follow")
        follower.recv()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            frame = follower.recv_frame()
            assert frame.opcode == websocket.ABNF.OPCODE_PING
            if answers:
                follower.pong(frame.data)


@pytest.mark.parametrize(
    ("kind", "options"), [("silence", {"pings": True, "after": 1}), ("drip", {"pause": 0.002})]
)
def test_an_answer_during_a_fault_counts(calls: Calls, kind: str, options: Any) -> None:
    """
    A peer that answers each ping is not closed for want of one, whatever holds the sending up.
    """
    with Deployment(ping_interval=0.05) as deployment:
        deployment.pong_timeout = 1
        agent = deployment.add_agent()
        agent.push_logs("one")
        fault = deployment.faults.add(kind, route="logs_follow", **options)
        follower = calls(deployment).websocket(f"/workspaceagents/{agent.id}/logs?follow")
        assert "one" in follower.recv()
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            frame = follower.recv_frame()
            assert frame.opcode == websocket.ABNF.OPCODE_PING
            follower.pong(frame.data)
        fault.release()
        agent.push_logs("two")
        while (frame := follower.recv_frame()).opcode == websocket.ABNF.OPCODE_PING:
            follower.pong(frame.data)
        assert frame.opcode == websocket.ABNF.OPCODE_TEXT
        assert b"two" in frame.data


ANSWERS: list[tuple[str, dict[str, Any], int, str]] = [
    ("redirect", {"url": "https://other.example.com/"}, 307, ""),
    ("html", {}, 502, "<!doctype html>"),
    ("html", {"status": 404}, 404, "<title>404</title>"),
    ("not_connected", {}, 400, 'must be in the \\"connected\\" state'),
]


@pytest.mark.parametrize(("kind", "options", "status", "body"), ANSWERS)
def test_answers_of_something_in_between(
    calls: Calls, kind: str, options: dict[str, Any], status: int, body: str
) -> None:
    """
    Each by the name that a tester looks for.
    """
    with Deployment() as deployment:
        deployment.faults.add(kind, route="me", **options)
        answer = calls(deployment).get("/users/me", allow_redirects=False)
        assert answer.status_code == status
        assert body in answer.text
        assert answer.headers.get("Location") == options.get("url")


@pytest.mark.parametrize("route", ["logs_follow", "containers_watch", "watch_metadata"])
@pytest.mark.parametrize("kind", ["invalid_json", "invalid_utf8"])
def test_a_message_can_be_broken(calls: Calls, route: str, kind: str) -> None:
    """
    Every stream can be broken so; UTF-8 is broken in a text frame, too.
    """
    paths = {
        "logs_follow": "logs?follow",
        "containers_watch": "containers/watch",
        "watch_metadata": "watch-metadata",
    }
    with Deployment(metadata_interval=0.05) as deployment:
        agent = deployment.add_agent()
        agent.wait_started()
        deployment.faults.add(kind, route=route)
        path = f"/workspaceagents/{agent.id}/{paths[route]}"
        if route == "watch_metadata":
            data = next(iter(calls(deployment).events(path))).removeprefix(b"event: data\ndata: ")
        else:
            follower = calls(deployment).websocket(path, skip_utf8_validation=True)
            opcode, data = follower.recv_data()
            assert opcode == websocket.ABNF.OPCODE_TEXT
        with pytest.raises(
            ValueError, match=r"invalid start byte|Expecting|delimiter|Unterminated"
        ):
            json.loads(data.decode())
