"""
The signals that end a dashboard: in each case it restores the terminal.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from coder_agents.terminal.signals import Handler, handled

_BY_SIGNAL = 128  # plus its number: the exit code, as in a shell
# Windows has no SIGHUP.
_ENDING = tuple(
    number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


@contextmanager
def ended_by_signals(end: Callable[[int], object]) -> Iterator[None]:
    """
    Let the signals that end a program call *end* with the exit code, in the ``with`` block.

    By default they end the process at once, or by an exception in the middle of textual, and a terminal
    would stay without echo and cursor.
    """
    with handled({number: lambda found, _: end(_BY_SIGNAL + found) for number in _ENDING}):
        yield


@contextmanager
def raised() -> Iterator[None]:
    """
    Let Ctrl-C raise *KeyboardInterrupt* and the signals that end a program *SystemExit*, in the ``with``
    block: asyncio would wait for the end of a callback.
    """
    endings: dict[int, Handler] = dict.fromkeys(_ENDING, _exit)
    with handled({signal.SIGINT: signal.default_int_handler, **endings}):
        yield


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_BY_SIGNAL + number)
