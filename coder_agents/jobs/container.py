"""
Whether an agent has a container in which commands can run.
"""

from __future__ import annotations

import uuid

from coder_agents.errors import CoderError, ContainerNotFoundError
from coder_agents.render import escape_controls
from coder_agents.schema import WorkspaceAgentContainer, WorkspaceAgentListContainersResponse
from coder_agents.transport import HTTP, quoted


def check_container(http: HTTP, agent_id: uuid.UUID, container: str, *, what: str) -> None:
    """
    Check that the agent lists *container*, an id, its begin or a name, and that it runs.

    For a container that does not run the route of terminals accepts the connection and ends it
    before the first byte, as it does for many other reasons.

    Raises *ContainerNotFoundError*. An agent that lists no containers now proves nothing.
    """
    try:
        path = quoted("workspaceagents", agent_id, "containers")
        listing = http.read(WorkspaceAgentListContainersResponse, "GET", path)
    except CoderError:
        return
    found = [each for each in listing.containers if _is_named(each, container)]
    if any(each.running or each.status == "running" for each in found):
        return
    names = sorted(escape_controls(each.name or each.id) for each in listing.containers)
    states = [escape_controls(each.status) or "stopped" for each in found]
    reason = f"the container {container!r} does not run ({states[0]})" if found else ""
    raise ContainerNotFoundError(
        f"{what}: {reason or f'there is no container {container!r}'}; nothing was run."
        f" The agent's containers: {', '.join(names) or 'none'}",
        containers=names,
    )


def _is_named(container: WorkspaceAgentContainer, id_or_name: str) -> bool:
    return container.match(id_or_name) or container.id.startswith(id_or_name)
