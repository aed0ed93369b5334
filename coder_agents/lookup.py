"""
Reading an agent or a workspace; an answer about a different one than requested is an error.
"""

from __future__ import annotations

import re
import uuid

from coder_agents.errors import APIError, BadRequestError, WorkspaceNotFoundError
from coder_agents.render import escape_controls
from coder_agents.schema import Workspace, WorkspaceAgent
from coder_agents.transport import HTTP, is_gone, other_than_requested, quoted

# With status 400: `"user" must be an existing uuid or username.`
_NO_SUCH_USER = re.compile(r"must be an existing uuid or username")


def read_agent(http: HTTP, id: uuid.UUID) -> WorkspaceAgent:
    """
    Return the agent *id*.

    Raises *DecodeError* where the answer is about another agent.
    """
    path = quoted("workspaceagents", id)
    agent = http.read(WorkspaceAgent, "GET", path)
    if agent.id != id:
        raise other_than_requested("GET", http.url(path), "$.id", str(id), str(agent.id))
    return agent


def read_workspace(http: HTTP, id: uuid.UUID) -> Workspace:
    """
    Return the workspace *id*.

    Raises *WorkspaceNotFoundError*; *DecodeError* where the answer is about another workspace.
    """
    path = quoted("workspaces", id)
    try:
        workspace = http.read(Workspace, "GET", path)
    except APIError as error:
        if not is_gone(error):
            raise
        text = f"no workspace {id}: {escape_controls(error.message)}"
        raise WorkspaceNotFoundError(text) from None
    if workspace.id != id:
        raise other_than_requested("GET", http.url(path), "$.id", str(id), str(workspace.id))
    return workspace


def read_named_workspace(http: HTTP, owner: str, name: str) -> Workspace:
    """
    Return the workspace *name* of *owner*.

    Raises *DecodeError* where the answer is about another workspace.
    """
    path = quoted("users", owner, "workspace", name)
    workspace = http.read(Workspace, "GET", path)
    if workspace.name.lower() != name.lower():
        wanted, found = repr(name), repr(workspace.name)
        raise other_than_requested("GET", http.url(path), "$.name", wanted, found)
    if not _is_owned_by(workspace, owner):
        wanted, found = repr(owner), repr(workspace.owner_name)
        raise other_than_requested("GET", http.url(path), "$.owner_name", wanted, found)
    return workspace


def _is_owned_by(workspace: Workspace, owner: str) -> bool:
    """
    Whether *owner*, a name, the id of a user or ``me``, can be the owner of *workspace*.
    """
    requested = owner.lower()
    if requested in ("me", workspace.owner_name.lower()) or not workspace.owner_name:
        return True
    return requested.replace("-", "") == workspace.owner_id.hex


def is_unknown_owner(error: APIError) -> bool:
    """
    Whether *error* reports that the deployment has no such user.
    """
    return (
        isinstance(error, BadRequestError)
        and error.by_deployment
        and _NO_SUCH_USER.search(error.message) is not None
    )
