"""
The signals that end a dashboard: in each case it restores the terminal.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

_BY_SIGNAL = 128  # plus its number: the exit code, as in a shell
# Windows has no SIGHUP.
_ENDING = tuple(
    number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def ended_by_signals(end: Callable[[int], object]) -> Iterator[None]:
    """
    Let the signals that end a program call *end* with the exit code, in the ``with`` block.

    By default they end the process at once, or by an exception in the middle of textual, and a terminal
    would stay without echo and cursor.
    """
    with _handled({number: lambda found, _: end(_BY_SIGNAL + found) for number in _ENDING}):
        yield


@contextmanager
def raised() -> Iterator[None]:
    """
    Let Ctrl-C raise *KeyboardInterrupt* and the signals that end a program *SystemExit*, in the ``with``
    block: asyncio would wait for the end of a callback.
    """
    endings: dict[int, Handler] = dict.fromkeys(_ENDING, _exit)
    with _handled({signal.SIGINT: signal.default_int_handler, **endings}):
        yield


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_BY_SIGNAL + number)


@contextmanager
def _handled(handlers: Mapping[int, Handler]) -> Iterator[None]:
    """
    Handle signals by *handlers* meanwhile; only the main thread can.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {
        number: signal.signal(number, handler) for number, handler in handlers.items()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
