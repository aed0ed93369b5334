"""
The session of a terminal where chance decides: what was sent, what was closed, and forks.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable

import pytest

from coder_agents.errors import TerminalError
from coder_agents.terminal.attachment import Attachment, TerminalRequest
from coder_agents.terminal.buffers import LIMITS, Buffers, TerminalLimits
from coder_agents.terminal.changes import Changes
from coder_agents.terminal.session import Session
from coder_agents.terminal.start import attaching, beginning_of, starting
from coder_agents.transport import DroppedError

from .conftest import LONG, QUICK, RAW, Place, eventually, placed, read_all, read_until
from .test_drops import LINES, ONCE, OUTPUT, runs


class Breaking(Attachment):
    """
    An attachment that breaks once while it writes.

    Attributes:
        before: whether that is before anything was sent.
        breaks: how often it still breaks, of all attachments of this class.
    """

    before = True
    breaks = 0

    def write(
        self,
        text: str,
        received: Callable[[bytes], object],
        *,
        stalled_after: float = math.inf,
    ) -> None:
        """
        Write, and break.
        """
        kind = type(self)
        if not kind.breaks:
            super().write(text, received, stalled_after=stalled_after)
            return
        kind.breaks -= 1
        if not kind.before:
            super().write(text, received, stalled_after=stalled_after)
        raise DroppedError("broken by the test")

    @property
    def has_unsent(self) -> bool:
        """
        Whether it broke before anything was sent.
        """
        return type(self).before or super().has_unsent


WAITING = TerminalLimits(beginning=LONG, replay=LONG)


def session_of(
    place: Place,
    command: str,
    kind: type[Attachment] = Attachment,
    *,
    limits: TerminalLimits = WAITING,
) -> Session:
    """
    Return the session of a new terminal, whose attachments are of a class.
    """
    reconnect_id = uuid.uuid4()

    def attach(starts: bool) -> Attachment:
        program = starting(reconnect_id, command) if starts else attaching(reconnect_id)
        request = TerminalRequest(reconnect_id=reconnect_id, command=program)
        return kind(place.agent._http, place.agent.id, request)

    return Session(
        attach,
        lambda output: beginning_of(output, reconnect_id),
        what="dev",
        is_new=True,
        reconnect=QUICK,
        limits=limits,
    )


def read_end(session: Session, wanted: bytes) -> bytes:
    """
    Read until *wanted* has come.
    """
    output = b""
    while wanted not in output:
        chunk = session.buffers.read(LONG)
        assert chunk, output
        output += chunk
    return output


@pytest.mark.parametrize("before", [True, False])
def test_what_was_not_sent_is_sent_again_and_nothing_else(newest: Place, before: bool) -> None:
    """
    Text of which a part had not left is typed over the next connection, other text is not typed again.
    """
    kind = type("Kind", (Breaking,), {"before": before, "breaks": 1})
    session = session_of(newest, RAW + "exec cat", kind)
    session.open()
    try:
        read_end(session, b"READY")
        session.write("<one>")
        session.write("<two>")
        assert read_end(session, b"<two>") == b"<one><two>"
        assert session.reconnects == 1
    finally:
        session.close()
        session.join()


def test_a_session_that_is_closed_while_it_attaches_ends(newest: Place) -> None:
    """
    Closing reaches a thread that has no connection yet.
    """
    session = session_of(newest, "sleep 60")
    attach = session._attach

    def closing(starts: bool) -> Attachment:
        session.close()
        return attach(starts)

    session._attach = closing
    session.open()
    session.join()
    assert newest.routes() == 0
    assert session.buffers.read(LONG) == b""


def test_in_a_child_everything_is_over(newest: Place) -> None:
    """
    What a forked process does with a session and its parts: it leaves the parent's sockets alone.
    """
    session = session_of(newest, "sleep 60")
    session._attachment = unopened = session._attach(True)
    session.after_fork_in_child()
    assert unopened._poller is None
    session._attachment = attachment = session._attach(True)
    attachment.open()
    session.after_fork_in_child()
    assert attachment._poller is not None
    assert attachment._poller.alarm.socket.fileno() == -1
    attachment._source.close()
    session.after_fork_in_child()
    session.close()
    with pytest.raises(TerminalError, match="before a fork"):
        session.buffers.read(None)
    assert Buffers("dev", LIMITS).read(0) is None


def test_a_gap_is_counted_where_output_is_missing() -> None:
    """
    Output that waits too long for its user, but was not discarded, is no gap.
    """
    buffers = Buffers("dev", TerminalLimits(unread=10, full=0.0))
    buffers.add(b"x" * 20)
    buffers.wait_for_room()
    assert buffers.discarded == 0
    buffers.add(b"y" * 20)
    buffers.wait_for_room()
    assert buffers.discarded == 1
    assert buffers.read(0) == b"y" * 20


def test_a_command_that_ends_before_its_report_came_does_not_run_again() -> None:
    """
    The connection that starts it may break at once: the next one reports that the command has ended.
    """
    with placed("2.24") as place:
        place.deployment.faults.add("drop", route="pty", after_bytes=20)
        attachments: list[bool] = []
        session = session_of(place, ONCE + "exit")
        attach = session._attach

        def waiting(starts: bool) -> Attachment:
            if attachments:
                eventually(lambda: runs(place) and not place.embedded.terminals.running)
            attachments.append(starts)
            return attach(starts)

        session._attach = waiting
        session.open()
        session.join()
        assert session.buffers.read(LONG) == b""
        assert attachments == [True, True]
        assert runs(place) == 1


def test_a_replay_of_several_messages_is_not_new_output(newest: Place) -> None:
    """
    The agent replays 65,536 bytes, in more than one message.
    """
    lines = "i=0; while [ $i -lt 12000 ]; do echo line $i; i=$((i+1)); done"
    newest.deployment.faults.add("drop", route="pty", after_bytes=90_000)
    with newest.terminal(f"{RAW}{lines}; sleep 60") as terminal:
        whole = read_until(terminal, b"line 11999\n")
        assert whole == b"READY" + b"".join(b"line %d\n" % n for n in range(12_000))
        assert terminal.reconnects == 1


def test_output_is_read_while_much_is_typed(newest: Place) -> None:
    """
    A program that writes and does not read stops nobody: its output comes, and closing ends the typing.
    """
    command = f"{RAW}while :; do echo tick; sleep 0.05; done"
    with newest.terminal(command) as terminal:
        read_until(terminal, b"READY")
        failures: list[BaseException] = []

        def type_much() -> None:
            try:
                for _ in range(400):
                    terminal.write("x" * 100_000)
            except TerminalError as error:
                failures.append(error)

        typist = threading.Thread(target=type_much)
        typist.start()
        eventually(lambda: terminal._buffers._unsent >= LIMITS.unsent)
        for _ in range(10):
            read_until(terminal, b"tick")
        terminal._session.close()
        typist.join()
        assert "has ended" in str(failures[0])


def test_much_is_typed_at_a_program_that_reads_late(newest: Place) -> None:
    """
    What the sockets do not hold waits, and arrives in whole.
    """
    size = 12_000_000
    with newest.terminal(f"{RAW}sleep 0.5; head -c {size} | wc -c") as terminal:
        read_until(terminal, b"READY")
        for _ in range(12):
            terminal.write("x" * (size // 12))
        assert int(read_all(terminal)) == size
        assert terminal.reconnects == 0


class Joined(Attachment):
    """
    An attachment whose first output is all that comes in half a second, as to a reader that is slow.
    """

    first = True

    def read(self, deadline: float, unless: Callable[[], bool] = bool) -> bytes | None:
        """
        Read, the first time for half a second.
        """
        output = super().read(deadline, unless)
        if self.first and output is not None:
            self.first = False
            until = time.monotonic() + 0.5
            while (more := super().read(until)) is not None:
                output += more
        return output


def test_much_that_comes_with_the_report_may_stall_too(newest: Place) -> None:
    """
    A stall is noticed also where nothing came after the first output.
    """
    newest.deployment.faults.add("stall", route="pty", after_bytes=20_000)
    limits = TerminalLimits(beginning=LONG, replay=LONG, burst=1_000, quiet=0.2)
    session = session_of(newest, f"{RAW}{LINES}; sleep 60", Joined, limits=limits)
    session.open()
    assert read_end(session, b"line 2999\n") == b"READY" + OUTPUT
    session.close()
    session.join()


def test_pings_are_answered_while_nothing_comes() -> None:
    """
    The deployment closes a terminal that answers no ping.
    """
    with placed(ping_interval=0.02) as place:
        with place.terminal(f"{RAW}sleep 0.5; echo END; sleep 60") as terminal:
            assert read_until(terminal, b"END\n") == b"READYEND\n"
            assert terminal.reconnects == 0


def test_an_end_without_output_is_one(place: Place) -> None:
    """
    A command that ends at once is reported as ended, on each release.
    """
    with place.terminal("exit 3") as terminal:
        assert read_all(terminal) == b""
        assert terminal._buffers.has_ended


def test_input_that_nobody_takes_breaks_the_attachment(newest: Place) -> None:
    """
    Where a terminal stops taking input, whoever types gets an error after the seconds given.
    """
    request = TerminalRequest(reconnect_id=uuid.uuid4(), command=f"{RAW}exec sleep 600")
    attachment = Attachment(newest.agent._http, newest.agent.id, request)
    received: list[bytes] = []
    attachment.open()
    try:
        with pytest.raises(DroppedError, match="takes no more input"):
            # More than the sockets hold.
            attachment.write("x" * 64_000_000, received.append, stalled_after=0.2)
        assert attachment.has_unsent
    finally:
        attachment.close()
    assert set(b"".join(received)) <= set(b"READY")


def test_an_attachment_that_was_never_opened_has_nothing_to_close(newest: Place) -> None:
    """
    Closing, waking and a fork before the attachment is opened request nothing and raise nothing.
    """
    request = TerminalRequest(reconnect_id=uuid.uuid4())
    attachment = Attachment(newest.agent._http, newest.agent.id, request)
    attachment.after_fork_in_child()
    attachment.wake()
    attachment.close()
    attachment.close()
    assert newest.routes() == 0


def test_a_change_between_the_check_and_the_wait_is_not_missed() -> None:
    """
    Who waits checks once more after others can wake it, and does not wait then.
    """
    answers = iter([False, True, True])
    assert Changes().wait_for(lambda: next(answers))
    assert list(answers) == []
