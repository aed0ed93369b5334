"""
Apps of an agent: what the dashboard has a button for.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import attrs

from coder_agents.schema.enumerations import (
    WorkspaceAppHealth,
    WorkspaceAppOpenIn,
    WorkspaceAppSharingLevel,
    WorkspaceAppStatusState,
)
from coder_agents.schema.fields import NIL_UUID, maybe_absent


@attrs.frozen(kw_only=True)
class Healthcheck:
    """
    How the agent finds out whether an app answers.

    Attributes:
        url: what is asked; empty where the app has no health check.
        interval: whole seconds from one request to the next.
        threshold: how many failures in a row make the app unhealthy.
    """

    url: str = ""
    interval: int = 0
    threshold: int = 0


@attrs.frozen(kw_only=True)
class WorkspaceAppStatus:
    """
    What an app said about its work, at one moment.

    Attributes:
        id: of this report.
        created_at: when it was made.
        workspace_id: the workspace.
        agent_id: the agent.
        app_id: the app.
        state: working, done, failed or idle.
        message: the report itself.
        uri: where to see more, or empty.
        icon: of old apps; empty.
        needs_user_attention: of old apps; false.
    """

    id: UUID = NIL_UUID
    created_at: datetime | None = None
    workspace_id: UUID = NIL_UUID
    agent_id: UUID = NIL_UUID
    app_id: UUID = NIL_UUID
    state: WorkspaceAppStatusState = WorkspaceAppStatusState("")
    message: str = ""
    uri: str = ""
    icon: str = ""
    needs_user_attention: bool = False


@attrs.frozen(kw_only=True)
class WorkspaceApp:
    """
    Something an agent serves, or a link that the template puts beside it.

    Attributes:
        id: of the app.
        url: where the agent finds it, or where the link leads.
        external: whether it is but a link.
        slug: its name in URLs, unique in the agent.
        display_name: its name for people.
        command: what to run in a terminal, for an app that is a command.
        icon: a URL or a path on the deployment.
        subdomain: whether the deployment serves it under a host name of its own.
        subdomain_name: the first label of that host name.
        sharing_level: who may open it.
        healthcheck: how its health is found out; all zero where it is not.
        health: what was found.
        group: apps of one group are shown together.
        hidden: whether the dashboard keeps it to itself.
        open_in: where the dashboard opens it.
        statuses: what it reported, newest first.
        tooltip: Markdown to show beside the button; by 2.31.
    """

    id: UUID = NIL_UUID
    url: str = maybe_absent("")
    external: bool = False
    slug: str = ""
    display_name: str = maybe_absent("")
    command: str = maybe_absent("")
    icon: str = maybe_absent("")
    subdomain: bool = False
    subdomain_name: str = maybe_absent("")
    sharing_level: WorkspaceAppSharingLevel = WorkspaceAppSharingLevel("")
    healthcheck: Healthcheck = Healthcheck()
    health: WorkspaceAppHealth = WorkspaceAppHealth("")
    group: str = maybe_absent("")
    hidden: bool = False
    open_in: WorkspaceAppOpenIn = WorkspaceAppOpenIn("")
    statuses: tuple[WorkspaceAppStatus, ...] = ()
    tooltip: str = maybe_absent("")
