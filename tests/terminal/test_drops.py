"""
Terminals whose connections break: nothing starts twice, nothing comes twice, and nothing hangs.
"""

from __future__ import annotations

import random
import re
import time
import uuid
from typing import Any

import pytest
from effort import times

from coder_agents import CoderError, Reconnect
from coder_agents.errors import TerminalError, TerminalNotFoundError
from coder_agents.terminal.buffers import TerminalLimits
from coder_agents.testing.terminals import attachment

from .conftest import LONG, QUICK, RAW, Place, eventually, placed, read_all, read_until

LINES = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done"
OUTPUT = b"".join(b"line %d\n" % number for number in range(3000))
ONCE = "echo x >>runs; "


def runs(place: Place) -> int:
    """
    Return how often the command has run.
    """
    path = place.embedded.terminals.home / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize("kind", ["drop", "reset", "close"])
def test_a_break_at_any_byte_loses_and_repeats_nothing(place: Place, kind: str) -> None:
    """
    No replayed output is returned as new output, and the command runs once.
    """
    chance = random.Random(kind)
    for _ in range(times(3, 40)):
        place.embedded.terminals.home.joinpath("runs").unlink(missing_ok=True)
        options: dict[str, Any] = {"code": 1001} if kind == "close" else {}
        for _ in range(2):
            at = chance.randrange(len(OUTPUT))
            place.deployment.faults.add(kind, route="pty", after_bytes=at, **options)
        with place.terminal(f"{ONCE}{RAW}{LINES}; read x") as terminal:
            assert read_until(terminal, b"line 2999\n") == b"READY" + OUTPUT
            terminal.write("\n")
            assert read_all(terminal) == b""
            assert terminal.gaps == 0
        assert runs(place) == 1
        place.deployment.faults.clear()


def test_a_terminal_that_drops_in_its_report_begins_again(newest: Place) -> None:
    """
    What has not been reported as begun is neither output nor started twice.
    """
    for at in (0, 1, 20, 45):
        newest.embedded.terminals.home.joinpath("runs").unlink(missing_ok=True)
        newest.deployment.faults.add("drop", route="pty", after_bytes=at)
        with newest.terminal(f"{ONCE}stty -echo; echo hello; read x") as terminal:
            assert read_until(terminal, b"\n") == b"hello\r\n"
            terminal.write("\n")
            assert read_all(terminal) == b""
            assert terminal.reconnects == 0
        assert runs(newest) == 1


def test_a_terminal_that_never_attaches_is_attached_again(newest: Place) -> None:
    """
    A connection on which nothing comes costs another one, and starts nothing twice.
    """
    newest.deployment.faults.add("never_attach", route="pty", times=2)
    limits = TerminalLimits(beginning=0.2, replay=LONG)
    with newest.terminal(f"{ONCE}echo hello", limits=limits) as terminal:
        assert read_all(terminal) == b"hello\r\n"
    assert runs(newest) == 1


def test_a_command_that_has_ended_meanwhile_does_not_run_again(place: Place) -> None:
    """
    A client that attaches after the end gets the end.
    """
    with place.terminal(f"{ONCE}{RAW}read x") as terminal:
        read_until(terminal, b"READY")
        terminal.write("\n")
        assert read_all(terminal) == b""
    for _ in range(2):
        with pytest.raises(TerminalNotFoundError):
            place.terminal(reconnect_id=terminal.reconnect_id)
    assert runs(place) == 1


def test_a_machine_that_was_replaced_does_not_run_the_command_again() -> None:
    """
    After the terminal was attached once, nobody starts it, also where every trace of it is gone.
    """
    with placed("2.24") as place, place.terminal(f"{ONCE}{RAW}sleep 60") as terminal:
        read_until(terminal, b"READY")
        assert runs(place) == 1
        state = place.embedded.terminals.home / ".local"
        state.rename(state.with_name("gone"))
        place.embedded.terminals.hang_up()
        with pytest.raises(TerminalNotFoundError):
            read_all(terminal)
        assert runs(place) == 1


def test_what_is_typed_is_never_typed_twice(newest: Place) -> None:
    """
    Where the connection breaks while text is sent, each piece of it arrives at most once and in order.
    """
    chance = random.Random(7)
    for _ in range(times(3, 30)):
        at = chance.randrange(600_000)
        newest.deployment.faults.add("reset", route="pty", after_input_bytes=at)
        with newest.terminal(f"{RAW}cat >typed") as terminal:
            read_until(terminal, b"READY")
            for number in range(60):
                terminal.write(f"<{number}>" + "x" * 10_000)
            typed = newest.embedded.terminals.home / "typed"
            while not typed.exists() or not typed.read_bytes().endswith(b"END"):
                terminal.write("END")  # one of them may be lost, too
                time.sleep(0.05)
            terminal.kill()
        numbers = [int(each) for each in re.findall(rb"<(\d+)>", typed.read_bytes())]
        assert numbers == sorted(set(numbers))
        newest.deployment.faults.clear()


def test_the_size_is_kept_after_a_drop(newest: Place) -> None:
    """
    The size that was set last is sent again over the next connection.
    """
    newest.deployment.faults.add("drop", route="pty", after_bytes=5_000)
    with newest.terminal(f"{RAW}read x; {LINES}; read x; stty size; sleep 60") as terminal:
        read_until(terminal, b"READY")
        terminal.resize(91, 31)
        terminal.write("\n")
        read_until(terminal, b"line 2999\n")
        assert terminal.reconnects == 1
        terminal.write("\n")
        read_until(terminal, b"31 91\n")


def test_a_stalled_connection_is_replaced(newest: Place) -> None:
    """
    Output that stops for ever after much of it is continued over another connection.
    """
    newest.deployment.faults.add("stall", route="pty", after_bytes=20_000)
    limits = TerminalLimits(beginning=LONG, replay=LONG, burst=1_000, quiet=0.2)
    with newest.terminal(f"{RAW}{LINES}; sleep 60", limits=limits) as terminal:
        assert read_until(terminal, b"line 2999\n") == b"READY" + OUTPUT
        assert terminal.reconnects >= 1
        assert terminal.gaps == 0


def test_a_silence_is_checked_once_after_much_output(newest: Place) -> None:
    """
    A connection that has not stalled is replaced once, and nothing comes twice.
    """
    limits = TerminalLimits(beginning=LONG, replay=LONG, burst=1_000, quiet=0.05)
    with newest.terminal(f"{RAW}{LINES}; sleep 1; echo bye; sleep 60", limits=limits) as terminal:
        assert read_until(terminal, b"bye\n") == b"READY" + OUTPUT + b"bye\n"
        eventually(lambda: terminal.reconnects >= 1)
        assert terminal.reconnects <= 3


def test_no_check_is_made_where_nothing_is_tried_again(newest: Place) -> None:
    """
    Without reconnecting, a silence is a silence, and a drop is an error.
    """
    limits = TerminalLimits(beginning=LONG, replay=LONG, burst=1, quiet=0.01)
    with newest.terminal(f"{RAW}sleep 60", limits=limits, reconnect=None) as terminal:
        read_until(terminal, b"READY")
        assert terminal.read(0.2) is None
    newest.deployment.faults.add("drop", route="pty", after_bytes=100)
    with newest.terminal(f"{RAW}{LINES}", reconnect=None) as terminal:
        with pytest.raises(TerminalError, match="dev: "):
            read_all(terminal)


def test_an_agent_that_stays_away_is_an_error(newest: Place) -> None:
    """
    After the time to give up the error of the last try is raised, from every read.
    """
    policy = Reconnect(initial=0.01, maximum=0.05, give_up_after=0.3)
    newest.deployment.faults.add("drop", route="pty", after_bytes=5_000)
    newest.deployment.faults.add("not_connected", route="pty", times=None)
    with newest.terminal(f"{RAW}{LINES}; sleep 60", reconnect=policy) as terminal:
        for _ in range(2):
            with pytest.raises(CoderError):
                read_all(terminal)
        assert repr(terminal).endswith(", ended>")


def test_an_agent_that_comes_back_is_attached_again(newest: Place) -> None:
    """
    While the agent is away, the terminal tries again.
    """
    newest.deployment.faults.add("drop", route="pty", after_bytes=120)
    newest.deployment.faults.add("not_connected", route="pty", times=3)
    with newest.terminal(f"{RAW}{LINES}; sleep 60") as terminal:
        assert read_until(terminal, b"line 2999\n") == b"READY" + OUTPUT


def test_closing_ends_a_pause_between_two_tries(newest: Place) -> None:
    """
    Closing waits for no try.
    """
    policy = Reconnect(initial=600, maximum=600, give_up_after=None)
    newest.deployment.faults.add("drop", route="pty", after_bytes=120)
    with newest.terminal(f"{RAW}{LINES}; sleep 60", reconnect=policy) as terminal:
        read_until(terminal, b"READY")
        terminal.write("typed while nobody is there")


def test_what_nobody_reads_is_discarded_and_counted(newest: Place) -> None:
    """
    The terminal is read although its user reads nothing, and the oldest output makes room for the newest.
    """
    limits = TerminalLimits(beginning=LONG, replay=LONG, unread=20_000, full=0.05, burst=1 << 30)
    command = f"{RAW}{LINES}; {LINES}; {LINES}; sleep 0.2; echo END; sleep 60"
    with newest.terminal(command, limits=limits) as terminal:
        eventually(lambda: terminal.gaps > 0)
        output = read_until(terminal, b"END\n")
        whole = b"READY" + OUTPUT * 3 + b"END\n"
        assert len(output) < len(whole)
        assert whole.endswith(output[-1000:])


def test_what_is_typed_is_sent_while_nobody_reads(newest: Place) -> None:
    """
    Output that waits for its user does not hold back the input.
    """
    limits = TerminalLimits(beginning=LONG, replay=LONG, unread=100, full=600)
    command = f"{RAW}head -c 30000 /dev/zero; read x; touch done; sleep 60"
    with newest.terminal(command, limits=limits) as terminal:
        eventually(lambda: terminal._buffers._unread >= 100)
        time.sleep(0.2)  # until the thread waits for room
        terminal.write("x\n")
        eventually((newest.embedded.terminals.home / "done").exists)


def test_much_that_was_missed_is_a_gap(newest: Place) -> None:
    """
    The agent keeps 65,536 bytes: where more was missed, output is missing, and that is counted.
    """
    newest.deployment.faults.add("drop", route="pty", after_bytes=1_000)
    policy = Reconnect(initial=1, maximum=1, jitter=0, give_up_after=LONG)
    command = f"{RAW}head -c 300000 /dev/urandom; echo END; sleep 60"
    with newest.terminal(command, reconnect=policy) as terminal:
        output = read_until(terminal, b"END\n")
        assert terminal.gaps == 1
        assert len(output) < 100_000


def test_a_replay_that_breaks_is_read_again(newest: Place) -> None:
    """
    A replay that is not whole is no output: it is replayed over another connection.
    """
    newest.deployment.faults.add("drop", route="pty", after_bytes=25_000)
    newest.deployment.faults.add("drop", route="pty", after_bytes=10_000)
    newest.deployment.faults.add("stall", route="pty", after_bytes=5_000)
    limits = TerminalLimits(beginning=LONG, replay=0.2)
    with newest.terminal(f"{RAW}{LINES}; sleep 60", limits=limits) as terminal:
        assert read_until(terminal, b"line 2999\n") == b"READY" + OUTPUT
        assert terminal.gaps == 0


def test_an_agent_that_keeps_less_is_believed(
    newest: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Where the replay is too short again and again, what comes is taken as it is.
    """
    monkeypatch.setattr(attachment, "REPLAY_BYTES", 20_000)
    newest.deployment.faults.add("drop", route="pty", after_bytes=25_000)
    limits = TerminalLimits(beginning=LONG, replay=0.2)
    with newest.terminal(f"{RAW}{LINES}; sleep 60", limits=limits) as terminal:
        assert read_until(terminal, b"line 2999\n") == b"READY" + OUTPUT
        assert terminal.gaps == 0
        assert newest.routes() == 4


def test_a_long_silence_at_the_start_is_given_up() -> None:
    """
    A terminal that never begins is an error after some tries, and they are counted.
    """
    with placed() as place:
        place.deployment.faults.add("never_attach", route="pty", times=None)
        limits = TerminalLimits(beginning=0.05, beginnings=3)
        with pytest.raises(TerminalError, match="started no terminal"):
            place.terminal("true", limits=limits, reconnect_id=None)
        assert place.routes() == 3
        assert QUICK.give_up_after == LONG
        with pytest.raises(TerminalError):
            place.terminal(reconnect_id=uuid.uuid4(), limits=limits)
