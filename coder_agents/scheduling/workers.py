"""
Threads that repeat a step until they are closed, and report what fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from coder_agents.errors import CoderError
from coder_agents.render import escape_controls
from coder_agents.streams import Reconnect
from coder_agents.transport import ClosedError


class Workers:
    """
    Threads of one program, such as the dashboard.

    No thread keeps the program from ending: a DNS look-up cannot be woken.

    Args:
        owner: the beginning of the threads' names.
        report: called with the name of a thread's work and the reason why the work failed, which
            is empty once the work succeeded.
        retry: the pauses after failures.

    Attributes:
        closing: set once the threads have to end.
    """

    def __init__(
        self, owner: str, report: Callable[[str, str], object], *, retry: Reconnect
    ) -> None:
        self._owner = owner
        self._report = report
        self._retry = retry
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.closing = threading.Event()

    def start(self, name: str, step: Callable[[], object]) -> None:
        """
        Call *step* in a thread of its own, again and again.

        After an error the thread reports the error, and pauses.
        """
        self._spawn(name, lambda: self._repeat(name, step))

    def run(self, name: str, work: Callable[[], object]) -> None:
        """
        Call *work* in a thread of its own, once; an error of it is reported.
        """
        self._spawn(name, lambda: self._attempt(name, work))

    def _spawn(self, name: str, target: Callable[[], object]) -> None:
        thread = threading.Thread(target=target, name=f"{self._owner} {name}", daemon=True)
        with self._lock:  # a thread may start another one
            self._threads = [each for each in self._threads if each.is_alive()]
            thread.start()
            self._threads.append(thread)

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
            if self.closing.is_set():  # what fails because it was closed is no failure
                return None
            self._report(name, f"{name}: {described(error)}")
            return False
        self._report(name, "")
        return True

    def join(self, timeout: float) -> bool:
        """
        Wait until all threads have ended, at most *timeout* seconds; return whether they have.
        """
        until = time.monotonic() + timeout
        while alive := self._alive():
            if time.monotonic() > until:
                return False
            alive[0].join(max(0.0, until - time.monotonic()))
        return True

    def _alive(self) -> list[threading.Thread]:
        with self._lock:
            return [thread for thread in self._threads if thread.is_alive()]


def described(error: BaseException) -> str:
    """
    Return *error* as one line, safe to show.

    The class is named where the error is none of this package, because its text alone may say
    little.
    """
    text = escape_controls(" ".join(str(error).split()))
    if isinstance(error, CoderError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
