"""
What was waited for, and did not become ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coder_agents.errors.root import CoderError

if TYPE_CHECKING:
    from datetime import timedelta

    from coder_agents.readiness import StartupReport
    from coder_agents.schema import (
        WorkspaceAgent,
        WorkspaceAgentDevcontainer,
        WorkspaceAgentLifecycle,
        WorkspaceAgentLog,
        WorkspaceAgentScript,
        WorkspaceAgentScriptStatus,
        WorkspaceAgentStatus,
    )


class ReadinessError(CoderError):
    """
    An agent did not become ready.

    Attributes:
        agent: as it was last read; None where the workspace had none yet.
        last_lines: the last lines of its log that tell of it; empty where there are none, or
            where they cannot be read.
    """

    def __init__(
        self,
        text: str = "",
        *,
        agent: WorkspaceAgent | None = None,
        last_lines: Sequence[WorkspaceAgentLog] = (),
    ) -> None:
        super().__init__(text)
        self.agent = agent
        self.last_lines = tuple(last_lines)


class StartupError(ReadinessError):
    """
    A startup script failed or was too slow; the agent can be used all the same.

    Attributes:
        script: the script; None where it is not known which one failed, or where several have its
            name.
        source: the name of the log source that ``last_lines`` are from. Where it is a guess, it is
            the one that wrote the last line to standard error, which need not be the one that
            failed. Empty where ``last_lines`` are from all.
        status: how the script ended; None where that is not known.
        exit_code: the script's; likewise. 255 where the agent killed it.
        duration: how long it ran; likewise.
        is_guess: whether it is not known which script failed, so that *source* is a guess. That is
            so where the agent was found by its own UUID, which leads to no workspace, and its
            deployment is older than 2.35.
        report: what each script did.
    """

    def __init__(
        self,
        text: str = "",
        *,
        agent: WorkspaceAgent | None = None,
        script: WorkspaceAgentScript | None = None,
        source: str = "",
        status: WorkspaceAgentScriptStatus | None = None,
        exit_code: int | None = None,
        duration: timedelta | None = None,
        is_guess: bool = False,
        report: StartupReport | None = None,
        last_lines: Sequence[WorkspaceAgentLog] = (),
    ) -> None:
        super().__init__(text, agent=agent, last_lines=last_lines)
        self.script = script
        self.source = source
        self.status = status
        self.exit_code = exit_code
        self.duration = duration
        self.is_guess = is_guess
        self.report = report


class AgentShutDownError(ReadinessError):
    """
    The agent is shutting down, or off: it will not be ready in this build.
    """


class ReadyTimeoutError(ReadinessError, TimeoutError):
    """
    The agent, or its workspace's build, took longer than there was time.

    Attributes:
        status: whether the deployment is in touch with the agent; empty without an agent.
        lifecycle_state: how far its scripts are; empty without an agent.
        running: the names of the startup scripts that are known to run; empty where that is not
            known: of several scripts, where the agent was found by its own UUID, before 2.35.
        waited: seconds.
    """

    def __init__(
        self,
        text: str = "",
        *,
        agent: WorkspaceAgent | None = None,
        running: Sequence[str] = (),
        waited: float = 0.0,
        last_lines: Sequence[WorkspaceAgentLog] = (),
    ) -> None:
        super().__init__(text, agent=agent, last_lines=last_lines)
        self.status: WorkspaceAgentStatus | str = "" if agent is None else agent.status
        self.lifecycle_state: WorkspaceAgentLifecycle | str = (
            "" if agent is None else agent.lifecycle_state
        )
        self.running = tuple(running)
        self.waited = waited


class DevcontainerError(CoderError):
    """
    A devcontainer that was waited for went wrong.

    Attributes:
        devcontainer: as it was seen last.
        error: why, as the deployment says it; empty where it does not, as before 2.31.
    """

    def __init__(
        self,
        text: str = "",
        *,
        devcontainer: WorkspaceAgentDevcontainer | None = None,
        error: str = "",
    ) -> None:
        super().__init__(text)
        self.devcontainer = devcontainer
        self.error = error


class DevcontainerTimeoutError(DevcontainerError, TimeoutError):
    """
    A devcontainer that was waited for does not run, nor has it failed, within the time-out.

    ``devcontainer`` is None where the agent was not heard of meanwhile.
    """
