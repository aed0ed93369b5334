"""
A person at a terminal of an agent.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING

from coder_agents.errors import TerminalError
from coder_agents.streams.poller import Alarm
from coder_agents.terminal.signals import Handler, handled

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
    sys.stdout.flush()
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(keyboard)
    alarm = Alarm()
    with contextlib.closing(alarm), handled(_handlers(alarm)):
        try:
            tty.setraw(keyboard)
            _exchange(terminal, keyboard, screen, alarm)
        finally:
            with contextlib.suppress(termios.error):  # it may be gone
                termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


class _ScreenWriter:
    """
    A thread that writes the output of a terminal to a screen.

    Attributes:
        is_over: whether it has ended.
    """

    def __init__(self, terminal: Terminal, screen: int, alarm: Alarm) -> None:
        self._terminal = terminal
        self._screen = screen
        self._alarm = alarm
        self._failure: BaseException | None = None
        self.is_over = False
        self._thread = threading.Thread(target=self._show, name="output of a terminal", daemon=True)
        self._thread.start()

    def _show(self) -> None:
        try:
            for output in self._terminal:
                _write_all(self._screen, output)
        except BaseException as error:
            self._failure = error
        finally:
            self.is_over = True
            self._alarm.ring()  # wakes who waits for the keyboard

    def join(self) -> BaseException | None:
        """
        Wait for the end; return why it was not the terminal's.
        """
        self._thread.join()
        return self._failure


def _exchange(terminal: Terminal, keyboard: int, screen: int, alarm: Alarm) -> None:
    shown = _ScreenWriter(terminal, screen, alarm)
    try:
        _pass_on(terminal, keyboard, screen, alarm, shown)
    finally:
        terminal.close()
        failure = shown.join()
    if failure is not None:
        raise failure


def _pass_on(
    terminal: Terminal, keyboard: int, screen: int, alarm: Alarm, shown: _ScreenWriter
) -> None:
    """
    Pass the keys and the size on until the end.
    """
    escape, decoder = Escape(), codecs.getincrementaldecoder("utf-8")("replace")
    with selectors.DefaultSelector() as selector, contextlib.suppress(TerminalError):
        size = _follow_size(terminal, screen, None)
        selector.register(keyboard, selectors.EVENT_READ)
        selector.register(alarm.socket, selectors.EVENT_READ)
        while not (escape.was_found or shown.is_over):
            ready = [key.fd for key, _ in selector.select()]
            alarm.reset()
            size = _follow_size(terminal, screen, size)  # before what is typed at it
            if keyboard in ready:
                typed = os.read(keyboard, _BLOCK)
                if not typed:
                    return
                terminal.write(decoder.decode(escape.passed(typed)))


def _follow_size(
    terminal: Terminal, screen: int, before: os.terminal_size | None
) -> os.terminal_size:
    """
    Give *terminal* the size of *screen* where that is not the one *before*; return it.
    """
    size = os.get_terminal_size(screen)
    if size != before and 0 not in size:  # 0 is what a terminal has that nobody gave a size
        terminal.resize(size.columns, size.lines)
    return size


def _write_all(screen: int, output: bytes) -> None:
    view = memoryview(output)
    while view:
        view = view[os.write(screen, view) :]


def _handlers(alarm: Alarm) -> Mapping[int, Handler]:
    """
    Return what handles the change of the screen's size, and what ends this program and is not handled.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ending = (signal.SIGTERM, signal.SIGHUP)
    unhandled = [number for number in ending if signal.getsignal(number) is signal.SIG_DFL]
    return {signal.SIGWINCH: lambda *_: alarm.ring(), **dict.fromkeys(unhandled, end)}
