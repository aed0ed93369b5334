"""
Errors of waiting: an agent or a dev container did not become ready.
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
        agent: the agent as it was last read; None where the workspace had no agent yet.
        last_lines: the last lines of the agent's log that are about the failure; empty where there
            are none, or where the log cannot be read.
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
    A startup script failed or took too long; the agent can be used.

    Attributes:
        script: the script that failed; None where it is not known, or where several scripts have
            its name.
        source: the name of the log source of ``last_lines``; empty where they are from all sources.
            A guess is the source that last wrote to standard error, which may be a script that did
            not fail.
        status: how the script ended; None where that is not known.
        exit_code: the script's exit code, 255 where the agent killed the script; None where it is
            not known.
        duration: how long the script ran; None where that is not known.
        is_guess: whether *source* is a guess, because the script that failed is not known. This is
            the case where the agent was found by its own UUID, so that its workspace is not known,
            and the deployment is older than 2.35.
        report: the report on all scripts.
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
    The agent is shutting down or off: it will not be ready in this build.
    """


class ReadyTimeoutError(ReadinessError, TimeoutError):
    """
    The agent, or its workspace's build, was not ready within the time-out.

    Attributes:
        status: the state of the agent's connection; empty without an agent.
        lifecycle_state: the agent's progress with its scripts; empty without an agent.
        running: the names of the startup scripts that are known to run. Of several scripts, that is
            not known where the agent was found by its own UUID, before 2.35: then it is empty.
        waited: how long the method waited, in seconds.
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
    A devcontainer failed while a method waited for it.

    Attributes:
        devcontainer: the dev container as it was last reported.
        error: the deployment's reason; empty where the deployment reports none, as before 2.31.
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
    A dev container neither ran nor failed within the time-out.

    ``devcontainer`` is None where no state was reported meanwhile.
    """
