"""
The log of a build, read and followed over real sockets.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from driving import LIMIT, InThread, reached
from effort import times
from hypothesis import given, settings
from hypothesis import strategies as st
from paced import paced
from peer import Conversation, Peer

from coder_agents import (
    APIError,
    BuildLogStream,
    Client,
    DecodeError,
    NotFoundError,
    PermissionDeniedError,
    Reconnect,
    ServerError,
    StreamEnd,
    StreamError,
    TransportError,
    WorkspaceNotFoundError,
)
from coder_agents.schema import ProvisionerJobLog, WorkspaceBuild, to_json
from coder_agents.testing import BuildPlan, Deployment, EmbeddedBuild, EmbeddedWorkspace
from coder_agents.transport import ClosedError

from .conftest import OPTIONS, QUICK

LINES = ["one", "two", "three"]
ALL = ["==> Setting up", "==> Starting workspace", *LINES, "==> Cleaning Up"]


@pytest.fixture
def build(workspace: EmbeddedWorkspace) -> EmbeddedBuild:
    """
    A build that runs until a test ends it.
    """
    made = workspace.start_build()
    made.begin()
    return made


@pytest.fixture
def ended(build: EmbeddedBuild) -> EmbeddedBuild:
    """
    A build that wrote three lines and has ended.
    """
    build.push_logs(LINES)
    build.complete()
    return build


def texts(lines: Any) -> list[str]:
    """
    Return the text of each of *lines*.
    """
    return [str(line) for line in lines]


def test_a_log_is_read_whole_or_after_an_id(ended: EmbeddedBuild, client: Client) -> None:
    """
    The lines of a build come in the order of their ids, with their stages and levels.
    """
    lines = client.build_logs("dev")
    assert texts(lines) == ALL
    assert [line.id for line in lines] == sorted({line.id for line in lines})
    assert lines[2].log_source == "provisioner"
    assert (lines[2].stage, lines[2].log_level) == ("Starting workspace", "info")
    assert lines[2].text().endswith("Z [info] [provisioner|Starting workspace] one")
    assert texts(client.build_logs("dev", after=lines[2].id)) == ALL[3:]
    assert client.build_logs(client.workspace("dev").latest_build) == lines
    assert client.build_logs(client.workspace("dev")) == lines


def test_hostile_output_is_one_safe_line() -> None:
    """
    A line without control characters that act, whatever the provisioner printed, and raw on demand.
    """
    line = ProvisionerJobLog(stage="a\x1b]0;x\x07b", output="\x1b[2Jgone\u202e" + "x" * 100_000)
    shown = str(line)
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert "\n" not in shown
    assert "\x1b" not in line.text()
    assert line.text(raw=True).endswith(line.output)
    assert str(ProvisionerJobLog(stage="a\x1b]0;x\x07b")).startswith("==> a")
    assert "\x07" not in str(ProvisionerJobLog(stage="a\x1b]0;x\x07b"))


def test_a_stream_brings_stored_lines_then_new_ones_and_ends_with_the_build(
    build: EmbeddedBuild, client: Client
) -> None:
    """
    The stream ends by itself when the build has ended, and has the reason.
    """
    build.push_logs(["one"])
    with client.follow_build_logs("dev") as stream:
        assert [str(next(stream)) for _ in range(3)] == ALL[:3]
        assert stream.poll(0) is None
        assert stream.last_id == build.log.after(0)[2].id
        build.push_logs(["two", "three"])
        build.complete()
        assert texts(stream) == ALL[3:]
        assert stream.end is StreamEnd.BUILD_ENDED
        assert (stream.stats.items, stream.stats.late, stream.stats.reconnects) == (6, 0, 0)
        assert stream.stats.bytes > 0
        assert stream.poll(None) is None
    assert repr(stream) == (
        f"<BuildLogStream of the log of build {build.id}, 6 items, ended: the build has ended>"
    )


@pytest.mark.parametrize("end", [EmbeddedBuild.fail, EmbeddedBuild.complete])
def test_the_end_of_a_build_ends_its_stream_whatever_its_result(
    build: EmbeddedBuild, client: Client, end: Callable[[EmbeddedBuild], None]
) -> None:
    """
    A failed build is no error of its log.
    """
    with client.follow_build_logs("dev") as stream:
        end(build)
        assert texts(stream)[-1] == "==> Cleaning Up"
        assert stream.end is StreamEnd.BUILD_ENDED


def test_a_pending_build_that_is_canceled_has_an_empty_log(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The stream ends without a line, as the build has none.
    """
    build = workspace.start_build()
    with client.follow_build_logs("dev") as stream:
        assert stream.poll(0.01) is None
        build.cancel()
        assert list(stream) == []
        assert (stream.end, stream.last_id) == (StreamEnd.BUILD_ENDED, None)


def test_batches_hold_lines_that_came_together(ended: EmbeddedBuild, client: Client) -> None:
    """
    All lines come in lists, each line in one of them.
    """
    with client.follow_build_logs("dev") as stream:
        batches = list(stream.batches())
    assert [str(line) for batch in batches for line in batch] == ALL


def test_a_bookmark_continues_in_another_stream(ended: EmbeddedBuild, client: Client) -> None:
    """
    Lines that were handed out do not come again, and the others all come.
    """
    for taken in range(len(ALL)):
        with client.follow_build_logs("dev") as stream:
            assert texts(next(stream) for _ in range(taken)) == ALL[:taken]
            bookmark = stream.bookmark
        assert str(ended.id) in bookmark
        with client.follow_build_logs("dev", after=bookmark) as stream:
            assert stream.bookmark == bookmark
            assert texts(stream) == ALL[taken:]


def test_an_impossible_after_is_refused_before_any_request(
    deployment: Deployment, client: Client
) -> None:
    """
    The errors name what is wrong with the position.
    """
    for wrong, kind in [(-1, ValueError), (2**63, ValueError), ("x", ValueError), (1.5, TypeError)]:
        with pytest.raises(kind, match=r"after|bookmark"):
            client.follow_build_logs("dev", after=wrong)  # type: ignore[arg-type]
    for bad, kind in [(-1, ValueError), (2**63, ValueError), ("1", TypeError)]:
        with pytest.raises(kind, match="after"):
            client.build_logs("dev", after=bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"without \.main, it names the workspace: me/dev"):
        client.build_logs("dev.main")
    assert not deployment.requests


def test_the_bookmark_of_another_build_is_refused(
    ended: EmbeddedBuild, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    A position in one log is none in another log, but the build itself can still be named.
    """
    old = client.workspace("dev").latest_build
    with client.follow_build_logs(old) as stream:
        next(stream)
    workspace.start_build("stop").complete()
    with pytest.raises(ValueError, match=f"belongs to build {old.id}, but this is build"):
        client.follow_build_logs("dev", after=stream.bookmark)
    with client.follow_build_logs(old, after=stream.bookmark) as again:
        assert texts(again) == ALL[1:]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("drop", {}),
        ("drop", {"at": "request"}),
        ("drop", {"after": 1}),
        ("reset", {"after": 2}),
        ("cut", {"after": 3}),
        ("rolling_restart", {}),
        ("close", {"after": 4, "code": 1011}),
        ("html", {"status": 502}),
        ("refuse", {"status": 503}),
    ],
)
def test_through_broken_connections_each_line_comes_once(
    build: EmbeddedBuild,
    deployment: Deployment,
    client: Client,
    kind: str,
    options: dict[str, Any],
) -> None:
    """
    No line is lost or repeated by a break before, between or inside of messages.
    """
    build.push_logs(LINES)
    deployment.faults.add("drop", route="build_logs_follow", after=1)
    fault = deployment.faults.add(kind, route="build_logs_follow", **options)
    with client.follow_build_logs("dev") as stream:
        lines = [str(next(stream)) for _ in range(5)]
        build.complete()
        assert [*lines, *texts(stream)] == ALL
        assert stream.end is StreamEnd.BUILD_ENDED
        assert stream.stats.reconnects >= 1
    assert fault.struck == 1


def test_a_server_that_shuts_down_is_no_end(
    build: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    It closes with 1000 and the same reason as at the end of a build, so the build is read.
    """
    with client.follow_build_logs("dev") as stream:
        assert str(next(stream)) == ALL[0]
        deployment.restart()
        build.push_logs(LINES)
        build.complete()
        assert texts(stream) == ALL[1:]
        assert stream.end is StreamEnd.BUILD_ENDED
    assert [request.route for request in deployment.requests].count("build") >= 1


def test_lines_that_a_closing_server_did_not_send_come_from_the_log(
    ended: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    The log is read once more after the build has ended.
    """
    deployment.faults.add("close", route="build_logs_follow", after=2, code=1000, reason="done")
    with client.follow_build_logs("dev") as stream:
        assert texts(stream) == ALL
        assert stream.stats.reconnects == 0


def test_the_reads_at_the_end_are_tried_again(
    ended: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    A drop or a page of a proxy delays the end, and is no end itself.
    """
    faults = [
        deployment.faults.add("reset", route="build"),
        deployment.faults.add("html", route="build"),
        deployment.faults.add("drop", route="build_logs"),
        deployment.faults.add("refuse", route="build_logs", status=503),
    ]
    with client.follow_build_logs("dev") as stream:
        assert texts(stream) == ALL
        assert stream.end is StreamEnd.BUILD_ENDED
    assert [fault.struck for fault in faults] == [1, 1, 1, 1]


def test_an_error_at_the_end_that_does_not_pass_is_raised(
    ended: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    The error has the position at which another stream continues.
    """
    deployment.faults.add("refuse", route="build", status=403, message="No more.")
    with client.follow_build_logs("dev") as stream:
        assert [str(next(stream)) for _ in ALL] == ALL
        with pytest.raises(PermissionDeniedError, match=r"No more\.") as raised:
            next(stream)
        assert stream.end is StreamEnd.FAILED
        assert raised.value.bookmark == stream.bookmark
        assert raised.value.last_id == stream.last_id


def test_without_reconnecting_the_first_break_raises_and_the_end_does_not(
    ended: EmbeddedBuild, deployment: Deployment
) -> None:
    """
    The close at the end of the build is the end, a close in its middle is an error.
    """
    with deployment.client(stream_options=QUICK(reconnect=None)) as client:
        with client.follow_build_logs("dev") as stream:
            assert texts(stream) == ALL
        running = deployment.workspace().start_build()
        running.begin()
        deployment.faults.add("close", route="build_logs_follow", after=1, code=1000)
        with client.follow_build_logs("dev") as stream:
            next(stream)
            with pytest.raises(StreamError, match="close code 1000") as raised:
                next(stream)
        assert (raised.value.code, stream.end) == (1000, StreamEnd.FAILED)


def test_a_stream_gives_up_after_some_time(deployment: Deployment, build: EmbeddedBuild) -> None:
    """
    The error of the last try is raised.
    """
    options = QUICK(reconnect=Reconnect(initial=0.01, maximum=0.02, give_up_after=0.1))
    with deployment.client(stream_options=options) as client:
        with client.follow_build_logs("dev") as stream:
            next(stream)
            deployment.faults.add("refuse", route="build_logs_follow", status=503, times=None)
            deployment.restart()
            with pytest.raises(ServerError):
                list(stream)
        assert stream.end is StreamEnd.GAVE_UP


@pytest.mark.parametrize("cause", ["blocked by 403", "answered as plain", "never answered"])
def test_where_websockets_do_not_pass_the_log_is_read_repeatedly(
    build: EmbeddedBuild, deployment: Deployment, client: Client, cause: str
) -> None:
    """
    The same lines come, and the same end, without a WebSocket.
    """
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "blocked by 403": ("html", {"status": 403, "title": "Forbidden"}),
        "answered as plain": ("refuse", {"status": 200, "body": "[]"}),
        "never answered": ("drop", {"at": "request"}),
    }
    kind, options = kinds[cause]
    fault = deployment.faults.add(kind, route="build_logs_follow", times=None, **options)
    with client.follow_build_logs("dev") as stream:
        assert [str(next(stream)), str(next(stream))] == ALL[:2]
        assert stream.poll(0.1) is None
        build.push_logs(LINES)
        assert str(next(stream)) == "one"
        bookmark = stream.bookmark
        build.complete()
        assert texts(stream) == ALL[3:]
        assert stream.end is StreamEnd.BUILD_ENDED
        assert stream.stats.bytes > 0
    assert fault.struck == 1
    with client.follow_build_logs("dev", after=bookmark) as stream:
        assert texts(stream) == ALL[3:]


def test_reads_in_place_of_a_websocket_survive_drops(
    build: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    They are tried again after the back-off of the options.
    """
    deployment.faults.add("html", route="build_logs_follow", status=405, times=None)
    with client.follow_build_logs("dev") as stream:
        assert str(next(stream)) == ALL[0]
        faults = [
            deployment.faults.add(kind, route=route)
            for kind in ("reset", "html")
            for route in ("build_logs", "build")
        ]
        build.push_logs(LINES)
        lines = [str(next(stream)) for _ in range(4)]
        reached(lambda: stream.poll(0.02) or all(fault.struck for fault in faults))
        build.complete()
        assert [*lines, *texts(stream)] == ALL[1:]


def test_a_network_that_begins_to_block_websockets_ends_nothing(
    build: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    A stream that was open continues by reads.
    """
    deployment.faults.add("drop", route="build_logs_follow", after=1)
    deployment.faults.add("html", route="build_logs_follow", status=403, times=None)
    with client.follow_build_logs("dev") as stream:
        assert [str(next(stream)), str(next(stream))] == ALL[:2]
        build.push_logs(LINES)
        build.complete()
        assert texts(stream) == ALL[2:]


def test_an_error_of_the_first_request_is_raised_by_the_call(
    build: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    No stream is opened where the deployment refuses, or cannot be reached in either way.
    """
    with pytest.raises(WorkspaceNotFoundError):
        client.follow_build_logs("nope")
    with pytest.raises(NotFoundError):
        client.follow_build_logs(WorkspaceBuild(workspace_name="gone"))
    latest = client.workspace("dev").latest_build
    deployment.faults.add("drop", route="build_logs_follow", at="request")
    deployment.faults.add("refuse", route="build_logs", status=403, message="No.")
    with pytest.raises(PermissionDeniedError, match=r"No\."):
        client.follow_build_logs(latest)
    deployment.faults.add("drop", route="build_logs_follow", at="request")
    deployment.faults.add("drop", route="build_logs", at="request")
    with pytest.raises(TransportError, match="/logs: "):
        client.follow_build_logs(latest)
    deployment.faults.add("html", route="build_logs_follow", status=200, title="Sign in")
    with pytest.raises(APIError, match="looks like a login page"):
        client.follow_build_logs(latest)
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.follow_build_logs(latest)


def test_close_wakes_a_reader_in_either_way_of_reading(
    build: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    The iteration of another thread ends without an error.
    """
    for kind in ("", "html"):
        if kind:
            deployment.faults.add(kind, route="build_logs_follow", status=403, times=None)
        stream = client.follow_build_logs("dev")
        first, got_all = next(stream), threading.Event()

        def read(stream: BuildLogStream = stream, got: threading.Event = got_all) -> list[str]:
            lines = []
            for line in stream:
                lines.append(str(line))
                got.set()
            return lines

        reader = InThread(read)
        assert got_all.wait(LIMIT)
        stream.close()
        assert reader.ended() is None
        assert [str(first), *reader.result] == ALL[:2]  # type: ignore[misc]
        assert stream.end is StreamEnd.CLOSED


def test_a_close_reaches_a_read_that_is_under_way(
    build: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    A request that is never answered ends with the stream.
    """
    deployment.faults.add("close", route="build_logs_follow", after=2, code=1000)
    silence = deployment.faults.add("silence", route="build", at="request")
    stream = client.follow_build_logs("dev")
    reader = InThread(lambda: list(stream))
    assert silence.wait_struck(timeout=LIMIT)
    stream.close()
    assert reader.ended() is None
    assert stream.end is StreamEnd.CLOSED


def test_a_feed_that_was_woken_takes_no_further_step(
    build: EmbeddedBuild, deployment: Deployment, client: Client
) -> None:
    """
    A close may come between two steps, also while no request is under way that it could end.
    """
    deployment.faults.add("html", route="build_logs_follow", status=403, times=None)
    # The next read is an hour away, so that nothing else can end the step.
    options = paced(OPTIONS, build_read=3600.0)
    with client.follow_build_logs("dev", options=options) as stream:
        assert str(next(stream)) == ALL[0]
        engine: Any = stream._core.engine
        assert engine.feed.step() is None
        engine.feed.wake()
        with pytest.raises(ClosedError):
            engine.feed.step()


def line(number: int, output: str = "x") -> str:
    """
    Return a message with one line.
    """
    return to_json(ProvisionerJobLog(id=number, output=output))


def test_messages_that_are_empty_or_repeated_yield_nothing(client: Client) -> None:
    """
    Each line comes once, also where a server repeats it; a message that is no line is an error.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        for text in (line(1), "", line(1), line(2), "", line(1), line(3), "[]"):
            conversation.text(text)
        conversation.until_gone()

    peer = Peer(script)
    build = WorkspaceBuild(workspace_name="dev")
    try:
        with Client(peer.url, client._http.settings.token, stream_options=OPTIONS) as other:
            stream = other.follow_build_logs(build)
            assert [next(stream).id for _ in range(3)] == [1, 2, 3]
            with pytest.raises(DecodeError):
                next(stream)
            assert stream.last_id == 3
    finally:
        peer.close()


def test_an_answer_about_another_build_is_an_error(client: Client) -> None:
    """
    The end of a stream is decided by the right build alone.
    """

    def follow(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.send(conversation.close_frame(1000, "done"))

    def other(conversation: Conversation) -> None:
        conversation.read_head()
        body = b'{"id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        conversation.send(head % len(body) + body)

    peer = Peer(follow, other)
    try:
        with Client(peer.url, client._http.settings.token, stream_options=OPTIONS) as elsewhere:
            stream = elsewhere.follow_build_logs(WorkspaceBuild(workspace_name="dev"))
            with pytest.raises(DecodeError, match=r"the answer is about another object: \$\.id"):
                next(stream)
    finally:
        peer.close()


def test_a_stream_without_references_is_closed_with_a_warning(
    build: EmbeddedBuild, client: Client
) -> None:
    """
    Its connection does not wait for the garbage collector.
    """
    stream = client.follow_build_logs("dev")
    with pytest.warns(ResourceWarning, match="BuildLogStream of the log of build"):
        del stream
    with client.follow_build_logs("dev") as again, pytest.raises(TypeError, match="pickled"):
        pickle.dumps(again)


def test_a_log_of_many_lines_is_followed_while_it_is_written(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    Two thousand lines come in order, and none twice.
    """
    many = [f"line {number}" for number in range(2_000)]
    workspace.plans["start"] = BuildPlan(running=None)
    workspace.start_build("stop").complete()
    client.start_workspace("dev")
    build = workspace.latest_build
    reached(lambda: build.started_at is not None)
    with client.follow_build_logs("dev") as stream:

        def write() -> None:
            build.push_logs(many)
            build.complete()

        writer = InThread(write)
        assert texts(stream)[2:-1] == many
    assert writer.ended() is None


def test_a_function_that_closes_the_stream_at_a_break_ends_it(
    build: EmbeddedBuild, deployment: Deployment
) -> None:
    """
    The iteration ends without an error and without another connection.
    """
    opened: list[BuildLogStream] = []

    def close(reason: str, attempt: int, delay: float) -> None:
        opened[0].close()

    options = QUICK(reconnect=Reconnect(initial=0.01), on_reconnect=close)
    with deployment.client() as client:
        deployment.faults.add("drop", route="build_logs_follow", after=1)
        opened.append(client.follow_build_logs("dev", options=options))
        assert texts(opened[0]) == ALL[:1]
        assert opened[0].end is StreamEnd.CLOSED
    assert [request.route for request in deployment.requests].count("build_logs_follow") == 1


def test_a_slow_loop_is_no_surprise(
    build: EmbeddedBuild, deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A break after a long time without a read is not reported as one of the network.
    """
    caplog.set_level("INFO", "coder_agents")
    options = paced(OPTIONS, long_absence=0.0)
    deployment.faults.add("drop", route="build_logs_follow", after=2)
    with (
        deployment.client(stream_options=options) as client,
        client.follow_build_logs("dev") as stream,
    ):
        assert [str(next(stream)), str(next(stream))] == ALL[:2]
        build.complete()
        assert texts(stream) == [ALL[-1]]
        assert stream.stats.reconnects == 1
    assert not [record for record in caplog.records if "connecting again" in record.getMessage()]


BREAKS = ["drop", "reset", "cut", "rolling_restart"]


@settings(max_examples=times(8, 100))
@given(
    st.lists(st.tuples(st.sampled_from(BREAKS), st.integers(1, 5)), max_size=5),
    st.booleans(),
    st.integers(0, 5),
)
def test_whatever_breaks_each_line_comes_once(
    breaks: list[tuple[str, int]], blocked: bool, taken: int
) -> None:
    """
    No chain of breaks loses or repeats a line, in either way of reading, and across a bookmark.
    """
    with Deployment() as deployment, deployment.client(stream_options=OPTIONS) as client:
        build = deployment.workspace().start_build()
        build.begin()
        build.push_logs(LINES)
        for kind, after in breaks:
            deployment.faults.add(kind, route="build_logs_follow", after=after)
        if blocked:
            deployment.faults.add("html", route="build_logs_follow", status=403, times=None)
        with client.follow_build_logs("dev") as stream:
            lines = [str(next(stream)) for _ in range(taken)]
        with client.follow_build_logs("dev", after=stream.bookmark) as again:
            build.complete()
            assert [*lines, *texts(again)] == ALL
            assert again.end is StreamEnd.BUILD_ENDED
