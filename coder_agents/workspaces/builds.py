"""
The requests about the builds of workspaces.
"""

from __future__ import annotations

import uuid
from functools import partial

from coder_agents.errors import BadRequestError, BuildEndedError, CoderError
from coder_agents.errors.api import as_kind
from coder_agents.render import escape_controls
from coder_agents.representation import ResultList
from coder_agents.schema import (
    ProvisionerJobLog,
    ProvisionerJobStatus,
    Workspace,
    WorkspaceBuild,
    WorkspaceTransition,
    from_json,
    to_json,
)
from coder_agents.streams.reconnect import is_resumable
from coder_agents.streams.sources import after
from coder_agents.transport import HTTP, decoded, other_than_requested, quoted

_CREATED = 201
_PAGE = 10  # builds; each may have all agents of the workspace
_MAX_BUILDS = 100  # that are searched: nearly always, a start is the build before a stop
_CANCELED = frozenset({ProvisionerJobStatus.CANCELING, ProvisionerJobStatus.CANCELED})


def create_build(
    http: HTTP, workspace_id: uuid.UUID, transition: WorkspaceTransition
) -> WorkspaceBuild:
    """
    Request a build that makes *transition*, once, and return the build.

    Raises *ConflictError* where a build of the workspace is under way. After a *TransportError* or
    a *ServerError* it is not known whether the build was created.
    """
    path = quoted("workspaces", workspace_id, "builds")
    body = to_json({"transition": str(transition)})
    build = http.read(WorkspaceBuild, "POST", path, body=body, expect=_CREATED)
    if build.workspace_id != workspace_id:
        wanted, found = str(workspace_id), str(build.workspace_id)
        raise other_than_requested("POST", http.url(path), "$.workspace_id", wanted, found)
    return build


def read_build(http: HTTP, build_id: uuid.UUID) -> WorkspaceBuild:
    """
    Return the build *build_id*.

    Raises *DecodeError* where the answer is about another build.
    """
    path = quoted("workspacebuilds", build_id)
    build = http.read(WorkspaceBuild, "GET", path)
    if build.id != build_id:
        raise other_than_requested("GET", http.url(path), "$.id", str(build_id), str(build.id))
    return build


def read_last_start(http: HTTP, workspace: Workspace) -> WorkspaceBuild | None:
    """
    Return the newest build that starts *workspace*, its latest one included; None where it has none.
    """
    if workspace.latest_build.transition == WorkspaceTransition.START:
        return workspace.latest_build
    path = quoted("workspaces", workspace.id, "builds")
    for offset in range(0, _MAX_BUILDS, _PAGE):
        params = [("limit", str(_PAGE)), ("offset", str(offset))]
        builds = http.read(list[WorkspaceBuild], "GET", path, params=params)
        starts = [each for each in builds if each.transition == WorkspaceTransition.START]
        if starts:
            return max(starts, key=lambda build: build.build_number)
        if len(builds) < _PAGE:
            break
    return None


def read_build_log(
    http: HTTP, build_id: uuid.UUID, floor: int = 0
) -> ResultList[ProvisionerJobLog]:
    """
    Return the lines of the log of the build *build_id* after the id *floor*.
    """
    path = quoted("workspacebuilds", build_id, "logs")
    body = http.call("GET", path, params=after(floor))
    read = partial(from_json, cls=list[ProvisionerJobLog])
    logs = decoded(body, read, "GET", http.url(path))
    return ResultList(logs, of=ProvisionerJobLog)


def cancel_build(http: HTTP, build_id: uuid.UUID) -> WorkspaceBuild:
    """
    Request the cancellation of the build *build_id*, and return the build.

    Raises *BuildEndedError* where the build has ended.
    """
    try:
        http.call("PATCH", quoted("workspacebuilds", build_id, "cancel"))
    except CoderError as error:
        if not isinstance(error, BadRequestError) and not is_resumable(error):
            raise
        trouble = error
    else:
        return read_build(http, build_id)
    try:
        return _canceled_before(http, build_id, trouble)
    finally:
        del trouble  # the exception, its traceback and this frame would form a cycle


def _canceled_before(http: HTTP, build_id: uuid.UUID, trouble: CoderError) -> WorkspaceBuild:
    """
    Return the build where it is being canceled, or was canceled: by the request whose answer did
    not come, or by another one.

    Raises *trouble* otherwise, as *BuildEndedError* where the deployment refused because the build
    has ended.
    """
    build = read_build(http, build_id)
    if build.job.status in _CANCELED:
        return build
    if isinstance(trouble, BadRequestError) and build.job.ended:
        raise as_kind(BuildEndedError, trouble, _ended(build, trouble), build=build)
    raise trouble


def _ended(build: WorkspaceBuild, trouble: BadRequestError) -> str:
    text = f"cannot be canceled: {trouble.message} ({build.job.status})"
    return f"{description(build)} {escape_controls(text)}"


def description(build: WorkspaceBuild) -> str:
    """
    Return *build* in words, safe to show: its number, its transition and its workspace.
    """
    workspace = f"{build.workspace_owner_name}/{build.workspace_name}"
    return escape_controls(f"build {build.build_number} ({build.transition}) of {workspace}")


def place_in_queue(build: WorkspaceBuild) -> str:
    """
    Return the place of *build* among those that wait for a provisioner, after a comma; empty where
    it does not wait.
    """
    job = build.job
    if job.status != ProvisionerJobStatus.PENDING or not job.queue_size:
        return ""
    return f", at place {job.queue_position} of {job.queue_size} in the queue"
