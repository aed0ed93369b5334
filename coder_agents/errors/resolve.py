"""
Names that lead to no agent, owner or devcontainer, or to several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coder_agents.errors.root import CoderError

if TYPE_CHECKING:
    from coder_agents.schema import (
        Workspace,
        WorkspaceStatus,
    )


class FindingError(CoderError, LookupError):
    """
    A name leads to nothing, or to several things, though the deployment answered.

    Attributes:
        workspace: the workspace as it was found; None where none was.
    """

    def __init__(self, text: str = "", *, workspace: Workspace | None = None) -> None:
        super().__init__(text)
        self.workspace = workspace


class OwnerNotFoundError(FindingError):
    """
    There is no such user.

    Attributes:
        owner: the name, as it was written.
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
        near: names of workspaces of the same owner that are like the one asked for,
            the likest first.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, near: Sequence[str] = ()
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.near = tuple(near)


class WorkspaceStoppedError(FindingError):
    """
    The workspace is stopped, and so has no agents.
    """


class WorkspacePendingError(FindingError):
    """
    The workspace's latest build is not through, and lists no agents yet, or no more.

    Attributes:
        status: how far it has come: pending, starting, stopping, canceling, deleting.
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
    The workspace's latest build failed or was canceled, and lists no agents.

    Attributes:
        job_error: why, as the deployment says it; empty where it does not.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, job_error: str = ""
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.job_error = job_error


class NoAgentsError(FindingError):
    """
    The workspace's latest build went well, and made no agents.
    """


class AmbiguousAgentError(FindingError):
    """
    The workspace has several agents, and nothing says which one is meant.

    Attributes:
        agents: the names of those that it can be.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, agents: Sequence[str] = ()
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.agents = tuple(agents)


class AgentNotFoundError(FindingError):
    """
    The workspace has agents, but none of that name.

    Attributes:
        agents: the names of those that it has.
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
        devcontainers: the names of those that it lists.
    """

    def __init__(self, text: str = "", *, devcontainers: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.devcontainers = tuple(devcontainers)


class AmbiguousDevcontainerError(FindingError):
    """
    The agent lists several devcontainers of that name.

    Attributes:
        devcontainers: the ids of those that it can be, as text.
    """

    def __init__(self, text: str = "", *, devcontainers: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.devcontainers = tuple(devcontainers)
