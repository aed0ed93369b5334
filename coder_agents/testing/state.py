"""
What a deployment knows, apart from its sockets.
"""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.logs import LogStore
from coder_agents.testing.releases import Release
from coder_agents.testing.workspace import EmbeddedWorkspace

USER_NAME = "tester"


class State:
    """
    The data of one deployment, shared by all that serve it.

    Attributes:
        release: the release it plays.
        metadata_interval: seconds between two looks at changed metadata.
        logs: the log lines of all agents.
        agents: by their ids, those of former builds too.
        workspaces: by their names.
        licensed: whether it has what only licensed deployments have.
        url: where it is.
        clock_offset: how far its clock is ahead of the true time.
    """

    def __init__(
        self, release: Release, *, metadata_interval: float, log_limit: int, seed: int
    ) -> None:
        self.release = release
        self.metadata_interval = metadata_interval
        self.licensed = False
        self.url = ""
        self.clock_offset = timedelta()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.logs = LogStore(now=self.now, limit=log_limit, line_length=release.line_length)
        self.agents: dict[UUID, EmbeddedAgent] = {}
        self.workspaces: dict[str, EmbeddedWorkspace] = {}
        self.id = self.new_id()
        self.user_id = self.new_id()
        self.organization_id = self.new_id()
        self.template_id = self.new_id()
        self.template_version_id = self.new_id()
        self.created_at = self.now()

    def now(self) -> datetime:
        """
        The deployment's time.
        """
        return datetime.now(UTC) + self.clock_offset

    def new_id(self) -> UUID:
        """
        A UUID that only the seed and the order of calls decide.
        """
        with self._lock:
            return UUID(int=self._random.getrandbits(128), version=4)

    def workspace(self, name: str) -> EmbeddedWorkspace:
        """
        The workspace called *name*, made with a first build if there is none yet.
        """
        if name not in self.workspaces:
            self.workspaces[name] = EmbeddedWorkspace(self, name)
        return self.workspaces[name]
