"""
The WebSocket of one client of a terminal.
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any

from coder_agents.testing.connection import ConnectionEnded
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.message_streams import WebSocketStream
from coder_agents.testing.running_agent import RunningAgent
from coder_agents.testing.terminals.attachment import ClientAttachment
from coder_agents.testing.terminals.inputs import BadInputError, Input, InputDecoder
from coder_agents.testing.terminals.process import TerminalProcess
from coder_agents.testing.terminals.tail import Tail
from coder_agents.testing.websocket_library import frames

UNSUPPORTED_DATA = 1003
NO_TEXT = "unexpected frame type read (expected MessageBinary): MessageText"
INTERNAL_ERROR = 1011

MAX_MESSAGE = 32_768

# What the system holds of what the peer has not read, and how much more for the last words.
UNSENT_BYTES = 65_536
MAX_UNSENT_BYTES = 1_048_576

# How long to wait for a terminal that takes no more input: not every system notices that it does.
INPUT_SECONDS = 0.02


class TerminalStream(WebSocketStream):
    """
    Both directions of a terminal, neither of which waits for the other.

    Arguments:
        exchange: the exchange.
        agent: the agent; while it is disconnected nothing passes in either direction.
        closes: whether the end of the terminal is a close with 1000, or no word at all.
    """

    def __init__(self, exchange: ServerExchange, agent: RunningAgent, *, closes: bool) -> None:
        self.agent = agent
        self.closes = closes
        self._tail = Tail(0, 0)
        self._stalled_until: float | None = None
        self._outgoing = bytearray()
        self._sending = False
        self._closing = False
        self._decoder = InputDecoder()
        self._input: deque[Input] = deque()
        self._written = 0  # how much of the first of them
        self._process: TerminalProcess | None = None
        self._attached: tuple[TerminalProcess, ClientAttachment] | None = None
        exchange.connection.limit_unsent(UNSENT_BYTES)
        if exchange.write == exchange.connection.send:
            exchange.write = self._write
        super().__init__(exchange, unexpected=(UNSUPPORTED_DATA, NO_TEXT))

    def serve(self, process: TerminalProcess, attachment: ClientAttachment) -> None:
        """
        Pass on what comes until the terminal, *process*, or the connection is over.

        *attachment* is what this client gets of it.
        """
        self._process = process
        self._attached = (process, attachment)
        while True:
            # First, so that a flood of output leaves time for input and pings.
            self.wait(0 if self._has_work(attachment) else self._tail.due)
            if self._passing:
                self._pass_output(process, attachment)

    def _has_work(self, attachment: ClientAttachment) -> bool:
        ended = attachment.ended and self._stalled_until is None
        return self._passing and (bool(attachment.pending) or ended)

    @property
    def _passing(self) -> bool:
        # An agent that is killed still ends its terminals.
        return self.agent.connected or self.agent.terminals.closed

    def _pass_output(self, process: TerminalProcess, attachment: ClientAttachment) -> None:
        data = process.take(attachment, self.exchange.output_room(MAX_MESSAGE))
        if self._stalled_until is not None:
            return
        # In this order, and after the output was taken: the end comes after the last of it.
        if not data and attachment.ended and not attachment.pending:
            self.end()
        if data := self._tail.add(data) if data else self._tail.release():
            frame = self.binary_frame(self.exchange.payload(data))
            self.exchange.send_message(frame, output=len(data))

    def end(self) -> None:
        """
        End as when the terminal is over.
        """
        if self.closes:
            self.finish()
        raise ConnectionEnded

    # What faults do.

    def stall(self, seconds: float) -> None:
        """
        Send no output any more, and close with 1001 after *seconds*.
        """
        self._stalled_until = time.monotonic() + seconds

    def lose_tail(self, size: int, seconds: float) -> None:
        """
        Lose the last *size* bytes if the terminal ends within *seconds* after them.
        """
        self._tail = Tail(size, seconds)

    def detach(self) -> None:
        """
        Let the terminal forget this client, which gets no more of it.
        """
        if self._attached is not None:
            process, attachment = self._attached
            process.detach(attachment)

    @property
    def alive_until(self) -> float:
        """
        Until when the peer, or a stalled terminal, may be silent.
        """
        stalled = math.inf if self._stalled_until is None else self._stalled_until
        return min(super().alive_until, stalled)

    def fail(self, problem: str) -> None:
        """
        Close as when the agent cannot be reached after the handshake.
        """
        self.close(INTERNAL_ERROR, f"dial workspace agent: {problem}"[:120])
        raise ConnectionEnded

    def close(self, code: int, reason: str = "") -> None:
        """
        Send a close frame, for which the system makes room where the peer does not read.
        """
        self._closing = True
        super().close(code, reason)

    # What comes in.

    def await_input(self, seconds: float) -> bool:
        """
        Wait for input, for room for output or input, or for a wake-up.
        """
        pipe = None if self._process is None or not self._input else self._process.input
        readable = self.exchange.connection.wait_ready(
            min(seconds, INPUT_SECONDS) if self._input else seconds,
            reading=not self._input and self._passing,
            writing=bool(self._outgoing),
            pipe=pipe,
        )
        self._send_some()
        self._pass_input()
        return readable

    def take_message(self, message: frames.Message[Any]) -> None:
        """
        Take input; a text is answered with a close, what is no JSON ends the connection.
        """
        if not isinstance(message, frames.BytesMessage):
            super().take_message(message)
        try:
            self._input.extend(self._decoder.feed(bytes(message.data)))
        except BadInputError:
            raise ConnectionEnded from None
        finally:
            self._pass_input()

    def _pass_input(self) -> None:
        while self._input and self._process is not None:
            first = self._input[0]
            while self._written < len(first.data):
                room = self.exchange.input_room(len(first.data) - self._written)
                piece = memoryview(first.data)[self._written : self._written + room]
                written = self._process.write(piece)
                if not written:
                    return
                self._written += written
                self.exchange.note_input(written)
            self._input.popleft()
            self._written = 0
            if first.size is not None:
                self._process.resize(first.size)

    # What goes out.

    def _write(self, data: bytes) -> None:
        """
        Send *data*, and take input meanwhile.
        """
        self._outgoing += data
        if self._closing:
            self.exchange.connection.limit_unsent(MAX_UNSENT_BYTES)
            self._send_some()
            return
        if self._sending:
            # In the middle of another message: the pong or ping has to wait for its end.
            return
        self._sending = True
        try:
            self._send_some()
            while self._outgoing:
                self.wait()
        finally:
            self._sending = False

    def _send_some(self) -> None:
        if self._outgoing:
            del self._outgoing[: self.exchange.connection.send_some(self._outgoing)]
