"""
Reading the time line of a workspace's last start.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from coder_agents import schema
from coder_agents.display.cells import short
from coder_agents.display.timeline import Timeline
from coder_agents.display.timeline_steps import past_steps, steps_of
from coder_agents.errors import NotFoundError, PermissionDeniedError, UnsupportedCallError
from coder_agents.transport import quoted
from coder_agents.workspaces.builds import read_last_start

if TYPE_CHECKING:
    from coder_agents.client import Client
    from coder_agents.schema import Workspace, WorkspaceBuildTimings

logger = logging.getLogger("coder_agents")

T = TypeVar("T")

_MAX_NAME = 40  # columns
_MISSING = (UnsupportedCallError, NotFoundError, PermissionDeniedError)


def read_timeline(client: Client, ref: uuid.UUID | str | Workspace) -> Timeline:
    """
    Read the time line of the workspace *ref*; see `Client.timeline`.
    """
    workspace = client.workspace(ref)
    latest = workspace.latest_build
    start = _optional("builds", lambda: read_last_start(client._http, workspace))
    build = start or latest
    timings = _optional("timings", lambda: _read_timings(client, build.id))
    logs = _optional("log", lambda: client.build_logs(build)) or ()
    is_past = build.id != latest.id
    steps = past_steps(build, timings, logs) if is_past else steps_of(build, timings, logs)
    return Timeline(
        workspace=short(workspace.name, _MAX_NAME),
        build_number=build.build_number,
        transition=short(build.transition, _MAX_NAME),
        steps=tuple(steps),
        read_at=datetime.now(UTC),
        state_now=short(latest.status, _MAX_NAME) if is_past else "",
    )


def _read_timings(client: Client, build_id: uuid.UUID) -> WorkspaceBuildTimings:
    path = quoted("workspacebuilds", build_id, "timings")
    return client._http.read(schema.WorkspaceBuildTimings, "GET", path)


def _optional(what: str, read: Callable[[], T]) -> T | None:
    """
    Return what *read* returns; None where the deployment does not have it, or refuses it.
    """
    try:
        return read()
    except _MISSING as error:
        logger.debug("the %s of the workspace are not available: %s", what, error)
        return None
