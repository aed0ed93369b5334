"""
Threads that repeat a step until they are closed, and report what fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from coder_agents.cli.advice import in_shell
from coder_agents.cli.top.board import Board
from coder_agents.errors import CoderError
from coder_agents.render import escape_controls
from coder_agents.streams import Reconnect
from coder_agents.transport import ClosedError


class Workers:
    """
    The threads of the dashboard.

    No thread keeps the program from ending: a DNS look-up cannot be woken.

    Args:
        board: gets a notice of each failure.
        retry: the pauses after failures.

    Attributes:
        closing: set once the threads have to end.
    """

    def __init__(self, board: Board, *, retry: Reconnect) -> None:
        self._board = board
        self._retry = retry
        self._threads: list[threading.Thread] = []
        self.closing = threading.Event()

    def start(self, name: str, step: Callable[[], object]) -> None:
        """
        Call *step* in a thread of its own, again and again.

        After an error the thread pauses, and shows the error until a step succeeds.
        """
        self._spawn(name, lambda: self._repeat(name, step))

    def run(self, name: str, work: Callable[[], object]) -> None:
        """
        Call *work* in a thread of its own, once; an error of it is shown until the next such call.
        """
        self._spawn(name, lambda: self._attempt(name, work))

    def _spawn(self, name: str, target: Callable[[], object]) -> None:
        thread = threading.Thread(target=target, name=f"coder-agents-top {name}", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _repeat(self, name: str, step: Callable[[], object]) -> None:
        failures = 0
        while not self.closing.is_set():
            outcome = self._attempt(name, step)
            if outcome is None:
                return
            failures = 0 if outcome else failures + 1
            if failures:
                self.closing.wait(self._retry.delay(failures))

    def _attempt(self, name: str, work: Callable[[], object]) -> bool | None:
        """
        Return whether *work* succeeded; None where it was closed.
        """
        try:
            work()
        except ClosedError:
            return None
        except Exception as error:  # whatever it is: a thread that ends without a word misleads
            self._board.put_notice(name, f"{name}: {described(error)}")
            return False
        self._board.put_notice(name, "")
        return True

    def join(self, timeout: float) -> bool:
        """
        Wait until all threads have ended, at most *timeout* seconds; return whether they have.
        """
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


def described(error: BaseException) -> str:
    """
    Return *error* as one line, safe to show.

    The class is named where the error is none of this package, because its text alone may say
    little.
    """
    text = escape_controls(" ".join(in_shell(str(error)).split()))
    if isinstance(error, CoderError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
