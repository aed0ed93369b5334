"""
What has no end of bytes to read lets others have their turn.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from driving import open_source, wait
from peer import Conversation, Script, serving

from coder_agents import Client
from coder_agents.testing import Deployment
from coder_agents.transport import DocumentSource, KeptRequest, Source, SSESource
from coder_agents.transport.exchange import MAX_READS
from coder_agents.transport.websocket import _Inbox, _NotWholeError

BODY = json.dumps(list(range(1000))).encode()
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"


def trickling(kind: str, body: bytes, end: bytes = b"0\r\n\r\n") -> Script:
    """
    Return a script that sends *body* at once, in a chunk for each byte.
    """
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send((HEAD % kind).encode() + chunks + end)
        conversation.until_gone()

    return script


def turns_of(step: Callable[[], Any], interest: Callable[[], Any]) -> tuple[Any, int]:
    """
    Return what *step* returns at last, and how often it returned nothing though it had more to read.
    """
    turns = 0
    deadline = 1e12
    while (found := step()) is None:
        waits_for = interest()
        turns += waits_for is None
        wait(waits_for, deadline)
    return found, turns


def test_an_answer_of_tiny_chunks_is_read_in_turns() -> None:
    """
    A check for late lines holds up no line of the log.
    """
    with serving(trickling("application/json", BODY)) as peer, Client(peer.url, "token") as client:
        request = KeptRequest(client._http.kept, "/a", max_message_size=10**6)
        body, turns = turns_of(lambda: request.receive(20), request.interest)
        assert body == BODY
        assert turns >= len(BODY) // MAX_READS - 1


@pytest.mark.parametrize("source_class", [DocumentSource, SSESource])
def test_a_source_of_tiny_chunks_is_read_in_turns(source_class: Any) -> None:
    """
    A document and an event hold up no deadline of who reads them.
    """
    event = b"event: data\ndata: " + BODY + b"\n\n"
    sent = BODY if source_class is DocumentSource else event
    kind = "application/json" if source_class is DocumentSource else "text/event-stream"
    with serving(trickling(kind, sent)) as peer, Client(peer.url, "token") as client:
        source: Source[Any] = source_class(
            client._http, "/a", idle_timeout=60, max_message_size=10**6
        )
        open_source(source)
        found, turns = turns_of(source.receive, source.interest)
        source.free()
        assert getattr(found, "data", found) in (BODY, BODY.decode())
        assert turns >= len(BODY) // MAX_READS - 1


def test_a_message_of_many_reads_is_read_in_turns() -> None:
    """
    What was read of it is kept for the next turn.
    """
    pieces = itertools.cycle([b"x"])
    inbox = _Inbox(b"", lambda: next(pieces))
    turns = 0
    while True:
        try:
            assert inbox.take(1000) == b"x" * 1000
            break
        except _NotWholeError:
            turns += 1
    assert turns == 1000 // MAX_READS


def test_many_checks_at_once_do_not_keep_coming_back_together() -> None:
    """
    Where all kept connections hang, a log that looks for late lines asks for one less and less often.
    """
    from coder_agents.streams.checks import Check

    with Deployment() as deployment, deployment.client() as client:
        kept = client._http.kept
        owners = [object() for _ in range(8)]
        lent = [kept.take(owner) for owner in owners]
        check = Check(
            lambda floor: KeptRequest(kept, "/a", max_message_size=100),
            what="a log",
            connect_timeout=5,
        )
        pauses = []
        for _ in range(8):
            assert check.receive(0) is None
            pauses.append(check.due_at(0.0))
        assert all(lent)
        gaps = [after - before for before, after in itertools.pairwise(pauses)]
        assert max(gaps) > 1
        for each in lent:
            assert each is not None
            kept.discard(each)
