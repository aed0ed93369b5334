"""
What the gallery of plots shows: an hour of metadata and the start of a workspace, the same in each build.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from coder_agents import Agent, Client
from coder_agents.display import MetadataRecorder, Timeline
from coder_agents.display.recorder import Recording
from coder_agents.display.timeline_steps import steps_of
from coder_agents.display.watch import MetadataWatch
from coder_agents.schema import (
    AgentConnectionTiming,
    AgentScriptTiming,
    ProvisionerJob,
    ProvisionerJobStatus,
    ProvisionerTiming,
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentMetadata,
    WorkspaceAgentMetadataDescription,
    WorkspaceAgentMetadataResult,
    WorkspaceAgentScriptStatus,
    WorkspaceAgentStatus,
    WorkspaceBuild,
    WorkspaceBuildTimings,
    WorkspaceResource,
    WorkspaceTransition,
)

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def _item(key: str, name: str, at: float, value: str, error: str = "") -> WorkspaceAgentMetadata:
    return WorkspaceAgentMetadata(
        description=WorkspaceAgentMetadataDescription(
            display_name=name, key=key, interval=30, timeout=1
        ),
        result=WorkspaceAgentMetadataResult(collected_at=_at(at), age=0, value=value, error=error),
    )


def _items(at: int) -> list[WorkspaceAgentMetadata]:
    wave = math.sin(at / 400) + 0.3 * math.sin(at / 37)
    failed = "exit status 1" if 2400 <= at < 2520 else ""
    return [
        _item("cpu", "CPU", at, f"{50 + 30 * wave:.1f}%", failed),
        _item("mem", "Memory", at, f"{4 + at / 600 + wave:.2f}/16 GiB"),
        _item("load", "Load", at, f"{2 + 1.5 * math.sin(at / 90):.2f}"),
    ]


def recorder() -> MetadataRecorder:
    """
    Return an hour of three numbers, with an outage of five minutes and two minutes of errors.
    """
    client = Client("https://coder.example.com", "0123456789-abcdefghijklmnopqrstuv")
    data = WorkspaceAgent(name="main")
    agent = Agent(data.id, client._http, client._stream_options, client._capabilities, data=data)
    recording = Recording([agent])
    for at in range(0, 3600, 30):
        if not 1200 < at < 1500:
            recording.add(agent, _items(at))
    watch = MetadataWatch(on_items=recording.add, on_failure=recording.fail)
    made = MetadataRecorder(recording, watch)
    made.close()
    return made


def timeline() -> Timeline:
    """
    Return the start of a workspace, with a script that failed and a slow one.
    """
    agent = WorkspaceAgent(
        name="main",
        created_at=_at(24),
        first_connected_at=_at(37),
        started_at=_at(37.5),
        status=WorkspaceAgentStatus.CONNECTED,
        lifecycle_state=WorkspaceAgentLifecycle.STARTING,
    )
    ok, failed = WorkspaceAgentScriptStatus.OK, WorkspaceAgentScriptStatus.EXIT_FAILURE
    scripts = [("Dotfiles", 37.6, 41, failed), ("IDE", 37.6, 52, ok), ("Packages", 37.7, 96, ok)]
    timings = WorkspaceBuildTimings(
        provisioner_timings=tuple(
            ProvisionerTiming(
                started_at=_at(begin),
                ended_at=_at(end),
                stage=TimingStage(stage),
                resource=resource,
                action=action,
            )
            for begin, end, stage, resource, action in [
                (2, 6, "init", "", "initializing"),
                (6, 8.5, "plan", "data.coder_workspace.me", "read"),
                (9, 21, "apply", "docker_volume.home", "create"),
                (9.5, 24, "apply", "docker_container.workspace", "create"),
            ]
        ),
        agent_script_timings=tuple(
            AgentScriptTiming(
                started_at=_at(begin),
                ended_at=_at(end),
                stage=TimingStage.START,
                status=status,
                exit_code=int(status != ok),
                display_name=name,
                workspace_agent_id=agent.id,
            )
            for name, begin, end, status in scripts
        ),
        agent_connection_timings=(
            AgentConnectionTiming(
                started_at=_at(24), ended_at=_at(37), workspace_agent_id=agent.id
            ),
        ),
    )
    build = WorkspaceBuild(
        build_number=7,
        transition=WorkspaceTransition.START,
        created_at=NOON,
        job=ProvisionerJob(
            started_at=_at(1.5), completed_at=_at(24), status=ProvisionerJobStatus.SUCCEEDED
        ),
        resources=(WorkspaceResource(agents=(agent,)),),
    )
    return Timeline(
        workspace="dev",
        build_number=7,
        transition="start",
        steps=tuple(steps_of(build, timings, ())),
        read_at=_at(100),
    )
