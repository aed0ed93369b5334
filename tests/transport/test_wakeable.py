"""
REST calls and streams that end when another thread closes their client.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest
from driving import InThread
from forked import Child, held_by_another_thread
from peer import Conversation, serving

from coder_agents import (
    Client,
    DecodeError,
    NotFoundError,
    RequestTimeoutError,
    StreamEnd,
    TransportError,
)
from coder_agents.testing import Deployment
from coder_agents.transport import ClosedError, WakeableHTTP, WokenTogether
from coder_agents.transport.exchange import MAX_READS

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
HALF = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment with one agent.
    """
    with Deployment() as made:
        made.add_agent().wait_started()
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client that can be woken.
    """
    with deployment.client() as made, made._wakeable() as wakeable:
        yield wakeable


def test_calls_answer_as_those_of_any_client(deployment: Deployment, client: Client) -> None:
    """
    Objects, refusals and POST are the same, and the settings are those of the first client.
    """
    with deployment.client() as other:
        assert client.me() == other.me()
        assert repr(client) == repr(other)
        texts = []
        for each in (client, other):
            with pytest.raises(NotFoundError) as caught:
                each.agent(other.me().id)
            texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert isinstance(client._http, WakeableHTTP)
    answer = client._http.call("POST", "/workspaceagents/x/none", expect=404)
    assert b"Route not found" in answer


def test_a_session_of_the_user_is_shared(deployment: Deployment) -> None:
    """
    It is neither copied nor closed, as its proxies and certificates have to hold here, too.
    """
    import requests

    with requests.Session() as session, deployment.client(session=session) as made:
        session.trust_env = False
        wakeable = made._wakeable()
        assert wakeable._http.session is session
        assert wakeable.me().username == "tester"
        wakeable.close()
        assert made.me().username == "tester"


def test_a_page_in_place_of_json_is_an_error() -> None:
    """
    The page of a login is an error, as for any client.
    """
    page = b"<html><title>Log in</title></html>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)

    def answer(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(head + page)

    with serving(answer) as peer, Client(peer.url, TOKEN)._wakeable() as client:
        with pytest.raises(DecodeError, match="Log in"):
            client.me()


def test_a_broken_answer_is_an_error_without_the_token() -> None:
    """
    It is that of any call whose connection breaks, and its context holds no request.
    """

    def answer(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(HALF)

    with serving(answer) as peer, Client(peer.url, TOKEN)._wakeable() as client:
        with pytest.raises(TransportError, match="/api/v2/users/me") as caught:
            client.me()
    assert TOKEN not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_answer_in_many_pieces_is_read_to_its_end() -> None:
    """
    One step reads a part of them only, and the next step does not wait for what has come already.
    """
    count = 3 * MAX_READS
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    def answer(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(head + b"1\r\n7\r\n" * count + b"0\r\n\r\n")
        conversation.until_gone()

    with serving(answer) as peer, Client(peer.url, TOKEN)._wakeable() as client:
        assert client._http.call("GET", "/users/me") == b"7" * count


def test_an_answer_that_does_not_come_is_an_error_in_time() -> None:
    """
    The time-outs of the settings hold.
    """
    with serving(lambda conversation: conversation.until_gone()) as peer:
        with Client(peer.url, TOKEN, timeout=(10, 0.05))._wakeable() as client:
            with pytest.raises(RequestTimeoutError):
                client.me()


@pytest.mark.parametrize("sent", [b"", HALF], ids=["no answer", "half an answer"])
def test_closing_wakes_a_thread_that_waits(sent: bytes) -> None:
    """
    The thread would wait for a minute otherwise.
    """
    asked = threading.Event()

    def answer(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(sent)
        asked.set()
        conversation.until_gone()

    with serving(answer) as peer:
        client = Client(peer.url, TOKEN, timeout=60)._wakeable()
        reader = InThread(client.me)
        assert asked.wait(30)
        client.close()
        assert isinstance(reader.ended(), ClosedError)


def test_closing_wakes_a_thread_that_connects(deployment: Deployment, client: Client) -> None:
    """
    The thread stops, though the host never answers.
    """
    with deployment.unreachable():
        reader = InThread(client.me)
        client.close()
        assert isinstance(reader.ended(), ClosedError)


def test_a_closed_client_connects_no_more(deployment: Deployment, client: Client) -> None:
    """
    A call that begins later ends at once, before it sends anything.
    """
    client.close()
    before = len(deployment.requests)
    with pytest.raises(ClosedError):
        client.me()
    assert len(deployment.requests) == before


def test_closing_ends_streams(client: Client) -> None:
    """
    Streams of one agent, and of several, end as if they were closed; no socket stays open.
    """
    [agent] = client.agents()
    streams: list[Callable[[], object]] = [
        agent.watch_metadata,
        agent.follow_logs,
        lambda: client.follow_logs([agent]),
    ]
    for opening in streams:
        stream = opening()
        reader = InThread(lambda stream=stream: list(stream))  # type: ignore[misc]
        client._http.close()
        assert reader.ended() is None
        assert stream.end is StreamEnd.CLOSED  # type: ignore[attr-defined]
        client._http = WakeableHTTP.like(client._http)
        agent._http = client._http


def test_what_is_being_added_can_be_woken_by_a_signal_handler() -> None:
    """
    A handler that closes a client may interrupt its thread while a call notes what it waits for.
    """
    together = WokenTogether()

    class Source:
        woken = 0

        def __hash__(self) -> int:
            if not self.woken:  # the handler comes while the object is being added
                self.woken = 1
                together.wake()
            return id(self)

        def wake(self) -> None:
            self.woken += 1

    source = Source()
    assert InThread(lambda: together.add(source)).ended() is None
    assert source.woken > 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_can_add_while_a_thread_of_its_parent_does() -> None:
    """
    The lock that the other thread held is free in the child.
    """
    together = WokenTogether()

    def add() -> int:
        together.add(WakeableHTTP)  # type: ignore[arg-type]
        return 1

    with held_by_another_thread(together._lock.current):
        assert Child(add).result() == 1
