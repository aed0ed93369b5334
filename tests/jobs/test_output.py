"""
The output of a job as a stream: whole, resumed, and ended in time.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coder_agents import (
    Agent,
    CommandLostError,
    CommandTimeoutError,
    DecodeError,
    Job,
    Output,
    OutputStream,
    ShellError,
)
from coder_agents.jobs.shell import WAITS, Place, Waits
from coder_agents.jobs.shells import Shells
from coder_agents.streams import StreamEnd
from coder_agents.testing import Deployment, EmbeddedAgent
from coder_agents.transport import ClosedError

from .test_run import LIMIT, job_folders

shells_module: Any = importlib.import_module("coder_agents.jobs.shells")


def whole(pieces: list[Output], name: str = "stdout") -> bytes:
    """
    Return the bytes of one output.
    """
    return b"".join(piece.data for piece in pieces if piece.name == name)


def test_the_stream_is_whole_and_ends_with_the_job(agent: Agent) -> None:
    """
    Both outputs are whole, the end has its reason, and the counts are right.
    """
    job = agent.start_job("seq 1 300000; echo err >&2; sleep .3; echo end")
    with job.output() as stream:
        assert isinstance(stream, OutputStream)
        pieces = list(stream)
        assert stream.end is StreamEnd.JOB_ENDED
        assert stream.stats.bytes > 1_000_000
        assert stream.poll(0) is None
    lines = b"".join(b"%d\n" % n for n in range(1, 300001))
    assert whole(pieces) == lines + b"end\n"
    assert whole(pieces, "stderr") == b"err\n"


def test_a_bookmark_continues_in_another_process(deployment: Deployment, agent: Agent) -> None:
    """
    After a bookmark nothing is lost and nothing comes twice.
    """
    job = agent.start_job("echo 1; echo a >&2; sleep .5; echo 2; echo b >&2")
    with job.output() as stream:
        first = [next(stream)]
        bookmark = stream.bookmark
    with deployment.client() as other:
        rest = list(other.agent(str(agent.id)).job(job.id).output(after=bookmark))
    assert whole(first + rest) == b"1\n2\n"
    assert whole(first + rest, "stderr") == b"a\nb\n"
    for wrong in ("x", "job:other:0:0", bookmark.replace(job.id, "another")):
        with pytest.raises(ValueError, match="bookmark"):
            job.output(after=wrong)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("drop", {"after_bytes": 2_000}),
        ("reset", {"after_bytes": 700_000}),
        ("stall", {"after_bytes": 500_000}),
        ("drop", {"after_bytes": range(100, 1_000_000), "times": 3}),
    ],
)
def test_a_broken_connection_loses_no_byte(
    deployment: Deployment, impatient: Agent, kind: str, options: dict[str, Any]
) -> None:
    """
    The stream continues at its offset, whatever breaks.
    """
    job = impatient.start_job("seq 1 200000")
    job.wait(LIMIT)
    job._handle.shells._kept.pop().close()
    deployment.faults.add(kind, route="pty", **options)
    again = impatient.job(job.id)
    assert whole(list(again.output())) == b"".join(b"%d\n" % n for n in range(1, 200001))


@pytest.mark.parametrize("state", ["away", "unattached", "silent"])
def test_poll_returns_in_time_and_the_stream_stays_whole(
    deployment: Deployment, embedded: EmbeddedAgent, agent: Agent, state: str
) -> None:
    """
    A poll ends also while no answer comes, and the output is whole afterwards.
    """
    place = Place(http=agent._http, agent_id=agent.id, what="dev")
    shells = Shells(place, give_up_after=LIMIT, waits=Waits(begin=3, byte=3))
    agent._http.held["shells", agent.id, "", ""] = shells
    job = agent.start_job("echo 1; read x; echo 2", stdin=subprocess.PIPE)
    with job.output() as stream:
        pieces = [next(stream)]
        assert stream.poll(0) is None
        assert stream.poll(0.1) is None
        if state == "unattached":
            shells._kept.pop().close()
            deployment.faults.add("never_attach", route="pty")
        elif state == "silent":
            deployment.faults.add("stall", route="pty", after_bytes=10)
            shells._kept.pop().close()
        else:
            embedded.disconnect()
        began = time.monotonic()
        late = [stream.poll(0.2), stream.poll(0)]
        # Less than the seconds after which a connection counts as stalled, or as never attached.
        assert time.monotonic() - began < 2.5
        assert late == [None] * 2
        embedded.connect()
        assert stream.poll(0) is None
        with deployment.client() as other:
            other.agent(str(agent.id)).job(job.id).communicate(b"\n", LIMIT)
        pieces += list(stream)
    assert whole(pieces) == b"1\n2\n"


def test_an_answer_that_comes_after_a_poll_is_taken_by_the_next(agent: Agent) -> None:
    """
    A request whose answer is late is not sent again.
    """
    job = agent.start_job("echo 1; sleep 300")
    with job.output() as stream:
        assert next(stream).data == b"1\n"
        shells = job._handle.shells
        [shell] = shells._kept
        with no_answer_in_time(), stopped(shell.greeting.pid):
            assert stream.poll(0) is None
            sent = shell._numbers
            assert shell.is_due
            assert shells._kept == []
        while vars(shell)["is_due"]:  # a slow machine answers after several polls
            assert stream.poll(0) is None
        assert (shell._numbers, shell.is_due) == (sent, False)
        assert shells._kept == [shell]
        with no_answer_in_time(), stopped(shell.greeting.pid):
            assert stream.poll(0) is None
            assert shell.is_due
    assert not shell.is_usable  # nobody else gets it with an answer that is due
    job.kill()


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """
    Let a control shell run no further meanwhile, so that no answer comes.
    """
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def no_answer_in_time() -> Iterator[None]:
    """
    Let no answer be in time.
    """
    before = shells_module._ON_THE_WAY
    shells_module._ON_THE_WAY = -1.0
    try:
        yield
    finally:
        shells_module._ON_THE_WAY = before


def test_a_wait_for_a_job_returns_in_time(embedded: EmbeddedAgent, agent: Agent) -> None:
    """
    The time-out of a wait holds also while the agent is away.
    """
    job = agent.start_job("sleep 300")
    embedded.disconnect()
    began = time.monotonic()
    with pytest.raises(CommandTimeoutError):
        job.wait(0.2)
    assert time.monotonic() - began < WAITS.byte - 1
    embedded.connect()
    job.kill()
    assert job.wait(LIMIT) == -9


@pytest.mark.parametrize("state", ["waiting", "away", "unattached"])
def test_close_wakes_a_reader_in_each_wait(
    deployment: Deployment, embedded: EmbeddedAgent, agent: Agent, state: str
) -> None:
    """
    Another thread ends the iteration, whether the reader waits for output, pauses, or opens.
    """
    job = agent.start_job("sleep 300")
    stream = job.output()
    if state == "unattached":
        deployment.faults.add("never_attach", route="pty", times=None)
    if state != "waiting":
        embedded.disconnect()
    if state == "unattached":
        embedded.connect()
    read: list[Output] = []
    ended = threading.Event()

    def read_all() -> None:
        read.extend(stream)
        ended.set()

    thread = threading.Thread(target=read_all)
    thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    stream.close()
    assert ended.wait(LIMIT)
    thread.join()
    # Less than any of the waits themselves.
    assert time.monotonic() - began < 4
    assert read == []
    assert stream.end is StreamEnd.CLOSED
    deployment.faults.clear()
    embedded.connect()
    job.kill()


def test_a_lost_agent_ends_the_stream_with_its_bookmark(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    The error has the bookmark, with which the stream continues later.
    """
    with deployment.client(timeout=3) as client:
        agent = client.agent(str(embedded.id))
        job = agent.start_job("echo 1; sleep 2; echo 2")
        stream = job.output()
        first = next(stream)
        embedded.disconnect()
        with pytest.raises(CommandLostError) as caught:
            list(stream)
        embedded.connect()
        bookmark = caught.value.bookmark
        assert first == Output("stdout", b"1\n")
        assert whole(list(job.output(after=bookmark))) == b"2\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_ends_the_stream_in_the_child_alone(agent: Agent) -> None:
    """
    The child's stream has ended; the parent's is whole.
    """
    job = agent.start_job("echo 1; sleep .5; echo 2")
    stream = job.output()
    first = next(stream)
    child = os.fork()
    if child == 0:
        try:
            next(stream, None)
        except BaseException:
            os._exit(0 if stream.end is StreamEnd.FORKED else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert whole([first, *stream]) == b"1\n2\n"


def test_lines_are_whole_whatever_the_pieces(agent: Agent) -> None:
    """
    Lines come without their ends, each when it is whole; the last one may have no end.
    """
    job = agent.start_job(r"printf 'a\r\nü'; sleep .3; printf 'b\nlast'; echo err >&2")
    assert sorted(job.lines()) == ["a", "err", "last", "üb"]
    assert list(agent.start_job("true").lines()) == []
    broken = agent.start_job(r"printf '\377\n'")
    assert list(broken.lines()) == ["�"]
    assert list(broken.lines(encoding="latin-1")) == ["ÿ"]
    with pytest.raises(DecodeError):
        list(broken.lines(errors="strict"))


def test_an_output_that_was_cut_off_is_an_error(agent: Agent, home: Path) -> None:
    """
    Where bytes are gone that were read before, or were never spooled, the stream says so.
    """
    job: Job = agent.start_job("echo 12345; sleep 300")
    stream = job.output()
    next(stream)
    [folder] = job_folders(home)
    (folder / "1").write_bytes(b"1")
    with pytest.raises(ShellError, match="cut"):
        next(stream)
    (folder / "1").write_bytes(b"123456")
    (folder / "cut1").touch()
    with pytest.raises(ShellError, match="disk"):
        job.poll()
    job._handle.signal(9)


def test_the_engine_stops_in_a_child_process(agent: Agent) -> None:
    """
    Whoever reads in a child, as its parent did, is stopped.
    """
    from coder_agents.jobs.output import OutputEngine

    job = agent.start_job("true")
    engine = OutputEngine(job._handle, (0, 0))
    assert job.id in engine.what
    engine.after_fork_in_child()
    with pytest.raises(ClosedError):
        engine.open()
