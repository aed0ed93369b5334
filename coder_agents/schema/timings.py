"""
How long the steps of a build took, its agents' connections and their scripts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import attrs

from coder_agents.schema.enumerations import WorkspaceAgentScriptStatus
from coder_agents.schema.fields import NIL_UUID
from coder_agents.schema.open_enumeration import OpenEnumeration


class TimingStage(OpenEnumeration):
    """
    What took the time: a step of the provisioner, a script of an agent, or its connection.
    """

    INIT = "init"
    PLAN = "plan"
    GRAPH = "graph"
    APPLY = "apply"
    START = "start"
    STOP = "stop"
    CRON = "cron"
    CONNECT = "connect"


@attrs.frozen(kw_only=True)
class _Timing:
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def duration(self) -> timedelta | None:
        """
        From the start to the end; None where one of them is not known.
        """
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


@attrs.frozen(kw_only=True)
class ProvisionerTiming(_Timing):
    """
    One step of the provisioner.

    Attributes:
        started_at: when the step began.
        ended_at: when it ended.
        job_id: the job of the build.
        stage: of the build, such as plan or apply.
        source: what did the work, such as a Terraform provider.
        action: such as create or read.
        resource: what it was done to.
    """

    job_id: UUID = NIL_UUID
    stage: TimingStage = TimingStage("")
    source: str = ""
    action: str = ""
    resource: str = ""


@attrs.frozen(kw_only=True)
class AgentScriptTiming(_Timing):
    """
    One run of an agent's script that has ended.

    Attributes:
        started_at: when the script began, by the agent's clock.
        ended_at: when it ended.
        exit_code: the script's; 255 where the agent killed it, as for its time limit.
        stage: when it ran: start, stop or cron.
        status: how it ended.
        display_name: the script's; that of its log source in releases that report no names of scripts.
        workspace_agent_id: the agent.
        workspace_agent_name: its name.
    """

    exit_code: int = 0
    stage: TimingStage = TimingStage("")
    status: WorkspaceAgentScriptStatus = WorkspaceAgentScriptStatus("")
    display_name: str = ""
    workspace_agent_id: UUID = NIL_UUID
    workspace_agent_name: str = ""


@attrs.frozen(kw_only=True)
class AgentConnectionTiming(_Timing):
    """
    How long an agent took to connect for the first time.

    Attributes:
        started_at: when the build created the agent.
        ended_at: when the agent first connected.
        stage: connect.
        workspace_agent_id: the agent.
        workspace_agent_name: its name.
    """

    stage: TimingStage = TimingStage("")
    workspace_agent_id: UUID = NIL_UUID
    workspace_agent_name: str = ""


@attrs.frozen(kw_only=True)
class WorkspaceBuildTimings:
    """
    How long the steps of a build took, its agents' connections and their scripts.

    Attributes:
        provisioner_timings: the steps of the provisioner.
        agent_script_timings: the runs of scripts that have ended, those of the stop included.
        agent_connection_timings: the first connection of each agent.
    """

    provisioner_timings: tuple[ProvisionerTiming, ...] = ()
    agent_script_timings: tuple[AgentScriptTiming, ...] = ()
    agent_connection_timings: tuple[AgentConnectionTiming, ...] = ()
