"""
WebSocket messages over a connection.

websocket-client does the framing. The handshake is an exchange like any other,
so it has a limit in time and in bytes, keeps the body of a refusal, and sends no
cookie or ``Origin``.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Mapping

from websocket import ABNF, WebSocketException, frame_buffer

from coder_agents.errors import MessageTooLargeError
from coder_agents.transport.connection import ClosedError, DroppedError
from coder_agents.transport.source import Head, HTTPSource, headers_of

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_LARGEST_CONTROL = 125  # bytes; RFC 6455, section 5.5
_ANSWER_TIME = 5.0  # seconds a pong may wait for a peer that does not read
_NORMAL, _PROTOCOL_ERROR, _NO_CODE, _ABNORMAL = 1000, 1002, 1005, 1006


class _Inbox:
    """
    What has come, taken in exact sizes; what is not whole yet waits for the rest.

    Each byte is copied once.
    """

    def __init__(self, first: bytes) -> None:
        self._front = first
        self._at = 0  # what of the front is taken
        self._more: collections.deque[bytes] = collections.deque()
        self._size = len(first)  # that is not taken

    def take(self, size: int, receive: Callable[[], bytes]) -> bytes:
        """
        Return the next *size* bytes; *receive* gives more, or raises and nothing is lost.
        """
        while self._size < size:
            data = receive()
            self._more.append(data)
            self._size += len(data)
        self._size -= size
        end = self._at + size
        if end > len(self._front):
            return self._joined(end - len(self._front))
        taken = self._front[self._at : end]
        self._at = end
        return taken

    def _joined(self, lacking: int) -> bytes:
        """
        Return what is left of the front and *lacking* bytes more.
        """
        parts: list[bytes | memoryview] = [memoryview(self._front)[self._at :]]
        self._front = self._more.popleft()
        while lacking > len(self._front):
            parts.append(self._front)
            lacking -= len(self._front)
            self._front = self._more.popleft()
        parts.append(memoryview(self._front)[:lacking])
        self._at = lacking
        return b"".join(parts)


class _Frames(frame_buffer):
    """
    Refuses a frame by its length, before any of its payload is read.
    """

    def __init__(self, source: WebSocketSource) -> None:
        super().__init__(source.take, skip_utf8_validation=True)
        self._source = source

    def recv_length(self) -> None:
        super().recv_length()
        opcode = self.header[4]  # type: ignore[index]  # read just before
        self._source.check_length(opcode, self.length or 0)

    def recv_strict(self, bufsize: int) -> bytes:
        # The library's own asks for 16 KB at a time, and joins them.
        return self._source.take(bufsize)


class WebSocketSource(HTTPSource[bytes]):
    """
    The messages of one WebSocket, text or binary, as bytes.

    UTF-8 is checked by whoever decodes, strictly and once.
    """

    _success = 101

    def _headers(self) -> Mapping[str, str]:
        self._key = base64.b64encode(os.urandom(16))
        return {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": self._key.decode(),
            "Sec-WebSocket-Version": "13",
            "Accept-Encoding": "identity",
        }

    def _accept(self, head: Head) -> None:
        digest = hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest()
        accepted = headers_of(head).get("sec-websocket-accept", "")
        if accepted != base64.b64encode(digest).decode():
            raise DroppedError("the answer is not one to a WebSocket handshake")
        self._inbox = _Inbox(self._exchange.beyond)
        self._frames = _Frames(self)
        self._parts: list[bytes] = []
        self._size = 0
        self._until: float | None = None

    def receive(self, deadline: float | None) -> bytes | None:
        """
        Return the next message, None where it is not whole at *deadline*.

        Pings are answered meanwhile.
        """
        return self._patiently(self._message, deadline)

    def _message(self, until: float | None) -> bytes:
        self._until = until
        while True:
            frame = self._next_frame()
            data = bytes(frame.data)  # type: ignore[arg-type]  # received: always bytes
            if frame.opcode == ABNF.OPCODE_CLOSE:
                self._end(data)
            elif frame.opcode == ABNF.OPCODE_PING:
                self.pinged = True
                self._answer(ABNF.OPCODE_PONG, data)
            elif frame.opcode != ABNF.OPCODE_PONG:
                message = self._joined(frame, data)
                if message is not None:
                    return message

    def _next_frame(self) -> ABNF:
        try:
            return self._frames.recv_frame()
        except WebSocketException as error:
            failure = DroppedError(f"not WebSocket: {error}", code=_PROTOCOL_ERROR)
        raise failure

    def _joined(self, frame: ABNF, data: bytes) -> bytes | None:
        if (frame.opcode == ABNF.OPCODE_CONT) != bool(self._parts):
            raise DroppedError("not WebSocket: a fragment out of place", code=_PROTOCOL_ERROR)
        self._parts.append(data)
        self._size += len(data)
        if not frame.fin:
            return None
        message = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return message

    def take(self, size: int) -> bytes:
        """
        Return the next *size* bytes, waiting for them.
        """
        return self._inbox.take(size, self._received)

    def _received(self) -> bytes:
        data = self._connection.receive(self._until)
        if not data:
            raise DroppedError("the connection ended without a close frame")
        return data

    def check_length(self, opcode: int, length: int) -> None:
        """
        Refuse a frame whose payload has *length* bytes, where that is too many.
        """
        if opcode >= ABNF.OPCODE_CLOSE:
            if length > _LARGEST_CONTROL:
                raise DroppedError(
                    f"not WebSocket: a control frame of {length} bytes", code=_PROTOCOL_ERROR
                )
        elif self._size + length > self._max_message_size:
            raise MessageTooLargeError(f"a message of more than {self._max_message_size} bytes")

    def _end(self, data: bytes) -> None:
        code = int.from_bytes(data[:2], "big") if data else None
        reason = data[2:].decode("utf-8", "replace")
        with contextlib.suppress(TimeoutError, DroppedError):
            self._answer(ABNF.OPCODE_CLOSE, data[:2])
        said = f"close code {code or 'none'}" + (f", {reason!r}" if reason else "")
        raise DroppedError(f"the server closed the stream ({said})", code=code, reason=reason)

    def _answer(self, opcode: int, data: bytes) -> None:
        try:
            self._send(opcode, data, time.monotonic() + _ANSWER_TIME)
        except TimeoutError:
            failure = DroppedError("the server does not read what it is sent")
        else:
            return
        raise failure

    def _send(self, opcode: int, data: bytes, deadline: float) -> None:
        self._connection.send(ABNF.create_frame(data, opcode).format(), deadline)

    def close(self) -> None:
        """
        Say goodbye, as far as that takes no waiting, and free the socket.
        """
        with contextlib.suppress(TimeoutError, DroppedError, ClosedError):
            self._send(ABNF.OPCODE_CLOSE, _NORMAL.to_bytes(2, "big"), 0.0)
        self.free()
