"""
Ports on which processes in a workspace listen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from coder_agents.render.html import Markup
from coder_agents.representation.cells import tables
from coder_agents.representation.objects import Represented
from coder_agents.schema.fields import identifying


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentListeningPort(Represented):
    """
    A port on which a process listens.

    Attributes:
        process_name: the name of the process; empty where the agent does not know it.
        network: ``tcp``.
        port: its number.
    """

    process_name: str = ""
    network: str = ""
    port: int = 0

    _columns = ("Port", "Network", "Process")
    _noun = "port"

    def _cells(self) -> Sequence[object]:
        return self.port, self.network, self.process_name


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentListeningPortsResponse(Represented):
    """
    The ports that an agent lists.

    An empty list can also mean that the agent cannot list ports on its platform. So do not show it
    as "no ports".
    """

    ports: tuple[WorkspaceAgentListeningPort, ...] = identifying(())

    def _facts(self) -> Iterable[tuple[str, object]]:
        return ()

    def _below(self) -> Iterable[Markup]:
        return tables(self.ports)
