"""
Starting and stopping: a build is requested where the workspace needs one.
"""

from __future__ import annotations

import logging
import time

import attrs

from coder_agents.errors import CoderError, ConflictError
from coder_agents.lookup import read_workspace
from coder_agents.readiness.rules import poll_interval
from coder_agents.schema import (
    ProvisionerJobStatus,
    Workspace,
    WorkspaceBuild,
    WorkspaceTransition,
)
from coder_agents.streams import StreamOptions
from coder_agents.streams.reconnect import is_resumable, requested_pause, without_frames
from coder_agents.transport import HTTP
from coder_agents.workspaces.builds import create_build, description
from coder_agents.workspaces.options import BuildOptions
from coder_agents.workspaces.waiting import BuildWait, raise_failure

logger = logging.getLogger("coder_agents")

# A build that is under way, or has succeeded, makes its change; one that is canceling does not.
_MAKING = frozenset(
    {
        ProvisionerJobStatus.PENDING,
        ProvisionerJobStatus.RUNNING,
        ProvisionerJobStatus.SUCCEEDED,
    }
)
_MAX_CONFLICTS = 3  # in a row while no build is seen to be under way


@attrs.frozen
class Workspaces:
    """
    Starts and stops the workspaces of a deployment.

    Attributes:
        http: the deployment.
        stream_options: the options of the streams of builds' logs.
    """

    http: HTTP
    stream_options: StreamOptions

    def start(self, workspace: Workspace, options: BuildOptions) -> WorkspaceBuild:
        """
        Return the build that starts *workspace*; see `Client.start_workspace`.
        """
        return _WorkspaceChange(self, workspace, WorkspaceTransition.START, options).run()

    def stop(self, workspace: Workspace, options: BuildOptions) -> WorkspaceBuild:
        """
        Return the build that stops *workspace*; see `Client.stop_workspace`.
        """
        return _WorkspaceChange(self, workspace, WorkspaceTransition.STOP, options).run()

    def restart(self, workspace: Workspace, options: BuildOptions) -> WorkspaceBuild:
        """
        Stop *workspace*, wait for that, and return the build that starts it; see
        `Client.restart_workspace`.
        """
        stopped = self.stop(workspace, options.waiting())
        return self.start(attrs.evolve(workspace, latest_build=stopped), options)

    def await_build(self, build: WorkspaceBuild, options: BuildOptions) -> WorkspaceBuild:
        """
        Return *build* when its job has ended, with or without an error.
        """
        return BuildWait(self.http, build, options, self.stream_options).run()


class _WorkspaceChange:
    """
    One change of a workspace, until a build makes it.

    A request whose answer did not come may have created a build, and another client may have
    requested one. So the workspace is read before a request is sent again: a build with the same
    transition that began since the first request is the result, whoever requested it.

    Args:
        workspaces: the deployment.
        workspace: the workspace as it was read just before.
        transition: the change.
        options: the options of the change.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        workspace: Workspace,
        transition: WorkspaceTransition,
        options: BuildOptions,
    ) -> None:
        self._workspaces = workspaces
        self._http = workspaces.http
        self._workspace = workspace
        self._transition = transition
        self._options = options
        self._requested_after: int | None = None  # the number of the build before the request
        # Why the last request has no answer with a build, and how many requests had none.
        self._trouble: CoderError | None = None
        self._tries = 0

    def run(self) -> WorkspaceBuild:
        """
        Return the build, after its end where that is waited for.
        """
        build = self._build()
        if not self._options.wait:
            return build
        if not build.job.ended:
            build = self._workspaces.await_build(build, self._options)
        raise_failure(self._http, self._workspace, build)
        return build

    def _build(self) -> WorkspaceBuild:
        while True:
            latest = self._workspace.latest_build
            if self._is_ours(latest):
                return latest
            if not latest.job.ended:
                logger.info("%s is under way: waiting until it has ended", description(latest))
                self._workspaces.await_build(latest, self._options)
                self._trouble, self._tries = None, 0
            elif (build := self._request(latest)) is not None:
                return build
            self._workspace = self._read()

    def _is_ours(self, latest: WorkspaceBuild) -> bool:
        """
        Whether *latest* makes, or made, the change.
        """
        if latest.transition != self._transition:
            return False
        if self._requested_after is not None and latest.build_number > self._requested_after:
            return True  # also where it has failed: a second build would fail, too
        return latest.job.status in _MAKING

    def _request(self, latest: WorkspaceBuild) -> WorkspaceBuild | None:
        """
        Request a build after *latest*, which has ended; return None where the workspace has to be
        read before another try.
        """
        if self._trouble is not None and not self._may_try_again(self._trouble):
            raise self._take_trouble()
        self._requested_after = latest.build_number
        try:
            return create_build(self._http, self._workspace.id, self._transition)
        except CoderError as error:
            if not isinstance(error, ConflictError) and not is_resumable(error):
                raise
            self._trouble = without_frames(error)
        self._tries += 1
        self._pause_after(self._trouble)
        return None

    def _may_try_again(self, trouble: CoderError) -> bool:
        is_conflict = isinstance(trouble, ConflictError)
        limit = _MAX_CONFLICTS if is_conflict else self._http.settings.retries
        return self._tries <= limit and self._options.deadline.left > 0

    def _pause_after(self, trouble: CoderError) -> None:
        if isinstance(trouble, ConflictError) and self._tries == 1:
            return  # the build that is under way can be seen now
        pauses = self._workspaces.stream_options._pauses
        pause = max(self._tries * poll_interval(0.0, pauses), requested_pause(trouble))
        time.sleep(min(pause, self._options.deadline.left))

    def _read(self) -> Workspace:
        try:
            return read_workspace(self._http, self._workspace.id)
        except CoderError as error:
            if self._trouble is None or isinstance(self._trouble, ConflictError):
                raise
            unknown = f"it is not known whether the build was created: {error}"
        self._trouble.add_note(unknown)
        raise self._take_trouble()

    def _take_trouble(self) -> CoderError:
        """
        Return the trouble, and forget it: kept, it would form a cycle with its traceback.
        """
        trouble, self._trouble = self._trouble, None
        assert trouble is not None
        return trouble
