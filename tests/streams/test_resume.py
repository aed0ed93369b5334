"""
A stream that breaks off goes on: nothing lost, nothing twice, and it says why it ended.
"""

from __future__ import annotations

import functools
import itertools
import logging
import re
import signal
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from effort import times
from paced import PacedOptions, paced
from peer import Conversation, Script

from coder_agents import (
    AuthenticationError,
    BadRequestError,
    DecodeError,
    MessageTooLargeError,
    NotFoundError,
    PermissionDeniedError,
    Reconnect,
    ServerError,
    ServerEventError,
    StreamEnd,
    StreamError,
    TransportError,
    UnsupportedError,
)
from coder_agents.agent import Agent
from coder_agents.schema import (
    Workspace,
    WorkspaceAgent,
    WorkspaceBuild,
    WorkspaceResource,
    to_json,
)
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.pauses import Pauses

from .conftest import (
    AGENT,
    LOGS,
    METADATA_KIND,
    Kind,
    agent_at,
    feed_of,
    json_answer,
    logs,
    metadata_event,
)
from .playing import poll_until
from .test_logs import frame, saying
from .test_stream import counting, in_thread, open_sockets

Serve = Callable[..., Agent]

QUICK = Reconnect(initial=0.01, maximum=0.05, give_up_after=60)
SOON = functools.partial(
    PacedOptions, pauses=Pauses(second_try=0.02, third_try=0.05, check_retry=0.05)
)
OPTIONS = SOON(reconnect=QUICK, settle=0)


def refusing(
    status: int, body: bytes = b'{"message": "no"}', kind: str = "application/json", more: str = ""
) -> Script:
    """
    Return a script that answers with an error.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(
            f"HTTP/1.1 {status} No\r\nContent-Type: {kind}\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    return script


def breaking(kind: Kind, how: Callable[[Conversation], object], number: int = 1) -> Script:
    """
    Return a script that says *number* and then breaks off.
    """

    def script(conversation: Conversation) -> None:
        kind.accept(conversation)
        kind.say(conversation, number)
        how(conversation)

    return script


def going_on(kind: Kind) -> Script:
    """
    Return a script that says 1 and 2, as a server that is asked behind 0.
    """

    def script(conversation: Conversation) -> None:
        kind.accept(conversation)
        if kind.name == "logs":
            after = re.search(rb"after=(\d+)", conversation.head)
            first = int(after[1]) + 1 if after else 1
            conversation.text(logs(*range(first, 3)))
        else:
            kind.say(conversation, 2)
        conversation.until_gone()

    return script


def hang_up(conversation: Conversation) -> None:
    """
    End the connection without a word.
    """


def cut(conversation: Conversation) -> None:
    """
    End the connection in the middle of a frame.
    """
    conversation.send(conversation.text_frame(logs(2))[:-5])


def silence(conversation: Conversation) -> None:
    """
    Say nothing until the client has gone.
    """
    conversation.until_gone()


BREAKS = [hang_up, Conversation.reset, cut, silence]


@pytest.mark.parametrize("how", BREAKS, ids=lambda how: how.__name__)
def test_a_broken_connection_is_made_again(serve: Serve, kind: Kind, how: Script) -> None:
    """
    Cut, reset, ended, silent: the next item comes all the same, each once.
    """
    idle_timeout = 0.3 if how is silence else 600
    options = SOON(reconnect=QUICK, settle=0, idle_timeout=idle_timeout)
    with kind.open(serve(breaking(kind, how), going_on(kind), options=options)) as stream:
        assert [kind.read(next(stream)) for _ in range(2)] == [1, 2]
        # A slow machine may be silent for so long by itself.
        assert stream.stats.reconnects == 1 or how is silence


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 4321])
def test_a_close_that_may_pass_is_no_end(serve: Serve, code: int) -> None:
    """
    Going away, failed, restart, try again later, and what nobody has heard of.
    """
    agent = serve(saying(logs(1), code=code), going_on(LOGS), options=OPTIONS)
    with agent.follow_logs() as stream:
        assert [next(stream).id for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009])
def test_a_close_that_blames_us_is_an_error(serve: Serve, code: int) -> None:
    """
    Another connection would hear the same.
    """
    with pytest.raises(StreamError) as raised:
        next(serve(saying(code=code), options=OPTIONS).follow_logs())
    assert raised.value.code == code


PASSING: list[tuple[str, Script]] = [
    ("429", refusing(429)),
    ("429 with a pause", refusing(429, more="Retry-After: 0\r\n")),
    ("500", refusing(500)),
    ("502 from a proxy", refusing(502, b"<html>", "text/html")),
    ("503", refusing(503)),
    ("504", refusing(504)),
    ("403 from a proxy", refusing(403, b"<html>", "text/html")),
    ("404 from a proxy", refusing(404, b"", "text/plain")),
    (
        "not connected",
        refusing(
            400,
            b'{"message": "Agent state is \\"disconnected\\", it must be in the'
            b' \\"connected\\" state."}',
        ),
    ),
    ("no answer", hang_up),
    ("a login page", refusing(200, b"<html>", "text/html")),
    ("401 from a proxy", refusing(401, b"<html>", "text/html")),
    ("redirect", refusing(307, b"", more="Location: https://x.example.com/\r\n")),
]


@pytest.mark.parametrize("script", [row[1] for row in PASSING], ids=[row[0] for row in PASSING])
def test_a_refusal_that_may_pass_is_tried_again(serve: Serve, kind: Kind, script: Script) -> None:
    """
    While reconnecting, not on the first connection.
    """
    agent = serve(breaking(kind, hang_up), script, script, going_on(kind), options=OPTIONS)
    with kind.open(agent) as stream:
        assert [kind.read(next(stream)) for _ in range(2)] == [1, 2]
        assert stream.stats.reconnects == 1
    with pytest.raises((BadRequestError, ServerError, TransportError, Exception)):
        kind.open(serve(script, going_on(kind), options=OPTIONS))


FINAL: list[tuple[str, Script, type[Exception]]] = [
    ("400", refusing(400), BadRequestError),
    ("401", refusing(401), AuthenticationError),
    ("403", refusing(403), PermissionDeniedError),
    ("404", refusing(404), NotFoundError),
    ("no route", refusing(404, b'{"message": "Route not found."}'), UnsupportedError),
]


@pytest.mark.parametrize(
    ("script", "error"), [row[1:] for row in FINAL], ids=[row[0] for row in FINAL]
)
def test_a_refusal_that_stays_is_raised_at_once(
    serve: Serve, kind: Kind, script: Script, error: type[Exception]
) -> None:
    """
    401 while reconnecting most of all: the token was revoked.
    """
    # Twice: where metadata has no route for events, it may have the other one.
    agent = serve(breaking(kind, hang_up), script, script, going_on(kind), options=OPTIONS)
    stream = kind.open(agent)
    next(stream)
    with pytest.raises(error, match="unexpected status code") as raised:
        next(stream)
    assert raised.value.__context__ is None
    assert stream.end is StreamEnd.FAILED


def test_what_cannot_be_decoded_is_raised_at_once(serve: Serve) -> None:
    """
    Broken messages, messages past the limit and the server's own error events.
    """
    event = b'event: error\ndata: {"message": "no"}\n\n'

    def telling(conversation: Conversation) -> None:
        conversation.accept_sse()
        conversation.send_chunk(event)
        conversation.until_gone()

    small = SOON(reconnect=QUICK, max_message_size=100)
    with pytest.raises(DecodeError):
        next(serve(saying("[{"), options=OPTIONS).follow_logs())
    with pytest.raises(MessageTooLargeError):
        next(serve(saying(logs(*range(99))), options=small).follow_logs())
    with pytest.raises(ServerEventError):
        next(serve(telling, options=OPTIONS).watch_metadata())


def test_the_first_connection_is_never_retried(kind: Kind) -> None:
    """
    Its error is raised where the stream was asked for.
    """
    started = time.monotonic()
    with pytest.raises(TransportError):
        kind.open(agent_at("http://127.0.0.1:1", options=OPTIONS))
    assert time.monotonic() - started < 40


def test_a_resume_asks_behind_the_floor_and_leaves_out_what_is_known(serve: Serve) -> None:
    """
    The floor stays below a line until that is settled; its id is remembered instead.
    """
    heads: list[bytes] = []

    def again(conversation: Conversation) -> None:
        conversation.accept_websocket()
        heads.append(conversation.head)
        conversation.text(logs(5, 7, 8, 9))
        conversation.until_gone()

    options = SOON(reconnect=QUICK, settle=30)
    agent = serve(saying(logs(5, 9), code=1001), again, options=options)
    with agent.follow_logs(4) as stream:
        assert [next(stream).id for _ in range(4)] == [5, 9, 7, 8]
        assert b"after=4&" in heads[0]
        assert stream.last_id == 9
        assert stream.stats.late == 2


def test_lines_twice_in_one_message_are_yielded_once(serve: Serve) -> None:
    """
    No line is ever yielded twice.
    """
    agent = serve(saying(logs(1, 2, 1), logs(2, 3), code=None), options=OPTIONS)
    with agent.follow_logs() as stream:
        assert [next(stream).id for _ in range(3)] == [1, 2, 3]


def test_an_error_in_a_filtered_message_has_the_path_of_what_came(serve: Serve) -> None:
    """
    Known lines are left out before objects are built, but counted in the path.
    """
    lines = '[{"id": 1}, {"id": 2, "level": 3}]'
    agent = serve(saying(logs(1), lines), options=OPTIONS)
    with pytest.raises(DecodeError) as raised:
        for _ in agent.follow_logs():
            pass
    assert raised.value.path == "$[1].level"


@pytest.mark.parametrize("message", ["{}", "7"])
def test_a_message_that_is_no_list_is_a_decode_error(serve: Serve, message: str) -> None:
    """
    The path is the whole.
    """
    with pytest.raises(DecodeError) as raised:
        next(serve(saying(message), options=OPTIONS).follow_logs())
    assert raised.value.path == "$"


def test_reconnects_are_told(serve: Serve, kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """
    To the callback, with reason, try and delay, and to the log at info level.
    """
    caplog.set_level(logging.DEBUG, logger="coder_agents")
    told: list[tuple[str, int, float]] = []
    options = SOON(reconnect=QUICK, settle=0, on_reconnect=lambda *what: told.append(what))
    agent = serve(breaking(kind, hang_up), refusing(503), hang_up, going_on(kind), options=options)
    with kind.open(agent) as stream:
        next(stream)
        next(stream)
    assert [attempt for _, attempt, _ in told] == [1, 2, 3]
    assert "503" in told[1][0]
    assert all(0 < delay < 0.1 for _, _, delay in told)
    records = [r for r in caplog.records if "connecting again in" in r.getMessage()]
    assert [r.levelno for r in records] == [logging.INFO] * 3
    assert str(AGENT) in records[0].getMessage()


def test_a_slow_loop_body_costs_a_quiet_reconnect(
    serve: Serve, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Where the server gave up on us meanwhile, that is worth a debug record only.
    """
    caplog.set_level(logging.DEBUG, logger="coder_agents")
    options = paced(OPTIONS, long_absence=0.05)
    agent = serve(breaking(kind, hang_up), going_on(kind), options=options)
    with kind.open(agent) as stream:
        next(stream)
        time.sleep(0.1)
        assert kind.read(next(stream)) == 2
    records = [r for r in caplog.records if "connecting again in" in r.getMessage()]
    assert [r.levelno for r in records] == [logging.DEBUG]


def test_it_gives_up_when_there_was_no_progress_for_long(serve: Serve, kind: Kind) -> None:
    """
    The last reason is raised, and the end says so.
    """
    policy = Reconnect(initial=0.02, maximum=0.05, jitter=0, give_up_after=0.3)
    agent = serve(breaking(kind, hang_up), refusing(503), options=SOON(reconnect=policy, settle=0))
    stream = kind.open(agent)
    next(stream)
    with pytest.raises(ServerError, match="503"):
        next(stream)
    assert stream.end is StreamEnd.GAVE_UP
    assert list(stream) == []


def test_connections_that_give_nothing_are_no_progress(serve: Serve) -> None:
    """
    A server that accepts and hangs up is given up, too.
    """
    policy = Reconnect(initial=0.02, maximum=0.05, jitter=0, give_up_after=0.3)
    attempts: list[int] = []

    def flap(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text("[]")

    options = SOON(reconnect=policy, on_reconnect=lambda *what: attempts.append(what[1]))
    stream = serve(flap, options=options).follow_logs()
    with pytest.raises(StreamError, match="without a close frame") as raised:
        next(stream)
    assert stream.end is StreamEnd.GAVE_UP
    assert raised.value.bookmark == stream.bookmark
    assert attempts == list(range(1, len(attempts) + 1)), "all is one outage"


def test_a_connection_that_lived_to_see_a_ping_is_progress(serve: Serve, kind: Kind) -> None:
    """
    A quiet stream whose server restarts now and then is never given up.
    """
    attempts: list[int] = []

    def pinging(conversation: Conversation) -> None:
        kind.accept(conversation)
        if kind.name == "logs":
            conversation.text("[]")
            conversation.ping()
        else:
            conversation.send_chunk(b"event: ping\n\n")

    options = SOON(reconnect=QUICK, settle=0, on_reconnect=lambda *what: attempts.append(what[1]))
    with kind.open(serve(*[pinging] * 6, going_on(kind), options=options)) as stream:
        next(stream)
        assert stream.stats.reconnects == 6
    assert attempts == [1] * 6, "each outage is a new one"


def test_a_longer_pause_that_is_requested_is_kept(serve: Serve, kind: Kind) -> None:
    """
    Retry-After goes before the back-off, but not past the time of the last try.
    """
    pauses: list[float] = []
    options = SOON(
        reconnect=Reconnect(initial=0.01, jitter=0, give_up_after=60),
        settle=0,
        on_reconnect=lambda *what: pauses.append(what[2]),
    )
    soon, late = (refusing(429, more=f"Retry-After: {s}\r\n") for s in (1, 301))
    agent = serve(breaking(kind, hang_up), soon, late, options=options)
    with kind.open(agent) as stream:
        assert kind.read(next(stream)) == 1
        assert poll_until(stream, lambda: len(pauses) == 3) == []
    assert pauses[:2] == [0.01, 1.0]
    assert 0 < pauses[2] < 59


def test_a_back_off_is_waited_out_across_polls(serve: Serve, kind: Kind) -> None:
    """
    Each poll returns on time; the try is made when it is due.
    """
    policy = Reconnect(initial=0.4, jitter=0)
    agent = serve(breaking(kind, hang_up), going_on(kind), options=SOON(reconnect=policy, settle=0))
    with kind.open(agent) as stream:
        next(stream)
        polls = 0
        while (item := stream.poll(0.02)) is None:
            polls += 1
        assert kind.read(item) == 2
        assert polls > 3


def _asleep(stream: Any) -> bool:
    return feed_of(stream)._connection.outage is not None


def _redialling(stream: Any) -> bool:
    connection = feed_of(stream)._connection
    return connection._source is not None and not connection._answered


@pytest.mark.parametrize(
    ("script", "reached"),
    [(refusing(503), _asleep), (silence, _redialling)],
    ids=["backing off", "reconnecting"],
)
def test_close_wakes_whoever_backs_off_or_reconnects(
    serve: Serve, kind: Kind, script: Script, reached: Callable[[Any], bool]
) -> None:
    """
    Another thread closes it: the iteration ends, and no socket stays.
    """
    policy = Reconnect(initial=600, maximum=600) if reached is _asleep else QUICK
    agent = serve(breaking(kind, hang_up), script, options=SOON(reconnect=policy, settle=0))
    before = open_sockets(agent)
    stream = kind.open(agent)
    thread, found = in_thread(stream)
    until = time.monotonic() + 60
    while not reached(stream) and time.monotonic() < until:
        time.sleep(0.005)
    started = time.monotonic()
    stream.close()
    stream.close()
    thread.join(60)
    assert time.monotonic() - started < 40  # of a pause of 600 s, a time-out of 60
    assert found[-1] == "end"
    assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) <= before


@pytest.mark.parametrize(
    ("script", "backing_off"), [(refusing(503), True), (silence, False)], ids=["pause", "dial"]
)
def test_close_in_a_signal_handler_wakes_a_pause_and_a_dial(
    serve: Serve, kind: Kind, script: Script, backing_off: bool
) -> None:
    """
    In the very thread that waits; no deadlock.
    """
    policy = Reconnect(initial=30, maximum=30) if backing_off else QUICK
    agent = serve(breaking(kind, hang_up), script, options=SOON(reconnect=policy, settle=0))
    before = open_sockets(agent)
    stream = kind.open(agent)
    old = signal.signal(signal.SIGALRM, lambda *_: stream.close())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert len(list(stream)) == 1
    finally:
        signal.signal(signal.SIGALRM, old)
    assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) <= before


def test_closes_at_random_moments_of_a_flapping_connection(serve: Serve, kind: Kind) -> None:
    """
    Dialling, reading, backing off, checking: whenever it comes, nothing stays open.
    """
    policy = Reconnect(initial=0.001, maximum=0.002)
    options = SOON(reconnect=policy, settle=0.001)
    agent = serve(breaking(kind, hang_up), options=options)
    before = open_sockets(agent)
    for step in range(0, 100, times(4, 1)):
        stream = kind.open(agent)
        thread, found = in_thread(stream)
        time.sleep(step * 0.0002)
        stream.close()
        thread.join(60)
        assert found[-1] == "end"
        assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) <= before


def superseded(*numbers: int) -> Script:
    """
    Return a script of an agent that is not in the latest build: its backlog, then 1000.
    """
    return saying(logs(*numbers))


def test_the_third_1000_in_a_row_is_believed(serve: Serve) -> None:
    """
    Where the workspace is not known; each connection having given but its backlog.
    """
    agent = serve(saying("[]", logs(1), logs(2)), superseded(), options=OPTIONS)
    stream = agent.follow_logs()
    assert [log.id for log in stream] == [1, 2]
    assert stream.end is StreamEnd.SERVER_CLOSED
    assert stream.stats.reconnects == 2


def test_a_rolling_restart_that_says_1000_twice_is_no_end(serve: Serve) -> None:
    """
    The third connection lives.
    """
    agent = serve(saying(logs(1)), superseded(), going_on(LOGS), options=OPTIONS)
    with agent.follow_logs() as stream:
        assert [next(stream).id for _ in range(2)] == [1, 2]
        assert stream.end is None


def test_a_connection_that_went_on_starts_the_count_anew(serve: Serve) -> None:
    """
    1000 after live lines, or after a ping, is the first again.
    """
    live = saying("[]", logs(3))
    pinged = saying("[]", frame(9, b""))
    agent = serve(
        saying(logs(1)), superseded(), live, superseded(), pinged, superseded(), options=OPTIONS
    )
    stream = agent.follow_logs()
    assert [log.id for log in stream] == [1, 3]
    assert stream.stats.reconnects == 6


def test_refused_tries_between_do_not_start_the_count_anew(serve: Serve) -> None:
    """
    A restart refuses connections for a while; a gone agent is still gone after it.
    """
    agent = serve(saying("[]", logs(1)), refusing(502), refusing(404), options=OPTIONS)
    stream = agent.follow_logs()
    assert [log.id for log in stream] == [1]
    assert stream.end is StreamEnd.AGENT_GONE


def test_404_after_1000_is_the_end(serve: Serve) -> None:
    """
    From 2.34 an agent of an earlier build is no more.
    """
    stream = serve(saying(logs(1)), refusing(404), options=OPTIONS).follow_logs()
    assert [log.id for log in stream] == [1]
    assert stream.end is StreamEnd.AGENT_GONE


WORKSPACE = uuid.UUID(int=7)


def known(agent: Agent) -> Agent:
    """
    Return *agent* as one that was found through its workspace.
    """
    return Agent(
        agent.id,
        agent._http,
        agent._stream_options,
        agent._capabilities,
        workspace=Workspace(id=WORKSPACE),
    )


def answering(body: bytes, *, length: int | None = None) -> Script:
    """
    Return a script that answers a GET with *body*, of which it says that it has *length* bytes.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body
        )

    return script


def building(*agents: uuid.UUID) -> Script:
    """
    Return a script of the workspace, whose latest build lists *agents*.
    """
    resources = (WorkspaceResource(agents=tuple(WorkspaceAgent(id=each) for each in agents)),)
    build = WorkspaceBuild(resources=resources)
    return answering(to_json(Workspace(id=WORKSPACE, latest_build=build)).encode())


def test_the_second_1000_of_a_known_workspace_is_read(serve: Serve) -> None:
    """
    An agent that the latest build does not list has ended.
    """
    asked: list[bytes] = []

    def read_workspace(conversation: Conversation) -> None:
        asked.append(conversation.read_head())
        building(uuid.UUID(int=8))(conversation)

    agent = serve(saying(logs(1)), superseded(), read_workspace, refusing(401), options=OPTIONS)
    stream = known(agent).follow_logs()
    assert [log.id for log in stream] == [1]
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD
    assert asked[0].startswith(b"GET /api/v2/workspaces/%s HTTP/1.1" % str(WORKSPACE).encode())
    assert len(asked) == 1


def test_a_build_that_lists_nothing_yet_ends_the_agent_before(serve: Serve) -> None:
    """
    A pending build has no resources.
    """
    agent = serve(saying(logs(1)), superseded(), building(), refusing(401), options=OPTIONS)
    stream = known(agent).follow_logs()
    assert [log.id for log in stream] == [1]
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD


def test_an_agent_in_the_latest_build_was_only_dropped(serve: Serve) -> None:
    """
    This holds however often the servers say 1000.
    """
    restarts = [superseded(), superseded(), building(AGENT)] * 3
    agent = serve(saying(logs(1)), *restarts[1:], going_on(LOGS), options=OPTIONS)
    with known(agent).follow_logs() as stream:
        assert [next(stream).id for _ in range(2)] == [1, 2]


def test_a_read_that_fails_is_made_again(serve: Serve) -> None:
    """
    The deployment may be restarting: no answer, half of one, too much, errors, another's page.
    """
    agent = serve(
        saying(logs(1)),
        superseded(),
        lambda conversation: conversation.reset(),
        superseded(),
        answering(b"{", length=2),
        superseded(),
        answering(b"{}" + b" " * 2_000_000),
        superseded(),
        refusing(503),
        superseded(),
        refusing(404, b"<html>", kind="text/html"),
        superseded(),
        refusing(500),
        superseded(),
        building(),
        options=attrs.evolve(OPTIONS, max_message_size=1_000_000),
    )
    stream = known(agent).follow_logs()
    assert [log.id for log in stream] == [1]
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD
    assert stream.stats.reconnects == 7


@pytest.mark.parametrize("status", [404, 410])
def test_a_workspace_that_is_gone_takes_its_agents_along(serve: Serve, status: int) -> None:
    """
    404 of the workspace is an end, too, and 410, which says that it was deleted.
    """
    agent = serve(saying(logs(1)), superseded(), refusing(status), options=OPTIONS)
    stream = known(agent).follow_logs()
    assert [log.id for log in stream] == [1]
    assert stream.end is StreamEnd.AGENT_GONE


def test_closing_wakes_a_reader_that_reads_the_build(serve: Serve) -> None:
    """
    A deployment that does not answer holds nobody up.
    """
    asked = threading.Event()

    def silent(conversation: Conversation) -> None:
        conversation.read_head()
        asked.set()
        conversation.until_gone()

    agent = serve(saying(logs(1)), superseded(), silent, options=OPTIONS)
    before = open_sockets(agent)
    stream = known(agent).follow_logs()
    thread, found = in_thread(stream)
    assert asked.wait(60)
    stream.close()
    thread.join(60)
    assert not thread.is_alive()
    assert found[1:] == ["end"]
    assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) == before


def test_the_build_is_read_also_when_the_client_is_closed(serve: Serve) -> None:
    """
    A stream outlives its client.
    """
    agent = serve(saying(logs(1)), superseded(), building(), options=OPTIONS)
    stream = known(agent).follow_logs()
    agent._http.close()
    assert [log.id for log in stream] == [1]
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD


SETTLING = SOON(reconnect=QUICK, settle=0.3)


def test_late_lines_are_waited_for_at_the_end(serve: Serve) -> None:
    """
    Once more, when they are settled; what is committed by then comes.
    """
    agent = serve(saying(logs(5)), superseded(5), superseded(5), superseded(3, 5), options=SETTLING)
    stream = agent.follow_logs()
    assert [log.id for log in stream] == [5, 3]
    assert stream.end is StreamEnd.SERVER_CLOSED
    assert stream.bookmark == str(Bookmark.of(AGENT, 5, []))


def test_an_end_that_was_none_is_forgotten(serve: Serve) -> None:
    """
    Where the last look finds the stream alive, it goes on.
    """
    has_come = threading.Event()

    def alive(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(logs(5))
        conversation.text(logs(6))
        # A reset discards what was not read yet.
        assert has_come.wait(60)
        conversation.reset()

    agent = serve(
        saying(logs(5)), superseded(5), superseded(5), alive, refusing(401), options=SETTLING
    )
    stream = agent.follow_logs()
    with pytest.raises(AuthenticationError):
        for log in stream:
            if log.id == 6:
                has_come.set()
    assert stream.end is StreamEnd.FAILED
    assert stream.last_id == 6


def test_a_late_line_is_found_by_a_check(serve: Serve) -> None:
    """
    A GET asks after the floor, beside the connection that is read.
    """
    requests: list[bytes] = []

    def live(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text("[]")
        conversation.text(logs(5, 9))
        conversation.until_gone()

    def checked(conversation: Conversation) -> None:
        requests.append(conversation.read_head())
        conversation.send(json_answer(logs(5, 7, 9)))
        conversation.until_gone()

    agent = serve(live, checked, options=SOON(reconnect=None, settle=0.2))
    with agent.follow_logs(4) as stream:
        assert [next(stream).id for _ in range(3)] == [5, 9, 7]
        assert (stream.stats.checks, stream.stats.late) == (1, 1)
        assert stream.stats.reconnects == 0
    assert requests[0].startswith(b"GET ")
    assert b"/logs?after=4 " in requests[0]


def test_a_quiet_stream_requests_nothing_once_its_lines_are_settled(serve: Serve) -> None:
    """
    One check after the last line, and then none.
    """
    requests: list[bytes] = []

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(logs(5))
        conversation.until_gone()

    def checked(conversation: Conversation) -> None:
        requests.append(conversation.read_head())
        conversation.send(json_answer(logs(5)))
        requests.append(conversation.until_gone())

    agent = serve(script, checked, options=SOON(reconnect=None, settle=0.05))
    with agent.follow_logs() as stream:
        next(stream)
        poll_until(stream, lambda: stream.stats.checks)
        assert stream.poll(0.3) is None  # six times as long as lines take to settle
        assert len(requests) == 1
        assert stream.stats.checks == 1
        assert stream.bookmark == str(Bookmark.of(AGENT, 5, []))


def test_a_check_that_fails_leaves_the_connection_alone(serve: Serve) -> None:
    """
    It is made again later; what comes meanwhile comes.
    """
    failed = threading.Event()

    def live(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(logs(5))
        assert failed.wait(60)
        conversation.text(logs(6))
        conversation.until_gone()

    def refuse(conversation: Conversation) -> None:
        refusing(503)(conversation)
        failed.set()

    def checked(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(json_answer(logs(4, 5, 6)))
        conversation.until_gone()

    agent = serve(live, refuse, checked, options=SOON(reconnect=None, settle=0.1))
    with agent.follow_logs() as stream:
        assert [next(stream).id for _ in range(3)] == [5, 6, 4]
        assert stream.stats.checks == 1


def test_a_bookmark_goes_on_where_the_stream_stopped(serve: Serve) -> None:
    """
    This holds at any item; together the streams give each line once.
    """

    def server(conversation: Conversation) -> None:
        conversation.accept_websocket()
        after = int((re.search(rb"after=(\d+)", conversation.head) or [b"", b"0"])[1])
        conversation.text(logs(*(n for n in (2, 3, 8, 9, 11) if n > after)))
        conversation.until_gone()

    agent = serve(server, options=SOON(reconnect=None))
    for stop in range(1, 6):
        with agent.follow_logs() as stream:
            before = [next(stream).id for _ in range(stop)]
            bookmark = stream.bookmark
        with agent.follow_logs(bookmark) as stream:
            assert stream.last_id == before[-1]
            after = [next(stream).id for _ in range(5 - stop)]
        assert before + after == [2, 3, 8, 9, 11]


def test_a_bookmark_of_another_agent_is_refused(serve: Serve) -> None:
    """
    The error is raised before anything is sent.
    """
    other = uuid.UUID(int=1)
    with pytest.raises(ValueError, match=f"belongs to agent {other}"):
        serve(saying()).follow_logs(str(Bookmark.of(other, 7, [])))


def test_an_error_says_where_to_go_on(serve: Serve) -> None:
    """
    The error has the newest id and the bookmark.
    """
    stream = serve(saying(logs(4, 6), code=1001)).follow_logs()
    with pytest.raises(StreamError) as raised:
        list(stream)
    assert raised.value.last_id == 6
    assert raised.value.bookmark == stream.bookmark == str(Bookmark.of(AGENT, 0, [4, 6]))


def test_more_lines_than_can_be_held_are_told_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Lateness is given up with a warning, never repetition.
    """
    options = SOON(reconnect=QUICK, remember=10)
    numbers = range(1, 51)
    agent = serve(
        saying(logs(*numbers), code=1001), saying(logs(*numbers, 51), code=None), options=options
    )
    with agent.follow_logs() as stream:
        assert [next(stream).id for _ in range(51)] == list(range(1, 52))
        assert feed_of(stream)._progress.ledger.held <= 10
    warned = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "more than 10 lines came within 10 s" in warned[0].getMessage()


def test_batches_have_each_line_once_in_its_order(serve: Serve) -> None:
    """
    A stream that was read in part before continues after that part.
    """
    agent = serve(
        saying("[]", logs(1, 2), logs(3), logs(3), logs(4, 5)), superseded(), options=OPTIONS
    )
    stream = agent.follow_logs()
    assert next(stream).id == 1
    batches = [[log.id for log in batch] for batch in stream.batches()]
    assert all(batches)
    assert list(itertools.chain.from_iterable(batches)) == [2, 3, 4, 5]
    assert stream.end is StreamEnd.SERVER_CLOSED
    assert stream.stats.items == 5


def test_batches_of_metadata_hold_full_lists(serve: Serve) -> None:
    """
    One list of items a message.
    """
    with serve(counting(METADATA_KIND)).watch_metadata() as stream:
        batch = next(stream.batches())
        assert [METADATA_KIND.read(items) for items in batch] == [1]


def test_stats_count(serve: Serve, kind: Kind) -> None:
    """
    Items, bytes over all connections, reconnects, and since when.
    """
    agent = serve(breaking(kind, hang_up), going_on(kind), options=OPTIONS)
    with kind.open(agent) as stream:
        first = stream.stats
        assert (first.items, first.reconnects, first.late, first.checks) == (0, 0, 0, 0)
        assert not first.overflowed
        assert first.since.tzinfo is not None
        next(stream)
        next(stream)
        last = stream.stats
    assert (last.items, last.reconnects, last.since) == (2, 1, first.since)
    assert last.bytes > first.bytes > 0


def test_overflowed_is_as_of_the_last_time_the_agent_was_read(serve: Serve) -> None:
    """
    The agent tells that its log is full; the stream passes that on.
    """
    agent = serve(counting(LOGS))
    with agent.follow_logs() as stream:
        assert stream.stats.overflowed is False
        agent._data = attrs.evolve(agent.data, logs_overflowed=True)
        assert stream.stats.overflowed is True


@pytest.mark.parametrize("events", [(b"1", b"1", b"2"), (b"1", b"2")])
def test_a_state_that_a_new_connection_repeats_is_skipped(
    serve: Serve, events: tuple[bytes, ...]
) -> None:
    """
    The last state of the old connection is the first of the new one; again later it counts.
    """

    def again(conversation: Conversation) -> None:
        conversation.accept_sse()
        for value in (*events, b"2"):
            conversation.send_chunk(metadata_event(value.decode()))
        conversation.until_gone()

    agent = serve(breaking(METADATA_KIND, hang_up), again, options=OPTIONS)
    expected = [1, *[int(value) for value in (*events, b"2")][1:]]
    with agent.watch_metadata() as stream:
        assert [METADATA_KIND.read(next(stream)) for _ in expected] == expected


def containers(name: str) -> str:
    """
    Return a message of the containers stream with one container.
    """
    return f'{{"containers": [{{"id": "c", "name": "{name}"}}], "devcontainers": []}}'


def test_containers_are_watched_through_drops(serve: Serve) -> None:
    """
    1000 is always a drop, and so is the 400 while the agent is away.
    """
    away = dict(PASSING)["not connected"]
    agent = serve(
        saying(containers("a"), containers("b")),
        away,
        saying(containers("b"), containers("c"), code=1001),
        saying(containers("d"), code=None),
        options=OPTIONS,
    )
    with agent.watch_containers() as stream:
        assert [next(stream).containers[0].name for _ in range(4)] == ["a", "b", "c", "d"]
        assert stream.stats.reconnects == 2


def test_watching_containers_needs_a_deployment_that_can(serve: Serve) -> None:
    """
    Before 2.25 there is no such call.
    """
    missing = refusing(404, b'{"message": "Route not found."}')
    with pytest.raises(UnsupportedError):
        serve(missing, options=OPTIONS).watch_containers()


def test_options_of_one_containers_watch_go_before_the_clients(serve: Serve) -> None:
    """
    It is so with the other streams, too.
    """
    agent = serve(saying(containers("a"), code=1001), options=OPTIONS)
    stream = agent.watch_containers(options=SOON(reconnect=None))
    next(stream)
    with pytest.raises(StreamError, match="close code 1001"):
        next(stream)


def test_a_pause_of_any_length_can_be_waited(serve: Serve, kind: Kind) -> None:
    """
    Longer than any system waits at once; close() ends it all the same.
    """
    policy = Reconnect(initial=1e12, maximum=1e12, give_up_after=None)
    options = SOON(reconnect=policy, settle=0, idle_timeout=1e12)
    stream = kind.open(serve(breaking(kind, hang_up), options=options))
    next(stream)
    thread, found = in_thread(stream)
    until = time.monotonic() + 60
    while not _asleep(stream) and time.monotonic() < until:
        time.sleep(0.005)
    stream.close()
    thread.join(60)
    assert found == ["end"]
