"""
What nothing written in Python can do without: the bare socket, the bare frames, the JSON.

The readers do the framing of their protocol and nothing else: no checks, no time limit.
"""

from __future__ import annotations

import json
import socket
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit
from urllib.request import urlopen

from contest import feed
from contest.figures import Figures, Scale, drained, repeated
from contest.scenes import FLOW, LOGS, SINGLE, SINGLES, TIMED, fed

_BLOCK = 131_008  # bytes; what the package's own transport asks the socket for

Receive = Callable[[int], bytes]


def connected(scale: Scale, path: str, headers: str = "") -> tuple[Receive, bytearray]:
    """
    Request *path*; return what reads after the head of the answer, and what was read already.
    """
    place = urlsplit(scale.url)
    connection = socket.create_connection((place.hostname, place.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n{headers}\r\n".encode())
    buffer = bytearray()
    while (end := buffer.find(b"\r\n\r\n")) < 0:
        buffer += connection.recv(_BLOCK)
    del buffer[: end + 4]
    return connection.recv, buffer


def chunks(receive: Receive, buffer: bytearray) -> Iterator[bytes]:
    """
    Yield the chunks of a chunked body.
    """
    while True:
        while (line := buffer.find(b"\r\n")) < 0:
            buffer += receive(_BLOCK)
        begin = line + 2
        end = begin + int(buffer[:line], 16)
        while len(buffer) < end + 2:
            buffer += receive(_BLOCK)
        yield bytes(buffer[begin:end])
        del buffer[: end + 2]


def events(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """
    Yield the server-sent events of a body, each up to its blank line.
    """
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while (end := buffer.find(b"\n\n")) >= 0:
            yield bytes(buffer[:end])
            del buffer[: end + 2]


def events_by_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """
    Yield the same events, looked for from one end of line to the next.

    That is quicker than looking for two of them, in lines as long as these.
    """
    buffer, begin = bytearray(), 0
    for piece in pieces:
        buffer += piece
        while (end := buffer.find(b"\n", begin)) >= 0:
            if end > begin:
                begin = end + 1
                continue
            yield bytes(buffer[: end - 1])
            del buffer[: end + 1]
            begin = 0


def frames(receive: Receive, buffer: bytearray) -> Iterator[bytes]:
    """
    Yield the payloads of WebSocket frames that are not masked.
    """
    while True:
        while len(buffer) < 10:  # a whole header, as no message here is shorter
            buffer += receive(_BLOCK)
        begin, size = 2, buffer[1]
        if size == 126:
            begin, size = 4, int.from_bytes(buffer[2:4], "big")
        elif size == 127:
            begin, size = 10, int.from_bytes(buffer[2:10], "big")
        end = begin + size
        while len(buffer) < end:
            buffer += receive(_BLOCK)
        yield bytes(buffer[begin:end])
        del buffer[:end]


def watched(scale: Scale, agent: uuid.UUID) -> Iterator[bytes]:
    """
    Yield the chunks of *agent*'s events.
    """
    return chunks(*connected(scale, f"/api/v2/workspaceagents/{agent}/watch-metadata"))


def bare_socket(scale: Scale) -> Figures:
    """
    Read server-sent events of 20 KB.
    """
    return drained(events(watched(scale, FLOW)), warm=scale.warm, count=scale.flow)


def bare_lines(scale: Scale) -> Figures:
    """
    Read server-sent events of 20 KB, from one end of line to the next.
    """
    return drained(events_by_lines(watched(scale, FLOW)), warm=scale.warm, count=scale.flow)


def bare_frames(scale: Scale) -> Figures:
    """
    Read WebSocket messages of 20 KB.
    """
    return drained(followed(scale, FLOW), warm=scale.warm, count=scale.flow)


def bare_lines_of_logs(scale: Scale) -> Figures:
    """
    Read WebSocket messages of one log line each, to lists and dicts.
    """
    decoded = map(json.loads, followed(scale, fed(SINGLE, scale)))
    return drained(decoded, warm=scale.warm * SINGLES, count=scale.messages * SINGLES)


def followed(scale: Scale, agent: uuid.UUID) -> Iterator[bytes]:
    """
    Yield the payloads of the messages of *agent*'s log.
    """
    handshake = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    path = f"/api/v2/workspaceagents/{agent}/logs?follow"
    return frames(*connected(scale, path, handshake))


def bare_way(scale: Scale) -> Figures:
    """
    Time the way of a small event.
    """
    return way(events(watched(scale, TIMED)), lambda data: data, scale.timed)


def way(items: Iterator[object], data_of: Callable[[object], object], count: int) -> Figures:
    """
    Return the median of the time from an event's writing to when *items* yields it.

    *data_of* finds, in an item, what the stamp is in; that is not part of the way.
    """
    seconds = []
    cpu = time.process_time()
    for item in items:
        arrived = time.monotonic_ns()
        seconds.append((arrived - _stamp(data_of(item))) / 1e9)
        if len(seconds) > count:
            break
    cpu = time.process_time() - cpu
    return Figures(cpu=cpu / len(seconds), wall=statistics.median(seconds))


def _stamp(data: object) -> int:
    if isinstance(data, bytes):
        before = data.index(b'"value":"') + 9
        return int(data[before : before + 20])
    return int(str(data))


def json_large(scale: Scale) -> Figures:
    """
    Decode the large body, to lists and dicts.
    """
    body = large_body(scale)
    return repeated(lambda _: json.loads(body), scale.bodies, each=scale.body)


def json_short(scale: Scale) -> Figures:
    """
    Decode bodies of 100 logs, to lists and dicts.
    """
    bodies = short_bodies(scale)
    return repeated(lambda number: json.loads(bodies[number]), len(bodies))


def json_agent(scale: Scale) -> Figures:
    """
    Decode agents, to dicts.
    """
    bodies = agents(scale)
    return repeated(lambda number: json.loads(bodies[number]), len(bodies))


def json_agents(scale: Scale) -> Figures:
    """
    Decode a list of workspaces with an agent each, to lists and dicts.
    """
    page = feed.workspaces(scale.agents)
    return repeated(lambda _: json.loads(page), scale.large, each=scale.agents)


def large_body(scale: Scale) -> bytes:
    """
    Return the large body, as the server sends it: it is made once for all who read it.
    """
    url = f"{scale.url}/api/v2/workspaceagents/{fed(LOGS, scale)}/logs"
    with urlopen(url) as answer:
        body: bytes = answer.read()
    return body


def short_bodies(scale: Scale) -> list[bytes]:
    """
    Return bodies of 100 logs, no two the same.
    """
    return [
        feed.logs(100, first=number * feed.LINES * 2, different=scale.different)
        for number in range(scale.short)
    ]


def agents(scale: Scale) -> list[bytes]:
    """
    Return an agent as it is read again and again.
    """
    return [feed.agent(number) for number in range(scale.short * 10)]
