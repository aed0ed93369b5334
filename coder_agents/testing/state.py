"""
The data of a deployment, without its sockets.
"""

from __future__ import annotations

import itertools
import random
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import attrs

from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.logs import LogStore
from coder_agents.testing.releases import Release
from coder_agents.testing.runner import ScriptRunner
from coder_agents.testing.workspace import EmbeddedWorkspace

USER_NAME = "tester"
MAX_CLOCK_OFFSET = timedelta(days=365_000)


@attrs.frozen
class Person:
    """
    A user of the deployment.
    """

    id: UUID
    name: str
    created_at: datetime


class State:
    """
    The data of one deployment, shared by all of its threads.

    Attributes:
        release: the release that it simulates.
        metadata_interval: seconds between two checks for changed metadata.
        logs: the log lines of all agents.
        builds: the threads of the builds that clients requested.
        agents: the agents by id, those of earlier builds included.
        people: the users by name in lower case, the token's user first.
        workspaces: the workspaces of all users, oldest first.
        licensed: whether it has the calls of licensed deployments.
        url: its URL.
        signed_tokens: the tokens that were issued for terminals, with the ids of their agents.
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
        self.signed_tokens: dict[str, str] = {}
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.logs = LogStore(now=self.now, limit=log_limit, line_length=release.line_length)
        self.builds = ScriptRunner("builds")
        self._build_log_ids = itertools.count(1)
        self.agents: dict[UUID, EmbeddedAgent] = {}
        self.workspaces: list[EmbeddedWorkspace] = []
        self._making = threading.RLock()
        self.id = self.new_id()
        self.me = Person(self.new_id(), USER_NAME, self.now())
        self.people = {USER_NAME: self.me}
        self.organization_id = self.new_id()
        self.template_id = self.new_id()
        self.template_version_id = self.new_id()

    def now(self) -> datetime:
        """
        Return the deployment's time.
        """
        return datetime.now(UTC) + self.clock_offset

    def set_clock(self, offset: timedelta) -> None:
        """
        Set how far the clock is ahead of the true time.

        Raises:
            TypeError: *offset* is no timedelta.
            ValueError: *offset* is more than 1,000 years, so that some times would have no date.
        """
        if not isinstance(offset, timedelta):
            raise TypeError(f"offset must be a timedelta, not {type(offset).__name__}")
        if abs(offset) > MAX_CLOCK_OFFSET:
            raise ValueError(f"offset must be {MAX_CLOCK_OFFSET.days} days at most, not {offset}")
        self.clock_offset = offset

    def new_id(self) -> UUID:
        """
        Return a UUID that depends only on the seed and the order of calls.
        """
        with self._lock:
            return UUID(int=self._random.getrandbits(128), version=4)

    def take_build_log_id(self) -> int:
        """
        Return the next id of a line of a build's log.
        """
        return next(self._build_log_ids)

    def person(self, name: str) -> Person:
        """
        Return the user called *name*, created if necessary; ``me`` is the token's user.
        """
        with self._making:
            found = self.find_person(name)
            if found is None:
                found = Person(self.new_id(), name, self.now())
                self.people[name.lower()] = found
            return found

    def find_person(self, text: str) -> Person | None:
        """
        Return the user whose name or UUID is *text*, None without one; ``me`` is the token's user.
        """
        if text == "me":
            return self.me
        people = list(self.people.values())
        by_id = (each for each in people if str(each.id) == text.lower())
        return self.people.get(text.lower()) or next(by_id, None)

    def workspace(self, name: str, owner: str = "me") -> EmbeddedWorkspace:
        """
        Return the workspace called *name* of *owner*, created with a first build if necessary.
        """
        with self._making:
            person = self.person(owner)
            found = self.find_workspace(name, person)
            if found is None:
                found = EmbeddedWorkspace(self, name, person)
                self.workspaces.append(found)
            return found

    def find_workspace(self, name: str, owner: Person) -> EmbeddedWorkspace | None:
        """
        Return the workspace called *name* of *owner*, None without one or where it is deleted. No
        two workspaces of a user have names that differ only in case.
        """
        lower = name.lower()
        present = (each for each in list(self.workspaces) if not each.deleted)
        theirs = (each for each in present if each.owner == owner)
        return next((each for each in theirs if each.name.lower() == lower), None)
