"""
The contests: who does which work, against whom, and what the ratio may be.
"""

from __future__ import annotations

from typing import Literal

import attrs

INSTALLED = "coder_agents as installed"
FAST = "coder_agents with fast"
GO = "Go: coder/websocket, encoding/json"
GO_SSE = "Go: net/http, encoding/json"
GO_JSON = "Go: encoding/json"
JSON = "json.loads alone"
SOCKET = "bare socket, the same framing"
FRAMES = "bare frames"
PACKAGES = "the five packages"

Measure = Literal["cpu", "wall", "bytes"]


@attrs.frozen(kw_only=True)
class Contestant:
    """
    One who does a work.

    Attributes:
        label: who that is.
        work: the room and the function that do it; of "go" the program's word for it, of
            "import" the statement.
        against: the label of the limit.
        bound: what the ratio to the limit may be; without a limit, what a piece may cost.
        why: why there is no bound.
        needs: modules without which it is absent.
        without: modules that it does not find, even where they are installed.
    """

    label: str
    work: str
    against: str = ""
    bound: float | None = None
    why: str = ""
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Contest:
    """
    One work, and all who do it.

    Attributes:
        key: a short name, for ``--only``.
        title: the work, with a scale's sizes to be filled in.
        unit: what the figures are of.
        contestants: in the order of the table.
        measure: what ratios are made of: CPU time, time on the wall, memory.
        guard: whether it is part of the guard against regressions: the same wherever it runs,
            and soon over.
        once: whether one round tells all.
        together: how many of each contestant run in a round, all at the same time, as they
            mostly wait; 0 where they run one after the other.
        plotted: whether the plot shows it.
    """

    key: str
    title: str
    unit: str
    contestants: tuple[Contestant, ...]
    measure: Measure = "cpu"
    guard: bool = False
    once: bool = False
    together: int = 0
    plotted: bool = False


def _limit(label: str, work: str) -> Contestant:
    return Contestant(label=label, work=work, why="the limit itself")


def _peer(label: str, work: str, against: str, *needs: str) -> Contestant:
    return Contestant(label=label, work=work, against=against, why="a peer", needs=needs)


def _ours(
    work: str, against: str, installed: float, fast: float | None = None, *, label: str = ""
) -> tuple[Contestant, ...]:
    """
    Return this package, as it is installed and, where *fast* is its bound, with the extra.
    """
    first = Contestant(
        label=label or INSTALLED,
        work=work,
        against=against,
        bound=installed,
        without=("msgspec",),
    )
    if fast is None:
        return (first,)
    second = Contestant(label=FAST, work=work, against=against, bound=fast, needs=("msgspec",))
    return first, second


def _batches(against: str) -> tuple[Contestant, ...]:
    work, why = "ours.follow_batches", "told for those who take whole messages"
    return (
        Contestant(
            label=f"{INSTALLED}, batches()",
            work=work,
            against=against,
            why=why,
            without=("msgspec",),
        ),
        Contestant(
            label=f"{FAST}, batches()", work=work, against=against, why=why, needs=("msgspec",)
        ),
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
        key="logs",
        title="WebSocket messages of 95 logs, 20 KB, to objects",
        unit="a log",
        plotted=True,
        contestants=(
            *_ours("ours.follow_logs", GO, 0.75, 0.35),
            *_batches(GO),
            _limit(GO, "go.follow"),
            _peer("websocket-client, json, cattrs", "peers.follow_websocket_client_cattrs", GO),
            _peer(
                "websockets.sync, json, cattrs",
                "peers.follow_websockets_cattrs",
                GO,
                "websockets",
            ),
            _peer(
                "websockets.sync, pydantic",
                "peers.follow_websockets_pydantic",
                GO,
                "websockets",
                "pydantic",
            ),
        ),
    ),
    Contest(
        key="metadata",
        title="SSE events of 84 items of metadata, 20 KB, to objects",
        unit="an item",
        plotted=True,
        contestants=(
            *_ours("ours.watch_metadata", GO_SSE, 1.0, 0.4),
            _limit(GO_SSE, "go.watch"),
            _peer("requests, sseclient-py, json, cattrs", "peers.watch_sseclient_cattrs", GO_SSE),
            _peer(
                "httpx-sse, json, cattrs",
                "peers.watch_httpx_cattrs",
                GO_SSE,
                "httpx",
                "httpx_sse",
            ),
            _peer(
                "httpx-sse, pydantic",
                "peers.watch_httpx_pydantic",
                GO_SSE,
                "httpx",
                "httpx_sse",
                "pydantic",
            ),
        ),
    ),
    Contest(
        key="body",
        title="A body of {0.body:,} logs, 0.2 KB each, to objects",
        unit="a log",
        plotted=True,
        contestants=(
            *_ours("ours.read_large", GO_JSON, 0.85, 0.6),
            _limit(GO_JSON, "go.unmarshal"),
            _peer(JSON, "limits.json_large", GO_JSON),
            _peer("json, cattrs", "peers.read_large_cattrs", GO_JSON),
            _peer("pydantic", "peers.read_large_pydantic", GO_JSON, "pydantic"),
        ),
    ),
    Contest(
        key="hundred",
        title="A body of 100 logs to objects",
        unit="a body",
        guard=True,
        contestants=(
            *_ours("ours.read_short", JSON, 1.8, 0.9),
            _limit(JSON, "limits.json_short"),
            _peer("json, cattrs", "peers.read_short_cattrs", JSON),
            _peer("pydantic", "peers.read_short_pydantic", JSON, "pydantic"),
        ),
    ),
    Contest(
        key="agent",
        title="An agent, 5 KB, to an object",
        unit="an agent",
        guard=True,
        contestants=(
            *_ours("ours.read_agent", JSON, 2.2, 1.2),
            _limit(JSON, "limits.json_agent"),
            _peer("json, cattrs", "peers.read_agent_cattrs", JSON),
        ),
    ),
    Contest(
        key="sse",
        title="SSE transport, events of 20 KB",
        unit="an event",
        guard=True,
        contestants=(
            *_ours("ours.sse_source", SOCKET, 1.8),
            _limit(SOCKET, "limits.bare_socket"),
            Contestant(
                label="bare socket, cut line by line",
                work="limits.bare_lines",
                against=SOCKET,
                why="told as what is possible where lines are long",
            ),
            _peer("requests, sseclient-py", "peers.sse_sseclient", SOCKET),
            _peer("httpx-sse", "peers.sse_httpx", SOCKET, "httpx", "httpx_sse"),
        ),
    ),
    Contest(
        key="websocket",
        title="WebSocket transport, messages of 20 KB",
        unit="a message",
        guard=True,
        contestants=(
            *_ours("ours.websocket_source", FRAMES, 3.0),
            _limit(FRAMES, "limits.bare_frames"),
            _peer("websocket-client", "peers.frames_websocket_client", FRAMES),
            _peer("websockets.sync", "peers.frames_websockets", FRAMES, "websockets"),
        ),
    ),
    Contest(
        key="latency",
        title="An event of 1 KB, from written to yielded, median",
        unit="an event",
        measure="wall",
        contestants=(
            *_ours("ours.event_way", SOCKET, 2.5),
            Contestant(
                label="coder_agents as installed, its objects",
                work="ours.way",
                against=SOCKET,
                why="the limit makes no objects",
                without=("msgspec",),
            ),
            Contestant(
                label="coder_agents with fast, its objects",
                work="ours.way",
                against=SOCKET,
                why="the limit makes no objects",
                needs=("msgspec",),
            ),
            _limit(SOCKET, "limits.bare_way"),
        ),
    ),
    Contest(
        key="busy",
        title="A busy log of 200 lines a second, followed for a minute, late lines looked for or not",
        unit="a log",
        together=4,
        contestants=_busy(),
    ),
    Contest(
        key="pieces",
        title="SSE events in pieces of 128 bytes: twice the size, twice the work",
        unit="an event",
        guard=True,
        contestants=(
            *_ours("ours.large_event", "0.8 MB", 2.3, label="1.6 MB"),
            Contestant(
                label="0.8 MB", work="ours.half_event", why="the limit itself", without=("msgspec",)
            ),
        ),
    ),
    Contest(
        key="import",
        title="Importing it, and what it stands on",
        unit="a process",
        guard=True,
        contestants=(
            *_ours(
                "import.from coder_agents import Client",
                PACKAGES,
                1.3,
                label="from coder_agents import Client",
            ),
            _limit(PACKAGES, "import.import requests, attrs, cattrs, websocket, sseclient"),
        ),
    ),
    Contest(
        key="kept",
        title="Memory of a log that is kept, beyond its text",
        unit="a log",
        measure="bytes",
        guard=True,
        once=True,
        contestants=_ours("ours.kept", "", 290, 290),
    ),
    Contest(
        key="held",
        title="Memory of a stream itself, over {0.long:,} logs",
        unit="in all",
        measure="bytes",
        once=True,
        contestants=(
            Contestant(
                label="after all of them",
                work="ours.held_late",
                against="after a tenth of them",
                why="ids are remembered for a time, however many they are",
                without=("msgspec",),
            ),
            Contestant(
                label="after a tenth of them",
                work="ours.held_early",
                why="the limit itself",
                without=("msgspec",),
            ),
        ),
    ),
)
"""
All contests, in the order of the table.
"""
