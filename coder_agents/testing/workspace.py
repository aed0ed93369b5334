"""
Workspaces, and the requests for their builds.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from coder_agents.schema import WorkspaceStatus
from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.build import BY_TRANSITION, EmbeddedBuild
from coder_agents.testing.notices import Notices
from coder_agents.testing.plans import BuildPlan, play

if TYPE_CHECKING:
    from coder_agents.testing.state import Person, State


class BuildActiveError(RuntimeError):
    """
    A build of the workspace is under way, so no other can be requested.
    """


class EmbeddedWorkspace:
    """
    A workspace.

    Attributes:
        id: its UUID.
        name: its name.
        owner: its owner, with ``id`` and ``name``.
        builds: all its builds, oldest first.
        notices: notifies of every new build and of every deleted agent.
        plans: for each transition, how a build goes that a client requests.
    """

    def __init__(self, state: State, name: str, owner: Person) -> None:
        self.state = state
        self.id = state.new_id()
        self.name = name
        self.owner = owner
        self.created_at = state.now()
        self.builds: list[EmbeddedBuild] = []
        self.notices = Notices()
        self.plans: dict[str, BuildPlan] = {each: BuildPlan() for each in BY_TRANSITION}
        self._requesting = threading.Lock()
        self.start_build().complete()

    @property
    def latest_build(self) -> EmbeddedBuild:
        """
        The newest build, successful or not.
        """
        return self.builds[-1]

    @property
    def deleted(self) -> bool:
        """
        Whether the build that deletes the workspace has succeeded.
        """
        return self.latest_build.status == WorkspaceStatus.DELETED

    def start_build(self, transition: str = "start") -> EmbeddedBuild:
        """
        Request a new build, which ends the streams of the logs of earlier agents.

        Arguments:
            transition: ``start``, ``stop`` or ``delete``.

        Returns:
            The build, which is pending until one of its methods begins or ends it.

        Raises:
            ValueError: the transition is unknown.
            RuntimeError: the workspace is deleted.
        """
        if transition not in BY_TRANSITION:
            raise ValueError(
                f"transition must be one of {', '.join(BY_TRANSITION)}, not {transition!r}"
            )
        if self.builds and self.deleted:
            raise RuntimeError(f"workspace {self.name!r} is deleted")
        build = EmbeddedBuild(self, len(self.builds) + 1, transition)
        self.builds.append(build)
        self.notices.notify()
        return build

    def request_build(self, transition: str = "start") -> EmbeddedBuild:
        """
        Request a new build as a client does: it goes by itself, according to `plans`.

        Arguments:
            transition: ``start``, ``stop`` or ``delete``.

        Raises:
            ValueError: the transition is unknown.
            RuntimeError: a build of the workspace is under way.
        """
        with self._requesting:
            if self.latest_build.active:
                raise BuildActiveError(f"build {self.latest_build.number} is under way")
            build = self.start_build(transition)
        play(build, self.plans[transition], self.state.builds)
        return build

    def agents_before(self, build: EmbeddedBuild) -> list[EmbeddedAgent]:
        """
        Return the agents of the newest build before *build* that has agents, without sub-agents.
        """
        earlier = [each for each in self.builds[: build.number - 1] if each.agents]
        agents = earlier[-1].agents if earlier else []
        return [agent for agent in agents if agent.parent is None]
