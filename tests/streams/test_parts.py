"""
The parts of a stream below its handle, at moments that only a race reaches.
"""

from __future__ import annotations

import collections
import uuid
import warnings
from typing import Any

import pytest

from coder_agents import DecodeError, StreamEnd, StreamError, StreamOptions
from coder_agents.schema import Workspace, to_json
from coder_agents.streams.checks import LateLineCheck
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
from coder_agents.testing import Deployment
from coder_agents.transport import ClosedError, fork

from .conftest import AGENT, agent_at

NOWHERE = "http://127.0.0.1:1"


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
    check = LateLineCheck(log.sources.check_log, what="it", connect_timeout=1)
    check.wake()
    with pytest.raises(ClosedError):
        check.receive(0)
    check.free()


def test_a_member_that_was_left_does_nothing_any_more() -> None:
    """
    Its work may wait for a thread while the stream is closed.
    """
    agent = agent_at(NOWHERE)
    member = Member(agent, 0, agent._log_feed(0, StreamOptions()))
    member.free()
    with pytest.raises(ClosedError):
        member.open()
    with pytest.raises(ClosedError):
        member.step()


def test_a_stream_that_was_never_opened_warns_of_nothing() -> None:
    """
    There is nothing to close but its alarm.
    """
    feed = log_feed(log_source(), after=0, options=StreamOptions())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = Stream(Core(FeedEngine(feed)))
        del stream


def test_an_error_that_takes_no_attributes_passes_as_it_is() -> None:
    """
    Of a class whose ``last_id`` is a property, for one.
    """

    class OwnError(Exception):
        last_id = property(lambda self: 7)

    error = OwnError()
    core = Core(FeedEngine(log_feed(log_source(), after=3, options=StreamOptions())))
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
    core: Core[Any] = Core(FeedEngine(log_feed(log_source(), after=0, options=StreamOptions())))
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


@pytest.mark.parametrize("answer", [b"{", b"null", b"[]"])
def test_an_answer_that_is_not_the_agents_workspace_is_an_error(answer: bytes) -> None:
    """
    Whatever else it is; an error stays the error that it is.
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
    Also where ids are read first, piece by piece.
    """
    with pytest.raises(DecodeError) as caught:
        new_lines(b'[{"id":1},{"id":2,"output":7}]', lambda ids: None, None, ids_first=True)
    with pytest.raises(DecodeError) as marked:
        new_lines(
            b'[{"id":1},{"id":2,"output":7}]', lambda ids: [False, True], None, ids_first=True
        )
    assert caught.value.path == marked.value.path == "$[1].output"


def test_what_looked_like_a_piece_and_was_none_is_read_as_a_whole() -> None:
    """
    Lines with more fields than are known may hold what looks like the space between two lines.
    """
    inner = ",".join(f'{{"id":{number},"output":"{"x" * 400}"}}' for number in range(900))
    message = f'[{{"id":1,"new":[{inner}]}},{{"id":2}}]'.encode()
    found = new_lines(message, lambda ids: [False, True], None, ids_first=True)
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
