"""
What this package's users write.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import os
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from typing import Any

from coder_agents import Agent, Client, LogStream, StreamOptions
from coder_agents.schema import WorkspaceAgent, WorkspaceAgentLog, WorkspacesResponse, from_json
from coder_agents.streams.poller import Poller, single_selector
from coder_agents.transport import Source, SSESource, WebSocketSource
from contest import feed, limits, scenes
from contest.figures import Figures, Scale, drained, repeated

_OPTIONS = StreamOptions()


def _agent(scale: Scale, agent: uuid.UUID) -> Agent:
    # The token tells the busy log's visitors apart.
    return Client(scale.url, f"token-{os.getpid()}").agent(scenes.fed(agent, scale))


def follow_logs(scale: Scale) -> Figures:
    """
    Follow a log, line by line.
    """
    stream = _agent(scale, scenes.LOGS).follow_logs()
    return _lines(scale, stream)


def _lines(scale: Scale, stream: LogStream) -> Figures:
    with stream:
        return drained(stream, warm=scale.warm * feed.LINES, count=scale.messages * feed.LINES)


def follow_single(scale: Scale) -> Figures:
    """
    Follow a log with one line in each message.
    """
    with _agent(scale, scenes.SINGLE).follow_logs() as stream:
        return drained(
            stream, warm=scale.warm * scenes.SINGLES, count=scale.messages * scenes.SINGLES
        )


def follow_batches(scale: Scale) -> Figures:
    """
    Follow a log, list by list of what arrived together.
    """
    with _agent(scale, scenes.LOGS).follow_logs() as stream:
        batches = stream.batches()
        taken = _lines_of(batches, scale.warm * feed.LINES)
        cpu, wall = time.process_time(), time.perf_counter()
        count = _lines_of(batches, (scale.warm + scale.messages) * feed.LINES - taken)
        return Figures(cpu=time.process_time() - cpu, wall=time.perf_counter() - wall, count=count)


def _lines_of(batches: Iterator[list[WorkspaceAgentLog]], least: int) -> int:
    """
    Take *least* lines or a few more; return how many.
    """
    count = 0
    while count < least:
        count += len(next(batches))
    return count


def watch_metadata(scale: Scale) -> Figures:
    """
    Watch metadata.
    """
    with _agent(scale, scenes.METADATA).watch_metadata() as stream:
        return drained(stream, warm=scale.warm, count=scale.messages, each=feed.ITEMS)


def sse_source(scale: Scale) -> Figures:
    """
    Read server-sent events of 20 KB, as the metadata's stream does.
    """
    return _received(_sse(scale, scenes.FLOW), scale.warm, scale.flow)


def websocket_source(scale: Scale) -> Figures:
    """
    Read WebSocket messages of 20 KB, as the log's stream does.
    """
    agent = _agent(scale, scenes.FLOW)
    source = WebSocketSource(
        agent._http,
        agent._path("logs"),
        [("follow", ""), ("no_compression", "")],
        idle_timeout=_OPTIONS.idle_timeout,
        max_message_size=_OPTIONS.max_message_size,
    )
    return _received(source, scale.warm, scale.flow)


def large_event(scale: Scale) -> Figures:
    """
    Read events of 1.6 MB in small pieces.
    """
    return _received(_sse(scale, scenes.WHOLE), 1, scale.large)


def half_event(scale: Scale) -> Figures:
    """
    Read events of 0.8 MB in small pieces.
    """
    return _received(_sse(scale, scenes.HALF), 1, scale.large)


def _sse(scale: Scale, agent_id: uuid.UUID) -> SSESource:
    agent = _agent(scale, agent_id)
    return SSESource(
        agent._http,
        agent._path("watch-metadata"),
        idle_timeout=_OPTIONS.idle_timeout,
        max_message_size=_OPTIONS.max_message_size,
    )


def _received(source: Source[Any], warm: int, count: int) -> Figures:
    try:
        return drained(_messages(source), warm=warm, count=count)
    finally:
        source.free()


def _messages(source: Source[Any]) -> Iterator[object]:
    """
    Open *source* and yield its messages, waiting as a stream does.
    """
    with contextlib.closing(Poller[int](single_selector())) as poller:
        source.send_request(10)
        while not source.answered():
            _wait(poller, source)
        while True:
            message = source.receive()
            if message is not None:
                yield message
            else:
                _wait(poller, source)


def _wait(poller: Poller[int], source: Source[Any]) -> None:
    interest = source.interest()
    if interest is not None:
        poller.set(0, (interest,))
        poller.wait(math.inf)


def event_way(scale: Scale) -> Figures:
    """
    Time the way of a small event to who reads events.
    """
    source = _sse(scale, scenes.TIMED)
    try:
        return limits.way(_messages(source), _event_bytes, scale.timed)
    finally:
        source.free()


def _event_bytes(event: Any) -> object:
    return event.data.encode()


def way(scale: Scale) -> Figures:
    """
    Time the way of a small event to who watches metadata.
    """
    with _agent(scale, scenes.TIMED).watch_metadata() as stream:
        return limits.way(stream, _first_value, scale.timed)


def _first_value(items: Any) -> object:
    return items[0].result.value


def read_large(scale: Scale) -> Figures:
    """
    Read the large body.
    """
    body = limits.large_body(scale)
    return repeated(
        lambda _: from_json(body, list[WorkspaceAgentLog]), scale.bodies, each=scale.body
    )


def read_short(scale: Scale) -> Figures:
    """
    Read bodies of 100 logs.
    """
    bodies = limits.short_bodies(scale)
    return repeated(lambda number: from_json(bodies[number], list[WorkspaceAgentLog]), len(bodies))


def read_agent(scale: Scale) -> Figures:
    """
    Read agents.
    """
    bodies = limits.agents(scale)
    return repeated(lambda number: from_json(bodies[number], WorkspaceAgent), len(bodies))


def read_agents(scale: Scale) -> Figures:
    """
    Read a list of workspaces with an agent each, all ids and times different.
    """
    page = feed.workspaces(scale.agents)
    return repeated(lambda _: from_json(page, WorkspacesResponse), scale.large, each=scale.agents)


def busy_checked(scale: Scale) -> Figures:
    """
    Follow a busy log as anybody does.
    """
    return _busy(scale, StreamOptions())


def busy_unchecked(scale: Scale) -> Figures:
    """
    Follow a busy log without looking for late lines.
    """
    return _busy(scale, StreamOptions(settle=0))


def _busy(scale: Scale, options: StreamOptions) -> Figures:
    with _agent(scale, scenes.BUSY).follow_logs(options=options) as stream:
        return drained(stream, warm=1, count=scenes.busy_lines(scale) - 1)


def kept(scale: Scale) -> Figures:
    """
    Keep the lines of a log; what they hold beyond the characters of their text.
    """
    with _agent(scale, scenes.LONG).follow_logs() as stream:
        logs = _taken(stream, feed.LINES)
        before = _allocated()
        logs += _taken(stream, scale.kept)
    del stream  # and with it the ids that it remembers
    held = _allocated() - before
    text = sum(len(log.output.encode()) for log in logs[feed.LINES :])
    return Figures(bytes=held - text, count=scale.kept)


def _taken(stream: Iterator[WorkspaceAgentLog], count: int) -> list[WorkspaceAgentLog]:
    return list(itertools.islice(stream, count))


def held_early(scale: Scale) -> Figures:
    """
    What a stream itself holds after a tenth of a long log.
    """
    return _held(scale, scale.long // 10)


def held_late(scale: Scale) -> Figures:
    """
    What a stream itself holds after a long log.
    """
    return _held(scale, scale.long)


def _held(scale: Scale, count: int) -> Figures:
    agent = _agent(scale, scenes.LONG)
    with agent.follow_logs() as stream:  # what is made but once is no stream's own
        next(stream)
    before = _allocated()
    with agent.follow_logs() as stream:
        drained(stream, warm=0, count=count)
        return Figures(bytes=_allocated() - before)


def _allocated() -> int:
    gc.collect()
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    return tracemalloc.get_traced_memory()[0]
