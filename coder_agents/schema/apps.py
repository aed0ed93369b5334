"""
Apps of an agent, for which the dashboard has buttons.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from coder_agents.representation.cells import status
from coder_agents.representation.objects import Represented
from coder_agents.schema.enumerations import (
    WorkspaceAppHealth,
    WorkspaceAppOpenIn,
    WorkspaceAppSharingLevel,
    WorkspaceAppStatusState,
)
from coder_agents.schema.fields import NIL_UUID, maybe_absent


@attrs.frozen(kw_only=True, repr=False)
class Healthcheck(Represented):
    """
    The health check of an app, which the agent runs.

    Attributes:
        url: the URL that the agent requests; empty where the app has no health check.
        interval: whole seconds from one request to the next.
        threshold: the number of failures in a row that make the app unhealthy.
    """

    url: str = ""
    interval: int = 0
    threshold: int = 0


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAppStatus(Represented):
    """
    A report of an app on its work.

    Attributes:
        id: the report's id.
        created_at: when the app sent the report.
        workspace_id: the id of the workspace.
        agent_id: the id of the agent.
        app_id: the id of the app.
        state: working, complete, failure or idle.
        message: the text of the report.
        uri: a link to more information, or empty.
        icon: used by old apps; empty.
        needs_user_attention: used by old apps; false.
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


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceApp(Represented):
    """
    An app that an agent serves, or a link of the template.

    Attributes:
        id: the app's id.
        url: the URL at which the agent reaches the app, or the URL of the link.
        external: whether the app is only a link.
        slug: its name in URLs, unique in the agent.
        display_name: its name for people.
        command: the command to run in a terminal, for an app that is a command.
        icon: a URL or a path on the deployment.
        subdomain: whether the deployment serves the app under its own host name.
        subdomain_name: the first label of that host name.
        sharing_level: the users who may open the app.
        healthcheck: its health check; all fields are zero where it has none.
        health: the result of the health check.
        group: the name of its group; the dashboard shows the apps of a group together.
        hidden: whether the dashboard hides the app.
        open_in: where the dashboard opens the app.
        statuses: its reports, newest first.
        tooltip: the Markdown text beside the button; by 2.31.
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

    _first_fields = ("display_name", "slug", "health")
    _columns = ("App", "Slug", "Health", "Shared with", "Command")
    _noun = "app"

    def _cells(self) -> Sequence[object]:
        health = "" if self.health == WorkspaceAppHealth.DISABLED else self.health
        return self.display_name, self.slug, status(health), self.sharing_level, self.command

    def _title(self) -> str:
        return self.display_name or self.slug
