"""
A deployment with thousands of agents whose logs are followed, in a process of its own.

The embedded deployment of `coder_agents.testing` has a thread and three file descriptors for each
connection, so a machine carries a few thousand. This one has a single thread and one descriptor
for each connection. It knows the requests for workspaces and for logs, sends its pings as often as
Coder's server, and commits some lines late.
"""

from __future__ import annotations

import asyncio
import base64
import bisect
import contextlib
import hashlib
import itertools
import json
import multiprocessing.connection
import ssl
import struct
import uuid
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import attrs
import requests

from coder_agents.testing import Deployment
from coder_agents.testing.tls import OwnCertificate

HOST = "127.0.0.1"
TOKEN = "benchmark-token"
PING_EVERY = 15.0  # seconds, for each connection
SLICES = 150  # parts of PING_EVERY: the pings of all connections are spread over it
LATE_EVERY = 50  # one line in so many is committed late
LATE_BY = 1.0  # seconds
_BACKLOG = 4096
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _PING = 0x81, 0x89  # the first byte of a frame


@attrs.frozen
class Writing:
    """
    How many lines a second all agents write together, and for how many seconds.
    """

    rate: float
    seconds: float

    @property
    def lines(self) -> int:
        """
        The number of lines, without those that are committed late.
        """
        return int(self.rate * self.seconds)


@attrs.define
class Log:
    """
    The lines of one agent, in the order of their ids, and the connection that follows it.
    """

    lines: list[tuple[int, str]] = attrs.field(factory=list)
    follower: asyncio.Transport | None = None

    def after(self, number: int) -> bytes:
        """
        Return the lines after the id *number* as JSON.
        """
        place = bisect.bisect_right(self.lines, number, key=lambda line: line[0])
        return f"[{','.join(text for _, text in self.lines[place:])}]".encode()


class Crowd:
    """
    The agents, and what writes their logs.
    """

    def __init__(self, count: int) -> None:
        self._template = _template()
        self.logs = {_id("agent", number): Log() for number in range(count)}
        self._ids = itertools.count(1)
        self.open = 0
        self.max_open = 0

    def workspaces(self, offset: int, limit: int) -> bytes:
        """
        Return a page of the list of workspaces.
        """
        count = len(self.logs)
        page = (self._workspace(number) for number in range(offset, min(offset + limit, count)))
        return f'{{"count": {count}, "workspaces": [{",".join(page)}]}}'.encode()

    def _workspace(self, number: int) -> str:
        text, agent, workspace = self._template
        text = text.replace(agent, _id("agent", number)).replace(workspace, _id("work", number))
        return text.replace("crowd-name", f"crowd-{number}")

    def line(self) -> tuple[int, str]:
        """
        Return the next line.
        """
        number = next(self._ids)
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = {
            "id": number,
            "created_at": now,
            "output": "a line that a script printed",
            "level": "info",
            "source_id": str(uuid.UUID(int=7)),
        }
        return number, json.dumps(line, separators=(",", ":"))

    async def write(self, writing: Writing) -> list[int]:
        """
        Let the agents write in turn; return the ids of all lines.
        """
        loop = asyncio.get_running_loop()
        logs = itertools.cycle(self.logs.values())
        ids, began = [], loop.time()
        for count in range(writing.lines):
            log = next(logs)
            if count % LATE_EVERY == 0:
                late = self.line()
                ids.append(late[0])
                loop.call_later(LATE_BY, bisect.insort, log.lines, late)
            line = self.line()
            ids.append(line[0])
            log.lines.append(line)
            if log.follower is not None:
                log.follower.write(_frame(_TEXT, f"[{line[1]}]".encode()))
            await asyncio.sleep(max(0.0, began + count / writing.rate - loop.time()))
        return ids

    async def ping(self) -> None:
        """
        Ping all connections, for as long as the deployment runs.
        """
        for part in itertools.cycle(range(SLICES)):
            for log in itertools.islice(self.logs.values(), part, None, SLICES):
                if log.follower is not None:
                    log.follower.write(_frame(_PING, b""))
            await asyncio.sleep(PING_EVERY / SLICES)


class Peer(asyncio.Protocol):
    """
    One connection.
    """

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._received = b""
        self._log: Log | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Count the connection.
        """
        self._transport = cast(asyncio.Transport, transport)
        self._crowd.open += 1
        self._crowd.max_open = max(self._crowd.max_open, self._crowd.open)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Count the connection no more.
        """
        self._crowd.open -= 1
        if self._log is not None and self._log.follower is self._transport:
            self._log.follower = None

    def data_received(self, data: bytes) -> None:
        """
        Answer a complete request; what a WebSocket receives is ignored.
        """
        if self._log is not None:
            return
        self._received += data
        head, end, self._received = self._received.partition(b"\r\n\r\n")
        if not end:
            self._received = head
            return
        request, *fields = head.decode("latin-1").split("\r\n")
        headers = dict(field.lower().split(": ", 1) for field in fields)
        self._answer(request.split(" ")[1], headers, head.decode("latin-1"))

    def _answer(self, target: str, headers: dict[str, str], head: str) -> None:
        url = urlsplit(target)
        query = parse_qs(url.query, keep_blank_values=True)
        log = self._crowd.logs.get(url.path.split("/")[-2])
        if url.path == "/api/v2/workspaces":
            offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["100"])[0])
            self._send(self._crowd.workspaces(offset, limit))
        elif log is None:
            self._send(b'{"message": "Route not found."}', status="404 Not Found")
        elif "follow" in query:
            self._follow(log, _after(query), head)
        else:
            self._send(log.after(_after(query)))

    def _send(self, body: bytes, status: str = "200 OK") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self._transport.write(f"{head}\r\n\r\n".encode() + body)

    def _follow(self, log: Log, after: int, head: str) -> None:
        key = next(f for f in head.split("\r\n") if f.lower().startswith("sec-websocket-key: "))
        digest = hashlib.sha1((key.partition(": ")[2] + _GUID).encode(), usedforsecurity=False)
        accept = base64.b64encode(digest.digest()).decode()
        self._transport.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self._transport.write(_frame(_TEXT, log.after(after)))
        self._log, log.follower = log, self._transport


def _after(query: dict[str, list[str]]) -> int:
    return int(query.get("after", ["0"])[0])


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def _id(kind: str, number: int) -> str:
    return str(uuid.UUID(int=int.from_bytes(kind.encode(), "big") << 64 | number))


def _template() -> tuple[str, str, str]:
    """
    Return a workspace of the embedded deployment as JSON, with its agent's id and its own.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent(workspace="crowd-name")
        agent.wait_started()
        answer = requests.get(
            f"{deployment.url}/api/v2/workspaces",
            headers={"Coder-Session-Token": deployment.token},
            timeout=10,
        )
        [workspace] = answer.json()["workspaces"]
        return json.dumps(workspace), str(agent.id), workspace["id"]


def serve(pipe: multiprocessing.connection.Connection, count: int, tls: bool) -> None:
    """
    Run the deployment until *pipe* is closed.

    It sends its URL, its token and the path of its certificate authority; after each `Writing` it
    sends the ids of the lines, and after None the most connections that were open.
    """
    certificate = OwnCertificate() if tls else None
    context = None if certificate is None else certificate.context
    authority = "" if certificate is None else str(certificate.ca_file)
    with contextlib.suppress(EOFError, ConnectionResetError):
        asyncio.run(_serve(pipe, Crowd(count), context, authority))
    if certificate is not None:
        certificate.remove()


async def _serve(
    pipe: multiprocessing.connection.Connection,
    crowd: Crowd,
    context: ssl.SSLContext | None,
    authority: str,
) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(crowd), HOST, 0, ssl=context, backlog=_BACKLOG)
    port = server.sockets[0].getsockname()[1]
    scheme = "http" if context is None else "https"
    pipe.send((f"{scheme}://{HOST}:{port}", TOKEN, authority))
    pinging = asyncio.create_task(crowd.ping())
    try:
        while True:
            request: Any = await loop.run_in_executor(None, pipe.recv)
            pipe.send(crowd.max_open if request is None else await crowd.write(request))
    finally:
        pinging.cancel()
        server.close()
