"""
Addresses that people copy in place of a deployment's URL: of its API, and of its dashboard's pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult

import attrs

_API = ("api", "v2")
# With nothing after them, or they may be a part of a path prefix.
_PAGES = frozenset(
    {
        "audit",
        "cli-auth",
        "connectionlog",
        "deployment",
        "groups",
        "health",
        "icons",
        "login",
        "organizations",
        "settings",
        "setup",
        "starter-templates",
        "tasks",
        "templates",
        "users",
        "workspaces",
    }
)
_SETTINGS = frozenset(
    {
        "account",
        "appearance",
        "external-auth",
        "notifications",
        "schedule",
        "security",
        "ssh-keys",
        "tokens",
        "workspace-proxies",
    }
)


@attrs.frozen
class DashboardPage:
    """
    A page of the dashboard.

    Attributes:
        prefix: the path of the deployment's URL; begins with a slash, or is empty.
        workspace: the workspace that the page is about, ``owner/name``; empty for any other page.
    """

    prefix: str
    workspace: str = ""


def without_api(path: str) -> str:
    """
    Return *path* up to ``/api/v2``: the API is a part of its deployment.
    """
    segments = path.split("/")
    for at in range(len(segments) - 1):
        if tuple(segments[at : at + 2]) == _API:
            return "/".join(segments[:at])
    return path


def dashboard_page(parts: SplitResult) -> DashboardPage | None:
    """
    Return the page of the dashboard that a URL is of; None where it is of none that is known.
    """
    # Some programs write the "@" of an owner as "%40" where they show a link.
    segments = [each.replace("%40", "@") for each in parts.path.split("/") if each]
    for at, segment in enumerate(segments):
        after = segments[at + 1 :]
        prefix = "".join(f"/{each}" for each in segments[:at])
        if segment.startswith("@") and len(segment) > 1:
            return DashboardPage(prefix, f"{segment[1:]}/{after[0]}" if after else "")
        if _is_page(segment, after):
            return DashboardPage(prefix)
    return None


def _is_page(segment: str, after: Sequence[str]) -> bool:
    if segment == "settings" and after:
        return after[0] in _SETTINGS
    return segment == "templates" or (segment in _PAGES and not after)
