"""
What a person types, and what of it leaves the terminal.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from coder_agents.errors import TerminalError
from coder_agents.streams.poller import Alarm
from coder_agents.terminal import Terminal
from coder_agents.terminal.interact import Escape, _exchange

from .conftest import RAW, Place
from .person import Person

TYPED = [
    (b"ls\r", b"ls\r", False),
    (b"~.", b"", True),
    (b"ls\r~.exit", b"ls\r", True),
    (b"ls~.", b"ls~.", False),
    (b"~~.", b"~.", False),
    (b"~x", b"~x", False),
    (b"\n~\r", b"\n~\r", False),
    (b"\r~\r~.", b"\r~\r", True),
    (b"cd ~.\r~.", b"cd ~.\r", True),
]


@pytest.mark.parametrize(("typed", "passed", "was_found"), TYPED)
def test_tilde_dot_leaves_at_the_beginning_of_a_line(
    typed: bytes, passed: bytes, was_found: bool
) -> None:
    """
    Keys are passed on as they are typed, however they are split, until ``~.`` begins a line.
    """
    for cut in range(len(typed) + 1):
        escape = Escape()
        parts = [escape.passed(part) for part in (typed[:cut], typed[cut:]) if not escape.was_found]
        assert b"".join(parts) == passed
        assert escape.was_found == was_found


@pytest.fixture
def person() -> Iterator[Person]:
    """
    A person.
    """
    with Person() as made:
        yield made


def interact(person: Person, terminal: Terminal) -> None:
    """
    Let *person* be at the terminal of this program, and give *terminal* to them.
    """
    with person.seated():
        terminal.interact()


def raise_signal(number: int) -> None:
    """
    Send this program a signal, as its terminal or the system would.
    """
    os.kill(os.getpid(), number)


def test_a_person_types_resizes_interrupts_and_leaves(newest: Place, person: Person) -> None:
    """
    Keys reach the remote shell and its output the screen; Ctrl-C interrupts the remote command; the size
    follows the window; ``~.`` leaves, and the shell lives on.
    """
    with newest.terminal() as terminal:

        def work() -> None:
            person.see(b"# ")
            person.press(b"echo $((6*7))\r")
            person.see(b"\r\n42\r\n")
            person.see(b"# ")
            person.press("echo Zürich\r".encode())
            person.see("\r\nZürich\r\n".encode())
            person.press(b"sh -c 'echo BEGUN; exec sleep 600'\r")
            person.see(b"\r\nBEGUN\r\n")
            person.press(b"\x03")
            person.see(b"# ")
            person.resize(101, 31)
            raise_signal(signal.SIGWINCH)
            person.press(b"stty size\r")
            person.see(b"\r\n31 101\r\n")
            person.resize(0, 0)
            raise_signal(signal.SIGWINCH)
            person.press(b"~~.\r~")
            person.press(b".")

        person.does(work)
        interact(person, terminal)
        assert terminal.reconnect_id in newest.embedded.terminals.running
        assert signal.getsignal(signal.SIGWINCH) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_remote_shell_that_ends_ends_interact(newest: Place, person: Person) -> None:
    """
    After exit, the person is back.
    """
    with newest.terminal() as terminal:

        def work() -> None:
            person.see(b"# ")
            person.press(b"exit\r")

        person.does(work)
        interact(person, terminal)
        assert terminal.read() == b""
        person.press(b"x\r")
        interact(person, terminal)  # is over at once


def test_a_person_does_not_notice_a_drop(newest: Place, person: Person) -> None:
    """
    The terminal attaches again, and nothing on the screen comes twice.
    """
    newest.deployment.faults.add("drop", route="pty", after_input_bytes=8)
    with newest.terminal(f"{RAW}exec cat") as terminal:

        def work() -> None:
            person.see(b"READY")
            for number in range(200):
                person.press(b"<%d>" % number)
                time.sleep(0.005)
                if terminal.reconnects and number > 20:
                    break
            person.press(b"END")
            person.see(b"END")
            assert b"READY" not in person.screen
            person.press(b"\r~.")

        person.does(work)
        interact(person, terminal)
        assert terminal.reconnects == 1


def test_keys_that_are_no_utf_8_do_no_harm(newest: Place, person: Person) -> None:
    """
    They are replaced: the agent takes nothing else.
    """
    with newest.terminal(f"{RAW}exec cat") as terminal:

        def work() -> None:
            person.see(b"READY")
            person.press(b"a\xff")
            person.press(b"b")
            person.see("a\ufffdb".encode())
            person.press(b"\r~.")

        person.does(work)
        interact(person, terminal)


@pytest.mark.usefixtures("ctrl_c_counts")
@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
def test_a_signal_restores_the_terminal(
    newest: Place, person: Person, number: int, error: type[BaseException]
) -> None:
    """
    A signal that ends this program leaves its terminal and its signal handlers as before.
    """
    before = signal.getsignal(number)
    with newest.terminal(f"{RAW}exec cat") as terminal:

        def work() -> None:
            person.see(b"READY")
            raise_signal(number)

        person.does(work)
        with pytest.raises(error) as raised:
            interact(person, terminal)
        if error is SystemExit:
            assert raised.value.args == (128 + number,)
    assert signal.getsignal(number) is before


def test_a_signal_that_the_program_handles_is_its_own(newest: Place, person: Person) -> None:
    """
    A handler that was there stays.
    """
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with newest.terminal(f"{RAW}exec cat") as terminal:

            def work() -> None:
                person.see(b"READY")
                raise_signal(signal.SIGTERM)
                person.press(b"\r~.")

            person.does(work)
            interact(person, terminal)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [signal.SIGTERM]


def test_a_failure_restores_the_terminal(newest: Place, person: Person) -> None:
    """
    The error with which the terminal broke off is raised to the caller.
    """
    newest.deployment.faults.add("drop", route="pty", after_bytes=120)
    with newest.terminal(f"{RAW}head -c 1000 /dev/zero; sleep 60", reconnect=None) as terminal:
        person.does(lambda: person.see(b"READY"))
        with pytest.raises(TerminalError):
            interact(person, terminal)


def test_a_keyboard_that_ends_ends_interact(newest: Place, person: Person) -> None:
    """
    Where nobody can type any more, there is nothing to wait for.
    """
    reader, writer = os.pipe()
    os.close(writer)
    with newest.terminal(f"{RAW}exec cat") as terminal:
        alarm = Alarm()
        try:
            screen = os.open(os.ttyname(person.slave), os.O_RDWR | os.O_NOCTTY)
            _exchange(terminal, reader, screen, alarm)
            os.close(screen)
        finally:
            alarm.close()
            os.close(reader)


def test_another_thread_than_the_main_one_may_interact(newest: Place, person: Person) -> None:
    """
    Only the main thread hears of signals: elsewhere the size follows with the next key.
    """
    with newest.terminal(f"{RAW}while read x; do stty size; done") as terminal:
        with person.seated():
            thread = threading.Thread(target=terminal.interact)
            thread.start()
            person.see(b"READY")
            person.resize(101, 31)
            person.press(b"a")
            time.sleep(0.05)
            person.press(b"\n")
            person.see(b"31 101")
            person.press(b"\r~.")
            thread.join()


def test_interact_needs_a_terminal(newest: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A program whose input or output is no terminal gets an error, as does a system without POSIX terminals.
    """
    with newest.terminal("sleep 60") as terminal, open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(TerminalError, match="needs a terminal"):
            terminal.interact()
        monkeypatch.setitem(sys.modules, "termios", None)
        with pytest.raises(TerminalError, match="POSIX"):
            terminal.interact()
