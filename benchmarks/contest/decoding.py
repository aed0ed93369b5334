"""
The contests of decoding: from JSON to objects, from a socket and in memory, with both feeds.
"""

from __future__ import annotations

from contest.rows import (
    FAST,
    GO,
    GO_JSON,
    GO_SSE,
    INSTALLED,
    JSON,
    LINES,
    Contest,
    Contestant,
    both_feeds,
    limit,
    ours,
    peer,
)


def _batches(against: str) -> tuple[Contestant, ...]:
    work, why = "ours.follow_batches", "a figure for users of whole messages"
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


CONTESTS = (
    *both_feeds(
        Contest(
            key="logs",
            title="WebSocket messages of 95 logs, 20 KB, to objects",
            unit="per log",
            plotted=True,
            contestants=(
                *ours("ours.follow_logs", GO, 0.65, 0.34),
                *_batches(GO),
                limit(GO, "go.follow"),
                peer("websocket-client, json, cattrs", "peers.follow_websocket_client_cattrs", GO),
                peer(
                    "websockets.sync, json, cattrs",
                    "peers.follow_websockets_cattrs",
                    GO,
                    "websockets",
                ),
                peer(
                    "websockets.sync, pydantic",
                    "peers.follow_websockets_pydantic",
                    GO,
                    "websockets",
                    "pydantic",
                ),
            ),
        ),
        installed=(0.65, 0.8),
        fast=(0.34, 0.38),
    ),
    *both_feeds(
        Contest(
            key="metadata",
            title="SSE events of 84 items of metadata, 20 KB, to objects",
            unit="per item",
            plotted=True,
            contestants=(
                *ours("ours.watch_metadata", GO_SSE, 0.8, 0.33),
                limit(GO_SSE, "go.watch"),
                peer(
                    "requests, sseclient-py, json, cattrs", "peers.watch_sseclient_cattrs", GO_SSE
                ),
                peer(
                    "httpx-sse, json, cattrs",
                    "peers.watch_httpx_cattrs",
                    GO_SSE,
                    "httpx",
                    "httpx_sse",
                ),
                peer(
                    "httpx-sse, pydantic",
                    "peers.watch_httpx_pydantic",
                    GO_SSE,
                    "httpx",
                    "httpx_sse",
                    "pydantic",
                ),
            ),
        ),
        installed=(0.8, 1.0),
        fast=(0.33, 0.42),
    ),
    *both_feeds(
        Contest(
            key="single",
            title="WebSocket messages of one log each, to objects",
            unit="per log",
            guard=False,  # its bound is not met yet: `make bench` reports that
            contestants=(
                *ours("ours.follow_single", LINES, 2.5, 2.0),
                limit(LINES, "limits.bare_lines_of_logs"),
            ),
        ),
        installed=(2.5, 2.5),
        fast=(2.0, 2.0),
    ),
    *both_feeds(
        Contest(
            key="body",
            title="A body of {0.body:,} logs, 0.2 KB each, to objects",
            unit="per log",
            plotted=True,
            contestants=(
                *ours("ours.read_large", GO_JSON, 0.85, 0.35),
                limit(GO_JSON, "go.unmarshal"),
                peer(JSON, "limits.json_large", GO_JSON),
                peer("json, cattrs", "peers.read_large_cattrs", GO_JSON),
                peer("pydantic", "peers.read_large_pydantic", GO_JSON, "pydantic"),
            ),
        ),
        installed=(0.85, 1.0),
        fast=(0.35, 0.5),
    ),
    *both_feeds(
        Contest(
            key="hundred",
            title="A body of 100 logs to objects",
            unit="per body",
            guard=True,
            contestants=(
                *ours("ours.read_short", JSON, 1.8, 0.8),
                limit(JSON, "limits.json_short"),
                peer("json, cattrs", "peers.read_short_cattrs", JSON),
                peer("pydantic", "peers.read_short_pydantic", JSON, "pydantic"),
            ),
        ),
        installed=(1.8, 1.8),
        fast=(0.8, 0.8),
    ),
    Contest(
        key="agent",
        title="An agent, 5 KB, to an object",
        unit="per agent",
        guard=True,
        contestants=(
            *ours("ours.read_agent", JSON, 2.2, 1.2),
            limit(JSON, "limits.json_agent"),
            peer("json, cattrs", "peers.read_agent_cattrs", JSON),
        ),
    ),
    Contest(
        key="agents",
        title="A list of {0.agents:,} workspaces with an agent each, all ids and times different",
        unit="per agent",
        guard=True,
        contestants=(
            *ours("ours.read_agents", JSON, 6.0, 1.8),
            limit(JSON, "limits.json_agents"),
        ),
    ),
)
"""
The contests of decoding, in the order of the table.
"""
