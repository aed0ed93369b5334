"""
What a wait for an agent does while the agent's workspace has no agents.
"""

from __future__ import annotations

import attrs

from coder_agents.errors import (
    BuildTimeoutError,
    CoderError,
    ReadyTimeoutError,
    WorkspaceFailedError,
    WorkspacePendingError,
    WorkspaceStoppedError,
)
from coder_agents.readiness.options import check_truth
from coder_agents.schema import WorkspaceBuild, WorkspaceTransition
from coder_agents.workspaces.options import BuildOptions
from coder_agents.workspaces.transitions import Workspaces

_WITHOUT_AGENTS = (WorkspaceStoppedError, WorkspaceFailedError, WorkspacePendingError)


@attrs.frozen
class BeforeAgents:
    """
    Starts the workspace, or passes on the log of the build that is under way.

    Attributes:
        workspaces: the deployment.
        options: the options of the builds.
        start: whether a workspace that does not run is started.
    """

    workspaces: Workspaces
    options: BuildOptions
    start: bool = attrs.field(kw_only=True, validator=check_truth)

    def advance(self, trouble: CoderError) -> bool:
        """
        Do what *trouble*, the reason why there is no agent, requires; return whether a build was
        waited for.

        Raises *WorkspaceFailedError* where the build that was started failed, *ReadyTimeoutError*
        where it has not ended in time.
        """
        try:
            return self._advance(trouble)
        except BuildTimeoutError as error:
            timed_out = error
        try:
            text = f"no agent after {timed_out.waited:.1f} s: {timed_out}"
            raise ReadyTimeoutError(text, waited=timed_out.waited) from timed_out
        finally:
            del timed_out  # the exception, its traceback and this frame would form a cycle

    def _advance(self, trouble: CoderError) -> bool:
        if not isinstance(trouble, _WITHOUT_AGENTS) or trouble.workspace is None:
            return False
        build = trouble.workspace.latest_build
        if self.start:
            self.workspaces.start(trouble.workspace, self.options)
        elif self._passes_on(build):
            self.workspaces.await_build(build, self.options)
        else:
            return False
        return True

    def _passes_on(self, build: WorkspaceBuild) -> bool:
        """
        Whether the log of *build* is passed on: the build is under way, and an agent may follow.
        """
        may_follow = build.transition != WorkspaceTransition.DELETE
        return may_follow and self.options.on_build_log is not None and not build.job.ended
