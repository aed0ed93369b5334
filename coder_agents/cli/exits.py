"""
The exit codes of ``coder-agents``, and how its process ends.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

DONE = 0
FAILED = 1
USAGE = 2
TIMED_OUT = 124
NOT_RUN = 125

BY_SIGNAL = 128
"""
The exit code that a shell shows for a process that a signal ended is this and the signal's number.
"""

HUNG_UP = BY_SIGNAL + 1
INTERRUPTED = BY_SIGNAL + 2
READER_GONE = BY_SIGNAL + 13
TERMINATED = BY_SIGNAL + 15

CODES = {
    DONE: "The command did what was requested.",
    FAILED: "The command failed; one line on standard error gives the reason, or a check of coder-agents doctor.",
    USAGE: "The command line is wrong; nothing was sent.",
    TIMED_OUT: "The time limit of --timeout has passed.",
    NOT_RUN: "coder-agents run could not run the command, or lost it. Any other code of run is that of the"
    " command itself, 128 + N where signal N ended it.",
    HUNG_UP: "SIGHUP, such as from a terminal that was closed. Files are complete, and the terminal is restored.",
    INTERRUPTED: "Ctrl-C.",
    READER_GONE: "The reader of the output has gone, as in coder-agents logs dev | head.",
    TERMINATED: "SIGTERM. Files are complete, and the terminal is restored.",
}
"""
What each exit code means.
"""


def leave(status: int) -> NoReturn:
    """
    End the process with *status*.

    After Ctrl-C, SIGTERM and SIGHUP and without a reader, the process ends by the signal itself, as other
    programs do. A shell shows the same code then, and a loop in a script ends, too.
    """
    number = status - BY_SIGNAL
    if os.name == "posix" and number in (
        signal.SIGINT,
        signal.SIGPIPE,
        signal.SIGTERM,
        signal.SIGHUP,
    ):
        signal.signal(number, signal.SIG_DFL)  # pragma: no cover (the process ends here)
        os.kill(os.getpid(), number)  # pragma: no cover (the process ends here)
    sys.exit(status)
