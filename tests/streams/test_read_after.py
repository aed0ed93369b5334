"""
A log that is read once, after what a stream of it has yielded.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from coder_agents import Client
from coder_agents.streams.bookmark import Bookmark
from coder_agents.testing import Deployment


def test_a_bookmark_is_what_a_log_is_read_after() -> None:
    """
    The lines are those that the stream has not yielded, those that were stored late among them.
    """
    with Deployment() as deployment, deployment.client() as client:
        embedded = deployment.add_agent()
        late = embedded.begin_logs(["late"])
        embedded.push_logs(["one", "two"])
        agent = client.agent("dev")
        with agent.follow_logs() as stream:
            assert next(stream).output == "one"
            one = stream.bookmark
            assert next(stream).output == "two"
            two = stream.bookmark
        late.commit()
        embedded.push_logs(["three"], level="error")
        assert [log.output for log in agent.logs(one)] == ["late", "two", "three"]
        assert [log.output for log in agent.logs(after=two)] == ["late", "three"]
        assert [log.output for log in agent.logs(two, level="error")] == ["three"]
        assert [log.output for log in agent.logs(two, tail=1)] == ["three"]
        assert [log.output for log in agent.logs(two, before=2)] == ["late"]


def test_only_what_is_above_the_floor_is_requested() -> None:
    """
    What a bookmark knows to be settled is not sent again.
    """
    with Deployment() as deployment, deployment.client() as client:
        embedded = deployment.add_agent()
        embedded.push_logs(["one", "two", "three"])
        bookmark = str(Bookmark.of(embedded.id, 1, [3]))
        assert [log.output for log in client.agent("dev").logs(bookmark)] == ["two"]
        assert "after=1" in deployment.requests[-1].target


@pytest.mark.parametrize(
    ("after", "error", "says"),
    [
        ("seven", ValueError, "'seven' is neither a bookmark nor an id"),
        (
            str(Bookmark(uuid.UUID(int=7), 0, ())),
            ValueError,
            "the bookmark belongs to agent 00000000",
        ),
        (-1, ValueError, "after must be 0 or more, not -1"),
        (2**63, ValueError, "after must be an id, which is below 2\\*\\*63"),
        (1.0, TypeError, "after must be a whole number, not float"),
    ],
)
def test_what_is_neither_an_id_nor_a_bookmark_is_refused(
    after: Any, error: type[Exception], says: str
) -> None:
    """
    Reading a log and following one both refuse it, before any request.
    """
    with Deployment() as deployment, deployment.client() as client:
        deployment.add_agent()
        agent = client.agent("dev")
        deployment.requests.clear()
        for call in (agent.logs, agent.follow_logs, lambda after: follow(client, agent, after)):
            with pytest.raises(error, match=says):
                call(after)
        assert list(deployment.requests) == []


def follow(client: Client, agent: Any, after: Any) -> None:
    """
    Follow the log of *agent* as one of several.
    """
    client.follow_logs([agent], after={agent.id: after})
