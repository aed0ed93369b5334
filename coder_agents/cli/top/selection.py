"""
The agents that the dashboard shows: those of a query, or named ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import attrs

from coder_agents.agent import Agent
from coder_agents.client import Client
from coder_agents.errors import FindingError, NotFoundError
from coder_agents.references import parse_reference


@attrs.frozen
class Listed:
    """
    The agents that a selection leads to now.

    Attributes:
        agents: the agents.
        missing: the error of each reference that leads to no agent.
    """

    agents: Sequence[Agent]
    missing: Sequence[FindingError | NotFoundError] = ()


@attrs.frozen
class Selection:
    """
    The agents to show.

    Attributes:
        query: a search for workspaces, as in `Client.workspaces`; None for the user's own.
        refs: the references of single agents, as in `Client.agent`; none for those of *query*.
    """

    query: str | None = None
    refs: Sequence[uuid.UUID | str] = ()

    @classmethod
    def of(cls, query: str | None, refs: Sequence[uuid.UUID | str]) -> Selection:
        """
        Return the selection.

        Raises *ValueError* or *TypeError* for a malformed reference, for references that are one
        text, and for references beside a query.
        """
        if isinstance(refs, (str, uuid.UUID)):
            raise TypeError(f"refs must be a sequence of references: pass [{refs!r}]")
        refs = tuple(refs)
        if query is not None and not isinstance(query, str):
            raise TypeError(f"query must be text such as 'owner:me', not a {type(query).__name__}")
        if query is not None and refs:
            raise ValueError("name agents or pass a query, not both")
        for ref in refs:
            parse_reference(ref)
        return cls(query, refs)

    def list(self, client: Client) -> Listed:
        """
        Return the agents that *client* finds now.

        Raises *CoderError* where the deployment does not answer or refuses.
        """
        if not self.refs:
            return Listed(list(client.agents(self.query)))
        found: dict[uuid.UUID, Agent] = {}
        missing: list[FindingError | NotFoundError] = []
        for ref in self.refs:
            try:
                agent = client.agent(ref)
            except FindingError as error:
                missing.append(error)
            except NotFoundError as error:
                if not error.by_deployment:  # the 404 of a proxy is no answer about the agent
                    raise
                missing.append(error)
            else:
                found.setdefault(agent.id, agent)
        return Listed(list(found.values()), missing)

    def __str__(self) -> str:
        if self.refs:
            return ", ".join(map(str, self.refs))
        return "your own workspaces" if self.query is None else f"query {self.query!r}"
