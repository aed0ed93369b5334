"""
A deployment to which nobody can connect.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import pytest

from coder_agents.testing import Deployment


def address(deployment: Deployment) -> tuple[str, int]:
    """
    Return where the deployment listens.
    """
    return "127.0.0.1", int(deployment.url.rpartition(":")[2])


def test_who_connects_waits(deployment: Deployment) -> None:
    """
    A connect is neither answered nor refused, and counted by nobody.
    """
    with deployment.unreachable():
        for _ in range(3):
            with pytest.raises(TimeoutError):
                socket.create_connection(address(deployment), timeout=0.2)
    assert deployment.connections.accepted == 0


def test_open_connections_continue(deployment: Deployment, call: Any) -> None:
    """
    Who was connected before gets what is new.
    """
    agent = deployment.add_agent()
    agent.push_logs(["before"])
    follower = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    assert "before" in follower.recv()
    with deployment.unreachable():
        agent.push_logs(["meanwhile"])
        assert "meanwhile" in follower.recv()


def test_who_still_tries_connects_afterwards(deployment: Deployment, call: Any) -> None:
    """
    The system tries again, and only real connections are counted.
    """
    with socket.socket() as waiting:
        waiting.settimeout(30)
        with deployment.unreachable():
            with pytest.raises(TimeoutError):
                socket.create_connection(address(deployment), timeout=0.2)
            connecting = threading.Thread(target=waiting.connect, args=(address(deployment),))
            connecting.start()
        connecting.join()
        assert deployment.connections.wait_open(1)
    assert call.get("/buildinfo").status_code == 200
    assert deployment.connections.accepted == 2


def test_a_restart_makes_it_reachable(deployment: Deployment, call: Any) -> None:
    """
    The next server listens as usual, also after the block.
    """
    with deployment.unreachable():
        deployment.restart()
        assert call.get("/buildinfo").status_code == 200
    assert call.get("/buildinfo").status_code == 200


def test_closing_while_unreachable(deployment: Deployment) -> None:
    """
    It frees everything, and stays closed.
    """
    with deployment.unreachable():
        deployment.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(deployment), timeout=60)


@pytest.mark.parametrize("closed", [False, True])
def test_unreachable_once(deployment: Deployment, closed: bool) -> None:
    """
    A deployment that is closed, or unreachable already, cannot become it.
    """
    with contextlib.ExitStack() as undo:
        if closed:
            deployment.close()
        else:
            undo.enter_context(deployment.unreachable())
        with pytest.raises(RuntimeError, match="already"):
            undo.enter_context(deployment.unreachable())
