"""
The timings of a build: of its steps, and of its agents and their scripts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import attrs

from coder_agents.render.html import Markup
from coder_agents.representation.cells import status, tables
from coder_agents.representation.objects import Represented
from coder_agents.schema.enumerations import WorkspaceAgentScriptStatus
from coder_agents.schema.fields import NIL_UUID
from coder_agents.schema.open_enumeration import OpenEnumeration


class TimingStage(OpenEnumeration):
    """
    The stage of a timing: a step of the provisioner, a script of an agent, or its connection.
    """

    INIT = "init"
    PLAN = "plan"
    GRAPH = "graph"
    APPLY = "apply"
    START = "start"
    STOP = "stop"
    CRON = "cron"
    CONNECT = "connect"


@attrs.frozen(kw_only=True, repr=False)
class _Timing(Represented):
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def duration(self) -> timedelta | None:
        """
        The time from the start to the end; None where one of the two is not known.
        """
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


@attrs.frozen(kw_only=True, repr=False)
class ProvisionerTiming(_Timing):
    """
    One step of the provisioner.

    Attributes:
        started_at: when the step began.
        ended_at: when the step ended.
        job_id: the id of the build's job.
        stage: the stage of the build, such as plan or apply.
        source: the program that did the step, such as a Terraform provider.
        action: the action of the step, such as create or read.
        resource: the resource that the step changed or read.
    """

    job_id: UUID = NIL_UUID
    stage: TimingStage = TimingStage("")
    source: str = ""
    action: str = ""
    resource: str = ""

    _first_fields = ("stage", "action", "resource")
    _columns = ("Stage", "Action", "Resource", "Source", "Started", "Took")
    _noun = "step"

    def _cells(self) -> Sequence[object]:
        return self.stage, self.action, self.resource, self.source, self.started_at, self.duration


@attrs.frozen(kw_only=True, repr=False)
class AgentScriptTiming(_Timing):
    """
    One run of an agent's script that has ended.

    Attributes:
        started_at: when the run began, by the agent's clock.
        ended_at: when the run ended, by the agent's clock.
        exit_code: the script's exit code; 255 where the agent killed it, as at its time limit.
        stage: start, stop or cron.
        status: how the run ended.
        display_name: the name of the script; that of its log source in releases that report no
            names of scripts.
        workspace_agent_id: the id of the agent.
        workspace_agent_name: the name of the agent.
    """

    exit_code: int = 0
    stage: TimingStage = TimingStage("")
    status: WorkspaceAgentScriptStatus = WorkspaceAgentScriptStatus("")
    display_name: str = ""
    workspace_agent_id: UUID = NIL_UUID
    workspace_agent_name: str = ""

    _first_fields = ("display_name", "workspace_agent_name", "stage", "status", "exit_code")
    _columns = ("Agent", "Script", "Stage", "Status", "Exit code", "Started", "Took")
    _noun = "script"

    def _cells(self) -> Sequence[object]:
        return (
            self.workspace_agent_name,
            self.display_name,
            self.stage,
            status(self.status),
            self.exit_code,
            self.started_at,
            self.duration,
        )


@attrs.frozen(kw_only=True, repr=False)
class AgentConnectionTiming(_Timing):
    """
    How long an agent took to connect for the first time.

    Attributes:
        started_at: when the build created the agent.
        ended_at: when the agent first connected.
        stage: connect.
        workspace_agent_id: the id of the agent.
        workspace_agent_name: the name of the agent.
    """

    stage: TimingStage = TimingStage("")
    workspace_agent_id: UUID = NIL_UUID
    workspace_agent_name: str = ""

    _first_fields = ("workspace_agent_name",)
    _columns = ("Agent", "Stage", "Started", "Took")
    _noun = "connection"

    def _cells(self) -> Sequence[object]:
        return self.workspace_agent_name, self.stage, self.started_at, self.duration


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceBuildTimings(Represented):
    """
    The timings of a build: of its steps, and of its agents and their scripts.

    Attributes:
        provisioner_timings: the steps of the provisioner.
        agent_script_timings: the runs of scripts that have ended, including those of the stop.
        agent_connection_timings: the first connection of each agent.
    """

    provisioner_timings: tuple[ProvisionerTiming, ...] = ()
    agent_script_timings: tuple[AgentScriptTiming, ...] = ()
    agent_connection_timings: tuple[AgentConnectionTiming, ...] = ()

    def _title(self) -> str:
        return "Timings of a build"

    def _facts(self) -> Iterable[tuple[str, object]]:
        return ()

    def _below(self) -> Iterable[Markup]:
        return tables(
            self.provisioner_timings, self.agent_connection_timings, self.agent_script_timings
        )
