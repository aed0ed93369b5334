"""
Streams of what a deployment does not tell by itself: asked for again and again.
"""

from __future__ import annotations

import gc
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from driving import signalled_when_waiting
from effort import times
from peer import Conversation, Script

from coder_agents import (
    AgentNotConnectedError,
    AuthenticationError,
    DecodeError,
    MessageTooLargeError,
    Reconnect,
    RequestTimeoutError,
    StreamEnd,
    StreamError,
    StreamOptions,
    TransportError,
)
from coder_agents.agent import Agent
from coder_agents.schema import (
    WorkspaceAgentListeningPort,
    WorkspaceAgentListeningPortsResponse,
    to_json,
)
from coder_agents.streams import PortsStream

from .conftest import AGENT, agent_at
from .test_stream import in_thread, open_sockets

Serve = Callable[..., Agent]

AWAY = b'{"message":"Agent state is \\"disconnected\\", it must be in the \\"connected\\" state."}'
PATIENT = StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.02))
OFTEN = 0.01


def ports(*numbers: int) -> bytes:
    """
    Return the body that tells of these ports.
    """
    listed = tuple(WorkspaceAgentListeningPort(network="tcp", port=each) for each in numbers)
    return to_json(WorkspaceAgentListeningPortsResponse(ports=listed)).encode()


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    """
    Return a whole answer with this body.
    """
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def saying(data: bytes) -> Script:
    """
    Return a script that answers with *data* and ends the connection.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(data)

    return script


def telling(*numbers: int) -> Script:
    """
    Return a script that tells of these ports.
    """
    return saying(answer(ports(*numbers)))


def stuck(after: bytes = b"") -> Script:
    """
    Return a script that says *after* and no more, and stays.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(after)
        conversation.until_gone()

    return script


def numbers(listed: list[WorkspaceAgentListeningPort] | None) -> list[int]:
    """
    Return the numbers of the ports.
    """
    return [port.port for port in listed or ()]


# The states in which a reader of a polled stream can be found, after a first item.
WAITS = {
    "pause": (telling(1),),
    "head": (telling(1), stuck()),
    "half a head": (telling(1), stuck(b"HTTP/1.1 200 OK\r\nContent-")),
    "body": (telling(1), stuck(answer(ports(1, 2))[:-3])),
    "refusal": (telling(1), stuck(answer(AWAY, b"400 Bad Request")[:-3])),
}


Waiting = tuple[Agent, set[int], PortsStream]


@pytest.fixture(params=WAITS)
def waiting(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Waiting]:
    """
    An agent, the sockets that were open before, and a stream of its ports whose next read waits, in
    each of those states.
    """
    agent = serve(*WAITS[request.param])
    before = open_sockets(agent)
    interval = 3600.0 if request.param == "pause" else OFTEN
    with agent.watch_listening_ports(interval=interval) as stream:
        assert numbers(next(stream)) == [1]
        yield agent, before, stream


def test_only_what_changed_is_yielded(serve: Serve) -> None:
    """
    The first list at once; one that says the same, in whatever order, is left out.
    """
    agent = serve(telling(1, 2), telling(1, 2), telling(2, 1), telling(2), telling(2), telling())
    with agent.watch_listening_ports(interval=OFTEN) as stream:
        assert [numbers(next(stream)) for _ in range(3)] == [[1, 2], [2], []]
        assert stream.stats.items == 3
        assert stream.stats.reconnects == 0


def test_nothing_listens_is_a_state_too(serve: Serve) -> None:
    """
    An empty first list is yielded.
    """
    with serve(telling()).watch_listening_ports() as stream:
        assert next(stream) == []


def test_changes_begin_with_all_there_is(serve: Serve) -> None:
    """
    Later ones are what opened and closed, closed first.
    """
    agent = serve(telling(1, 2), telling(2, 1), telling(3, 2))
    with agent.watch_listening_ports(interval=OFTEN) as stream:
        found = [str(change) for change in itertools.islice(stream.changes(), 4)]
    assert found == [
        "port opened: tcp 1",
        "port opened: tcp 2",
        "port closed: tcp 1",
        "port opened: tcp 3",
    ]


def test_changes_go_on_behind_a_state_that_was_read(serve: Serve) -> None:
    """
    The same generator continues there, or another one.
    """
    with serve(telling(1), telling(1, 2), telling(2)).watch_listening_ports(
        interval=OFTEN
    ) as stream:
        assert numbers(next(stream)) == [1]
        assert str(next(stream.changes())) == "port opened: tcp 2"
        assert str(next(stream.changes())) == "port closed: tcp 1"


def test_changes_end_when_the_stream_is_closed(serve: Serve) -> None:
    """
    What was not handed out yet is left, as the items are.
    """
    with serve(telling(1, 2)).watch_listening_ports() as stream:
        changes = stream.changes()
        next(changes)
        stream.close()
        assert list(changes) == []
    assert list(stream.changes()) == []


def test_changes_raise_what_the_stream_raises(serve: Serve) -> None:
    """
    Once; then there are none.
    """
    agent = serve(telling(1), saying(answer(AWAY, b"400 Bad Request")))
    stream = agent.watch_listening_ports(interval=OFTEN)
    changes = stream.changes()
    next(changes)
    with pytest.raises(AgentNotConnectedError):
        next(changes)
    assert list(stream.changes()) == []


def test_the_first_answer_is_asked_for_when_called(serve: Serve) -> None:
    """
    A refusal is raised there, whatever the policy.
    """
    refused = saying(answer(b'{"message":"no"}', b"401 Unauthorized"))
    with pytest.raises(AuthenticationError):
        serve(refused, options=PATIENT).watch_listening_ports()
    with pytest.raises(TransportError):
        agent_at("http://127.0.0.1:1").watch_listening_ports()


def test_an_agent_that_is_away_is_waited_for(serve: Serve) -> None:
    """
    A refusal that may pass, a lost connection and half an answer are drops, and no state twice.
    """
    away = saying(answer(AWAY, b"400 Bad Request"))
    failing = saying(answer(b'{"message":"no"}', b"502 Bad Gateway"))
    half = saying(answer(ports(1, 2))[:-3])
    agent = serve(
        telling(1), away, away, telling(1), failing, telling(1), half, telling(2), options=PATIENT
    )
    with agent.watch_listening_ports(interval=OFTEN) as stream:
        assert [numbers(next(stream)) for _ in range(2)] == [[1], [2]]
        assert stream.stats.reconnects == 3


def test_without_a_policy_the_refusal_itself_is_raised(serve: Serve) -> None:
    """
    No error of a stream hides it.
    """
    agent = serve(telling(1), saying(answer(AWAY, b"400 Bad Request")))
    stream = agent.watch_listening_ports(interval=OFTEN)
    next(stream)
    with pytest.raises(AgentNotConnectedError):
        next(stream)
    assert stream.end is StreamEnd.FAILED
    assert list(stream) == []


def test_half_an_answer_is_never_taken_for_one(serve: Serve) -> None:
    """
    Without a policy it is an error.
    """
    stream = serve(telling(1), saying(answer(ports(1, 2))[:-3])).watch_listening_ports(
        interval=OFTEN
    )
    next(stream)
    with pytest.raises(StreamError, match="answer is incomplete"):
        next(stream)


@pytest.mark.parametrize(
    ("body", "error"), [(b"[]", DecodeError), (b"\xff", DecodeError), (b" " * 2000, StreamError)]
)
def test_what_no_other_answer_would_mend_is_raised(
    serve: Serve, body: bytes, error: type[Exception]
) -> None:
    """
    What cannot be read, and what is larger than the limit.
    """
    options = StreamOptions(max_message_size=1000)
    stream = serve(telling(1), saying(answer(body)), options=options).watch_listening_ports(
        interval=OFTEN
    )
    next(stream)
    with pytest.raises(error) as raised:
        next(stream)
    assert isinstance(raised.value, (DecodeError, MessageTooLargeError))


def test_a_revoked_token_ends_it_at_once(serve: Serve) -> None:
    """
    Another try would not help.
    """
    refused = saying(answer(b'{"message":"no"}', b"401 Unauthorized"))
    stream = serve(telling(1), refused, options=PATIENT).watch_listening_ports(interval=OFTEN)
    next(stream)
    with pytest.raises(AuthenticationError):
        next(stream)


def test_a_head_that_does_not_come_is_a_time_out(serve: Serve) -> None:
    """
    It is raised after the client's read time-out.
    """
    stream = serve(telling(1), stuck(), timeout=(5, 0.2)).watch_listening_ports(interval=OFTEN)
    next(stream)
    with pytest.raises(RequestTimeoutError):
        next(stream)


def test_a_refusal_that_stops_is_what_came_of_it(serve: Serve) -> None:
    """
    At the same time-out: the status is known by then.
    """
    told = answer(AWAY + b" ", b"400 Bad Request")[:-1]
    stream = serve(telling(1), stuck(told), timeout=(5, 0.2)).watch_listening_ports(interval=OFTEN)
    next(stream)
    with pytest.raises(AgentNotConnectedError):
        next(stream)


def test_a_body_that_stops_is_a_drop(serve: Serve) -> None:
    """
    After the idle time-out; the pause between two answers is none.
    """
    options = StreamOptions(reconnect=None, idle_timeout=0.2)
    half = stuck(answer(ports(1, 2))[:-3])
    stream = serve(telling(1), telling(2), half, options=options).watch_listening_ports(
        interval=0.5
    )
    assert numbers(next(stream)) == [1]
    assert numbers(next(stream)) == [2]
    with pytest.raises(StreamError, match=r"no byte came for 0\.2 seconds"):
        next(stream)


def test_polling_returns_on_time(waiting: Waiting) -> None:
    """
    The stream is whole afterwards, whatever it waits for that never comes.
    """
    _, _, stream = waiting
    for timeout in (0, 0.05, 0):
        assert stream.poll(timeout) is None
    assert stream.end is None


def test_what_came_in_part_is_gone_on_with(serve: Serve) -> None:
    """
    Polling in the middle of a head or a body loses nothing.
    """
    whole = answer(ports(1, 2))
    go_on = [threading.Event() for _ in range(2)]

    def parts(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(whole[:20])
        go_on[0].wait(60)
        conversation.send(whole[20:-5])
        go_on[1].wait(60)
        conversation.send(whole[-5:])

    with serve(telling(1), parts).watch_listening_ports(interval=OFTEN) as stream:
        next(stream)
        for event in go_on:
            assert stream.poll(0.1) is None
            event.set()
        assert numbers(stream.poll(60)) == [1, 2]


def test_a_refusal_that_comes_in_part_is_gone_on_with(serve: Serve) -> None:
    """
    Its head is read but once, and what it says is whole.
    """
    whole = answer(AWAY, b"400 Bad Request")
    go_on = threading.Event()

    def parts(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(whole[:-5])
        go_on.wait(60)
        conversation.send(whole[-5:])

    stream = serve(telling(1), parts).watch_listening_ports(interval=OFTEN)
    next(stream)
    for _ in range(2):
        assert stream.poll(0.1) is None
    go_on.set()
    with pytest.raises(AgentNotConnectedError):
        stream.poll(60)


def test_close_from_another_thread_wakes_the_reader(waiting: Waiting) -> None:
    """
    In the pause, and wherever the GET stands; nothing stays open.
    """
    agent, before, stream = waiting
    thread, found = in_thread(stream)
    time.sleep(0.05)
    stream.close()
    stream.close()
    thread.join(60)
    assert not thread.is_alive()
    assert found == ["end"]
    assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) <= before


def test_close_in_a_signal_handler_wakes_the_reader(waiting: Waiting) -> None:
    """
    The handler runs in the very thread that reads.
    """
    agent, before, stream = waiting
    with signalled_when_waiting(lambda *_: stream.close()):
        assert list(stream) == []
    assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) <= before


def test_ctrl_c_passes_through(waiting: Waiting) -> None:
    """
    It leaves nothing open.
    """
    agent, before, stream = waiting
    with signalled_when_waiting(), pytest.raises(KeyboardInterrupt):
        next(stream)
    assert stream.end is StreamEnd.INTERRUPTED
    assert open_sockets(agent) <= before


def test_many_closes_at_random_moments(serve: Serve) -> None:
    """
    No deadlock, nothing open, and the end is never an error.
    """
    script: Any = telling(1)
    agent = serve(script)
    before = open_sockets(agent)
    for number in range(times(30, 200)):
        stream = agent.watch_listening_ports(interval=0.0001)
        thread, found = in_thread(stream)
        time.sleep(number % 20 * 0.0003)
        stream.close()
        thread.join(60)
        assert not thread.is_alive()
        assert found.pop() == "end"
        assert len(found) <= 1
    assert open_sockets(agent) <= before


def test_nothing_is_open_in_the_pause(serve: Serve) -> None:
    """
    Each answer came over a connection of its own, which is gone, and no more is asked for.
    """
    asked: list[int] = []

    def told(conversation: Conversation) -> None:
        asked.append(1)
        telling(1)(conversation)

    agent = serve(told)
    before = open_sockets(agent, among=socket.AF_INET)
    with agent.watch_listening_ports(interval=3600) as stream:
        next(stream)
        assert open_sockets(agent, among=socket.AF_INET) <= before
        assert stream.poll(0.2) is None
        assert asked == [1]
        assert stream.stats.bytes >= len(answer(ports(1)))


def test_it_outlives_its_client(serve: Serve) -> None:
    """
    It does so as every stream does; a new one is refused.
    """
    agent = serve(telling(1), telling(2))
    with agent.watch_listening_ports(interval=OFTEN) as stream:
        agent._http.close()
        assert [numbers(next(stream)) for _ in range(2)] == [[1], [2]]
    with pytest.raises(RuntimeError, match="client is closed"):
        agent.watch_listening_ports()


def test_what_it_says_of_itself(serve: Serve) -> None:
    """
    What it is of, and that it was left open.
    """
    stream = serve(telling(1)).watch_listening_ports()
    assert repr(stream) == f"<PortsStream of the ports of agent {AGENT}, 0 items, open>"
    with pytest.warns(ResourceWarning, match=r"test_polled\.py:\d+"):
        del stream
        gc.collect()


@pytest.mark.parametrize(
    ("interval", "error"),
    [(0, ValueError), (-1, ValueError), (float("inf"), ValueError), ("5", TypeError)],
)
def test_a_bad_interval_is_refused_before_any_io(interval: Any, error: type[Exception]) -> None:
    """
    It says what would be right.
    """
    agent = agent_at("http://127.0.0.1:1")
    with pytest.raises(error, match="interval must be"):
        agent.watch_listening_ports(interval=interval)
    with pytest.raises(error, match="interval must be"):
        agent.watch_containers(interval=interval)
