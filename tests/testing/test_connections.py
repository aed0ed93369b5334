"""
What a deployment knows of the connections it accepted.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests

from coder_agents.testing import Deployment


@pytest.fixture
def rest(deployment: Deployment) -> str:
    """
    The path that reads a log.
    """
    agent = deployment.add_agent()
    agent.push_logs(["line"])
    return f"/workspaceagents/{agent.id}/logs"


def get(session: requests.Session, deployment: Deployment, path: str) -> requests.Response:
    """
    Return the answer to a GET on a connection that the session keeps.
    """
    return session.get(
        f"{deployment.url}/api/v2{path}",
        headers={"Coder-Session-Token": deployment.token},
        timeout=60,
    )


def test_requests_on_a_kept_connection_have_its_number(
    deployment: Deployment, call: Any, rest: str
) -> None:
    """
    Each request names its connection, and a connection is counted once.
    """
    with requests.Session() as session:
        get(session, deployment, rest)
        get(session, deployment, "/buildinfo")
    call.get(rest)
    assert [(each.route, each.connection) for each in deployment.requests] == [
        ("logs", 1),
        ("buildinfo", 1),
        ("logs", 2),
    ]
    assert deployment.connections.accepted == 2
    assert deployment.connections.wait_open(0)
    assert repr(deployment.connections) == "<Connections: 2 accepted, 0 open, 0 idle>"


def test_waiting_for_connections_has_a_limit(deployment: Deployment) -> None:
    """
    A count that is not reached in time is reported.
    """
    assert not deployment.connections.wait_open(1, timeout=0)
    assert not deployment.connections.wait_idle(1, timeout=0)


def test_a_connection_that_opens_wakes_who_waits_for_it(deployment: Deployment, call: Any) -> None:
    """
    The wait ends with the connection, not with the time limit.
    """
    reached: list[bool] = []
    waiting = threading.Thread(
        target=lambda: reached.append(deployment.connections.wait_open(1, timeout=600))
    )
    waiting.start()
    until = time.monotonic() + 60
    while not deployment.connections._changed._waiters and time.monotonic() < until:  # type: ignore[attr-defined]
        time.sleep(0.001)
    call.socket("/buildinfo")
    waiting.join(60)
    assert reached == [True]


def test_only_idle_connections_are_closed(deployment: Deployment, call: Any, rest: str) -> None:
    """
    A kept connection is closed under its client, a stream and one without a request are not.
    """
    watch = call.websocket(rest + "?follow")
    watch.recv()
    with requests.Session() as session:
        get(session, deployment, rest)
        assert deployment.connections.wait_idle(1)
        assert deployment.connections.close_idle() == 1
        assert deployment.connections.idle == 0
        assert deployment.connections.open == 1
        # The session finds its connection closed, and makes another one.
        assert get(session, deployment, rest).status_code == 200
    assert [each.connection for each in deployment.requests] == [1, 2, 3]


def test_connections_are_counted_across_a_restart(
    deployment: Deployment, call: Any, rest: str
) -> None:
    """
    The next server continues the numbers of the last one.
    """
    call.get(rest)
    deployment.restart()
    call.get(rest)
    assert [each.connection for each in deployment.requests] == [1, 2]


def test_connections_are_counted_from_any_thread(deployment: Deployment, rest: str) -> None:
    """
    Whoever waits sees a connection that another thread makes.
    """
    with requests.Session() as session:
        asking = threading.Thread(target=get, args=(session, deployment, rest))
        asking.start()
        assert deployment.connections.wait_idle(1)
        asking.join()
    assert deployment.connections.wait_open(0)
