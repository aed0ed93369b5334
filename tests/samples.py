"""
A value of each public class that is a result or a setting.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import attrs

import coder_agents
from coder_agents import Agent, AgentLog, Client, Results, schema, streams
from coder_agents.readiness.report import report_startup
from coder_agents.schema import (
    WorkspaceAgent,
    WorkspaceAgentListeningPort,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    WorkspaceAgentScript,
)
from coder_agents.streams.changes import ContainerChange, PortChange

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
AT = datetime(2026, 11, 22, tzinfo=UTC)
LINE = WorkspaceAgentLog(id=1, output="a", source_id=uuid.uuid4())


def agent_of(id: int) -> Agent:
    """
    Return an agent that no deployment has.
    """
    return Client(URL, TOKEN)._agent(WorkspaceAgent(id=uuid.UUID(int=id), name="main"), None)


def samples() -> list[Any]:
    """
    Return a value of each public class that is a result or a setting.
    """
    script = WorkspaceAgentScript(run_on_start=True, display_name="Install")
    report = report_startup(WorkspaceAgent(scripts=(script,)), [LINE])
    classes = [getattr(module, name) for module in (schema, streams) for name in module.__all__]
    made: dict[Any, Any] = {
        streams.StreamStats: streams.StreamStats(
            items=1, bytes=2, reconnects=3, late=4, checks=5, overflowed=True, since=AT
        ),
        AgentLog: AgentLog(agent_of(1), LINE),
        streams.DevcontainerChanged: streams.DevcontainerChanged(
            schema.WorkspaceAgentDevcontainer(name="a"), schema.WorkspaceAgentDevcontainer()
        ),
    }
    for change in (*PortChange.__args__, *ContainerChange.__args__):
        about = attrs.fields(attrs.resolve_types(change))[0].type
        if change not in made and about is not None:
            made[change] = change(about())
    made |= {
        cls: cls()
        for cls in classes
        if isinstance(cls, type) and attrs.has(cls) and cls not in made
    }
    return [
        *made.values(),
        LINE,
        WorkspaceAgentListeningPort(process_name="web", port=80),
        coder_agents.Capabilities(containers_watch=True),
        coder_agents.StreamEnd.CLOSED,
        coder_agents.ScriptConclusion.OK,
        coder_agents.CompletedCommand(["make"], -9, b"out", None, duration=0.5, truncated=True),
        coder_agents.JobInfo("id", "make", "running", None, 7, AT, 3, 0),
        coder_agents.Output("stderr", b"\xff"),
        report,
        *report.scripts,
        agent_of(1),
        results(),
        coder_agents.AgentResult(agent_of(1), "result"),
        by_agent(),
        coder_agents.ResultList([LINE, LINE]),
    ]


def results() -> Results[list[WorkspaceAgentMetadata]]:
    """
    Return the metadata of one agent, and the error of another.
    """
    error = coder_agents.FindingError("gone")
    return Results.of([(agent_of(1), [WorkspaceAgentMetadata()]), (agent_of(2), error)])


def by_agent() -> streams.ByAgent[Agent, str]:
    """
    Return a mapping from two agents.
    """
    return streams.ByAgent([(agent_of(1), "one"), (agent_of(2), "two")])
