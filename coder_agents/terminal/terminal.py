"""
The terminal that a user holds.
"""

from __future__ import annotations

import codecs
import uuid
import warnings
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import attrs

from coder_agents.config import seconds_or_none
from coder_agents.render.html import render_html_card
from coder_agents.streams.reconnect import Reconnect
from coder_agents.terminal.attachment import TerminalRequest
from coder_agents.terminal.buffers import LIMITS, TerminalLimits
from coder_agents.terminal.kill import kill
from coder_agents.terminal.session import Session
from coder_agents.terminal.start import attaching, beginning_of, killing, starting

if TYPE_CHECKING:
    from coder_agents.terminal.attachment import Attachment
    from coder_agents.terminal.route import TerminalRoute

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

    def __init__(self, session: Session, reconnect_id: uuid.UUID, kill: Callable[[], None]) -> None:
        self.reconnect_id = reconnect_id
        self._session = session
        self._buffers = session.buffers
        self._kill = kill
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._finalizer = weakref.finalize(self, session.close)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.reconnect_id}, {self._state()}>"

    def _repr_html_(self) -> str:
        facts = (
            ("State", self._state()),
            ("Reconnects", self.reconnects),
            ("Gaps", self.gaps),
        )
        return render_html_card(f"Terminal {self.reconnect_id}", facts)

    def _state(self) -> str:
        if self._buffers.is_closed:
            return "closed"
        return "ended" if self._buffers.is_read else "open"

    @property
    def has_ended(self) -> bool:
        """
        Whether what runs in it has ended, as far as this program has seen it; after `close`, until then.
        """
        return self._buffers.has_ended

    @property
    def reconnects(self) -> int:
        """
        How many times the connection was replaced.
        """
        return self._session.reconnects

    @property
    def gaps(self) -> int:
        """
        How many times output is missing: the agent keeps 65,536 bytes for who attaches again, and of what nobody
        reads, 16 MiB are kept here.
        """
        return self._session.gaps

    def read(self, timeout: float | None = None) -> bytes | None:
        """
        Return the next output, exactly as the terminal wrote it; None after *timeout* seconds, b"" at the
        end.

        None as *timeout* waits without limit, 0 not at all.

        Raises *CoderError* where the terminal broke off for good.
        """
        return self._buffers.read(seconds_or_none("timeout", timeout))

    def write(self, data: str | bytes | bytearray) -> None:
        """
        Type *data*; bytes have to be UTF-8, as the agent accepts nothing else. A character may be split between
        two calls.

        Returns before the agent has the text; `close` waits until it is sent. Nothing is typed twice. What is sent
        while the connection breaks may be lost.

        Raises *TerminalError* after the end, *UnicodeError* for what is not UTF-8, *TypeError* for what is neither
        text nor bytes.
        """
        if isinstance(data, str):
            data.encode()  # half a surrogate pair is no UTF-8
            text = data
        elif isinstance(data, (bytes, bytearray)):
            text = self._decoded(data)
        else:
            raise TypeError(f"data must be text or bytes, not {type(data).__name__}")
        self._session.write(text)

    def _decoded(self, data: bytes | bytearray) -> str:
        try:
            return self._decoder.decode(data)
        except UnicodeDecodeError:
            self._decoder.reset()
            raise

    def resize(self, width: int, height: int) -> None:
        """
        Set the size, in characters.

        Raises *TerminalError* after the end.
        """
        self._session.resize(check_size((width, height)))

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk

    def kill(self) -> None:
        """
        End what runs in the terminal, all of its session, and close the terminal: HUP, TERM, and KILL a second
        later.

        Processes that have made a session of their own (``setsid``) are left.

        Raises *TerminalNotFoundError* for a terminal that another program has started, *TerminalError*
        where the agent does not confirm it, *CoderError* where the deployment refuses.
        """
        if not self._buffers.has_ended:
            self._kill()
        self.close()

    def close(self) -> None:
        """
        Send what was written, and detach; what runs in the terminal lives on. Also twice.
        """
        try:
            self._buffers.flush()
        finally:
            self._finalizer()
        self._session.join()

    def interact(self) -> None:
        """
        Give the terminal to the person at this program's own terminal, until it ends or ``~.`` is typed
        at the beginning of a line; then close it.

        This program's terminal is raw meanwhile, and restored whatever happens but SIGKILL. Where the program
        handles no SIGTERM and SIGHUP, they raise *SystemExit*.

        Raises *TerminalError* where this program has no terminal, *CoderError* where the agent's broke off.
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
        # An interrupt may have come before the terminal was whole; then open_terminal closes.
        finalizer = getattr(self, "_finalizer", None)
        if finalizer is not None and finalizer.detach() and not self._buffers.is_over:
            text = f"{self!r} was left open: use `with`, or call close()"
            self._session.close()
            warnings.warn(
                text,
                ResourceWarning,
                stacklevel=2,
            )


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """
    Return *size*, columns and rows. Raises *TypeError* and *ValueError* where it cannot be one.
    """
    try:
        width, height = size
    except (TypeError, ValueError):
        raise TypeError(f"size must be columns and rows, not {size!r}") from None
    for name, value in (("width", width), ("height", height)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        if not 1 <= value <= MAX_SIZE:
            raise ValueError(f"{name} must be from 1 to {MAX_SIZE:,}, not {value}")
    return width, height


def check_id(reconnect_id: uuid.UUID | str | None) -> uuid.UUID | None:
    """
    Return *reconnect_id*. Raises *ValueError* where its text is no UUID, *TypeError* for anything else.
    """
    if reconnect_id is None or isinstance(reconnect_id, uuid.UUID):
        return reconnect_id
    if not isinstance(reconnect_id, str):
        raise TypeError(f"reconnect_id must be a UUID, not {type(reconnect_id).__name__}")
    try:
        return uuid.UUID(reconnect_id)
    except ValueError:
        raise ValueError(f"reconnect_id must be a UUID, not {reconnect_id!r}") from None


def open_terminal(
    route: TerminalRoute,
    *,
    what: str,
    command: str = "",
    size: tuple[int, int] = (80, 24),
    container: str = "",
    container_user: str = "",
    reconnect_id: uuid.UUID | str | None = None,
    reconnect: Reconnect | None,
    limits: TerminalLimits = LIMITS,
) -> Terminal:
    """
    Return a terminal over *route*, attached: a new one, or the one of *reconnect_id*.

    Raises *CoderError* where that fails, *ValueError* for a *command* that is too long or one beside
    *reconnect_id*, *TypeError* for arguments of another type.
    """
    known = check_id(reconnect_id)
    if known is not None and command:
        raise ValueError(
            "a terminal that is there has its command already: give command or reconnect_id"
        )
    chosen = known or uuid.uuid4()
    is_inside = bool(container)
    programs = {
        True: starting(chosen, command, is_inside=is_inside),
        False: attaching(chosen, is_inside=is_inside),
    }
    request = TerminalRequest(
        reconnect_id=chosen,
        size=check_size(size),
        container=container,
        container_user=container_user,
    )

    within = f"{what}, container {container!r}" if container else what

    def attach(starts: bool) -> Attachment:
        return route.attachment(attrs.evolve(request, command=programs[starts]))

    def attach_killer() -> Attachment:
        another = attrs.evolve(request, reconnect_id=uuid.uuid4(), command=killing(chosen))
        return route.attachment(another)

    session = Session(
        attach,
        lambda output: beginning_of(output, chosen),
        what=within,
        is_new=known is None,
        reconnect=reconnect,
        limits=limits,
    )
    try:
        session.open()
        killer = partial(kill, attach_killer, chosen, what=within, seconds=limits.kill)
        return Terminal(session, chosen, killer)
    except BaseException:
        session.close()
        session.join()
        raise
