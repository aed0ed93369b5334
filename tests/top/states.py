"""
States of agents, made by hand.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from coder_agents import Agent, Capabilities, Client, StreamOptions, schema
from coder_agents.cli.top.board import AgentState

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
_HTTP = Client("https://coder.example.com", "0123456789-abcdefghijklmnopqrstuv")._http


def agent_of(
    name: str = "main",
    workspace: str = "dev",
    *,
    owner: str = "alice",
    status: str = "connected",
    lifecycle: str = "ready",
    **fields: Any,
) -> Agent:
    """
    Return an agent; its id follows from its names.
    """
    data = schema.WorkspaceAgent(
        id=uuid.uuid5(uuid.NAMESPACE_DNS, f"{owner}/{workspace}.{name}"),
        name=name,
        status=schema.WorkspaceAgentStatus(status),
        lifecycle_state=schema.WorkspaceAgentLifecycle(lifecycle),
        **fields,
    )
    place = schema.Workspace(id=uuid.uuid4(), name=workspace, owner_name=owner)
    return Agent(data.id, _HTTP, StreamOptions(), Capabilities(), data=data, workspace=place)


def state_of(name: str = "main", workspace: str = "dev", **fields: Any) -> AgentState:
    """
    Return the state of such an agent; *fields* are the state's, or else the agent's.
    """
    own = {key: fields.pop(key) for key in list(fields) if key in AgentState.__annotations__}
    return AgentState(agent_of(name, workspace, **fields), **own)


def item(
    value: str, *, at: float | None = 0.0, key: str = "cpu", name: str = "CPU", **result: Any
) -> schema.WorkspaceAgentMetadata:
    """
    Return an item of metadata with *value*, collected *at* seconds after `START`; None for never.
    """
    interval = result.pop("interval", 10)
    collected = None if at is None else START + timedelta(seconds=at)
    result = {"age": None if at is None else 0, **result}
    return schema.WorkspaceAgentMetadata(
        description=schema.WorkspaceAgentMetadataDescription(
            display_name=name, key=key, interval=interval, timeout=1
        ),
        result=schema.WorkspaceAgentMetadataResult(value=value, collected_at=collected, **result),
    )


def log_of(output: str, *, number: int = 1, level: str = "info") -> schema.WorkspaceAgentLog:
    """
    Return a log line.
    """
    return schema.WorkspaceAgentLog(id=number, output=output, level=schema.LogLevel(level))


def port(number: int, name: str = "") -> schema.WorkspaceAgentListeningPort:
    """
    Return a port.
    """
    return schema.WorkspaceAgentListeningPort(port=number, process_name=name, network="tcp")
