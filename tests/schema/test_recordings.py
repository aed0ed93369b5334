from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from coder_agents.schema import (
    BuildInfoResponse,
    IssueReconnectingPTYSignedTokenRequest,
    ProvisionerJob,
    Response,
    ServerSentEvent,
    User,
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPortsResponse,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    WorkspaceBuild,
    WorkspaceResource,
    WorkspacesResponse,
    from_json,
    shapes,
    to_json,
)
from coder_agents.schema.fields import json_name

pytestmark = pytest.mark.unmeasured

PARTLY_MODELLED = {User, Workspace, WorkspaceBuild, WorkspaceResource, ProvisionerJob}

AGENT = r"/api/v2/workspaceagents/[^/]+"
CONTAINERS = WorkspaceAgentListContainersResponse
TYPES: list[tuple[str, Any]] = [
    (rf"{AGENT}", WorkspaceAgent),
    (rf"{AGENT}/logs(\?.*)?", list[WorkspaceAgentLog]),
    (rf"{AGENT}/listening-ports", WorkspaceAgentListeningPortsResponse),
    (rf"{AGENT}/containers(\?.*|/watch)?", CONTAINERS),
    (rf"{AGENT}/containers/devcontainers/.*/recreate", Response),
    (rf"{AGENT}/watch-metadata", list[WorkspaceAgentMetadata]),
    (rf"{AGENT}/watch-metadata-ws", ServerSentEvent),
    (r"/api/v2/users/me", User),
    (r"/api/v2/users/me/workspace/.*", Workspace),
    (r"/api/v2/workspaces/.*", Workspace),
    (r"/api/v2/workspaces\?.*", WorkspacesResponse),
    (r"/api/v2/buildinfo", BuildInfoResponse),
]
KINDS = {str(cls) for _, cls in TYPES} | {str(IssueReconnectingPTYSignedTokenRequest)}

Body = tuple[str, Any]


def bodies_of(recording: dict[str, Any]) -> Iterator[Body]:
    """
    Each JSON body in *recording* that has a type here, with that type.
    """
    if "polls" in recording:
        yield from ((poll["body"], WorkspaceAgent) for poll in recording["polls"])
        yield json.dumps(recording["logs"]), list[WorkspaceAgentLog]
        return
    for exchange in recording.get("exchanges", [recording]):
        yield from bodies_of_exchange(exchange)


def bodies_of_exchange(exchange: dict[str, Any]) -> Iterator[Body]:
    """
    The same for one exchange: its request, its answer, its messages or its events.
    """
    request, response = exchange["request"], exchange["response"]
    if request.get("body"):
        yield json.dumps(request["body"]), IssueReconnectingPTYSignedTokenRequest
    cls = next((cls for route, cls in TYPES if re.fullmatch(route, request["path"])), None)
    if response["status"] >= 400:
        cls = Response
    if response.get("body") and "json" in content_type(response):
        yield response["body"], cls
    events = "".join(chunk["data"] for chunk in exchange.get("chunks", ()))
    yield from ((data, cls) for data in re.findall(r"^data: (.+)$", events, re.MULTILINE))
    for message in exchange.get("messages", ()):
        if message["kind"] == "text":
            yield from bodies_of_message(message["data"], cls)


def bodies_of_message(text: str, cls: Any) -> Iterator[Body]:
    """
    A WebSocket message, and what is inside it if it is an event.
    """
    yield text, cls
    if cls is ServerSentEvent:
        yield json.dumps(json.loads(text)["data"]), list[WorkspaceAgentMetadata]


def content_type(response: dict[str, Any]) -> str:
    """
    What the answer says its body is.
    """
    headers = {name.lower(): value for name, value in response["headers"].items()}
    return str(headers.get("content-type", ""))


def comparable(document: Any, cls: Any) -> Any:
    """
    *document* without what is empty, null or zero and what is not modelled, with times as instants.
    """
    if cls in (Any, None):
        return document
    if document is None:
        return None
    cls = shapes.optional_of(cls) or cls
    if (item := shapes.list_item(cls) or shapes.tuple_item(cls)) is not None:
        return [comparable(found, item) for found in document]
    if (item := shapes.map_value(cls)) is not None:
        return {key: comparable(found, item) for key, found in document.items()}
    if shapes.is_class(cls):
        return comparable_members(document, cls)
    return instant(document) if cls is datetime else document


def comparable_members(document: dict[str, Any], cls: Any) -> dict[str, Any]:
    """
    The members of an object of *cls*; those it does not have stay, unless they may be lost.
    """
    types = {json_name(field): field.type for field in shapes.resolved_fields(cls)}
    names = types if cls in PARTLY_MODELLED else document
    found = {
        name: comparable(document[name], types.get(name)) for name in names if name in document
    }
    return {name: value for name, value in found.items() if value}


def instant(text: str) -> datetime | None:
    """
    The moment of *text* to the microsecond, read in another way than the schema does.
    """
    parts = re.fullmatch(r"([^.Z+]{10}[^.Z+-]+)(\.\d+)?(.+)", text)
    assert parts, text
    whole, fraction, zone = parts.groups()
    micro = f"{(fraction or '.')[1:]:0<6.6}"
    moment = datetime.strptime(f"{whole}.{micro}{zone}", "%Y-%m-%dT%H:%M:%S.%f%z")
    return None if moment.year == 1 else moment


@pytest.fixture
def bodies(recordings: Path, release: str) -> list[tuple[str, str, Any]]:
    """
    The bodies of all recordings of *release*, with the name of the recording.
    """
    return [
        (path.name, text, cls)
        for path in sorted((recordings / f"v{release}").glob("*.json"))
        for text, cls in bodies_of(json.loads(path.read_text(encoding="utf-8")))
    ]


def test_every_recorded_body_survives_a_round_trip(bodies: list[tuple[str, str, Any]]) -> None:
    """
    What deployments sent is written again as it was, but for what is not modelled.
    """
    for name, text, cls in bodies:
        again = json.loads(to_json(from_json(text, cls)))
        assert comparable(again, cls) == comparable(json.loads(text), cls), name


def test_every_modelled_type_is_among_the_recorded_bodies(
    bodies: list[tuple[str, str, Any]],
) -> None:
    """
    The round trip above is of every kind of answer there is.
    """
    kinds = Counter(str(cls) for _, _, cls in bodies)

    assert set(kinds) == KINDS
    assert kinds.total() > 50
