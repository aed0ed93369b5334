"""
The handlers of calls that are answered with a stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial

from coder_agents.schema import WorkspaceAgentLog
from coder_agents.testing import documents
from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.connection import ServerStopping
from coder_agents.testing.documents import compact
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.handshake import accept
from coder_agents.testing.message_streams import (
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    EventStream,
    ServedStream,
    WebSocketStream,
)
from coder_agents.testing.requirements import find_agent, find_watched_agent, parse_count
from coder_agents.testing.state import State

# After so many intervals unchanged metadata is sent again, because its age has changed.
UNCHANGED_INTERVALS = 6


def follow_logs(state: State, exchange: ServerExchange, agent: str) -> None:
    """
    GET /workspaceagents/{agent}/logs?follow.
    """
    found = find_agent(state, agent)
    last_id = parse_count(exchange.request, "after")
    stream = _accept(exchange)
    with (
        state.logs.notices(found.id).subscribed(stream.wake),
        found.build.workspace.notices.subscribed(stream.wake),
    ):
        run_stream(stream, lambda: _send_logs(state, found, stream, last_id))


def _send_logs(state: State, agent: EmbeddedAgent, stream: ServedStream, last_id: int) -> None:
    first = True
    while True:
        # Checked before the lines are read, so that the end skips no line that came earlier.
        over = agent.superseded or (agent.deleted and state.release.ends_deleted)
        lines = state.logs.after(agent.id, last_id)
        if lines or first:
            stream.send(f"[{','.join(map(_line, lines))}]\n")
        if over:
            stream.finish()
            return
        first, last_id = False, lines[-1].id if lines else last_id
        stream.wait()


@lru_cache(maxsize=65_536)
def _line(log: WorkspaceAgentLog) -> str:
    """
    Return a line as it is sent. The text is cached because each connection repeats unsettled lines.
    """
    return compact(log)


def watch_metadata(state: State, exchange: ServerExchange, agent: str) -> None:
    """
    GET /workspaceagents/{agent}/watch-metadata.
    """
    found = find_agent(state, agent)
    stream = EventStream(exchange)
    run_stream(stream, lambda: send_metadata(state, found, stream, str))


def watch_metadata_ws(state: State, exchange: ServerExchange, agent: str) -> None:
    """
    GET /workspaceagents/{agent}/watch-metadata-ws.
    """
    found = find_agent(state, agent)
    stream = _accept(exchange, unexpected=(PROTOCOL_ERROR, "unexpected message"))
    run_stream(
        stream,
        lambda: send_metadata(
            state, found, stream, lambda text: f'{{"type":"data","data":{text}}}\n'
        ),
    )


def send_metadata(
    state: State, agent: EmbeddedAgent, stream: ServedStream, wrap: Callable[[str], str]
) -> None:
    """
    Send metadata for ever; *wrap* puts each list into a message.
    """
    tick = time.monotonic()
    while True:
        version = agent.metadata.version
        stream.send(wrap(compact(agent.metadata.snapshot())))
        for _ in range(UNCHANGED_INTERVALS):
            tick += state.metadata_interval
            # At least one wait, also where it is late: it reads the peer's input and notices a
            # stop.
            stream.wait(tick)
            while time.monotonic() < tick:
                stream.wait(tick)
            if agent.metadata.version != version:
                break


def watch_containers(state: State, exchange: ServerExchange, agent: str) -> None:
    """
    GET /workspaceagents/{agent}/containers/watch.
    """
    found = find_watched_agent(state, agent)
    stream = _accept(exchange)
    with (
        found.containers.notices.subscribed(stream.wake),
        found.notices.subscribed(stream.wake),
    ):
        run_stream(stream, lambda: _send_containers(state, found, stream))


def _send_containers(state: State, agent: EmbeddedAgent, stream: ServedStream) -> None:
    sent = None
    while agent.data.status == "connected":
        current = agent.containers.state()
        # The start or stop of a plain container is not sent, nor is a warning: the agent compares
        # only its dev containers.
        if current.devcontainers != sent:
            stream.send(compact(documents.containers(current, state.release)) + "\n")
            sent = current.devcontainers
        stream.wait()
    stream.finish()


def run_stream(stream: ServedStream, send: Callable[[], None]) -> None:
    """
    Run *send*, and end *stream* regularly when the server stops meanwhile.
    """
    try:
        send()
    except ServerStopping:
        stream.finish()


def _accept(
    exchange: ServerExchange,
    *,
    unexpected: tuple[int, str] = (POLICY_VIOLATION, "unexpected data message"),
) -> WebSocketStream:
    """
    Do the handshake; *unexpected* is the close code and reason that answer a message of the peer.
    """
    return accept(exchange, partial(WebSocketStream, unexpected=unexpected))
