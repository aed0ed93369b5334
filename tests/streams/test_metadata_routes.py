"""
The metadata of an agent where server-sent events are not there: over a WebSocket.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import wsproto.frame_protocol as frames
from peer import Conversation, Script

from coder_agents import (
    DecodeError,
    Reconnect,
    ServerEventError,
    StreamEnd,
    StreamError,
    StreamOptions,
    UnsupportedError,
)
from coder_agents.agent import Agent

from .conftest import METADATA, metadata_event
from .test_resume import refusing

Serve = Callable[..., Agent]
Recording = Callable[[str, str], dict[str, Any]]

OPTIONS = StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.05, give_up_after=60))
MISSING = refusing(
    404, b'{"message": "Route not found."}', more="X-Coder-Build-Version: v9.9.9\r\n"
)
EVENTS, SOCKET = "watch-metadata", "watch-metadata-ws"


def message(value: str, kind: str = "data") -> str:
    """
    Return a message of the WebSocket route with one item of this value.
    """
    return f'{{"type":"{kind}","data":{METADATA % value}}}\n'


def asked(heads: list[bytes], script: Script) -> Script:
    """
    Return *script*, with a note of what was asked for in *heads*.
    """

    def noting(conversation: Conversation) -> object:
        heads.append(conversation.read_head().split(b" ")[1].rpartition(b"/")[2])
        return script(conversation)

    return noting


def by_events(*values: str) -> Script:
    """
    Return a script that tells *values* as events, and hangs up.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_sse()
        for value in values:
            conversation.send_chunk(metadata_event(value))

    return script


def by_socket(*messages: str) -> Script:
    """
    Return a script that tells *messages* over a WebSocket, and hangs up.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        for each in messages:
            conversation.text(each)

    return script


def values(stream: Any, count: int) -> list[str]:
    """
    Return the first item's value in the next *count* states.
    """
    return [next(stream)[0].result.value for _ in range(count)]


def test_a_websocket_is_taken_where_events_are_not_there(serve: Serve) -> None:
    """
    The same states come, the messages of a newer server are passed over, and it is remembered.
    """
    heads: list[bytes] = []
    told = by_socket(message("1"), message("x", "news"), message("2"))
    agent = serve(asked(heads, MISSING), asked(heads, told))
    for _ in range(2):
        with agent.watch_metadata() as stream:
            assert values(stream, 2) == ["1", "2"]
    assert [head.decode() for head in heads] == [EVENTS, SOCKET, SOCKET]
    assert agent._capabilities.metadata_sse is False
    assert agent._capabilities.metadata_ws is True


def test_events_are_taken_where_they_are_there(serve: Serve) -> None:
    """
    Nothing else is asked.
    """
    heads: list[bytes] = []
    agent = serve(asked(heads, by_events("1")))
    with agent.watch_metadata() as stream:
        assert values(stream, 1) == ["1"]
    assert [head.decode() for head in heads] == [EVENTS]
    assert agent._capabilities.metadata_sse is True
    assert agent._capabilities.metadata_ws is None


def test_a_route_that_vanishes_is_replaced_by_the_other(serve: Serve) -> None:
    """
    Whichever of the two it is: a deployment may be updated, and set back, while a stream runs.
    """
    heads: list[bytes] = []
    scripts = [
        by_events("1"),
        MISSING,
        by_socket(message("2")),
        by_socket(message("3")),
        MISSING,
        by_events("4"),
        MISSING,
        by_socket(message("5")),
    ]
    agent = serve(*(asked(heads, script) for script in scripts), options=OPTIONS)
    with agent.watch_metadata() as stream:
        assert values(stream, 5) == ["1", "2", "3", "4", "5"]
        assert stream.stats.reconnects == 4
    expected = [EVENTS, EVENTS, SOCKET, SOCKET, SOCKET, EVENTS, EVENTS, SOCKET]
    assert [head.decode() for head in heads] == expected


def test_a_deployment_without_either_route_is_an_error(serve: Serve) -> None:
    """
    Each is asked for once, and again by the next stream: the deployment may be another by then.
    """
    heads: list[bytes] = []
    agent = serve(asked(heads, MISSING))
    for _ in range(2):
        with pytest.raises(UnsupportedError, match=r"agent.watch_metadata\(\) .*\(v9\.9\.9\)"):
            agent.watch_metadata()
    assert [head.decode() for head in heads] == [EVENTS, SOCKET, EVENTS, SOCKET]
    assert agent._capabilities.metadata_sse is False
    assert agent._capabilities.metadata_ws is False


def test_a_stream_that_has_lost_both_routes_ends_with_the_error(serve: Serve) -> None:
    """
    Once; it does not go round and round between them.
    """
    heads: list[bytes] = []
    scripts = [by_events("1"), MISSING]
    agent = serve(*(asked(heads, script) for script in scripts), options=OPTIONS)
    stream = agent.watch_metadata()
    assert values(stream, 1) == ["1"]
    with pytest.raises(UnsupportedError, match=r"agent.watch_metadata\(\) came with Coder 2\.22"):
        next(stream)
    assert stream.end is StreamEnd.FAILED
    assert [head.decode() for head in heads] == [EVENTS, EVENTS, SOCKET]


def test_only_a_missing_route_has_the_other_one_asked_for(serve: Serve) -> None:
    """
    An agent that is gone is gone.
    """
    heads: list[bytes] = []
    gone = refusing(404, b'{"message": "Agent doesn\'t exist with that id."}')
    agent = serve(asked(heads, gone))
    with pytest.raises(Exception, match="doesn't exist") as raised:
        agent.watch_metadata()
    assert not isinstance(raised.value, UnsupportedError)
    assert [head.decode() for head in heads] == [EVENTS]
    assert agent._capabilities.metadata_sse is None


def test_an_error_over_the_websocket_ends_the_stream(serve: Serve) -> None:
    """
    It ends it as an error event does, with what the error says.
    """
    said = '{"type":"error","data":{"message":"it \\u001b[2J broke","detail":"badly"}}'
    stream = serve(MISSING, by_socket(said)).watch_metadata()
    with pytest.raises(ServerEventError, match=r"it \\x1b\[2J broke: badly") as raised:
        next(stream)
    assert (raised.value.message, raised.value.detail) == ("it \x1b[2J broke", "badly")
    assert stream.end is StreamEnd.FAILED


def test_the_close_of_the_websocket_is_not_the_end(serve: Serve) -> None:
    """
    Metadata never ends by itself, whatever the code.
    """

    def closing(conversation: Conversation) -> None:
        by_socket(message("1"))(conversation)
        conversation.send(conversation.close_frame(1000))

    agent = serve(MISSING, closing, by_socket(message("1"), message("2")), options=OPTIONS)
    with agent.watch_metadata() as stream:
        # The state that the new connection begins with is the old one.
        assert values(stream, 2) == ["1", "2"]
    stream = serve(MISSING, closing).watch_metadata()
    next(stream)
    with pytest.raises(StreamError, match="close code 1000"):
        next(stream)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{", r"\$"),
        ("[]", r"\$"),
        ('{"type":"data","data":{}}', r"\$\.data"),
        ('{"type":"data","data":[{"result":{"age":"x"}}]}', r"\$\.data\[0\]\.result\.age"),
        ('{"type":"error","data":[]}', r"\$\.data"),
    ],
)
def test_a_message_that_cannot_be_read_is_a_decode_error(
    serve: Serve, text: str, path: str
) -> None:
    """
    It says where in the message.
    """
    stream = serve(MISSING, by_socket(text)).watch_metadata()
    with pytest.raises(DecodeError, match=rf"^{path}: wanted"):
        next(stream)
    assert stream.end is StreamEnd.FAILED


def test_nothing_is_said_over_the_websocket_but_pongs_and_goodbye(serve: Serve) -> None:
    """
    A deployment closes it with 1002 for any other word.
    """
    said: list[bytes] = []
    is_gone = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.ping(b"there?")
        conversation.text(message("1"))
        said.append(conversation.until_gone())
        is_gone.set()

    agent = serve(MISSING, script)
    stream = agent.watch_metadata()
    next(stream)
    stream.close()
    assert is_gone.wait(60)
    protocol = frames.FrameProtocol(client=False, extensions=[])
    protocol.receive_bytes(said[0])
    heard = [(frame.opcode, frame.payload) for frame in protocol.received_frames()]
    assert heard == [
        (frames.Opcode.PONG, b"there?"),
        (frames.Opcode.CLOSE, (frames.CloseReason.NORMAL_CLOSURE, "")),
    ]


@pytest.mark.parametrize("kind", [by_events, None], ids=["events", "socket"])
def test_the_first_state_is_read_once(serve: Serve, kind: Any) -> None:
    """
    Nothing after it is read, over either route.
    """
    if kind is not None:
        agent = serve(by_events("1", "2"))
    else:
        agent = serve(MISSING, by_socket(message("1"), message("2")))
    assert [item.result.value for item in agent.metadata()] == ["1"]


def test_recorded_messages_yield_every_state(
    serve: Serve, recording: Recording, release: str
) -> None:
    """
    They are the messages that a real deployment sent.
    """
    sent = [
        each["data"]
        for each in recording(release, "watch_metadata_ws")["messages"]
        if each["kind"] == "text"
    ]
    expected = [[item["result"]["value"] for item in json.loads(text)["data"]] for text in sent]
    assert len(expected) > 2
    with serve(MISSING, by_socket(*sent)).watch_metadata() as stream:
        found = [[item.result.value for item in next(stream)] for _ in sent]
    assert found == expected
