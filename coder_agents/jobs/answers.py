"""
Reading what the control shell sends: the marker of the bootstrap, then framed answers.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from coder_agents.errors.control_shell import ControlShellError

MAX_HEADER: Final = 4096  # bytes of a header; those of the control shell have less than 300
MAX_BODY: Final = 16 * 2**20  # bytes of a body; the largest piece that is requested has less
MAX_BEFORE_READY: Final = 65536  # bytes that a terminal may print before the bootstrap runs

_FORM = re.compile(rb"([0-9]{1,10}) (OK|MORE|ERR) ([0-9]{1,10})((?: [!-~]+)*)", re.ASCII)


@attrs.frozen
class Answer:
    """
    One answer of the control shell.

    Attributes:
        id: the id of the request; 0 for the greeting that the program sends at its start.
        status: ``OK``, ``ERR``, or ``MORE`` for an answer that another one of the same id follows.
        fields: the words at the end of the header.
        body: the bytes after the header. Of ``ERR`` it is the text of an error.
    """

    id: int
    status: str
    fields: tuple[str, ...]
    body: bytes


class ReadyReader:
    """
    Waits for the marker that the bootstrap prints once the terminal is raw.
    """

    def __init__(self, nonce: str) -> None:
        self._ready = f"{nonce} READY\n".encode("ascii")
        self._no_stty = f"{nonce} NOSTTY".encode("ascii")
        self._seen = b""

    def feed(self, data: bytes) -> bool:
        """
        Return whether the marker has come with *data* or before it.

        The text before the marker is ignored: a login script may print something. Raises
        *ControlShellError* where the agent has no command that makes a terminal raw, and after
        65,536 bytes without a marker.
        """
        self._seen += data
        if self._ready in self._seen:
            return True
        if self._no_stty in self._seen:
            raise ControlShellError("the agent has no stty: its terminal cannot be made raw")
        if len(self._seen) > MAX_BEFORE_READY:
            raise ControlShellError(
                "the terminal printed much, but not the marker of the bootstrap"
            )
        return False


class AnswerReader:
    """
    Splits what arrives into answers, at whatever points it was cut.

    Attributes:
        waiting_for: how many bytes of the body of an unfinished answer are still missing.
    """

    def __init__(self, nonce: str, *, max_body: int = MAX_BODY) -> None:
        self._prefix = f"{nonce} ".encode("ascii")
        self._max_body = max_body
        self._buffer = bytearray()
        self._head: Answer | None = None
        self._length = 0
        self.waiting_for = 0

    def feed(self, data: bytes) -> list[Answer]:
        """
        Return the answers that *data* completes, in their order.

        Raises *ControlShellError* at the first byte that cannot belong to an answer.
        """
        self._buffer += data
        answers: list[Answer] = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        return answers

    def _next(self) -> Answer | None:
        if self._head is None:
            self._read_header()
        if self._head is None:
            return None
        length = self._length
        if len(self._buffer) < length:
            self.waiting_for = length - len(self._buffer)
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        answer = attrs.evolve(self._head, body=body)
        self._head, self.waiting_for = None, 0
        return answer

    def _read_header(self) -> None:
        start = bytes(self._buffer[: len(self._prefix)])
        if not self._prefix.startswith(start):
            raise ControlShellError(f"the control shell sent {start[:40]!r} where an answer begins")
        end = self._buffer.find(b"\n", 0, MAX_HEADER)
        if end < 0:
            if len(self._buffer) >= MAX_HEADER:
                raise ControlShellError("the header of an answer has no end")
            return
        line = bytes(self._buffer[len(self._prefix) : end])
        form = _FORM.fullmatch(line)
        if form is None:
            raise ControlShellError(f"the control shell sent a malformed header: {line[:80]!r}")
        number, status, length, fields = form.groups()
        if int(length) > self._max_body:
            raise ControlShellError(f"an answer of {int(length)} bytes is larger than any request")
        del self._buffer[: end + 1]
        self._length = int(length)
        words = tuple(fields.decode("ascii").split())
        self._head = Answer(int(number), status.decode("ascii"), words, b"")
