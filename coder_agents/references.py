"""
References to agents and workspaces, parsed.

This module does no input or output. It accepts ``[owner/]workspace[.agent]``, and the forms in
which Coder's other programs show a name: ``@owner/workspace`` of the dashboard,
``owner--workspace`` of ssh, and the host names of Coder Connect. No name in Coder contains ``--``,
so only ``dev.coder`` is ambiguous.
"""

from __future__ import annotations

import re
import uuid

import attrs

_FORMS = (
    "an agent is named [owner/]workspace[.agent], such as dev, dev.main or alice/dev.main,"
    " or by a UUID such as 6ba7b810-9dad-11d1-80b4-00c04fd430c8"
)
# Wider than the rules of releases, which permit underscores only for agents: the server decides.
_NAME = re.compile(r"[A-Za-z0-9_-]+")
# The end of host names of Coder Connect, unless a deployment sets another suffix.
_SUFFIX = "coder"


@attrs.frozen(kw_only=True)
class Reference:
    """
    A reference to an agent or a workspace.

    Attributes:
        id: of an agent or a workspace; None where the reference is a name.
        owner: a user's name, or ``me``.
        workspace: the workspace's name; empty where there is an id.
        agent: the agent's name, or empty.
        suffix: the last label of a host name such as ``dev.coder``, or empty. Where the workspace
            has an agent of that name, the suffix is the agent's name.
    """

    id: uuid.UUID | None = None
    owner: str = "me"
    workspace: str = ""
    agent: str = ""
    suffix: str = ""


@attrs.frozen
class _Parts:
    """
    The names in a reference: None where its form has no such name, empty where the name is missing.
    """

    owner: str | None
    workspace: str
    agent: str | None


def parse_reference(ref: uuid.UUID | str) -> Reference:
    """
    Return *ref*, parsed: a UUID, ``[owner/]workspace[.agent]``, or another form of such a name.

    Raises *TypeError* where *ref* is neither text nor a UUID; *ValueError* where it has no such
    form.
    """
    if isinstance(ref, uuid.UUID):
        return Reference(id=ref)
    if not isinstance(ref, str):
        raise TypeError(
            "agents and workspaces are named by text or UUID, not by an object of the class"
            f" {type(ref).__name__}"
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


def parse_workspace_reference(ref: uuid.UUID | str) -> Reference:
    """
    Return *ref*, parsed: a UUID, or ``[owner/]workspace``.

    Raises *TypeError* or *ValueError* as `parse_reference` does; *ValueError* where *ref* names an
    agent.
    """
    if not isinstance(ref, (uuid.UUID, str)):
        raise TypeError(
            "a workspace is named by text or UUID, or is a Workspace, such as agent.workspace; it is not"
            f" named by an object of the class {type(ref).__name__}"
        )
    reference = parse_reference(ref)
    if reference.agent:
        raise ValueError(
            f"{ref!r} names an agent; without .{reference.agent}, it names the workspace:"
            f" {reference.owner}/{reference.workspace}"
        )
    return reference


def _of_host_name(ref: str) -> tuple[_Parts | None, str]:
    """
    Return the names in the host name *ref* and its suffix; None and "" where *ref* is no host name.
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
    owner, separator, names = _cut_owner(ref)
    workspace, dot, agent = names.partition("." if "." in names else "--")
    return _Parts(owner if separator else None, workspace, agent if dot else None)


def _cut_owner(ref: str) -> tuple[str, str, str]:
    """
    Return the owner, the separator after the owner, and the names after the separator.
    """
    if ref.startswith("@") and "/" not in ref:
        return ref[1:], "/", ""
    if "/" not in ref and "--" in ref.partition(".")[0]:
        return ref.partition("--")
    owner, slash, names = ref.rpartition("/")
    return owner.removeprefix("@"), slash, names


def _refuse_malformed(ref: str, parts: _Parts) -> None:
    problem = ""
    if ref.count("/") > 1:
        problem = "has more than one '/'"
    elif (parts.agent or "").count(".") > 0:
        problem = "has more than one '.' after the workspace"
    else:
        for what, name in attrs.asdict(parts).items():
            problem = problem or _problem(what, name)
    if problem:
        raise ValueError(f"{ref!r} {problem}; {_FORMS}")


def _problem(what: str, name: str | None) -> str:
    if name is None or _NAME.fullmatch(name):
        return ""
    if not name:
        return f"has no {what}"
    refused = _NAME.sub("", name)[0]
    return f"has {refused!r} in the name of its {what}, but names are letters, digits, '-' and '_'"
