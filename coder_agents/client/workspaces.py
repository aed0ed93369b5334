"""
The methods of a client for workspaces and their builds.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from coder_agents.base_client import BaseClient
from coder_agents.progress import waiting
from coder_agents.streams.options import choose_options

if TYPE_CHECKING:
    from coder_agents.representation import ResultList
    from coder_agents.schema import ProvisionerJobLog, Workspace, WorkspaceBuild
    from coder_agents.streams import BuildLogStream, StreamOptions
    from coder_agents.workspaces.options import BuildOptions
    from coder_agents.workspaces.transitions import Workspaces


class WorkspaceMethods(BaseClient):
    """
    The methods of a client for workspaces and their builds.
    """

    def workspace(self, ref: uuid.UUID | str | Workspace) -> Workspace:
        """
        Return the workspace that *ref* names: ``[owner/]workspace``, or its UUID; one request.

        A `Workspace` as *ref* is read again.

        Raises *WorkspaceNotFoundError*; *ValueError* or *TypeError* as `agent` does.
        """
        from coder_agents import schema
        from coder_agents.references import parse_workspace_reference
        from coder_agents.resolve import resolve_workspace

        named = ref.id if isinstance(ref, schema.Workspace) else ref
        return resolve_workspace(self._http, parse_workspace_reference(named))

    def start_workspace(
        self,
        ref: uuid.UUID | str | Workspace,
        *,
        wait: bool = False,
        timeout: float | None = None,
        on_build_log: Callable[[ProvisionerJobLog], object] | None = None,
    ) -> WorkspaceBuild:
        """
        Start the workspace that *ref* names, as `workspace` takes it, and return its build.

        No second build is requested where the workspace runs, or is starting: the build that
        started it, or does, is the result. A build that stops the workspace is waited for, and then
        the workspace is started; so is the end of a build that is being canceled. Where the last
        build failed or was canceled, a new one is requested. Where another client starts the
        workspace at the same time, there is one build, and both get it.

        The request for a build is not repeated blindly. Where its answer is lost, or a proxy or the
        deployment fails, the workspace is read: where a build has begun since, it is the result;
        where none has, the request is sent again, as often as ``Client(retries=…)`` allows.

        Args:
            ref: the workspace.
            wait: whether to wait until the build has ended. The agents of the workspace may need
                longer: `wait_ready` waits for one of them.
            timeout: seconds for all waiting; None is no limit. It applies without *wait*, too, where
                another build has to end first.
            on_build_log: called with each line of the builds that are waited for, stored lines
                included.

        Raises what `workspace` raises; *WorkspaceFailedError*, with the last lines of the log, where
        the build that was waited for failed or was canceled; *BuildTimeoutError* where a build has
        not ended in time, and continues; *APIError* where the deployment refuses. Exceptions of
        *on_build_log* pass through; the build continues.

        Without *on_build_log*, a bar shows the state of the build to a person who is watching.
        """
        options = _options(wait, timeout, on_build_log)
        return self._watched(self._workspaces.start, ref, options)

    def stop_workspace(
        self,
        ref: uuid.UUID | str | Workspace,
        *,
        wait: bool = False,
        timeout: float | None = None,
        on_build_log: Callable[[ProvisionerJobLog], object] | None = None,
    ) -> WorkspaceBuild:
        """
        Stop the workspace that *ref* names, and return its build.

        A workspace that is stopped, or is stopping, needs no second build. A build that starts the
        workspace is waited for, and then the workspace is stopped: `cancel_build` ends it earlier.

        `start_workspace` describes the arguments, what happens to lost answers, and the errors.
        """
        options = _options(wait, timeout, on_build_log)
        return self._watched(self._workspaces.stop, ref, options)

    def restart_workspace(
        self,
        ref: uuid.UUID | str | Workspace,
        *,
        wait: bool = False,
        timeout: float | None = None,
        on_build_log: Callable[[ProvisionerJobLog], object] | None = None,
    ) -> WorkspaceBuild:
        """
        Stop the workspace that *ref* names, wait for that, start it, and return the build that
        starts it.

        The method waits for the stop in any case, and with *wait* for the start as well. A workspace
        that is stopped is started. Where the stop fails, the workspace is not started.

        `start_workspace` describes the arguments, what happens to lost answers, and the errors.
        """
        options = _options(wait, timeout, on_build_log)
        return self._watched(self._workspaces.restart, ref, options)

    def cancel_build(self, ref: uuid.UUID | str | Workspace | WorkspaceBuild) -> WorkspaceBuild:
        """
        Cancel the latest build of the workspace that *ref* names, or the build *ref*; return it.

        A build that no provisioner has begun is canceled at once. One that is running is
        ``canceling`` until its provisioner has stopped. A build that is being canceled already, or
        was canceled before, is returned as it is.

        Raises *BuildEndedError* where the build has ended otherwise; *PermissionDeniedError* where
        the template does not allow its users to cancel builds; and what `workspace` raises.
        """
        from coder_agents.workspaces.builds import cancel_build

        return cancel_build(self._http, self._build_id(ref))

    def build_logs(
        self, ref: uuid.UUID | str | Workspace | WorkspaceBuild, after: int = 0
    ) -> ResultList[ProvisionerJobLog]:
        """
        Return the log of the latest build of the workspace that *ref* names, or of the build *ref*.

        The lines come in the order of their ids; *after* is the id of a line after which they begin.

        Raises what `workspace` raises, and *ValueError* or *TypeError*, before any request, for an
        impossible *after*.
        """
        from coder_agents.config import whole_number
        from coder_agents.streams.bookmark import check_after
        from coder_agents.workspaces.builds import read_build_log

        check_after(whole_number("after", after, least=0))
        return read_build_log(self._http, self._build_id(ref), after)

    def follow_build_logs(
        self,
        ref: uuid.UUID | str | Workspace | WorkspaceBuild,
        after: int | str = 0,
        *,
        options: StreamOptions | None = None,
    ) -> BuildLogStream:
        """
        Return a stream of the log of the latest build of the workspace that *ref* names, or of the
        build *ref*: stored lines first, then new lines until the build has ended.

        *after* is the id of a line, or the `BuildLogStream.bookmark` of an earlier stream of this
        build. A failed build ends the stream as a successful one does; the `WorkspaceBuild` of
        `workspace` has the result.

        Raises what `workspace` raises, and *ValueError* or *TypeError* for an impossible *after*:
        the bookmark of another build is one.
        """
        from coder_agents.streams.bookmark import check_after
        from coder_agents.workspaces.waiting import follow

        check_after(after)
        self._http.check_open()
        chosen = choose_options(options, self._stream_options)
        return follow(self._http, self._build_id(ref), after, chosen)

    def _watched(
        self,
        change: Callable[[Workspace, BuildOptions], WorkspaceBuild],
        ref: uuid.UUID | str | Workspace,
        options: BuildOptions,
    ) -> WorkspaceBuild:
        """
        Make *change* to the workspace *ref*, and show a person what is waited for.
        """
        import attrs

        from coder_agents.workspaces.watched import WatchedWait

        workspace = self.workspace(ref)
        wait = WatchedWait.of(workspace)
        with waiting(wait.describe, options.on_build_log):
            return change(workspace, attrs.evolve(options, on_build=wait.show_build))

    def _build_id(self, ref: uuid.UUID | str | Workspace | WorkspaceBuild) -> uuid.UUID:
        from coder_agents import schema

        if isinstance(ref, schema.WorkspaceBuild):
            return ref.id
        return self.workspace(ref).latest_build.id

    @property
    def _workspaces(self) -> Workspaces:
        from coder_agents.workspaces.transitions import Workspaces

        return Workspaces(self._http, self._stream_options)


def _options(
    wait: bool, timeout: float | None, on_build_log: Callable[[ProvisionerJobLog], object] | None
) -> BuildOptions:
    from coder_agents.workspaces.options import BuildOptions

    return BuildOptions(wait=wait, timeout=timeout, on_build_log=on_build_log)
