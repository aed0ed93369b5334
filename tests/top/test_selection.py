"""
The agents that are shown.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from peer import Conversation, serving

from coder_agents import (
    BadRequestError,
    Client,
    NotFoundError,
    WorkspaceNotFoundError,
)
from coder_agents.cli.top import run
from coder_agents.cli.top.selection import Selection
from coder_agents.testing import Deployment

PAGE = b"HTTP/1.1 404 No\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nnone"


def test_a_query_finds_agents(deployment: Deployment, client: Client) -> None:
    """
    No query finds the user's own, a query those that it finds, and a wrong one is refused.
    """
    deployment.add_agent(workspace="dev")
    deployment.add_agent(workspace="other", owner="bob")
    own = Selection().list(client)
    assert [agent.label for agent in own.agents] == ["dev.main"]
    assert len(Selection("").list(client).agents) == 2
    with pytest.raises(BadRequestError):
        Selection("x:y:z").list(client)


def test_references_find_agents_each_once(deployment: Deployment, client: Client) -> None:
    """
    Those that lead to no agent are listed with their errors.
    """
    agent = deployment.add_agent(workspace="dev")
    found = Selection.of(None, ["dev", agent.id, "none", str(uuid.uuid4())]).list(client)
    assert [each.id for each in found.agents] == [agent.id]
    assert [type(error) for error in found.missing] == [WorkspaceNotFoundError, NotFoundError]


def test_a_404_of_something_in_between_says_nothing_about_an_agent() -> None:
    """
    It is raised, as any other failure of the deployment is.
    """

    def answer(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(PAGE)

    with serving(answer) as peer, Client(peer.url, "0123456789-abcdefghijklmnopqrstuv") as client:
        with pytest.raises(NotFoundError):
            Selection.of(None, [uuid.uuid4()]).list(client)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"refs": "dev"}, TypeError, r"pass \['dev'\]"),
        ({"refs": ["a/b/c"]}, ValueError, "more than one '/'"),
        ({"refs": [3]}, TypeError, "named by text or UUID"),
        ({"query": 3}, TypeError, "query must be text"),
        ({"query": "", "refs": ["dev"]}, ValueError, "not both"),
        ({"interval": 0}, ValueError, "interval"),
        ({"interval": "1"}, TypeError, "interval"),
    ],
)
def test_bad_arguments_are_errors_before_any_request(
    arguments: dict[str, Any],
    error: type[Exception],
    text: str,
    deployment: Deployment,
    client: Client,
) -> None:
    """
    The text names what is wrong.
    """
    with pytest.raises(error, match=text):
        run(client, **arguments)
    assert not deployment.requests


@pytest.mark.parametrize(
    ("selection", "text"),
    [
        (Selection(), "your own workspaces"),
        (Selection("owner:bob"), "query 'owner:bob'"),
        (Selection.of(None, ["dev", "web.main"]), "dev, web.main"),
    ],
)
def test_a_selection_has_a_name(selection: Selection, text: str) -> None:
    """
    People read it in the first line of the dashboard.
    """
    assert str(selection) == text
