"""
What tab completion shows on a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coder_agents import Client
from coder_agents.testing import Deployment

from .playing import QUICK, add_agents, found

# Those of a generator, and our own.
ITERATION = {"close", "send", "throw"}
EVERY_STREAM = ITERATION | {"batches", "end", "poll", "stats"}

NAMES = {
    "logs": EVERY_STREAM | {"bookmark", "last_id"},
    "builds": EVERY_STREAM | {"bookmark", "last_id"},
    "metadata": EVERY_STREAM,
    "containers": EVERY_STREAM | {"changes"},
    "ports": EVERY_STREAM | {"changes"},
    "several": EVERY_STREAM | {"bookmarks", "ends", "failures"},
}


@pytest.fixture
def client() -> Iterator[Client]:
    """
    A client of a deployment with an agent in the workspace ``w0``.
    """
    with Deployment() as deployment, deployment.client(stream_options=QUICK) as made:
        (embedded,) = add_agents(deployment, 1)
        embedded.set_metadata("key", "value")
        embedded.set_containers([])
        embedded.set_ports([])
        assert found(made, [embedded])
        yield made


@pytest.mark.parametrize("kind", NAMES)
def test_a_stream_shows_what_is_documented_and_nothing_else(client: Client, kind: str) -> None:
    """
    There is no name without an underscore besides.
    """
    agent = client.agent("w0")
    opened: dict[str, Callable[[], Any]] = {
        "logs": agent.follow_logs,
        "builds": lambda: agent.follow_logs(across_builds=True),
        "metadata": agent.watch_metadata,
        "containers": agent.watch_containers,
        "ports": agent.watch_listening_ports,
        "several": lambda: client.follow_logs([agent]),
    }
    with opened[kind]() as stream:
        assert {name for name in dir(stream) if not name.startswith("_")} == NAMES[kind]
        assert all(getattr(type(stream), name).__doc__ for name in NAMES[kind])
        assert not hasattr(stream, "__dict__")


def test_an_error_shows_where_to_continue(client: Client) -> None:
    """
    Every error of a stream has the same two names for it.
    """
    from coder_agents import CoderError

    error = CoderError("text")
    assert (error.last_id, error.bookmark) == (None, None)
