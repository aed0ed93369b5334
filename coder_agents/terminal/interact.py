"""
A person at a terminal of an agent.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from coder_agents.errors import TerminalError

if TYPE_CHECKING:
    from coder_agents.terminal.terminal import Terminal

_BLOCK = 65_536
_LEAVE = b"~."


class Escape:
    """
    Finds ``~.`` at the beginning of a line of what a person types, as ssh does.

    ``~~`` there is one ``~``. What may be the first half of it is held until the next key.

    Attributes:
        was_found: whether it was typed.
    """

    def __init__(self) -> None:
        self.was_found = False
        self._at_beginning = True
        self._held = False

    def passed(self, typed: bytes) -> bytes:
        """
        Return what of *typed* is for the terminal.
        """
        out = bytearray()
        for key in typed:
            if self._held:
                self._held = False
                if key == _LEAVE[1]:
                    self.was_found = True
                    break
                if key != _LEAVE[0]:
                    out += _LEAVE[:1]
            elif self._at_beginning and key == _LEAVE[0]:
                self._held = True
                continue
            out.append(key)
            self._at_beginning = key in b"\r\n"
        return bytes(out)


def interact(terminal: Terminal) -> None:
    """
    Connect *terminal* with the terminal of this program; see `Terminal.interact`.
    """
    try:
        import termios
        import tty
    except ModuleNotFoundError:  # Windows
        raise TerminalError("interact() needs a POSIX terminal") from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise TerminalError("interact() needs a terminal: stdin or stdout is none")
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(keyboard)
    with _following_size(terminal, screen):
        try:
            tty.setraw(keyboard)
            _exchange(terminal, keyboard, screen)
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _exchange(terminal: Terminal, keyboard: int, screen: int) -> None:
    failures: list[BaseException] = []
    over_reader, over_writer = os.pipe()

    def show() -> None:
        try:
            for output in terminal:
                _write_all(screen, output)
        except BaseException as error:
            failures.append(error)
        finally:
            os.close(over_writer)  # wakes who waits for the keyboard

    shower = threading.Thread(target=show, name="output of a terminal", daemon=True)
    shower.start()
    escape = Escape()
    with selectors.DefaultSelector() as selector:
        selector.register(keyboard, selectors.EVENT_READ)
        selector.register(over_reader, selectors.EVENT_READ)
        while not escape.was_found:
            ready = {key.fd for key, _ in selector.select()}
            if over_reader in ready:
                break
            typed = os.read(keyboard, _BLOCK)
            if not typed:
                break
            terminal.write(escape.passed(typed))
    terminal.close()
    shower.join()
    os.close(over_reader)
    if failures:
        raise failures[0]


def _write_all(screen: int, output: bytes) -> None:
    view = memoryview(output)
    while view:
        view = view[os.write(screen, view) :]


@contextlib.contextmanager
def _following_size(terminal: Terminal, screen: int) -> Iterator[None]:
    """
    Give *terminal* the size of *screen*, now and when it changes.
    """

    def follow(*_: object) -> None:
        size = os.get_terminal_size(screen)
        with contextlib.suppress(TerminalError, ValueError):
            terminal.resize(size.columns, size.lines)

    follow()
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before: Any = signal.getsignal(signal.SIGWINCH)
    signal.signal(signal.SIGWINCH, _deferred(follow))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _deferred(follow: Any) -> Any:
    """
    Return a signal handler that calls *follow* in a thread: the handler may interrupt the one that has the lock.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=follow, daemon=True).start()

    return handler
