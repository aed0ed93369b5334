"""
One control shell: the program over one attachment, and requests to it.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import time
import uuid
from typing import TYPE_CHECKING

import attrs

from coder_agents.errors import ControlShellError, UnsupportedError
from coder_agents.jobs.answers import Answer, AnswerReader, ReadyReader
from coder_agents.jobs.program import Limits, bootstrap, program
from coder_agents.jobs.requests import Quit
from coder_agents.jobs.results import Greeting
from coder_agents.terminal.attachment import Attachment, TerminalRequest
from coder_agents.transport import ClosedError, DroppedError

if TYPE_CHECKING:
    from coder_agents.jobs.requests import Request
    from coder_agents.transport import HTTP


@attrs.frozen(kw_only=True)
class Place:
    """
    Where commands run: an agent's machine, or a container on it.

    Attributes:
        http: the deployment.
        agent_id: the agent.
        what: the agent, for messages.
        container: the container's id or name; empty for the machine itself.
        container_user: the user there; empty for the container's own.
    """

    http: HTTP
    agent_id: uuid.UUID
    what: str
    container: str = ""
    container_user: str = ""

    def attachment(self, command: str, *, open_by: float) -> Attachment:
        """
        Return an attachment to a new terminal in which *command* runs, unopened.
        """
        request = TerminalRequest(
            reconnect_id=uuid.uuid4(),
            command=command,
            container=self.container,
            container_user=self.container_user,
        )
        return Attachment(self.http, self.agent_id, request, open_by=open_by)


@attrs.frozen(kw_only=True)
class Waits:
    """
    How long the client of a control shell waits.

    Attributes:
        begin: seconds for the terminal to be attached and the program to start; some terminals
            never attach.
        byte: seconds without a byte of an answer that is due, after which the connection counts
            as stalled; some stall for ever.
        answer: seconds for which the agent may be left to wait for output or an end.
        idle: seconds without a request after which a control shell is closed.
    """

    begin: float = 10.0
    byte: float = 8.0
    answer: float = 10.0
    idle: float = 15.0

    def within(self, seconds: float) -> Waits:
        """
        Return these waits, so short that an agent that falls silent is noticed well within *seconds*.
        """
        third = max(1.0, seconds / 3)
        return attrs.evolve(
            self,
            begin=min(self.begin, third),
            byte=min(self.byte, third),
            answer=min(self.answer, third),
        )


WAITS = Waits()

_MAX_ANSWERS = 1_000_000  # to one request; a list of jobs has one for each


class SilentError(DroppedError):
    """
    Nothing came for too long.

    Attributes:
        silent_for: seconds without a byte.
    """

    def __init__(self, text: str, silent_for: float) -> None:
        super().__init__(text)
        self.silent_for = silent_for


class LateError(Exception):
    """
    The time is over before the answer; the next call with the same loan continues.
    """


class ControlShell:
    """
    A control shell. One thread at a time may use it; any thread or signal handler may wake it.

    Attributes:
        greeting: what the program reported at its start.
        is_open: whether the program runs.
        is_due: whether the answer to the last request is still to come.
        idle_since: when it was used last, by `time.monotonic`.
    """

    def __init__(self, place: Place, *, open_by: float, waits: Waits = WAITS) -> None:
        self._waits = waits
        self._what = place.what
        self._marker = secrets.token_hex(8)
        self._nonce = secrets.token_hex(12)
        self._attachment = place.attachment(bootstrap(self._marker), open_by=open_by)
        self._answers = AnswerReader(self._nonce)
        self._came: list[Answer] = []
        self._numbers = 0
        self._ready: ReadyReader | None = ReadyReader(self._marker)  # until the program is sent
        self._begin_by = 0.0  # 0 before it is attached
        self._answered: list[Answer] = []
        self._posted: dict[int, Request] = {}
        self._answer_by = 0.0
        self._last_byte = 0.0
        self._is_closed = False
        self.is_open = False
        self.is_due = False
        self.greeting = Greeting(0, 0, frozenset(), "")
        self.idle_since = 0.0

    def open(self, deadline: float = math.inf) -> None:
        """
        Attach and start the program; continue where an earlier call stopped at its deadline.

        Raises *LateError* at *deadline*, *CoderError* where the deployment refuses, *DroppedError* where the
        terminal does not begin in time, *UnsupportedError* where the agent has no POSIX shell,
        *ControlShellError* where what arrives makes no sense, *ClosedError* when woken.
        """
        if not self._begin_by:
            self._attachment.open()
            self._last_byte = time.monotonic()
            self._begin_by = self._last_byte + self._waits.begin
        while self._ready is not None:
            silent = "the agent attached no terminal in time"
            if self._is_ready(self._ready, self._bytes_by(self._begin_by, silent, deadline)):
                self._ready = None
                self._write(program(self._nonce, Limits(idle=2 * self._waits.idle)))
        while not self._came:
            silent = "the control shell did not start"
            self._feed(self._bytes_by(self._begin_by, silent, deadline))
        self.greeting = Greeting.read(self._came.pop(0))
        self.idle_since = time.monotonic()
        self.is_open = True

    def _is_ready(self, ready: ReadyReader, data: bytes) -> bool:
        try:
            return ready.feed(data)
        except ControlShellError as error:
            raise UnsupportedError(
                f"{self._what}: the agent cannot run commands: {error}",
                call="agent.run()",
                found=str(error),
            ) from None

    def request(
        self,
        request: Request,
        *,
        repeated: bool = False,
        wait: float = 0,
        deadline: float = math.inf,
    ) -> list[Answer]:
        """
        Send *request*; return its answers, one unless it is a list.

        *wait* is the seconds that the agent may take before it answers. *repeated* says that the
        request may have been executed before. Raises as `answers` does.
        """
        self.is_due = True
        self._send(request, repeated=repeated)
        self._last_byte = time.monotonic()
        self._answer_by = self._last_byte + wait + self._waits.byte
        self._answered = []
        return self.answers(deadline)

    def post(self, request: Request) -> None:
        """
        Send *request* and do not wait for its answer, which the next request takes.

        Raises *DroppedError* where the connection breaks, *ClosedError* when woken.
        """
        self._posted[self._numbers + 1] = request
        self._send(request, repeated=True)

    @property
    def waited(self) -> float:
        """
        For how many seconds its connection has waited for its turns; see `Source.waited`.
        """
        return self._attachment.waited

    @property
    def unanswered(self) -> list[Request]:
        """
        What was posted, as far as no answer to it has been taken.
        """
        return list(self._posted.values())

    def _send(self, request: Request, *, repeated: bool) -> None:
        self._numbers += 1
        available = "base64" in self.greeting.capabilities
        parts = request.parts(self._numbers, repeated=repeated, base64_available=available)
        for part in parts:
            self._write(part)

    def answers(self, deadline: float = math.inf) -> list[Answer]:
        """
        Return the answers to the last request.

        Raises *LateError* at *deadline*: call it again. *DroppedError* where the connection breaks or stalls,
        *ControlShellError* where the answer is not one to the request, *ClosedError* when woken.
        """
        number, answers = self._numbers, self._answered
        while not answers or answers[-1].status == "MORE":
            while not self._came:
                silent = "the control shell does not answer"
                self._feed(self._bytes_by(self._answer_by, silent, deadline))
                self._answer_by = max(self._answer_by, self._last_byte + self._waits.byte)
            answer = self._came.pop(0)
            if self._posted.pop(answer.id, None) is not None:
                continue
            if answer.id != number:
                raise ControlShellError(
                    f"the control shell answered request {answer.id}, not {number}"
                )
            answers.append(answer)
            if len(answers) > _MAX_ANSWERS:
                raise ControlShellError("the control shell gives answers without end")
        self.idle_since = time.monotonic()
        self.is_due = False
        return answers

    @property
    def is_usable(self) -> bool:
        """
        Whether the connection still stands, as far as is known without a request.
        """
        try:
            while not self._is_closed and (data := self._attachment.read(0)) is not None:
                if not self._posted:
                    return False
                self._feed(data)
        except (ClosedError, ControlShellError, DroppedError):
            return False
        return not self._is_closed

    def _write(self, data: bytes) -> None:
        text = data.decode("ascii")
        self._attachment.write(text, self._feed, stalled_after=self._waits.byte)

    def _feed(self, data: bytes) -> None:
        self._came += self._answers.feed(data)

    def _bytes_by(self, silent_at: float, otherwise: str, deadline: float) -> bytes:
        data = self._attachment.read(min(silent_at, deadline))
        now = time.monotonic()
        if data is None:
            if now < silent_at:
                raise LateError
            raise SilentError(otherwise, now - self._last_byte)
        self._last_byte = now
        return data

    def wake(self) -> None:
        """
        Make whoever uses it stop with *ClosedError*.
        """
        self._attachment.wake()

    def close(self) -> None:
        """
        End the program, where it waits for a request, and detach. Also twice.

        A program that is busy ends itself later.
        """
        try:
            if self.is_open and not self.is_due and not self._is_closed:
                self.is_due = True
                quit_request = Quit().encode(self._numbers + 1).decode("ascii")
                with contextlib.suppress(ClosedError, DroppedError, ControlShellError):
                    self._attachment.write(quit_request, self._feed, stalled_after=0)
        finally:
            self._is_closed = True
            self._attachment.close()
