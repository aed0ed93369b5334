"""
One attachment to a terminal of an agent: dial, write and read with a deadline.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from coder_agents.streams.poller import Poller, single_selector
from coder_agents.transport import ClosedError, DroppedError, PtySource, quoted

if TYPE_CHECKING:
    from coder_agents.transport import HTTP

IDLE_TIMEOUT = 45.0
"""
Seconds without a byte after which a connection counts as broken. The deployment pings more often.
"""

_MAX_MESSAGE = 1 << 24  # bytes; the agent writes a terminal's output in pieces of some 64 KB

# JSON makes up to six bytes of one, and what is not sent yet is moved with each part that is.
_PIECE = 65_536


@attrs.frozen(kw_only=True)
class TerminalRequest:
    """
    Which terminal is attached to, and how it is started where it does not exist.

    Attributes:
        reconnect_id: which one, of all terminals of the agent.
        command: what runs in it; the login shell where that is empty.
        size: width and height in characters.
        container: the container of the agent's machine in which it runs; empty for the machine itself.
        container_user: the user there; empty for the container's own.
    """

    reconnect_id: uuid.UUID
    command: str = ""
    size: tuple[int, int] = (80, 24)
    container: str = ""
    container_user: str = ""

    def params(self) -> list[tuple[str, str]]:
        """
        Return the parameters of the request.
        """
        width, height = self.size
        optional = [("container", self.container), ("container_user", self.container_user)]
        return [
            ("reconnect", str(self.reconnect_id)),
            ("width", str(width)),
            ("height", str(height)),
            ("command", self.command),
            *[(name, value) for name, value in optional if value],
        ]


class Attachment:
    """
    A terminal over one connection.

    One thread at a time may open, write, read and free; any thread or signal handler may wake. It has no
    socket until it is opened, so that an interrupt before that leaves nothing to close.

    Args:
        http: the deployment.
        agent_id: the agent.
        request: which terminal.
        open_by: the time of `time.monotonic` until which the handshake is over at the latest.
    """

    def __init__(
        self,
        http: HTTP,
        agent_id: uuid.UUID,
        request: TerminalRequest,
        *,
        open_by: float = math.inf,
    ) -> None:
        self._source = PtySource(
            http,
            quoted("workspaceagents", agent_id, "pty"),
            request.params(),
            idle_timeout=IDLE_TIMEOUT,
            max_message_size=_MAX_MESSAGE,
            open_by=open_by,
        )
        self._poller: Poller[int] | None = None
        self._woken = False

    def open(self) -> None:
        """
        Connect.

        Raises *CoderError* where that fails, *ClosedError* when woken.
        """
        source = self._source
        self._poller = Poller(single_selector())
        source.send_request(source.connect_timeout)
        while not source.answered():
            self._wait(math.inf)

    def write(
        self,
        text: str,
        received: Callable[[bytes], object],
        *,
        stalled_after: float = math.inf,
    ) -> None:
        """
        Type *text*; return when the socket has taken it.

        *received* is called with the output that comes meanwhile: a terminal that nobody reads
        takes no input.

        Raises *ClosedError* when woken, *DroppedError* where the connection breaks, or where the
        socket does not take 64 KB in *stalled_after* seconds.
        """
        for piece in pieces(text):
            self._source.write(piece)
            deadline = time.monotonic() + stalled_after
            while self._source.has_output:
                output = self.read(deadline, unless=lambda: not self._source.has_output)
                if output is not None:
                    received(output)
                elif self._source.has_output:
                    raise DroppedError("the terminal takes no more input")

    def resize(self, width: int, height: int) -> None:
        """
        Send the size of the terminal, in characters. Raises as `write` does.
        """
        self._source.resize(width, height)

    def read(self, deadline: float, unless: Callable[[], bool] = bool) -> bytes | None:
        """
        Return the next output, None at *deadline* or once *unless* returns true.

        Raises *ClosedError* when woken, *DroppedError* where the connection breaks or ends.
        """
        while True:
            output = self._source.receive()
            if output:
                return output
            if unless() or time.monotonic() >= deadline:
                return None
            self._wait(deadline)

    def _wait(self, deadline: float) -> None:
        interest = self._source.interest()
        poller = self._poller
        if interest is not None and poller is not None:
            poller.set(0, (interest,))
            poller.wait(deadline)
        if self._woken:
            raise ClosedError

    @property
    def waited(self) -> float:
        """
        For how many seconds the request has waited for its turns; see `Source.waited`.
        """
        return self._source.waited

    @property
    def has_unsent(self) -> bool:
        """
        Whether a part of what was written has not left: what the agent gets of that is no whole object.
        """
        return self._source.has_output

    def interrupt(self) -> None:
        """
        Make a `read` that waits check its *unless*; from any thread.
        """
        self._ring()

    def wake(self) -> None:
        """
        Make whoever opens, writes or reads stop with *ClosedError*.
        """
        self._woken = True
        self._source.wake()
        self._ring()

    def _ring(self) -> None:
        poller = self._poller
        if poller is not None:
            poller.alarm.ring()

    def after_fork_in_child(self) -> None:
        """
        Leave the sockets alone: they are the parent's.
        """
        if self._poller is not None:
            self._poller.after_fork_in_child()

    def close(self) -> None:
        """
        Detach: send a close frame and free the socket, also twice. The terminal lives on.
        """
        try:
            self._source.close()
        finally:
            if self._poller is not None:
                self._poller.close()


def pieces(text: str) -> Sequence[str]:
    """
    Return *text* in the pieces in which it is sent, each an object of its own.
    """
    return [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
