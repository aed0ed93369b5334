"""
Agents whose logs several workers follow.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, cast

from coder_agents.agent import Agent
from coder_agents.base_client import BaseClient

if TYPE_CHECKING:
    from coder_agents.batch import AgentGroup
    from coder_agents.client.client import Client
    from coder_agents.streams import BookmarkStore


class GroupMethods(BaseClient):
    """
    The method of a client for groups of agents.
    """

    def split(
        self,
        agents: Iterable[Agent],
        n: int,
        *,
        bookmarks: str | os.PathLike[str] | Callable[[int], BookmarkStore],
        send_token: bool = False,
    ) -> list[AgentGroup]:
        """
        Return *agents* in at most *n* groups, whose logs several workers follow.

        Each group goes to a worker: a thread, a process, or another machine. The worker calls
        `AgentGroup.follow_logs`. The group has a store of bookmarks of its own, so another worker that
        gets the same group continues where a worker has died.

        The groups differ by one agent at most. The same agents and the same *n* give the same groups,
        in whatever order the agents are listed.

        *bookmarks* is a folder that all workers share. It is created, and each group has a file in it.
        A group also reads the files of the other groups, so agents may move between groups when you
        split again with other agents or another *n*, once the earlier workers have ended. Or
        *bookmarks* is a function that returns the store of a group by its number; the function is
        called in the worker, and has to be one that can be pickled.

        The token travels with the groups only with *send_token*. Otherwise a worker in another process
        finds its settings as `from_env` does, and refuses agents of another deployment.

        Raises *ValueError* or *TypeError* for impossible arguments, and for an agent that is listed
        twice or belongs to another deployment; with *send_token*, *ConfigError* where the client has a
        session of yours, which cannot travel; *OSError* where the folder cannot be created.
        """
        from coder_agents.batch import several
        from coder_agents.batch.groups import split

        members = several(agents)
        self._check_followed(members, {})
        return split(cast("Client", self), members, n, bookmarks=bookmarks, send_token=send_token)

    def _check_followed(self, agents: list[Agent], after: Mapping[uuid.UUID, int | str]) -> None:
        met: set[uuid.UUID] = set()
        for agent in agents:
            if agent._http.settings.url != self._http.settings.url:
                raise ValueError(f"agent {agent.label} {agent.id} belongs to another deployment")
            if agent.id in met:
                raise ValueError(f"agent {agent.label} {agent.id} is listed twice")
            met.add(agent.id)
        for unknown in set(after) - met:
            raise ValueError(f"after has the key {unknown!r}, the id of none of the agents")
