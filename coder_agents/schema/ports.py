"""
Ports that something listens on in a workspace.
"""

from __future__ import annotations

import attrs

from coder_agents.schema.fields import identifying


@attrs.frozen(kw_only=True)
class WorkspaceAgentListeningPort:
    """
    A port something listens on.

    Attributes:
        process_name: what listens; empty where the agent cannot tell.
        network: ``tcp``.
        port: its number.
    """

    process_name: str = ""
    network: str = ""
    port: int = 0


@attrs.frozen(kw_only=True)
class WorkspaceAgentListeningPortsResponse:
    """
    The ports an agent sees.

    None at all can also mean that the agent cannot look on its platform: show nothing then,
    rather than "no ports".
    """

    ports: tuple[WorkspaceAgentListeningPort, ...] = identifying(())
