"""
Documents of workspaces, as a deployment sends them.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

WORKSPACE = uuid.UUID(int=7)


def id_of(name: str) -> uuid.UUID:
    """
    Return the id that the thing called *name* has in these documents.
    """
    return uuid.uuid5(WORKSPACE, name)


def agent_document(name: str, *, parent: str = "") -> dict[str, Any]:
    """
    Return an agent; a sub-agent where *parent* is the name of another.
    """
    return {
        "id": str(id_of(name)),
        "parent_id": str(id_of(parent)) if parent else None,
        "name": name,
        "status": "connected",
        "lifecycle_state": "ready",
    }


def workspace_document(
    *agents: dict[str, Any],
    name: str = "dev",
    owner: str = "tester",
    id: uuid.UUID = WORKSPACE,
    status: str = "running",
    transition: str = "start",
    error: str = "",
    resources: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """
    Return a workspace whose latest build has *agents* on one resource, and more *resources*.
    """
    machine = [{"type": "null_resource", "name": "machine", "agents": list(agents)}]
    return {
        "id": str(id),
        "name": name,
        "owner_name": owner,
        "latest_build": {
            "build_number": 3,
            "transition": transition,
            "status": status,
            "job": {"error": error},
            "resources": [*(machine if agents else []), *resources],
        },
    }
