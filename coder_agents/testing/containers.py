"""
The containers that an agent sees, and its dev containers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from uuid import UUID

import attrs

from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
    WorkspaceAgentListContainersResponse,
)
from coder_agents.testing.notices import Notices
from coder_agents.testing.releases import Release

TRANSITIONING = frozenset({"starting", "stopping", "deleting"})
FOLDER_LABEL = "devcontainer.local_folder"


class ContainerBoard:
    """
    The containers that an agent reports.

    The board has no container runtime: it reports what was set. Recreating a dev container takes
    `recreate_seconds` and always succeeds.

    Attributes:
        release: the release of the agent, which may be older than the deployment's. An agent that
            restarts after an update has another one.
        notices: notifies of every change.
        enabled: whether the template enables dev containers. Otherwise the agent lists no
            containers and lacks the calls for them.
        recreate_seconds: how long a recreated dev container is starting.
    """

    def __init__(self, release: Release) -> None:
        self.notices = Notices()
        self.enabled = True
        self.release = release
        self.recreate_seconds = 0.2
        self._lock = threading.Lock()
        self._state = WorkspaceAgentListContainersResponse()
        self._timers: list[threading.Timer] = []

    def has_call(self, since: tuple[int, int] = (0, 0)) -> bool:
        """
        Whether the agent has a call that came with the release *since*.
        """
        return self.enabled and self.release.number >= since

    def state(
        self, labels: Mapping[str, str] | None = None
    ) -> WorkspaceAgentListContainersResponse:
        """
        Return the current state, with the containers that have all *labels*.
        """
        wanted = (labels or {}).items()
        with self._lock:
            state = self._state
        matching = tuple(each for each in state.containers if wanted <= each.labels.items())
        return attrs.evolve(state, containers=matching)

    def set_containers(
        self, containers: Iterable[WorkspaceAgentContainer], warnings: Iterable[str] = ()
    ) -> None:
        """
        Replace the containers and the warnings.
        """
        with self._lock:
            self._state = attrs.evolve(
                self._state, containers=tuple(containers), warnings=tuple(warnings)
            )
        self.notices.notify()

    def set_devcontainers(self, devcontainers: Iterable[WorkspaceAgentDevcontainer]) -> None:
        """
        Replace the dev containers.
        """
        with self._lock:
            self._state = attrs.evolve(self._state, devcontainers=tuple(devcontainers))
        self.notices.notify()

    def find(self, devcontainer_id: UUID) -> WorkspaceAgentDevcontainer | None:
        """
        Return the dev container with an id; None without one.
        """
        found = (each for each in self.state().devcontainers if each.id == devcontainer_id)
        return next(found, None)

    def find_container(self, id_or_name: str) -> WorkspaceAgentContainer | None:
        """
        Return the container with an id or name; None without one.
        """
        return next((each for each in self.state().containers if each.match(id_or_name)), None)

    def find_folder(self, folder: str) -> WorkspaceAgentDevcontainer | None:
        """
        Return the dev container of a folder in the workspace; None without one.
        """
        found = (each for each in self.state().devcontainers if each.workspace_folder == folder)
        return next(found, None)

    def recreate(self, before: WorkspaceAgentDevcontainer) -> None:
        """
        Recreate the dev container: it is starting for `recreate_seconds`, then running.
        """
        starting = attrs.evolve(
            before, status=WorkspaceAgentDevcontainerStatus.STARTING, container=None
        )
        running = attrs.evolve(before, status=WorkspaceAgentDevcontainerStatus.RUNNING)
        self._replace(before.id, starting)
        timer = threading.Timer(self.recreate_seconds, self._replace, (before.id, running))
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def delete(self, gone: WorkspaceAgentDevcontainer) -> None:
        """
        Remove a dev container and its container.
        """
        with self._lock:
            state = self._state
            self._state = attrs.evolve(
                state,
                devcontainers=tuple(each for each in state.devcontainers if each.id != gone.id),
                containers=tuple(each for each in state.containers if each != gone.container),
            )
        self.notices.notify()

    def close(self) -> None:
        """
        Stop pending recreations.
        """
        for timer in self._timers:
            timer.cancel()
            timer.join()

    def _replace(self, devcontainer_id: UUID, after: WorkspaceAgentDevcontainer) -> None:
        with self._lock:
            self._state = attrs.evolve(
                self._state,
                devcontainers=tuple(
                    after if each.id == devcontainer_id else each
                    for each in self._state.devcontainers
                ),
            )
        self.notices.notify()
