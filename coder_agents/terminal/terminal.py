"""
The terminal that a user holds.
"""

from __future__ import annotations

import codecs
import functools
import math
import uuid
import warnings
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from coder_agents.config import seconds_or_none
from coder_agents.streams.reconnect import Reconnect
from coder_agents.terminal.attachment import Attachment, TerminalRequest
from coder_agents.terminal.session import LIMITS, Limits, Session
from coder_agents.terminal.start import attaching, beginning_of, killing, starting

if TYPE_CHECKING:
    from coder_agents.transport import HTTP

MAX_SIZE = 65_535
"""
Columns and rows that a terminal has at most; the agent wraps what is larger.
"""


class Terminal:
    """
    A terminal of an agent, and a context manager; iterating yields its output.

    What runs in it lives on when the terminal is closed, for 5 minutes without anybody attached: then the
    agent hangs up. After a drop the terminal attaches again and continues; its command is never
    started twice. Any thread may use it.

    Attributes:
        reconnect_id: what to pass as ``reconnect_id=`` to attach again.
    """

    def __init__(
        self, session: Session, reconnect_id: uuid.UUID, kill: functools.partial[None]
    ) -> None:
        self.reconnect_id = reconnect_id
        self._session = session
        self._kill = kill
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._finalizer = weakref.finalize(self, session.close)

    def __repr__(self) -> str:
        state = "ended" if self._session.is_over else "open"
        return f"<{type(self).__name__} {self.reconnect_id}, {state}>"

    @property
    def reconnects(self) -> int:
        """
        How many times the connection was replaced.
        """
        return self._session.reconnects

    @property
    def gaps(self) -> int:
        """
        How many times output is missing: the agent keeps 65,536 bytes for who attaches again.
        """
        return self._session.gaps

    def read(self, timeout: float | None = None) -> bytes | None:
        """
        Return the next output, exactly as the terminal wrote it; None after *timeout* seconds, b"" at the
        end.

        None as *timeout* waits without limit, 0 not at all.

        Raises *CoderError* where the terminal broke off for good.
        """
        return self._session.read(seconds_or_none("timeout", timeout))

    def write(self, data: str | bytes) -> None:
        """
        Type *data*; bytes have to be UTF-8, as the agent accepts nothing else.

        Returns when the text is on its way; what is typed while the connection breaks may be lost.

        Raises *TerminalError* after the end, *UnicodeDecodeError* for bytes that are not UTF-8.
        """
        text = data if isinstance(data, str) else self._decoder.decode(data)
        text.encode()  # half a surrogate pair is no UTF-8
        if text:
            self._session.put(text)

    def resize(self, width: int, height: int) -> None:
        """
        Set the size, in characters.

        Raises *TerminalError* after the end.
        """
        self._session.put(check_size((width, height)))

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk

    def kill(self) -> None:
        """
        End what runs in the terminal, all of its process group, and close the terminal.

        Processes that have made a session of their own (``setsid``) are left.
        """
        self._kill()
        self.close()

    def close(self) -> None:
        """
        Detach; what runs in the terminal lives on. Also twice.
        """
        self._finalizer()
        self._session.join()

    def interact(self) -> None:
        """
        Give the terminal to the person at this program's own terminal, until it ends or ``~.`` is typed
        at the beginning of a line.

        Raises *TerminalError* where this program has no terminal.
        """
        from coder_agents.terminal.interact import interact

        interact(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._finalizer.alive:
            self._finalizer()
            warnings.warn(
                f"{self!r} was left open: use `with`, or call close()",
                ResourceWarning,
                stacklevel=2,
            )


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """
    Return *size*, columns and rows. Raises *TypeError* and *ValueError* where it cannot be one.
    """
    width, height = size
    for name, value in (("width", width), ("height", height)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        if not 1 <= value <= MAX_SIZE:
            raise ValueError(f"{name} must be from 1 to {MAX_SIZE:,}, not {value}")
    return width, height


def open_terminal(
    http: HTTP,
    agent_id: uuid.UUID,
    *,
    what: str,
    command: str = "",
    size: tuple[int, int] = (80, 24),
    container: str = "",
    container_user: str = "",
    reconnect_id: uuid.UUID | None = None,
    reconnect: Reconnect | None,
    limits: Limits = LIMITS,
) -> Terminal:
    """
    Return a terminal, attached: a new one, or the one of *reconnect_id*.

    Raises *CoderError* where that fails, *ValueError* for a *command* that is too long or one beside
    *reconnect_id*.
    """
    if reconnect_id is not None and command:
        raise ValueError(
            "a terminal that is there has its command already: give command or reconnect_id"
        )
    chosen = uuid.uuid4() if reconnect_id is None else reconnect_id
    program = starting(chosen, command) if reconnect_id is None else attaching(chosen)
    request = TerminalRequest(
        reconnect_id=chosen,
        command=program,
        size=check_size(size),
        container=container,
        container_user=container_user,
    )
    session = Session(
        lambda: Attachment(http, agent_id, request),
        lambda output: beginning_of(output, chosen),
        what=what,
        reconnect=reconnect,
        limits=limits,
    )
    kill = functools.partial(_kill, http, agent_id, chosen, container, container_user)
    try:
        session.open()
    except BaseException:
        session.close()
        raise
    return Terminal(session, chosen, kill)


def _kill(
    http: HTTP, agent_id: uuid.UUID, reconnect_id: uuid.UUID, container: str, container_user: str
) -> None:
    request = TerminalRequest(
        reconnect_id=uuid.uuid4(),
        command=killing(reconnect_id),
        container=container,
        container_user=container_user,
    )
    attachment = Attachment(http, agent_id, request)
    try:
        attachment.open()
        read_to_end(attachment)
    finally:
        attachment.close()


def read_to_end(attachment: Attachment) -> None:
    """
    Read *attachment* until its program has ended.
    """
    from coder_agents.transport import DroppedError

    try:
        while True:
            attachment.read(math.inf)
    except DroppedError:
        pass
