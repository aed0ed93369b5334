"""
The same work with the libraries that others would take, as they are shipped.

They are imported by name when they are asked for: each may be missing.
"""

from __future__ import annotations

import enum
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from types import GenericAlias
from typing import Any

import attrs
import cattrs

from coder_agents.schema import WorkspaceAgent
from coder_agents.schema.open_enumeration import OpenEnumeration
from contest import feed, limits, scenes
from contest.figures import Figures, Scale, drained, repeated

Decode = Callable[[Any], object]


class Level(enum.Enum):
    """
    The level of a line.
    """

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


@attrs.frozen
class Log:
    """
    A line of a log.
    """

    id: int
    created_at: datetime
    output: str
    level: Level
    source_id: uuid.UUID


@attrs.frozen
class Result:
    """
    What an item of metadata came to.
    """

    collected_at: datetime
    age: int
    value: str
    error: str


@attrs.frozen
class Description:
    """
    What an item of metadata is.
    """

    display_name: str
    key: str
    script: str
    interval: int
    timeout: int


@attrs.frozen
class Item:
    """
    An item of metadata.
    """

    result: Result
    description: Description


def with_cattrs(cls: Any) -> Decode:
    """
    Return what decodes JSON to *cls* by json and a plain cattrs converter.
    """
    converter = cattrs.Converter()
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_structure_hook(uuid.UUID, lambda text, _: uuid.UUID(text))
    converter.register_structure_hook(
        timedelta, lambda count, _: timedelta(microseconds=count // 1000)
    )
    converter.register_structure_hook_func(_is_open, lambda text, kind: kind(text))
    return lambda text: converter.structure(json.loads(text), cls)


def _is_open(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, OpenEnumeration)


def with_pydantic(cls: Any) -> Decode:
    """
    Return what decodes JSON to a list of pydantic's models of the same fields as *cls*.
    """
    models = GenericAlias(list, _model(cls))
    decode: Decode = import_module("pydantic").TypeAdapter(models).validate_json
    return decode


def _model(cls: Any) -> Any:
    types = {field.name: field.type for field in attrs.fields(attrs.resolve_types(cls))}
    models = {
        name: (_model(kind) if attrs.has(kind) else kind, ...) for name, kind in types.items()
    }
    return import_module("pydantic").create_model(cls.__name__, **models)


def _followed(scale: Scale, messages: Iterator[str | bytes], decode: Decode) -> Figures:
    objects = map(decode, messages)
    return drained(objects, warm=scale.warm, count=scale.messages, each=feed.LINES)


def _watched(scale: Scale, events: Iterator[str], decode: Decode) -> Figures:
    objects = map(decode, events)
    return drained(objects, warm=scale.warm, count=scale.messages, each=feed.ITEMS)


def _logs_url(scale: Scale, agent: uuid.UUID) -> str:
    url = scale.url.replace("http://", "ws://")
    return f"{url}/api/v2/workspaceagents/{agent}/logs?follow"


def _metadata_url(scale: Scale, agent: uuid.UUID) -> str:
    return f"{scale.url}/api/v2/workspaceagents/{agent}/watch-metadata"


def _by_websocket_client(scale: Scale, agent: uuid.UUID) -> Iterator[str | bytes]:
    socket = import_module("websocket").create_connection(_logs_url(scale, agent))
    while True:
        yield socket.recv()


def _by_websockets(scale: Scale, agent: uuid.UUID) -> Iterator[str | bytes]:
    connect = import_module("websockets.sync.client").connect
    # Its limit of a message is 1 MiB, and a log's backlog may be larger. At the end it would wait ten
    # seconds for the answer of a server that has much to send before.
    with connect(_logs_url(scale, agent), max_size=None, close_timeout=0) as socket:
        yield from socket


def _by_sseclient(scale: Scale, agent: uuid.UUID) -> Iterator[str]:
    answer = import_module("requests").get(_metadata_url(scale, agent), stream=True)
    for event in import_module("sseclient").SSEClient(answer).events():
        yield event.data


def _by_httpx_sse(scale: Scale, agent: uuid.UUID) -> Iterator[str]:
    client = import_module("httpx").Client()
    with import_module("httpx_sse").connect_sse(
        client, "GET", _metadata_url(scale, agent)
    ) as source:
        for event in source.iter_sse():
            yield event.data


def follow_websocket_client_cattrs(scale: Scale) -> Figures:
    """
    Follow a log: websocket-client, json, cattrs.

    A fifth of what the others read, as it takes milliseconds for each message.
    """
    messages = _by_websocket_client(scale, scenes.fed(scenes.LOGS, scale))
    return _followed(
        attrs.evolve(scale, messages=scale.messages // 5), messages, with_cattrs(list[Log])
    )


def follow_websockets_cattrs(scale: Scale) -> Figures:
    """
    Follow a log: websockets.sync, json, cattrs.
    """
    return _followed(
        scale, _by_websockets(scale, scenes.fed(scenes.LOGS, scale)), with_cattrs(list[Log])
    )


def follow_websockets_pydantic(scale: Scale) -> Figures:
    """
    Follow a log: websockets.sync, pydantic.
    """
    return _followed(
        scale, _by_websockets(scale, scenes.fed(scenes.LOGS, scale)), with_pydantic(Log)
    )


def watch_sseclient_cattrs(scale: Scale) -> Figures:
    """
    Watch metadata: requests, sseclient-py, json, cattrs.
    """
    return _watched(
        scale, _by_sseclient(scale, scenes.fed(scenes.METADATA, scale)), with_cattrs(list[Item])
    )


def watch_httpx_cattrs(scale: Scale) -> Figures:
    """
    Watch metadata: httpx-sse, json, cattrs.
    """
    return _watched(
        scale, _by_httpx_sse(scale, scenes.fed(scenes.METADATA, scale)), with_cattrs(list[Item])
    )


def watch_httpx_pydantic(scale: Scale) -> Figures:
    """
    Watch metadata: httpx-sse, pydantic.
    """
    return _watched(
        scale, _by_httpx_sse(scale, scenes.fed(scenes.METADATA, scale)), with_pydantic(Item)
    )


def sse_sseclient(scale: Scale) -> Figures:
    """
    Read server-sent events of 20 KB: requests, sseclient-py.
    """
    return drained(_by_sseclient(scale, scenes.FLOW), warm=scale.warm, count=scale.flow)


def sse_httpx(scale: Scale) -> Figures:
    """
    Read server-sent events of 20 KB: httpx-sse.
    """
    return drained(_by_httpx_sse(scale, scenes.FLOW), warm=scale.warm, count=scale.flow)


def frames_websocket_client(scale: Scale) -> Figures:
    """
    Read WebSocket messages of 20 KB: websocket-client.

    Fewer than the others, as it takes milliseconds for each to look whether it is UTF-8.
    """
    messages = _by_websocket_client(scale, scenes.FLOW)
    return drained(messages, warm=scale.warm, count=scale.flow // 10)


def frames_websockets(scale: Scale) -> Figures:
    """
    Read WebSocket messages of 20 KB: websockets.sync.
    """
    return drained(_by_websockets(scale, scenes.FLOW), warm=scale.warm, count=scale.flow)


def read_large_cattrs(scale: Scale) -> Figures:
    """
    Read the large body: json, cattrs.
    """
    return _large(scale, with_cattrs(list[Log]))


def read_large_pydantic(scale: Scale) -> Figures:
    """
    Read the large body: pydantic.
    """
    return _large(scale, with_pydantic(Log))


def _large(scale: Scale, decode: Decode) -> Figures:
    body = limits.large_body(scale)
    return repeated(lambda _: decode(body), scale.bodies, each=scale.body)


def read_short_cattrs(scale: Scale) -> Figures:
    """
    Read bodies of 100 logs: json, cattrs.
    """
    return _short(limits.short_bodies(scale), with_cattrs(list[Log]))


def read_short_pydantic(scale: Scale) -> Figures:
    """
    Read bodies of 100 logs: pydantic.
    """
    return _short(limits.short_bodies(scale), with_pydantic(Log))


def read_agent_cattrs(scale: Scale) -> Figures:
    """
    Read agents: json, cattrs.
    """
    return _short(limits.agents(scale), with_cattrs(WorkspaceAgent))


def _short(bodies: list[bytes], decode: Decode) -> Figures:
    return repeated(lambda number: decode(bodies[number]), len(bodies))
