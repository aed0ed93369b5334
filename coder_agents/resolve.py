"""
Resolving a name to an agent.

A workspace contains the agents of its latest build, so one call reads the workspace and its agents.
"""

from __future__ import annotations

import difflib
import shlex
import uuid
from collections.abc import Sequence

from coder_agents.errors import (
    AgentNotFoundError,
    AmbiguousAgentError,
    APIError,
    CoderError,
    FindingError,
    NoAgentsError,
    NotFoundError,
    OwnerNotFoundError,
    WorkspaceFailedError,
    WorkspaceNotFoundError,
    WorkspacePendingError,
    WorkspaceStoppedError,
)
from coder_agents.errors.advice import Advice
from coder_agents.lookup import (
    is_unknown_owner,
    read_agent,
    read_named_workspace,
    read_workspace,
)
from coder_agents.references import Reference
from coder_agents.render import escape_controls
from coder_agents.schema import (
    Workspace,
    WorkspaceAgent,
    WorkspacesResponse,
    WorkspaceStatus,
    WorkspaceTransition,
)
from coder_agents.transport import HTTP, is_gone

_PAGE = 100  # workspaces among which similar names are found

_UNDER_WAY = frozenset(
    {
        WorkspaceStatus.PENDING,
        WorkspaceStatus.STARTING,
        WorkspaceStatus.STOPPING,
        WorkspaceStatus.CANCELING,
        WorkspaceStatus.DELETING,
    }
)


def resolve_agent(http: HTTP, ref: Reference) -> tuple[WorkspaceAgent, Workspace | None]:
    """
    Return the agent that *ref* names, and its workspace; None where an agent's UUID was given.

    It takes one call, and two for the UUID of a workspace: a UUID is tried as an agent's first.

    Raises *FindingError*; *NotFoundError* for a UUID that is neither an agent's nor a workspace's.
    """
    if ref.id is None:
        workspace = resolve_workspace(http, ref)
        return select_agent(workspace, _agent_name(workspace, ref)), workspace
    try:
        return read_agent(http, ref.id), None
    except NotFoundError as error:
        if not error.by_deployment:
            raise
        missing = error
    try:
        workspace = _workspace_instead(http, ref.id, missing)
    finally:
        del missing  # otherwise the exception, its traceback and this frame are a cycle
    return select_agent(workspace), workspace


def _agent_name(workspace: Workspace, ref: Reference) -> str:
    # ``dev.coder`` is a host name, unless the workspace has an agent called coder.
    if ref.suffix and _agents_named(ref.suffix, workspace.latest_build.agents):
        return ref.suffix
    return ref.agent


def _workspace_instead(http: HTTP, id: uuid.UUID, missing: NotFoundError) -> Workspace:
    try:
        return read_workspace(http, id)
    except WorkspaceNotFoundError as error:
        missing.add_note(f"it is not the UUID of a workspace either: {error}")
    raise missing


def resolve_workspace(http: HTTP, ref: Reference) -> Workspace:
    """
    Return the workspace that *ref* names.

    It takes one call, and a second one where there is no such workspace, for similar names.

    Raises *WorkspaceNotFoundError*, *OwnerNotFoundError*; *DecodeError* where the answer is about
    another workspace.
    """
    if ref.id is not None:
        return read_workspace(http, ref.id)
    try:
        return read_named_workspace(http, ref.owner, ref.workspace)
    except APIError as error:
        if is_unknown_owner(error):
            raise _no_owner(ref.owner, error) from None
        if not is_gone(error):
            raise
        raise _not_found(error, ref, _near(http, ref)) from None


def _no_owner(owner: str, error: APIError) -> OwnerNotFoundError:
    text = f"no owner {owner}: {error.message}"
    return OwnerNotFoundError(escape_controls(text), owner=owner)


def _near(http: HTTP, ref: Reference) -> list[str]:
    params = [("q", f"owner:{ref.owner}"), ("limit", str(_PAGE))]
    try:
        page = http.read(WorkspacesResponse, "GET", "/workspaces", params=params)
    except CoderError:
        return []  # a failure of this request must not hide the first error
    names = {workspace.name.lower(): workspace.name for workspace in page.workspaces}
    return [names[near] for near in difflib.get_close_matches(ref.workspace.lower(), names)]


def _not_found(error: APIError, ref: Reference, near: Sequence[str]) -> WorkspaceNotFoundError:
    owner = "" if ref.owner == "me" else f"{ref.owner}/"
    text = f"no workspace {owner}{ref.workspace}: {error.message}"
    if near:
        text += f"; similar names: {', '.join(owner + name for name in near)}"
    return WorkspaceNotFoundError(escape_controls(text), near=near)


def select_agent(workspace: Workspace, name: str = "") -> WorkspaceAgent:
    """
    Return the agent called *name* of the latest build of *workspace*.

    Without a name, it is the build's only agent, or the only agent that is not a sub-agent.

    Raises *FindingError*, whose text gives the reason, or the agents to select from.
    """
    agents = workspace.latest_build.agents
    if not agents:
        raise _without_agents(workspace)
    matching = _agents_named(name, agents) if name else agents
    if not matching:
        raise _unknown(workspace, name)
    roots = [agent for agent in matching if agent.parent_id is None]
    if len(matching) == 1 or len(roots) == 1:
        return matching[0] if len(matching) == 1 else roots[0]
    raise _ambiguous(workspace, matching)


def _agents_named(name: str, agents: Sequence[WorkspaceAgent]) -> Sequence[WorkspaceAgent]:
    # Deployments treat names that differ only in case as equal.
    exact = [agent for agent in agents if agent.name == name]
    return exact or [agent for agent in agents if agent.name.lower() == name.lower()]


def _unknown(workspace: Workspace, name: str) -> AgentNotFoundError:
    names = [agent.name for agent in workspace.latest_build.agents]
    text = f"workspace {full_name(workspace)} has no agent {name}; it has: {', '.join(names)}"
    return AgentNotFoundError(escape_controls(text), workspace=workspace, agents=names)


def _ambiguous(workspace: Workspace, agents: Sequence[WorkspaceAgent]) -> AmbiguousAgentError:
    names = [agent.name for agent in agents]
    whole = full_name(workspace)
    forms = ", ".join(f"{whole}.{name}" for name in names)
    text = f"workspace {whole} has several agents; name one of them: {forms}"
    return AmbiguousAgentError(escape_controls(text), workspace=workspace, agents=names)


def _without_agents(workspace: Workspace) -> FindingError:
    build = workspace.latest_build
    name = escape_controls(full_name(workspace))
    start = f"start it: {Advice.START} {shlex.quote(name)}"
    if build.status == WorkspaceStatus.STOPPED:
        return WorkspaceStoppedError(f"workspace {name} is stopped; {start}", workspace=workspace)
    if build.status in (WorkspaceStatus.FAILED, WorkspaceStatus.CANCELED):
        return _failed(workspace, name, start)
    if build.status in _UNDER_WAY:
        return _pending(workspace, name, start)
    if build.status == WorkspaceStatus.DELETED:
        return WorkspaceNotFoundError(f"workspace {name} was deleted", workspace=workspace)
    status = escape_controls(build.status)
    return NoAgentsError(
        f"workspace {name} ({status}) has no agents: its template has none", workspace=workspace
    )


def _failed(workspace: Workspace, name: str, start: str) -> WorkspaceFailedError:
    build = workspace.latest_build
    reason = f": {escape_controls(build.job.error)}" if build.job.error else ""
    how = "failed" if build.status == WorkspaceStatus.FAILED else "was canceled"
    return WorkspaceFailedError(
        f"the latest build of workspace {name}, number {build.build_number}"
        f" ({escape_controls(build.transition)}), {how}{reason}; {start}",
        workspace=workspace,
        job_error=build.job.error,
    )


def _pending(workspace: Workspace, name: str, start: str) -> WorkspacePendingError:
    build = workspace.latest_build
    what_then = {
        WorkspaceTransition.STOP: f"when its build has ended, {start}",
        WorkspaceTransition.DELETE: "it is being deleted",
    }.get(build.transition, "try again when its build has ended")
    return WorkspacePendingError(
        f"workspace {name} is {build.status} and lists no agents; {what_then}",
        workspace=workspace,
        status=build.status,
    )


def full_name(workspace: Workspace) -> str:
    """
    Return ``owner/name``, unescaped.
    """
    return f"{workspace.owner_name}/{workspace.name}"
