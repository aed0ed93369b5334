from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from characters import unsafe_characters

from coder_agents.schema import (
    NIL_UUID,
    DERPRegion,
    IssueReconnectingPTYSignedTokenRequest,
    LogLevel,
    ProvisionerJob,
    Response,
    ServerSentEvent,
    User,
    ValidationError,
    WorkspaceAgent,
    WorkspaceAgentContainerPort,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    WorkspaceAgentScript,
    WorkspaceApp,
    to_dict,
    to_json,
)

# Nothing here reads JSON: one way to read it is enough.
pytestmark = pytest.mark.parametrize("way", ["json"], indirect=True)

SOME = UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
NIL = str(NIL_UUID)
SCRIPT = WorkspaceAgentScript(display_name="Install")
NEVER = "0001-01-01T00:00:00Z"


def written(value: object) -> Any:
    """
    *value* as JSON, decoded again.
    """
    return json.loads(to_json(value))


def test_json_is_compact_and_readable() -> None:
    """
    No spaces, and letters of any script as themselves.
    """
    assert to_json(Response(message="größer 😀")) == '{"message":"größer 😀"}'


def test_an_empty_log_line_is_what_go_would_write() -> None:
    """
    All fields are sent: the zero time, the nil UUID, an empty level.
    """
    assert written(WorkspaceAgentLog()) == {
        "id": 0,
        "created_at": NEVER,
        "output": "",
        "level": "",
        "source_id": NIL,
    }


def test_an_empty_agent_is_what_go_would_write() -> None:
    """
    What may be absent is absent, what is always sent is there, lists as ``[]`` and not null.
    """
    assert written(WorkspaceAgent()) == {
        "id": NIL,
        "parent_id": None,
        "created_at": NEVER,
        "updated_at": NEVER,
        "status": "",
        "lifecycle_state": "",
        "name": "",
        "resource_id": NIL,
        "architecture": "",
        "environment_variables": {},
        "operating_system": "",
        "logs_length": 0,
        "logs_overflowed": False,
        "version": "",
        "api_version": "",
        "apps": [],
        "connection_timeout_seconds": 0,
        "troubleshooting_url": "",
        "subsystems": [],
        "health": {"healthy": False},
        "display_apps": [],
        "log_sources": [],
        "scripts": [],
        "startup_script_behavior": "",
    }


def test_what_may_be_absent_but_is_sent_is_sent() -> None:
    """
    An app's health check as a zero object, a dev container's sub-agent as null.
    """
    app, devcontainer = written(WorkspaceApp()), written(WorkspaceAgentDevcontainer())

    assert app["healthcheck"] == {"url": "", "interval": 0, "threshold": 0}
    assert devcontainer["subagent_id"] is None
    assert "tooltip" not in app
    assert {"container", "agent", "error", "config_path"}.isdisjoint(devcontainer)


@pytest.mark.parametrize(
    ("value", "absent"),
    [
        (WorkspaceAgentContainerPort(), {"host_ip", "host_port"}),
        (WorkspaceAgentListContainersResponse(), {"warnings"}),
        (Response(), {"detail", "validations"}),
        (User(), {"name"}),
        (ProvisionerJob(), {"started_at", "completed_at", "error", "error_code"}),
        (WorkspaceAgentScript(), {"exit_code", "status"}),
    ],
)
def test_what_may_be_absent_is_skipped_when_empty(value: object, absent: set[str]) -> None:
    """
    Go's ``omitempty`` does the same.
    """
    assert absent.isdisjoint(written(value))


def test_what_may_be_absent_is_there_when_it_is_not_empty() -> None:
    """
    An exit code of 0 is an answer, not the lack of one.
    """
    script = written(WorkspaceAgentScript(exit_code=0, timeout=timedelta(seconds=1.5)))

    assert script["exit_code"] == 0
    assert script["timeout"] == 1_500_000_000
    assert written(Response(validations=(ValidationError(field="q"),)))["validations"] == [
        {"field": "q", "detail": ""}
    ]


def test_names_of_the_wire_are_used() -> None:
    """
    `agent_id` is written as ``agentID``.
    """
    request = IssueReconnectingPTYSignedTokenRequest(url="wss://x", agent_id=SOME)

    assert written(request) == {"url": "wss://x", "agentID": str(SOME)}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ([], "[]"),
        ([LogLevel.INFO, LogLevel("fatal")], '["info","fatal"]'),
        ((1, 2.5, True), "[1,2.5,true]"),
        ({"here": DERPRegion()}, '{"here":{"preferred":false,"latency_ms":0.0}}'),
        (SOME, f'"{SOME}"'),
        (datetime(2026, 11, 22, tzinfo=UTC), '"2026-11-22T00:00:00Z"'),
        (timedelta(microseconds=1), "1000"),
        (
            ServerSentEvent(type="ping", data=None),  # type: ignore[arg-type]
            '{"type":"ping","data":null}',
        ),
    ],
)
def test_collections_and_single_values_are_written(value: object, text: str) -> None:
    """
    Objects of the schema are written, what holds them, and what they hold.
    """
    assert to_json(value) == text


def test_an_event_carries_objects_of_the_schema() -> None:
    """
    Whoever sends events puts into them what they are about.
    """
    event = ServerSentEvent(data=[WorkspaceAgentMetadata()])

    assert written(event)["data"][0]["result"]["collected_at"] == NEVER


def test_half_a_surrogate_pair_is_replaced() -> None:
    """
    What is written can be sent, whatever a log line was made of.
    """
    assert to_json(WorkspaceAgentLog(output="a\ud800b")).encode()
    assert written(WorkspaceAgentLog(output="a\ud800b"))["output"] == "a\ufffdb"


def test_an_object_is_a_dict_of_what_json_has() -> None:
    """
    It has the names of the wire and plain values; so has what is in it.
    """
    request = IssueReconnectingPTYSignedTokenRequest(url="wss://x", agent_id=SOME)
    agent = WorkspaceAgent(created_at=datetime(2026, 11, 22, tzinfo=UTC), scripts=(SCRIPT,))

    assert to_dict(request) == {"url": "wss://x", "agentID": str(SOME)}
    assert to_dict(agent)["created_at"] == "2026-11-22T00:00:00Z"
    assert to_dict(agent)["scripts"] == [written(SCRIPT)]
    assert type(to_dict(WorkspaceAgentLog(level=LogLevel.INFO))["level"]) is str


@pytest.mark.parametrize("value", [[WorkspaceAgentLog()], {}, None, WorkspaceAgentLog])
def test_only_an_object_of_the_schema_is_a_dict(value: object) -> None:
    """
    A list is none, nor is a class: TypeError says what was given.
    """
    with pytest.raises(TypeError, match=f"not a {type(value).__name__}"):
        to_dict(value)


def test_json_is_one_line_of_json_lines() -> None:
    """
    Every character at which some reader ends a line is escaped, in values and in keys; others stay.
    """
    whole = "".join(
        sorted(each for each in unsafe_characters() if not "\ud800" <= each <= "\udfff")
    )

    text = to_json({whole: WorkspaceAgentLog(output=f"{whole}ש")})

    assert len(f"{text}\n".splitlines()) == 1
    assert "\\u0085" in text
    assert "\\u2028" in text
    assert "\\u2029" in text
    assert "ש" in text
    [(key, log)] = json.loads(text).items()
    assert key + "ש" == log["output"] == f"{whole}ש"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_not_written(number: float) -> None:
    """
    Nobody could read it.
    """
    with pytest.raises(ValueError, match="Out of range float values"):
        to_json(DERPRegion(latency_ms=number))


def test_a_time_without_a_zone_is_not_written() -> None:
    """
    Nobody could tell which instant it is.
    """
    with pytest.raises(ValueError, match="a time needs a zone"):
        to_json(WorkspaceAgent(created_at=datetime(2026, 11, 22)))  # noqa: DTZ001
