"""
The server that feeds the contestants: sockets and bytes, in a process of its own.

It has no library under it, so that its part is the same whoever reads.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from contest import feed
from contest.figures import Scale
from contest.scenes import Scenes

BENCHMARKS = Path(__file__).parent.parent

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_BLOCK = 65536


class Visit:
    """
    One connection, from its first request to its end.
    """

    def __init__(self, connection: socket.socket, made: Scenes) -> None:
        self._connection = connection
        self._scenes = made

    def serve(self) -> None:
        """
        Answer until the client leaves.
        """
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._connection, contextlib.suppress(OSError):
            while head := self._head():
                self._answer(head)

    def _head(self) -> str:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = self._connection.recv(_BLOCK)
            if not data:
                return ""
            head += data
        return head.decode("latin-1")

    def _answer(self, head: str) -> None:
        target = head.split()[1]
        agent = uuid.UUID(target.split("/")[4].partition("?")[0])
        self._scenes.prepare(agent)
        if "/watch-metadata" in target:
            self._stream(_EVENTS, self._scenes.chunks(agent))
        elif "/logs" not in target:
            self._connection.sendall(_json(feed.agent(agent_id=agent)))
        elif key := _header(head, "Sec-WebSocket-Key"):
            frames = self._scenes.frames(agent, _after(target), _token(head))
            self._stream(_upgraded(key), frames)
        else:
            self._connection.sendall(_json(self._scenes.body(agent, _after(target), _token(head))))

    def _stream(self, head: bytes, parts: Iterable[bytes]) -> None:
        self._connection.sendall(head)
        for part in parts:
            self._connection.sendall(part)
        while self._connection.recv(_BLOCK):
            pass


_EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def _json(body: bytes) -> bytes:
    head = f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\n" + head.encode() + body


def _upgraded(key: str) -> bytes:
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


def _after(target: str) -> int:
    found = re.search(r"[?&]after=(\d+)", target)
    return int(found[1]) if found else 0


def _token(head: str) -> str:
    return _header(head, "Coder-Session-Token")


def _header(head: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*?)\r$", head, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else ""


def serve(scale: Scale) -> None:
    """
    Serve on a port that is printed, until standard input ends.
    """
    made = Scenes(scale)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_accept, args=(listener, made), daemon=True).start()
    sys.stdin.read()


def _accept(listener: socket.socket, made: Scenes) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=Visit(connection, made).serve, daemon=True).start()


@contextlib.contextmanager
def serving(scale: Scale) -> Iterator[Scale]:
    """
    Run a server for *scale*, and give the scale with its URL.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "contest.server", json.dumps(attrs.asdict(scale))],
        cwd=BENCHMARKS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield attrs.evolve(scale, url=f"http://127.0.0.1:{port}")
        finally:
            process.stdin.close()


if __name__ == "__main__":
    serve(Scale(**json.loads(sys.argv[1])))
