"""
What users write for an agent or a workspace, taken apart.

Pure. Beside the form of this package, ``[owner/]workspace[.agent]``, the forms are accepted in which
Coder's other programs show a name: the dashboard's ``@owner/workspace``, ``owner--workspace`` as ssh
needs it, and the host names of Coder Connect. No name of Coder's holds a ``--``, so none is ambiguous
but ``dev.coder``.
"""

from __future__ import annotations

import re
import uuid

import attrs

_FORMS = (
    "an agent is named [owner/]workspace[.agent], such as dev, dev.main or alice/dev.main,"
    " or by a UUID such as 6ba7b810-9dad-11d1-80b4-00c04fd430c8"
)
# More than any release allows (only agents have ever had underscores): the server knows better.
_NAME = re.compile(r"[A-Za-z0-9_-]+")
# What host names of Coder Connect end with, unless a deployment sets another suffix.
_SUFFIX = "coder"


@attrs.frozen(kw_only=True)
class Reference:
    """
    What a user wrote, taken apart.

    Attributes:
        id: of an agent or a workspace; None where it is a name.
        owner: a user's name, or ``me``.
        workspace: the workspace's name; empty where there is an id.
        agent: the agent's name, or empty.
        suffix: what ends a host name such as ``dev.coder``; or empty. It is the agent's name
            instead, where the workspace has an agent of that name.
    """

    id: uuid.UUID | None = None
    owner: str = "me"
    workspace: str = ""
    agent: str = ""
    suffix: str = ""


@attrs.frozen
class _Parts:
    """
    The names in a text; None for a name that the text does not have, empty for one that is missing.
    """

    owner: str | None
    workspace: str
    agent: str | None


def parse_reference(ref: uuid.UUID | str) -> Reference:
    """
    Take *ref* apart: a UUID, ``[owner/]workspace[.agent]``, or another form of such a name.

    Raises *TypeError* where it is no text, *ValueError* where it can be no such name.
    """
    if isinstance(ref, uuid.UUID):
        return Reference(id=ref)
    if not isinstance(ref, str):
        raise TypeError(
            f"agents and workspaces are named by text or UUID, not by a {type(ref).__name__}"
        )
    try:
        return Reference(id=uuid.UUID(ref))
    except ValueError:
        pass
    parts, suffix = _of_host_name(ref)
    if parts is None:
        parts = _of_name(ref)
    _refuse_malformed(ref, parts)
    return Reference(
        owner=parts.owner or "me",
        workspace=parts.workspace,
        agent=parts.agent or "",
        suffix="" if parts.agent else suffix,
    )


def _of_host_name(ref: str) -> tuple[_Parts | None, str]:
    """
    Return the names in a host name, and what ends it; None and nothing where *ref* is none.
    """
    host, dot, suffix = ref.rpartition(".")
    if not dot or suffix.lower() != _SUFFIX or "/" in ref:
        return None, ""
    labels = host.split(".")
    if len(labels) == 1:
        return _of_name(host), suffix
    if len(labels) == 3:
        agent, workspace, owner = labels
        return _Parts(owner, workspace, agent), suffix
    return None, ""


def _of_name(ref: str) -> _Parts:
    owner, separator, rest = _cut_owner(ref)
    workspace, dot, agent = rest.partition("." if "." in rest else "--")
    return _Parts(owner if separator else None, workspace, agent if dot else None)


def _cut_owner(ref: str) -> tuple[str, str, str]:
    """
    Return the owner, what separates it from the rest, and the rest.
    """
    if ref.startswith("@") and "/" not in ref:
        return ref[1:], "/", ""
    if "/" not in ref and "--" in ref.partition(".")[0]:
        return ref.partition("--")
    owner, slash, rest = ref.rpartition("/")
    return owner.removeprefix("@"), slash, rest


def _refuse_malformed(ref: str, parts: _Parts) -> None:
    problem = ""
    if ref.count("/") > 1:
        problem = "has more than one '/'"
    elif (parts.agent or "").count(".") > 0:
        problem = "has more than one '.' behind the workspace"
    else:
        for what, name in attrs.asdict(parts).items():
            problem = problem or _problem(what, name)
    if problem:
        raise ValueError(f"{ref!r} {problem}; {_FORMS}")


def _problem(what: str, name: str | None) -> str:
    if name is None or _NAME.fullmatch(name):
        return ""
    if not name:
        return f"says no {what}"
    odd = _NAME.sub("", name)[0]
    return f"has {odd!r} in the name of its {what}, but names are letters, digits, '-' and '_'"
