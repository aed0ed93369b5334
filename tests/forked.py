"""
Work in a forked process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from driving import LIMIT, InThread

CHILD_SECONDS = 200


class Child:
    """
    A forked process that does *work* and reports what it returns, as JSON.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._reader, writer = os.pipe()
        with warnings.catch_warnings():
            # The embedded deployment has threads; the child does not use them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            self._run(work, writer)
        os.close(writer)

    def _run(self, work: Callable[[], Any], writer: int) -> None:
        try:
            # Whatever hangs here ends the child.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(CHILD_SECONDS)
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    report = {"result": work()}
                report["warnings"] = [str(each.message) for each in caught]
            except BaseException:
                report = {"error": traceback.format_exc()}
            os.write(writer, json.dumps(report).encode())
        finally:
            os._exit(0)

    def result(self) -> Any:
        """
        Wait for the child; return what the work returned.
        """
        sent = b""
        while data := os.read(self._reader, 65_536):
            sent += data
        os.close(self._reader)
        os.waitpid(self._pid, 0)
        assert sent, "the child hung or died"
        report = json.loads(sent)
        assert "error" not in report, report["error"]
        assert not report["warnings"], report["warnings"]
        return report["result"]

    def kill(self) -> None:
        """
        Kill the child, wherever it is.
        """
        os.kill(self._pid, signal.SIGKILL)
        os.close(self._reader)
        os.waitpid(self._pid, 0)


@contextlib.contextmanager
def held_by_another_thread(lock: contextlib.AbstractContextManager[object]) -> Iterator[None]:
    """
    Let another thread hold *lock* in the body of the ``with`` statement.
    """
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            assert done.wait(LIMIT)

    thread = InThread(hold)
    assert held.wait(LIMIT)
    try:
        yield
    finally:
        done.set()
    assert thread.ended() is None
