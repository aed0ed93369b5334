"""
The devcontainers of an agent: which one is meant, and what can be done with it.
"""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from coder_agents.capabilities import Capabilities, Route, agent_lacks, naming
from coder_agents.config import seconds_or_none
from coder_agents.errors import (
    AmbiguousDevcontainerError,
    APIError,
    CoderError,
    DevcontainerError,
    DevcontainerNotFoundError,
    DevcontainersDisabledError,
    DevcontainerTimeoutError,
    UnsupportedError,
)
from coder_agents.errors.api import as_kind
from coder_agents.lookup import read_agent
from coder_agents.render import escape_controls
from coder_agents.schema import (
    Response,
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
    WorkspaceAgentListContainersResponse,
)
from coder_agents.transport import HTTP, lacks_call, quoted

if TYPE_CHECKING:
    from coder_agents.streams import ContainersStream

Which = WorkspaceAgentDevcontainer | WorkspaceAgentContainer | uuid.UUID | str
Listing = WorkspaceAgentListContainersResponse

# With which a devcontainer's tool marks the containers that it makes.
_FOLDER_LABEL = "devcontainer.local_folder"
_CONFIG_LABEL = "devcontainer.config_file"


@attrs.frozen
class Devcontainers:
    """
    Those of one agent.
    """

    agent_id: uuid.UUID
    http: HTTP
    capabilities: Capabilities

    def recreate(self, which: Which) -> Response:
        """
        Start to build *which* anew, by the route that the deployment has.
        """
        target = self._target(which)
        routes = [self._recreate_by_id, self._recreate_by_container]
        if self.capabilities.recreate_by_devcontainer is False:
            routes.reverse()
        with naming("recreate_by_devcontainer"), self._explaining("recreate_by_devcontainer"):
            # The other one, too: the deployment may have been updated since.
            with contextlib.suppress(UnsupportedError):
                return routes[0](target)
            return routes[1](target)

    def _recreate_by_id(self, target: WorkspaceAgentDevcontainer) -> Response:
        with self.capabilities.asking("recreate_by_devcontainer"):
            return self._recreate(str(target.id))

    def _recreate_by_container(self, target: WorkspaceAgentDevcontainer) -> Response:
        return self._recreate("container", self._container_name(target))

    def _recreate(self, *route: str) -> Response:
        path = self._path("devcontainers", *route, "recreate")
        return self.http.read(Response, "POST", path, expect=202)

    def _container_name(self, target: WorkspaceAgentDevcontainer) -> str:
        if target.container is not None:
            return target.container.id
        listing = self._list()
        target = resolve_devcontainer(listing, target, agent_id=self.agent_id)
        made = [each for each in listing.containers if _is_made_for(each, target)]
        container = target.container or next(iter(made), None)
        # Without a container it is the deployment that says so.
        return target.name if container is None else container.id

    def delete(self, which: Which) -> None:
        """
        Stop *which* and remove it, with its container and its agent.
        """
        path = self._path("devcontainers", str(self._target(which).id))
        route: Route = "delete_devcontainer"
        with self._explaining(route), self.capabilities.asking(route):
            self.http.call("DELETE", path, expect=204)

    def wait(
        self, which: Which, timeout: float | None, watch: Callable[[], ContainersStream]
    ) -> WorkspaceAgentDevcontainer:
        """
        Return *which* once it runs; see `Agent.wait_devcontainer`.
        """
        check_which(which)
        timeout = seconds_or_none("timeout", timeout)
        wanted, latest = which, None
        with self._states(timeout, watch) as states:
            for state in states:
                wanted = latest = resolve_devcontainer(state, wanted, agent_id=self.agent_id)
                if _is_running(latest):
                    return latest
        raise _timed_out(wanted, latest, timeout)

    @contextlib.contextmanager
    def _states(
        self, timeout: float | None, watch: Callable[[], ContainersStream]
    ) -> Iterator[Iterable[Listing]]:
        if timeout == 0:  # no time to wait for a stream's first state: read once
            yield [self._list()]
            return
        with watch() as stream:
            yield _within(stream, timeout)

    def _target(self, which: Which) -> WorkspaceAgentDevcontainer:
        check_which(which)
        if isinstance(which, WorkspaceAgentDevcontainer):
            return which
        if isinstance(which, uuid.UUID):
            return WorkspaceAgentDevcontainer(id=which)
        return resolve_devcontainer(self._list(), which, agent_id=self.agent_id)

    @contextlib.contextmanager
    def _explaining(self, route: Route) -> Iterator[None]:
        """
        Raise why the agent does not have the call that asks for *route*, where it does not.
        """
        try:
            yield
        except APIError as error:
            if not lacks_call(error):
                raise
            reason = self._reason(error, route)
        else:
            return
        raise reason from None

    def _reason(self, error: APIError, route: Route) -> CoderError:
        """
        Return what *error* means: an agent answers alike whether it is too old for a call or its
        template switches dev containers off. A list of its containers decides.
        """
        try:
            self._list()
            agent = read_agent(self.http, self.agent_id)
        except DevcontainersDisabledError as disabled:
            why = escape_controls(f"{disabled.message} {disabled.detail}")
            return as_kind(DevcontainersDisabledError, error, f"{error}\n\t{why}")
        except CoderError:
            return error  # what cannot be found out is no reason to hide what went wrong
        return agent_lacks(route, error, agent.version)

    def _list(self) -> Listing:
        return self.http.read(Listing, "GET", self._path())

    def _path(self, *segments: str) -> str:
        return quoted("workspaceagents", self.agent_id, "containers", *segments)


def check_which(which: Which) -> None:
    """
    Raise *TypeError* or *ValueError* where *which* can name no devcontainer.
    """
    if not isinstance(which, Which):
        raise TypeError(
            "a devcontainer is named by its id or name, by itself, or by its container, not by a"
            f" {type(which).__name__}"
        )
    if which == "":
        raise ValueError("an empty text is no devcontainer's id or name")
    if isinstance(which, WorkspaceAgentContainer) and not which.id:
        raise ValueError(f"the container {which.name!r} has no id to know it by")


def resolve_devcontainer(
    listing: Listing, which: Which, *, agent_id: uuid.UUID
) -> WorkspaceAgentDevcontainer:
    """
    Return the devcontainer of *listing* that *which* names, as it is there.

    An id goes before a name, and a devcontainer's before its container's.

    Raises *DevcontainerNotFoundError* where there is none, *AmbiguousDevcontainerError* where there
    are several.
    """
    for found in _ways(listing, which):
        if len(found) > 1:
            raise AmbiguousDevcontainerError(
                f"several devcontainers are {_shown(which)}: {_listed(found)}",
                devcontainers=[str(each.id) for each in found],
            )
        if found:
            return found[0]
    there = _listed(listing.devcontainers) or "none"
    raise DevcontainerNotFoundError(
        f"agent {agent_id} has no devcontainer {_shown(which)}; it lists: {there}",
        devcontainers=[each.name for each in listing.devcontainers],
    )


def _ways(listing: Listing, which: Which) -> Iterator[list[WorkspaceAgentDevcontainer]]:
    """
    Return what *which* may mean, the likest first.
    """
    if isinstance(which, WorkspaceAgentContainer):
        yield _of_containers(listing, lambda each: each.id == which.id)
        yield [each for each in listing.devcontainers if _is_made_for(which, each)]
        return
    wanted = _id_of(which)
    yield [each for each in listing.devcontainers if each.id == wanted]
    if isinstance(which, str):
        yield [each for each in listing.devcontainers if each.name == which]
        yield _of_containers(listing, lambda each: each.id == which)
        yield _of_containers(listing, lambda each: each.name == which)


def _id_of(which: WorkspaceAgentDevcontainer | uuid.UUID | str) -> uuid.UUID | None:
    if isinstance(which, WorkspaceAgentDevcontainer):
        return which.id
    try:
        return uuid.UUID(str(which))
    except ValueError:
        return None


def _of_containers(
    listing: Listing, is_meant: Callable[[WorkspaceAgentContainer], bool]
) -> list[WorkspaceAgentDevcontainer]:
    # While one is made anew the list does not say whose the old container is; its labels do.
    meant = [each for each in listing.containers if is_meant(each)]
    return [
        each
        for each in listing.devcontainers
        if (each.container is not None and is_meant(each.container))
        or any(_is_made_for(container, each) for container in meant)
    ]


def _is_made_for(
    container: WorkspaceAgentContainer, devcontainer: WorkspaceAgentDevcontainer
) -> bool:
    folder = container.labels.get(_FOLDER_LABEL)
    config = container.labels.get(_CONFIG_LABEL)
    same_config = not config or config == (devcontainer.config_path or config)
    return bool(folder) and folder == devcontainer.workspace_folder and same_config


def _within(stream: ContainersStream, timeout: float | None) -> Iterator[Listing]:
    until = math.inf if timeout is None else time.monotonic() + timeout
    while (state := stream.poll(max(0.0, until - time.monotonic()))) is not None:
        yield state


def _is_running(devcontainer: WorkspaceAgentDevcontainer) -> bool:
    """
    Raise *DevcontainerError* where it never will be.
    """
    if devcontainer.status == WorkspaceAgentDevcontainerStatus.ERROR:
        error = devcontainer.error or "the deployment does not say why"
        raise DevcontainerError(
            f"devcontainer {_shown(devcontainer)} failed: {escape_controls(error)}",
            devcontainer=devcontainer,
            error=devcontainer.error,
        )
    return devcontainer.status == WorkspaceAgentDevcontainerStatus.RUNNING


def _timed_out(
    which: Which, latest: WorkspaceAgentDevcontainer | None, timeout: float | None
) -> DevcontainerTimeoutError:
    status = "nothing was heard of it" if latest is None else f"it is {latest.status}"
    return DevcontainerTimeoutError(
        f"devcontainer {_shown(which)} is not running after {timeout} seconds:"
        f" {escape_controls(status)}",
        devcontainer=latest,
    )


def _shown(which: Which) -> str:
    if isinstance(which, (WorkspaceAgentDevcontainer, WorkspaceAgentContainer)):
        return repr(which.name or str(which.id))
    return repr(str(which))


def _listed(devcontainers: Iterable[WorkspaceAgentDevcontainer]) -> str:
    return ", ".join(f"{each.name!r} ({each.id})" for each in devcontainers)
