"""
Reads what never waits by itself, as a stream's poller would.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from coder_agents.transport import HTTPSource, Interest, KeptRequest, Source
from coder_agents.transport.connection import Connection

T = TypeVar("T")

LIMIT = 60.0  # seconds after which a test has failed
WAITS = ("selectors.py", "threading.py", "ssl.py", "socket.py", "connection.py")
"""
The files whose code waits for the system: for sockets, threads and handshakes.
"""
MAKE_SOCKETS = ("socketpair", "__init__")
"""
Functions of them that wait for nothing: on a slow machine a thread may wait for its turn there.
"""


def wait(interest: Interest | None, deadline: float) -> None:
    """
    Wait for *interest*; *deadline* is when the test has failed.
    """
    now = time.monotonic()
    assert now < deadline, "nothing came"
    if interest is None:
        return
    with selectors.DefaultSelector() as selector:
        if interest.fileno is not None:
            selector.register(interest.fileno, interest.events)
        selector.select(max(0.0, min(interest.until, deadline) - now))


def until_found(step: Callable[[], T | None], interest: Callable[[], Interest | None]) -> T:
    """
    Return what *step* returns at last, having waited for *interest* meanwhile.
    """
    deadline = time.monotonic() + LIMIT
    while (found := step()) is None:
        wait(interest(), deadline)
    return found


def opened(source: HTTPSource[T], timeout: float = LIMIT) -> HTTPSource[T]:
    """
    Return *source* once it is accepted.
    """
    open_source(source, timeout)
    return source


def open_source(source: Source[Any], timeout: float = LIMIT) -> None:
    """
    Request *source* and wait until it is accepted.
    """
    source.send_request(timeout)
    until_found(lambda: source.answered() or None, source.interest)


def received(source: Source[T]) -> T:
    """
    Return the next message of *source*.
    """
    return until_found(source.receive, source.interest)


def body_of(request: KeptRequest, timeout: float = LIMIT) -> bytes:
    """
    Return the whole answer of *request*, which waits where all connections are lent.
    """

    def step() -> bytes | None:
        body = request.receive(timeout)
        if request.lent_out:
            time.sleep(0.001)
        return body

    return until_found(step, request.interest)


def data_of(connection: Connection) -> bytes:
    """
    Return what comes over *connection* next.
    """
    return until_found(connection.receive, lambda: connection.interest(float("inf")))


class InThread:
    """
    Something that runs in a thread, and what came of it.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.error: BaseException | None = None
        self.result: object = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:
            self.error = error

    def ended(self) -> BaseException | None:
        """
        Wait for its end; return what it raised.
        """
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()
        return self.error


def reached(condition: Callable[[], object]) -> None:
    """
    Wait until *condition* holds.
    """
    until = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < until, "it was never reached"
        time.sleep(0.002)


def asleep(process: int) -> bool:
    """
    Return whether the first thread of *process* waits for the system, and not for its turn.
    """
    before = None
    for _ in range(5):
        status = Path(f"/proc/{process}/status").read_text()
        now = [line for line in status.splitlines() if line.startswith(("State:", "voluntary"))]
        if not now[0].startswith("State:\tS") or now != (before or now):
            return False
        before = now
        time.sleep(0.02)
    return True


def _place(thread: int) -> tuple[int, int] | None:
    """
    Return where *thread* waits for the system; None where it does something else.
    """
    frame = sys._current_frames()[thread]
    code = frame.f_code
    if code.co_filename.endswith(WAITS) and code.co_name not in MAKE_SOCKETS:
        return id(frame), frame.f_lasti
    return None


@contextlib.contextmanager
def signalled_when_waiting(
    handler: Callable[..., object] = signal.default_int_handler,
) -> Iterator[None]:
    """
    Call *handler* once, as a signal handler, when this thread waits for the system; as Ctrl-C does
    where none is given.

    The signal is sent until it is handled: the system call that a thread is about to make does not
    see one that comes just before it.
    """
    here = threading.get_ident()
    done = threading.Event()
    inside = False  # the body alone waits for what is meant, not who starts or ends a thread

    def handle(*words: object) -> None:
        if not done.is_set():
            done.set()
            handler(*words)

    def send() -> None:
        before = None
        while not done.wait(0.01):
            place = _place(here)
            if inside and place is not None and place == before:
                signal.pthread_kill(here, signal.SIGUSR1)
            before = place

    old = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        inside = True
        yield
    finally:
        inside = False
        done.set()
        sender.join()
        signal.signal(signal.SIGUSR1, old)


def interrupt_in(file: str, *functions: str) -> None:
    """
    Send Ctrl-C once the main thread is in one of *functions* of *file*.
    """
    main = threading.main_thread().ident
    assert main is not None

    def is_there() -> bool:
        code = sys._current_frames()[main].f_code
        return code.co_filename.endswith(file) and code.co_name in functions

    reached(is_there)
    signal.pthread_kill(main, signal.SIGINT)


def interrupt_starts(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """
    Let Ctrl-C come as each thread with *name* is started, before it runs.
    """
    start = threading.Thread.start

    def interrupted(self: threading.Thread) -> None:
        if self.name == name:
            raise KeyboardInterrupt
        start(self)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
