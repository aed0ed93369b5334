"""
The contests of transports, latency, checks, imports and memory.
"""

from __future__ import annotations

from contest.rows import (
    FAST,
    FRAMES,
    INSTALLED,
    PACKAGES,
    SOCKET,
    Contest,
    Contestant,
    limit,
    ours,
    peer,
)


def _busy() -> tuple[Contestant, ...]:
    contestants = []
    for who, without, needs in ((INSTALLED, ("msgspec",), ()), (FAST, (), ("msgspec",))):
        unchecked = f"{who}, settle=0"
        contestants += [
            Contestant(
                label=f"{who}, settle=10",
                work="ours.busy_checked",
                against=unchecked,
                bound=1.3,
                needs=needs,
                without=without,
            ),
            Contestant(
                label=unchecked,
                work="ours.busy_unchecked",
                why="the limit itself",
                needs=needs,
                without=without,
            ),
        ]
    return tuple(contestants)


CONTESTS = (
    Contest(
        key="sse",
        title="SSE transport, events of 20 KB",
        unit="per event",
        guard=True,
        contestants=(
            *ours("ours.sse_source", SOCKET, 1.8),
            limit(SOCKET, "limits.bare_socket"),
            Contestant(
                label="bare socket, cut line by line",
                work="limits.bare_lines",
                against=SOCKET,
                why="a faster way to split events of long lines",
            ),
            peer("requests, sseclient-py", "peers.sse_sseclient", SOCKET),
            peer("httpx-sse", "peers.sse_httpx", SOCKET, "httpx", "httpx_sse"),
        ),
    ),
    Contest(
        key="websocket",
        title="WebSocket transport, messages of 20 KB",
        unit="per message",
        guard=True,
        contestants=(
            *ours("ours.websocket_source", FRAMES, 3.0),
            limit(FRAMES, "limits.bare_frames"),
            peer("websocket-client", "peers.frames_websocket_client", FRAMES),
            peer("websockets.sync", "peers.frames_websockets", FRAMES, "websockets"),
        ),
    ),
    Contest(
        key="latency",
        title="Latency of an event of 1 KB, from the write to the yield, median",
        unit="per event",
        measure="wall",
        contestants=(
            *ours("ours.event_way", SOCKET, 2.5),
            Contestant(
                label="coder_agents as installed, with objects",
                work="ours.way",
                against=SOCKET,
                why="the limit creates no objects",
                without=("msgspec",),
            ),
            Contestant(
                label="coder_agents with fast, with objects",
                work="ours.way",
                against=SOCKET,
                why="the limit creates no objects",
                needs=("msgspec",),
            ),
            limit(SOCKET, "limits.bare_way"),
        ),
    ),
    Contest(
        key="busy",
        title="A log of 200 lines a second, followed for a minute, with and without checks",
        unit="per log",
        together=4,
        once=True,  # four processes of each replace the rounds
        contestants=_busy(),
    ),
    Contest(
        key="pieces",
        title="SSE events in pieces of 128 bytes: twice the size costs twice the work",
        unit="per event",
        guard=True,
        contestants=(
            *ours("ours.large_event", "0.8 MB", 2.3, label="1.6 MB"),
            Contestant(
                label="0.8 MB", work="ours.half_event", why="the limit itself", without=("msgspec",)
            ),
        ),
    ),
    Contest(
        key="import",
        title="Import of this package, and of packages that it requires",
        unit="per process",
        guard=True,
        contestants=(
            *ours(
                "import.from coder_agents import Client",
                PACKAGES,
                1.3,
                label="from coder_agents import Client",
            ),
            limit(PACKAGES, "import.import requests, attrs, cattrs, websocket, sseclient"),
        ),
    ),
    Contest(
        key="kept",
        title="Memory of a log object, without its text",
        unit="per log",
        measure="bytes",
        guard=True,
        once=True,
        contestants=ours("ours.kept", "", 290, 345),
    ),
    Contest(
        key="held",
        title="Memory of a stream that yields {0.long:,} logs",
        unit="per stream",
        measure="bytes",
        once=True,
        contestants=(
            Contestant(
                label="after all logs",
                work="ours.held_late",
                against="after a tenth of the logs",
                why="a stream holds ids for a time, and no fixed number of them",
                without=("msgspec",),
            ),
            Contestant(
                label="after a tenth of the logs",
                work="ours.held_early",
                why="the limit itself",
                without=("msgspec",),
            ),
        ),
    ),
)
"""
The other contests, in the order of the table.
"""
