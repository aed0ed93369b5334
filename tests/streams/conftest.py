"""
What the tests of streams share: both kinds of peer, plain and over TLS.
"""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from peer import Conversation, Peer, Script

from coder_agents import Client, StreamError, StreamOptions
from coder_agents.agent import Agent
from coder_agents.schema import WorkspaceAgentLog, to_json
from coder_agents.streams import Stream

T = TypeVar("T")

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
AGENT = uuid.UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
# Whatever breaks is raised, so that a test sees it.
RAISING = StreamOptions(reconnect=None)
METADATA = '[{"result":{"value":"%s"},"description":{"key":"k"}}]'


def logs(*ids: int, output: str = "line") -> str:
    """
    Return a message of the log stream with lines of these ids.
    """
    return to_json([WorkspaceAgentLog(id=number, output=f"{output} {number}") for number in ids])


def json_answer(body: str) -> bytes:
    """
    Return a whole answer with this body, after which the connection stays open.
    """
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return (head % len(body)).encode() + body.encode()


def metadata_event(value: str = "1") -> bytes:
    """
    Return an event of the metadata stream with one item of this value.
    """
    return f"event: data\ndata: {METADATA % value}\n\n".encode()


def until_1000(stream: Iterable[T]) -> Iterator[T]:
    """
    Yield the items of a stream that does not reconnect, until the server closes it with 1000.
    """
    try:
        yield from stream
    except StreamError as error:
        if error.code != 1000:
            raise


@attrs.frozen
class Kind:
    """
    One of the two kinds of stream, from both sides.
    """

    name: str
    accept: Script
    say: Callable[[Conversation, int], None]
    half: Callable[[Conversation, int], tuple[bytes, bytes]]
    open: Callable[..., Stream[Any]]
    read: Callable[[Any], int]

    def __str__(self) -> str:
        return self.name


def _half_frame(conversation: Conversation, number: int) -> tuple[bytes, bytes]:
    frame = conversation.text_frame(logs(number))
    return frame[: len(frame) // 2], frame[len(frame) // 2 :]


def _half_event(_: Conversation, number: int) -> tuple[bytes, bytes]:
    event = metadata_event(str(number))
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    return chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]


LOGS = Kind(
    name="logs",
    accept=lambda conversation: conversation.accept_websocket(),
    say=lambda conversation, number: conversation.text(logs(number)),
    half=_half_frame,
    open=Agent.follow_logs,
    read=lambda log: int(log.id),
)
METADATA_KIND = Kind(
    name="metadata",
    accept=lambda conversation: conversation.accept_sse(),
    say=lambda conversation, number: conversation.send_chunk(metadata_event(str(number))),
    half=_half_event,
    open=Agent.watch_metadata,
    read=lambda items: int(items[0].result.value),
)


@pytest.fixture(params=[LOGS, METADATA_KIND], ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    """
    Each kind of stream in turn.
    """
    found: Kind = request.param
    return found


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    """
    None, then a server's TLS context.
    """
    if request.param == "plain":
        return None
    context: ssl.SSLContext = request.getfixturevalue("server_tls")
    return context


@pytest.fixture
def serve(authority_file: Path) -> Iterator[Callable[..., Agent]]:
    """
    A function of scripts that returns an agent whose deployment is a peer that runs them.
    """
    opened: list[Peer] = []

    def start(
        *scripts: Script,
        tls: ssl.SSLContext | None = None,
        options: StreamOptions = RAISING,
        **settings: Any,
    ) -> Agent:
        peer = Peer(*scripts, tls=tls)
        opened.append(peer)
        if tls is not None:
            settings.setdefault("verify", authority_file)
        return agent_at(peer.url, options=options, **settings)

    yield start
    for peer in opened:
        peer.close()


def feed_of(stream: Stream[Any]) -> Any:
    """
    Return the feed of a stream of one agent, for what no user can see.
    """
    engine: Any = stream._core.engine
    return engine.feed


def agent_at(
    url: str,
    options: StreamOptions = RAISING,
    **settings: Any,
) -> Agent:
    """
    Return an agent without asking the deployment for it.
    """
    client = Client(url, TOKEN, stream_options=options, **settings)
    return Agent(AGENT, client._http, client._stream_options, client._capabilities)
