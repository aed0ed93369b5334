"""
The parts of a stream below its handle, at moments that only a race reaches.
"""

from __future__ import annotations

import collections
import functools
import sys
import time
import uuid
import warnings
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from paced import paced
from peer import Conversation

from coder_agents import (
    Agent,
    Client,
    CoderError,
    DecodeError,
    StreamEnd,
    StreamError,
    StreamOptions,
)
from coder_agents.schema import Workspace, to_json
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.checks import Check
from coder_agents.streams.core import Core
from coder_agents.streams.ends import ConnectAgain, Facts, OneBuild
from coder_agents.streams.engine import FeedEngine, connect
from coder_agents.streams.fetch import Fetch
from coder_agents.streams.lines import new_lines
from coder_agents.streams.log_source import AgentLogSource
from coder_agents.streams.logs import log_feed
from coder_agents.streams.member import Member
from coder_agents.streams.poller import Alarm, Poller, single_selector
from coder_agents.streams.position import Position
from coder_agents.streams.reconnecting import ReconnectingConnection
from coder_agents.streams.stream import Stream
from coder_agents.streams.watched import StateChanges
from coder_agents.testing import Deployment
from coder_agents.transport import ClosedError, fork

from .conftest import (
    AGENT,
    LOGS,
    RAISING,
    TOKEN,
    Kind,
    agent_at,
    feed_of,
    logs,
    metadata_event,
)
from .test_polled import telling
from .test_resume import QUICK, breaking, going_on, hang_up
from .test_stream import counting, open_sockets

NOWHERE = "http://127.0.0.1:1"
FIRST = Bookmark.begin(0, AGENT)


def log_source() -> AgentLogSource:
    """
    Return the log of an agent of a deployment that is not there.
    """
    return agent_at(NOWHERE)._log_source(StreamOptions())


def test_what_is_woken_before_it_connects_does_not_connect() -> None:
    """
    A connection, a document and a check alike: whoever wakes may come first.
    """
    log = log_source()
    connection: ReconnectingConnection[bytes] = ReconnectingConnection(
        lambda: log.sources.follow_log(0), what="it", options=StreamOptions(), connect_timeout=1
    )
    connection.wake()
    with pytest.raises(ClosedError):
        connection.receive()
    fetch = Fetch(lambda: log.sources.read_log(0), connect_timeout=1)
    fetch.wake()
    with pytest.raises(ClosedError):
        fetch.receive()
    check = Check(log.sources.check_log, log.sources.check_would_dial, what="it", connect_timeout=1)
    check.wake()
    with pytest.raises(ClosedError):
        check.receive(0)
    check.free()


def test_a_log_asks_less_and_less_often_for_a_connection_that_is_lent() -> None:
    """
    Where all kept connections hang, a thousand logs may wait for one.
    """
    log = log_source()
    kept = log.sources.http.kept
    lent = [kept.take(object()) for _ in range(8)]
    assert all(lent)
    check = Check(log.sources.check_log, log.sources.check_would_dial, what="it", connect_timeout=1)
    pauses = []
    for _ in range(8):
        began = time.monotonic()
        assert check.receive(0) is None
        pauses.append(check.due_at(0.0) - began)
    assert pauses[0] < 1 < max(pauses)


def test_a_member_that_was_left_does_nothing_any_more() -> None:
    """
    Its work may wait for a thread while the stream is closed.
    """
    agent = agent_at(NOWHERE)
    member = Member(agent, 0, agent._log_feed(FIRST, None, StreamOptions()))
    member.free()
    with pytest.raises(ClosedError):
        member.open()
    with pytest.raises(ClosedError):
        member.step()


def test_a_feed_that_was_woken_gives_nothing_more(serve: Callable[..., Any], kind: Kind) -> None:
    """
    This holds also for what has arrived, as closing a stream ends it.
    """
    together = b"".join(metadata_event(value) for value in "12")

    def script(conversation: Conversation) -> None:
        kind.accept(conversation)
        if kind is LOGS:
            frames = [conversation.text_frame(logs(number)) for number in (1, 2)]
            conversation.send(b"".join(frames))
        else:
            conversation.send_chunk(together)
        conversation.until_gone()

    with kind.open(serve(script)) as stream:
        assert kind.read(next(stream)) == 1
        feed = feed_of(stream)
        feed.wake()
        with pytest.raises(ClosedError):
            feed.step()


def test_a_stream_that_was_never_opened_warns_of_nothing() -> None:
    """
    There is nothing to close but its alarm.
    """
    feed = log_feed(log_source(), begin=FIRST, options=StreamOptions())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = Stream(Core(FeedEngine(feed)))
        del stream


def test_an_error_that_takes_no_attributes_passes_as_it_is() -> None:
    """
    The class may have a property called ``last_id``, for one.
    """

    class OwnError(Exception):
        last_id = property(lambda self: 7)

    error = OwnError()
    core = Core(
        FeedEngine(log_feed(log_source(), begin=Bookmark.begin(3, AGENT), options=StreamOptions()))
    )
    core.mark(error)
    assert error.last_id == 7
    core.close()


class Stolen(Position[int]):
    """
    A position of which another thread takes an item while a batch is being made.
    """

    def taken(self) -> Any:
        if len(self.pending) == 3:
            del self.pending[0]
        return super().taken()


def test_a_batch_of_which_another_thread_took_an_item_is_made_again() -> None:
    """
    No item is handed out twice.
    """
    core: Core[Any] = Core(FeedEngine(log_feed(log_source(), begin=FIRST, options=StreamOptions())))
    core.position = Stolen(collections.deque([1, 2, 3]), 3, 0)
    stream: Stream[Any] = Stream(core)
    assert next(stream.batches()) == [2, 3]
    stream.close()


def test_a_policy_of_one_build_decides_nothing_by_a_log() -> None:
    """
    It never has one read.
    """
    policy = OneBuild(AGENT, knows_workspace=True, reconnects=True)
    assert policy.log(True, Facts(0.0, False, None)) == ConnectAgain()


def test_the_first_connection_does_not_wait_for_what_is_there() -> None:
    """
    Bytes that lie in TLS or in a parser are no event of a socket.
    """

    class Ready:
        def __init__(self) -> None:
            self.steps = 0

        def open(self) -> bool:
            self.steps += 1
            return self.steps == 3

        def interests(self) -> None:
            return None

    ready: Any = Ready()
    poller: Poller[int] = Poller(single_selector())
    connect(ready, poller)
    poller.close()
    assert ready.steps == 3


def test_an_alarm_that_is_closed_has_nothing_to_let_go_of() -> None:
    """
    A process may be forked after the stream was closed.
    """
    alarm = Alarm()
    alarm.close()
    alarm.after_fork_in_child()


def test_the_child_of_a_step_that_forks_takes_no_other_step() -> None:
    """
    The next step would dial, if the parent had not waited for a socket before.
    """

    class Forks:
        steps = 0

        def step(self) -> None:
            self.steps += 1
            assert self.steps == 1
            engine.after_fork_in_child()

        def interests(self) -> None:
            return None

    feed: Any = Forks()
    engine: FeedEngine[Any] = FeedEngine(feed)
    with pytest.raises(ClosedError):
        engine.read(time.monotonic() + 60)


ANOTHER = to_json(Workspace(id=uuid.UUID(int=8))).encode()


@pytest.mark.parametrize("answer", [b"{", b"null", b"[]", ANOTHER])
def test_an_answer_that_is_not_the_agents_workspace_is_an_error(answer: bytes) -> None:
    """
    It is one whatever else it is; an error stays the error that it is.
    """
    own = Workspace(id=uuid.UUID(int=7))
    agent = agent_at(NOWHERE)
    agent._workspace = own
    log = agent._log_source(StreamOptions())
    failure = log.workspace_of(answer)
    assert isinstance(failure, DecodeError)
    assert failure.__traceback__ is None
    assert log.workspace_of(failure) is failure
    assert log.workspace_of(to_json(own).encode()) == own


def test_a_line_that_cannot_be_decoded_is_reported_with_its_place() -> None:
    """
    This holds also where ids are read first, piece by piece.
    """
    with pytest.raises(DecodeError) as caught:
        new_lines([b'[{"id":1},{"id":2,"output":7}]'], lambda ids: None, None, ids_first=True)
    with pytest.raises(DecodeError) as marked:
        new_lines(
            [b'[{"id":1},{"id":2,"output":7}]'], lambda ids: [False, True], None, ids_first=True
        )
    assert caught.value.path == marked.value.path == "$[1].output"


def test_what_seemed_a_piece_and_was_none_is_read_as_a_whole() -> None:
    """
    Lines with more fields than are known may hold what looks like the space between two lines.
    """
    inner = ",".join(f'{{"id":{number},"output":"{"x" * 400}"}}' for number in range(900))
    message = f'[{{"id":1,"new":[{inner}]}},{{"id":2}}]'.encode()
    found = new_lines([message], lambda ids: [False, True], None, ids_first=True)
    assert [log.id for log in found.logs] == [2]


def test_what_a_forked_process_does_is_done_to_every_stream() -> None:
    """
    Here in the same process, where it can be measured; the tests of forks do it in children.
    """
    with Deployment() as deployment, deployment.client() as client:
        embedded = deployment.add_agent()
        embedded.push_logs(["one", "two"])
        agent = client.agent(embedded.id)
        ended = agent.follow_logs()
        ended.close()
        stream, several = agent.follow_logs(), client.follow_logs([agent])
        assert next(stream).output == "one"
        assert next(several).log.output == "one"
        bookmark, diallers = stream.bookmark, several._core.engine._diallers  # type: ignore[attr-defined]
        fork._after_fork_in_child()
        for each in (stream, several):
            assert each.end is StreamEnd.FORKED
            for _ in range(2):
                with pytest.raises(StreamError, match="before this process was forked") as caught:
                    next(each)
                assert caught.value.last_id == 1
        assert stream.bookmark == bookmark
        assert ended.end is StreamEnd.CLOSED
        several._core.engine.free()
        diallers.close()


REDIRECTS = [b"Location: //[\r\n", b"Location: http://[foo/x\r\n"]
PAUSES = [
    b"Retry-After: Sun, 06 Nov 99999 08:49:37 GMT\r\n",
    b"Retry-After: " + b"9" * 5000 + b"\r\n",
]


@pytest.mark.parametrize("header", REDIRECTS + PAUSES)
def test_a_header_that_cannot_be_read_is_no_reason_to_end(
    serve: Callable[..., Any], header: bytes
) -> None:
    """
    Neither for a resume nor, with an error of ours, for a call.
    """
    status = b"302 Found" if header in REDIRECTS else b"503 Unavailable"

    def refuse(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n" + header + b"\r\n")

    agent = serve(
        breaking(LOGS, hang_up),
        refuse,
        going_on(LOGS),
        refuse,
        options=StreamOptions(reconnect=QUICK, settle=0),
    )
    with agent.follow_logs() as stream:
        assert [next(stream).id for _ in range(2)] == [1, 2]
    with pytest.raises(CoderError):
        agent.refresh()


def test_several_agents_are_polled_on_time_while_one_floods(serve: Callable[..., Any]) -> None:
    """
    Its pings keep neither the poll waiting nor the lines of the others.
    """
    numbers = iter(range(1, 1000))

    def flood(conversation: Conversation) -> None:
        conversation.accept_websocket()
        number = next(numbers)
        if number == 2:
            conversation.text(logs(7))
            conversation.until_gone()
        while True:
            conversation.send(b"\x89\x00" * 500)

    agent = serve(flood)
    other = attrs.evolve(agent._data, id=uuid.UUID(int=9))
    second = Agent(other.id, agent._http, RAISING, agent._capabilities, data=other)
    soon = paced(StreamOptions(settle=0), first_answers=0.5)
    client = Client(agent._http.settings.url, TOKEN, stream_options=soon)
    with client.follow_logs([agent, second]) as stream:
        began = time.monotonic()
        found = None
        while found is None:
            assert time.monotonic() < began + 30
            found = stream.poll(0.2)
        assert found.log.id == 7
        assert stream.poll(0.2) is None


def injected(call: Callable[[], object], at: int) -> bool:
    """
    Call, and raise KeyboardInterrupt at bytecode number *at* of this package's streams; return
    whether the call got so far.
    """
    count = 0

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal count
        if "coder_agents/streams" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count == at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("way", ["close", "with"])
def test_an_interrupt_in_the_middle_of_closing_leaves_nothing_open(
    serve: Callable[..., Any], way: str
) -> None:
    """
    What was not done yet is done before the interrupt passes.
    """
    agent = serve(counting(LOGS))
    before = open_sockets(agent)
    stream = agent.follow_logs()
    engine: Any = stream._core.engine
    free = engine.free

    def interrupt() -> None:
        engine.free = free
        raise KeyboardInterrupt

    engine.free = interrupt
    with pytest.raises(KeyboardInterrupt):
        if way == "close":
            stream.close()
        else:
            stream.__exit__(None, None, None)
    assert open_sockets(agent) <= before
    assert stream.end is StreamEnd.CLOSED


def test_an_interrupt_of_changes_ends_the_stream(serve: Callable[..., Any]) -> None:
    """
    Where it does not end it, the stream is whole: no change is computed and not handed out.
    """
    for at in range(5, 200, 13):
        with serve(telling(1, 2), telling(3)).watch_listening_ports(interval=0.01) as stream:
            changes = stream.changes()
            if not injected(functools.partial(next, changes), at):
                continue
            assert stream.end is StreamEnd.INTERRUPTED, at


def test_an_interrupt_between_a_state_and_its_changes_ends_the_stream(
    serve: Callable[..., Any],
) -> None:
    """
    What was read and not handed out is not lost unnoticed.
    """

    def interrupt(before: object, after: object) -> list[object]:
        raise KeyboardInterrupt

    stream = serve(telling(1)).watch_listening_ports(interval=60)
    with pytest.raises(KeyboardInterrupt):
        next(StateChanges(stream, interrupt))
    assert stream.end is StreamEnd.INTERRUPTED


def test_a_document_that_drips_is_not_waited_for_without_end(serve: Callable[..., Any]) -> None:
    """
    Its body has the time of an answer, however often a byte comes.
    """

    def drip(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not conversation.stop.is_set():
            conversation.send(b" ")
            time.sleep(0.05)

    stream = serve(telling(1), drip, timeout=(5, 0.5)).watch_listening_ports(interval=0.01)
    next(stream)
    with pytest.raises(StreamError, match="not complete in time"):
        next(stream)


def test_a_time_out_of_any_size_is_one() -> None:
    """
    It may be larger than any float.
    """
    core: Core[Any] = Core(FeedEngine(log_feed(log_source(), begin=FIRST, options=StreamOptions())))
    stream: Stream[Any] = Stream(core)
    stream.close()
    assert stream.poll(10**400) is None


def test_an_agent_that_always_has_something_is_stepped_once_at_a_time(
    serve: Callable[..., Any],
) -> None:
    """
    Each line comes once and in order, whether its bytes lie in a parser or in the socket.
    """
    numbers = iter(range(1, 1000))

    def burst(conversation: Conversation) -> None:
        conversation.accept_websocket()
        first = next(numbers) * 10_000
        # More than one read takes: after each ping there is something in the parser and in the socket.
        conversation.send(
            b"".join(
                b"\x89\x00" + conversation.text_frame(logs(number, output="x" * 90_000))
                for number in range(first, first + 30)
            )
        )
        conversation.until_gone()

    agent = serve(burst)
    data = [attrs.evolve(agent._data, id=uuid.UUID(int=number)) for number in (8, 9)]
    agents = [Agent(each.id, agent._http, RAISING, agent._capabilities, data=each) for each in data]
    client = Client(agent._http.settings.url, TOKEN, stream_options=StreamOptions(settle=0))
    came: dict[uuid.UUID, list[int]] = {each.id: [] for each in data}
    with client.follow_logs(agents) as stream:
        until = time.monotonic() + 60
        while sum(map(len, came.values())) < 60:
            assert time.monotonic() < until, came
            item = stream.poll(0.05)
            if item is not None:
                came[item.agent.id].append(item.log.id)
        assert stream.end is None
    for ids in came.values():
        assert ids == list(range(ids[0], ids[0] + 30))
