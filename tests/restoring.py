"""
What a test must leave as it was, since all tests of a process share it.

The test that would fail otherwise is a later one, and only in some orders.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

SIGNALS = tuple(
    getattr(signal, name)
    for name in (
        "SIGCHLD",
        "SIGHUP",
        "SIGINT",
        "SIGPIPE",
        "SIGTERM",
        "SIGUSR1",
        "SIGUSR2",
        "SIGWINCH",
    )
    if hasattr(signal, name)
)
"""
The signals for which some test or the package has handlers. SIGALRM is that of pytest-timeout.
"""


@pytest.fixture(scope="session", autouse=True)
def signals_as_on_a_terminal() -> None:
    """
    Let no signal be ignored that a test sends: ``nohup`` and others start pytest with an ignored SIGHUP.
    """
    for name in ("SIGHUP", "SIGTERM"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def shared_state() -> dict[str, Any]:
    """
    What all tests of a process share, by names for people.
    """
    handlers = {f"handler of {number.name}": signal.getsignal(number) for number in SIGNALS}
    # pytest writes the name of each step of a test into one variable.
    variables = {f"variable {name}": value for name, value in os.environ.items()}
    variables.pop("variable PYTEST_CURRENT_TEST", None)
    return (
        handlers
        | variables
        | {
            "working directory": os.getcwd(),
            "sys.excepthook": sys.excepthook,
            "threading.excepthook": threading.excepthook,
            "default timeout of sockets": socket.getdefaulttimeout(),
        }
    )


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """
    Name what differs; the value of a variable may be secret.
    """
    absent = object()
    names = sorted(before.keys() | after.keys())
    return [name for name in names if before.get(name, absent) != after.get(name, absent)]


@contextlib.contextmanager
def restored_handlers() -> Iterator[None]:
    """
    Restore the handlers of all signals after the body.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)


@pytest.fixture(autouse=True)
def shared_state_as_before(signals_as_on_a_terminal: None) -> Iterator[None]:
    """
    Fail the test that leaves shared state changed; later tests get the old handlers of signals again.
    """
    with restored_handlers():
        before = shared_state()
        yield
        left = changed(before, shared_state())
    assert not left, f"left changed: {', '.join(left)}"
