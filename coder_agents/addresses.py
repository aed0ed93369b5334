"""
Addresses that people copy instead of a deployment's URL: those of its API and its dashboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult

import attrs

_API = ("api", "v2")
# Pages only at the end of a path: elsewhere the segment may belong to a path prefix.
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
        prefix: the path prefix of the deployment; begins with a slash, or is empty.
        workspace: the workspace that the page shows, ``owner/name``; empty for any other page.
    """

    prefix: str
    workspace: str = ""


def without_api(path: str) -> str:
    """
    Return the part of *path* before ``/api/v2``; all of it where it has no ``/api/v2``.
    """
    segments = path.split("/")
    for at in range(len(segments) - 1):
        if tuple(segments[at : at + 2]) == _API:
            return "/".join(segments[:at])
    return path


def dashboard_page(parts: SplitResult) -> DashboardPage | None:
    """
    Return the dashboard page that the URL of *parts* shows; None where it shows no known page.
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
