"""
What a person who is watching sees of a wait for a workspace.
"""

from __future__ import annotations

from collections.abc import Callable

from coder_agents.schema import Workspace, WorkspaceBuild
from coder_agents.workspaces.builds import place_in_queue


class WatchedWait:
    """
    The text of a bar: the state of the build or of the agent that was read last.

    Args:
        text: the text before the first of them.
    """

    def __init__(self, text: str) -> None:
        self._describe: Callable[[], str] = lambda: text

    def describe(self) -> str:
        """
        Return the text.
        """
        return self._describe()

    def show(self, describe: Callable[[], str]) -> None:
        """
        Show what *describe* returns.
        """
        self._describe = describe

    @classmethod
    def of(cls, workspace: Workspace) -> WatchedWait:
        """
        Return the text of a wait for the next build of *workspace*.
        """
        return cls(f"{workspace.owner_name}/{workspace.name}: waiting for the build")

    def show_build(self, build: WorkspaceBuild) -> None:
        """
        Show the state of *build*.
        """
        text = (
            f"{build.workspace_owner_name}/{build.workspace_name}: {build.transition}, build"
            f" {build.build_number}, {build.job.status}{place_in_queue(build)}"
        )
        self.show(lambda: text)
