"""
Errors of names that lead to no agent, owner or devcontainer, or to several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coder_agents.errors.root import CoderError

if TYPE_CHECKING:
    from coder_agents.schema import (
        ProvisionerJobLog,
        Workspace,
        WorkspaceStatus,
    )


class FindingError(CoderError, LookupError):
    """
    The deployment answered, but a name leads to no object, or to several.

    Attributes:
        workspace: the workspace that the name led to; None where it led to no workspace.
    """

    def __init__(self, text: str = "", *, workspace: Workspace | None = None) -> None:
        super().__init__(text)
        self.workspace = workspace


class OwnerNotFoundError(FindingError):
    """
    There is no such user.

    Attributes:
        owner: the name as the caller wrote it.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, owner: str = ""
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.owner = owner


class WorkspaceNotFoundError(FindingError):
    """
    There is no such workspace, or the token's user may not see it.

    Attributes:
        near: similar names of workspaces of the same owner, the most similar first.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, near: Sequence[str] = ()
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.near = tuple(near)


class WorkspaceStoppedError(FindingError):
    """
    The workspace is stopped, so it has no agents.
    """


class WorkspacePendingError(FindingError):
    """
    The workspace's latest build is under way and lists no agents.

    Attributes:
        status: the state of the build: pending, starting, stopping, canceling or deleting.
    """

    def __init__(
        self,
        text: str = "",
        *,
        workspace: Workspace | None = None,
        status: WorkspaceStatus | str = "",
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.status = status


class WorkspaceFailedError(FindingError):
    """
    The workspace's latest build failed or was canceled.

    Attributes:
        job_error: the deployment's reason; empty where it reports none.
        last_lines: the last lines of the build's log, where a method waited for the build; empty
            otherwise, and where the log cannot be read.
    """

    def __init__(
        self,
        text: str = "",
        *,
        workspace: Workspace | None = None,
        job_error: str = "",
        last_lines: Sequence[ProvisionerJobLog] = (),
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.job_error = job_error
        self.last_lines = tuple(last_lines)


class NoAgentsError(FindingError):
    """
    The workspace's latest build succeeded, and has no agents.
    """


class AmbiguousAgentError(FindingError):
    """
    The workspace has several agents, and the name fits more than one of them.

    Attributes:
        agents: the names of the agents that the name fits.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, agents: Sequence[str] = ()
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.agents = tuple(agents)


class AgentNotFoundError(FindingError):
    """
    The workspace has agents, but no agent of that name.

    Attributes:
        agents: the names of the workspace's agents.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, agents: Sequence[str] = ()
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.agents = tuple(agents)


class DevcontainerNotFoundError(FindingError):
    """
    The agent lists no such devcontainer.

    Attributes:
        devcontainers: the names of the dev containers that the agent lists.
    """

    def __init__(self, text: str = "", *, devcontainers: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.devcontainers = tuple(devcontainers)


class AmbiguousDevcontainerError(FindingError):
    """
    The agent lists several dev containers of that name.

    Attributes:
        devcontainers: the ids of these devcontainers, as text.
    """

    def __init__(self, text: str = "", *, devcontainers: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.devcontainers = tuple(devcontainers)
