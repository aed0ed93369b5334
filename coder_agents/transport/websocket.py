"""
WebSocket messages over a connection.

websocket-client does the framing. The handshake is an ordinary HTTP exchange, so it has a limit in
time and in bytes, keeps the body of a refusal, and sends no cookie or ``Origin``.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping

import requests
from websocket import ABNF, WebSocketException, frame_buffer

from coder_agents.errors import APIError, MessageTooLargeError
from coder_agents.errors.advice import Advice
from coder_agents.transport.decoding import JSON
from coder_agents.transport.exchange import MAX_READS, Head, headers_of
from coder_agents.transport.http_source import HTTPSource
from coder_agents.transport.pages import is_known_page, kind_of
from coder_agents.transport.waiting import ClosedError, DroppedError

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_MAX_CONTROL = 125  # bytes; RFC 6455, section 5.5
_NORMAL, _PROTOCOL_ERROR = 1000, 1002

_UPGRADE_REQUIRED = 426  # the deployment's answer where a proxy removed the handshake's headers
_MAY_BE_BLOCKED = frozenset({400, 403, 405, 501})
_STILL_WORKS = f"calls without a WebSocket still work there: {Advice.WITHOUT_WEBSOCKET}"


class _NotWholeError(Exception):
    """
    The requested bytes have not come yet.
    """


class _Inbox:
    """
    Received bytes, taken in exact sizes. Incomplete data waits for the missing bytes.

    Each byte is copied once.
    """

    def __init__(self, first: bytes, receive: Callable[[], bytes | None]) -> None:
        self._receive = receive
        self._front = first
        self._at = 0  # how many bytes of the front are taken
        self._more: collections.deque[bytes] = collections.deque()
        self.size = len(first)  # how many bytes are not taken

    def fill(self) -> bool:
        """
        Receive, where no bytes are at hand; return whether bytes are, or the connection has ended.
        """
        if self.size:
            return True
        data = self._receive()
        if data is None:
            return False
        self._front, self._at, self.size = data, 0, len(data)
        return True

    def take(self, size: int) -> bytes:
        """
        Return the next *size* bytes. Raises *_NotWholeError* while they have not come; bytes that
        came are kept.
        """
        reads = 0
        while self.size < size:
            data = (
                self._receive() if reads < MAX_READS else None
            )  # other connections get their turn
            reads += 1
            if not data:
                if data is None:
                    raise _NotWholeError
                raise DroppedError("the connection ended without a close frame")
            if self.size:
                self._more.append(data)
            else:  # the front is used up
                self._front, self._at = data, 0
            self.size += len(data)
        self.size -= size
        end = self._at + size
        if end > len(self._front):
            return self._joined(end - len(self._front))
        taken = self._front[self._at : end]
        self._at = end
        return taken

    def _joined(self, lacking: int) -> bytes:
        """
        Return the remaining bytes of the front and *lacking* further bytes.
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
    Takes frames from an inbox; refuses a too large frame before its payload is read.

    Attributes:
        size: how many bytes the message's earlier frames have.
    """

    def __init__(self, inbox: _Inbox, limit: int) -> None:
        super().__init__(inbox.take, skip_utf8_validation=True)
        # The library's own method reads 16 KB at a time and joins the pieces.
        self.recv_strict = inbox.take  # type: ignore[method-assign,assignment]
        self._limit = limit
        self.size = 0

    def recv_length(self) -> None:
        super().recv_length()
        opcode = self.header[4]  # type: ignore[index]  # read just before
        length = self.length or 0
        if opcode < ABNF.OPCODE_CLOSE:
            if self.size + length > self._limit:
                raise MessageTooLargeError(f"a message has more than {self._limit} bytes")
        elif length > _MAX_CONTROL:
            raise DroppedError(
                f"not WebSocket: a control frame of {length} bytes", code=_PROTOCOL_ERROR
            )


class WebSocketSource(HTTPSource[bytes]):
    """
    The messages of one WebSocket, text or binary, as bytes.

    UTF-8 is checked once, strictly, where a message is decoded.
    """

    _success = 101
    _wanted = ""

    def _headers(self) -> Mapping[str, str]:
        self._key = base64.b64encode(os.urandom(16))
        return {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": self._key.decode(),
            "Sec-WebSocket-Version": "13",
            "Accept-Encoding": "identity",
        }

    def _is_wanted(self, head: Head) -> bool:
        return True

    def _advice(self, answer: requests.Response | None) -> str:
        if answer is None:
            return f"a network that blocks WebSockets behaves like this; {_STILL_WORKS}"
        if _is_plain(answer):
            return (
                "The handshake of a WebSocket was answered as a plain request: the network, for instance"
                f" a proxy, blocks WebSockets; {_STILL_WORKS}"
            )
        if _may_be_blocked(answer):
            return f"A network that blocks WebSockets may behave like this; {_STILL_WORKS}"
        return ""

    def _accept(self, head: Head) -> None:
        digest = hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest()
        accepted = headers_of(head).get("sec-websocket-accept", "")
        if accepted != base64.b64encode(digest).decode():
            raise DroppedError("the answer does not match the WebSocket handshake")
        self._inbox = _Inbox(self._exchange.beyond, self._connection.receive)
        self._frames = _Frames(self._inbox, self._max_message_size)
        self._parts: list[bytes] = []

    def receive(self) -> bytes | None:
        """
        Return the next message, None while it is not complete. A ping is answered.
        """
        if not self._inbox.fill():  # much cheaper than a frame that has not come
            self._check_silence()
            return None
        failure = ""
        try:
            frame = self._frames.recv_frame()
        except _NotWholeError:
            self._check_silence()
            return None
        except WebSocketException as error:
            failure = str(error)
        if failure:
            raise DroppedError(f"not WebSocket: {failure}", code=_PROTOCOL_ERROR)
        data = bytes(frame.data)  # type: ignore[arg-type]  # received: never text
        # One frame a call: a peer may send pings or fragments endlessly, but the reader has a
        # deadline.
        if frame.opcode >= ABNF.OPCODE_CLOSE:
            self._control(frame.opcode, data)
            self._inbox.fill()  # a ping mostly comes alone: what comes next is to be waited for
            return None
        self.has_input = self._inbox.size > 0
        if frame.fin and frame.opcode and not self._parts:
            return data
        return self._joined(frame, data)

    def _control(self, opcode: int, data: bytes) -> None:
        if opcode == ABNF.OPCODE_CLOSE:
            self._end(data)
        if opcode == ABNF.OPCODE_PING:
            self.pinged = True
            self._send_frame(ABNF.OPCODE_PONG, data)

    def _joined(self, frame: ABNF, data: bytes) -> bytes | None:
        """
        Return the message that *frame* completes, None where it completes none.
        """
        if (frame.opcode == ABNF.OPCODE_CONT) != bool(self._parts):
            raise DroppedError("not WebSocket: a fragment out of place", code=_PROTOCOL_ERROR)
        self._parts.append(data)
        self._frames.size += len(data)
        if not frame.fin:
            return None
        message = b"".join(self._parts)
        self._parts.clear()
        self._frames.size = 0
        return message

    def _end(self, data: bytes) -> None:
        """
        Answer a close frame with its code, and raise *DroppedError* with the code and the reason.
        """
        code = int.from_bytes(data[:2], "big") if data else None
        reason = data[2:].decode("utf-8", "replace")
        self._send_frame(ABNF.OPCODE_CLOSE, data[:2])
        shown = f"close code {code or 'none'}" + (f", {reason!r}" if reason else "")
        raise DroppedError(f"the server closed the stream ({shown})", code=code, reason=reason)

    def _send_frame(self, opcode: int, data: bytes) -> None:
        self._connection.send(ABNF.create_frame(data, opcode).format())

    def close(self) -> None:
        """
        Send a close frame if that needs no waiting, and free the socket.
        """
        try:
            if self._accepted:
                with contextlib.suppress(ClosedError):
                    self._send_frame(ABNF.OPCODE_CLOSE, _NORMAL.to_bytes(2, "big"))
        finally:
            self.free()


def blocks_websockets(error: BaseException) -> bool:
    """
    Whether *error*, with which a handshake was refused, shows a network that blocks WebSockets.
    """
    answer = error.response if isinstance(error, APIError) else None
    return answer is not None and (_is_plain(answer) or _may_be_blocked(answer))


def _is_plain(answer: requests.Response) -> bool:
    """
    Whether *answer* answers a handshake as if it were a plain request.
    """
    status = answer.status_code
    return (status < 300 or status == _UPGRADE_REQUIRED) and not is_known_page(answer)


def _may_be_blocked(answer: requests.Response) -> bool:
    # A known page comes in place of every other answer, too.
    is_json = kind_of(answer) == JSON
    return answer.status_code in _MAY_BE_BLOCKED and not is_json and not is_known_page(answer)
