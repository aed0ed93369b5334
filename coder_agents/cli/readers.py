"""
The reader of standard output: a command that waits for its next line ends when the reader has gone.

Without this, ``coder-agents logs -f dev | head -1`` would end with the second line only, as a program notices
that nobody reads a pipe when it writes to the pipe.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from coder_agents.cli import exits


@contextlib.contextmanager
def ending_without_reader() -> Iterator[None]:
    """
    End the block by *SystemExit*, with the code of SIGPIPE, once nobody reads standard output any more.

    Only a pipe or a socket has a reader. One thread waits for the reader until the end of the block.
    Without threads that can be signalled, as on Windows, the block ends when it writes.
    """
    output = _output_with_reader()
    if output is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _ReaderWatch(output)
    before = signal.signal(signal.SIGPIPE, watch.end)
    try:
        with contextlib.closing(watch):
            watch.start()
            yield
    finally:
        signal.signal(signal.SIGPIPE, before or signal.SIG_DFL)


def _output_with_reader() -> int | None:
    """
    Return the number of standard output where it has a reader that can be waited for.
    """
    if not (hasattr(select, "poll") and hasattr(signal, "pthread_kill")):
        return None
    try:
        output = sys.stdout.fileno()
        mode = os.fstat(output).st_mode
    except (OSError, ValueError):  # a stream of Python alone
        return None
    return output if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


class _ReaderWatch:
    """
    Waits until nobody reads *output*, and interrupts the main thread then.
    """

    def __init__(self, output: int) -> None:
        self._output = output
        self._closed, self._closer = os.pipe()
        self._has_gone = False
        self._thread = threading.Thread(target=self._run, name="reader of the output", daemon=True)

    def start(self) -> None:
        """
        Start the thread that waits.
        """
        self._thread.start()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._output, 0)  # errors alone, which are always reported
        poll.register(self._closed, 0)
        ready = [descriptor for descriptor, _ in poll.poll()]
        if self._output in ready and self._closed not in ready:
            self._has_gone = True
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGPIPE)

    def end(self, number: int, frame: FrameType | None) -> None:
        """
        Handle SIGPIPE, which a connection to the deployment that was closed sends, too.

        Where a write has noticed it first, the block already ends: another exception would interrupt that, such
        as the end of a command on the agent.
        """
        if self._has_gone and not isinstance(sys.exc_info()[1], BrokenPipeError):
            raise SystemExit(exits.READER_GONE)

    def close(self) -> None:
        """
        End the thread.
        """
        os.close(self._closer)  # which the other end of the pipe reports
        if self._thread.is_alive():  # an interrupt may have come before the start
            self._thread.join()
        os.close(self._closed)
