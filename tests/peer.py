"""
A server on loopback that answers each connection with a script.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

import wsproto.frame_protocol as frames
from wsproto.utilities import generate_accept_token

SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
SSE_HEAD_UNCHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Conversation:
    """
    One accepted connection, from the server's side.
    """

    def __init__(self, sock: socket.socket, stop: threading.Event) -> None:
        self.sock = sock
        self.stop = stop
        self.head = b""
        self._frames = frames.FrameProtocol(client=False, extensions=[])

    def read_head(self) -> bytes:
        """
        Read the request up to its blank line.
        """
        while b"\r\n\r\n" not in self.head:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError("the client has gone")
            self.head += data
        return self.head

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def accept_sse(self) -> None:
        self.read_head()
        self.send(SSE_HEAD)

    def accept_websocket(self, beyond: bytes = b"") -> None:
        """
        Shake hands; *beyond* goes out in the same packet.
        """
        head = self.read_head()
        keys = [
            line.split(b":", 1)[1].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        ]
        if not keys:
            raise ConnectionResetError("a check for late lines, which this script does not answer")
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + generate_accept_token(keys[0]) + b"\r\n\r\n" + beyond
        )

    def text(self, message: str) -> None:
        self.send(self.text_frame(message))

    def text_frame(self, message: str, fin: bool = True) -> bytes:
        return bytes(self._frames.send_data(message, fin=fin))

    def close_frame(self, code: int, reason: str = "") -> bytes:
        return bytes(self._frames.close(code, reason))

    def ping(self, payload: bytes = b"") -> None:
        self.send(bytes(self._frames.ping(payload)))

    def until_gone(self) -> bytes:
        """
        Read until the client has gone; return what it still said.
        """
        said = b""
        with contextlib.suppress(OSError):
            while data := self.sock.recv(65536):
                said += data
        return said

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Conversation], object]


class Peer:
    """
    Runs *scripts*, one a connection in their order; the last one again and again.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = list(scripts)
        self._tls = tls
        self.accepted = 0
        self.heads: list[bytes] = []
        self.errors: list[BaseException] = []
        self._stop = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go's servers do
            script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
            self.accepted += 1
            self._open.append(sock)
            self._start(self._converse, sock, script)

    def _converse(self, sock: socket.socket, script: Script) -> None:
        conversation = None
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            conversation = Conversation(sock, self._stop)
            script(conversation)
        except (OSError, ssl.SSLError):
            pass  # the client has gone, as it may
        except BaseException as error:
            self.errors.append(error)
        finally:
            if conversation is not None:
                self.heads.append(conversation.head)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
        for sock in self._open:
            sock.close()
        assert not self.errors, self.errors


@contextlib.contextmanager
def serving(*scripts: Script, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """
    Serve *scripts* for the length of a ``with`` block.
    """
    peer = Peer(*scripts, tls=tls)
    try:
        yield peer
    finally:
        peer.close()
