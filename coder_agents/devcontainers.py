"""
The devcontainers of an agent: how one is named, recreated, deleted and waited for.
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
    UnsupportedCallError,
)
from coder_agents.errors.api import as_kind
from coder_agents.lookup import read_agent
from coder_agents.render import escape_controls
from coder_agents.render.line import counted
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

# Labels with which the devcontainer tool marks the containers that it builds.
_FOLDER_LABEL = "devcontainer.local_folder"
_CONFIG_LABEL = "devcontainer.config_file"


@attrs.frozen
class Devcontainers:
    """
    The devcontainers of one agent.
    """

    agent_id: uuid.UUID
    http: HTTP
    capabilities: Capabilities

    def recreate(self, which: Which) -> Response:
        """
        Start to recreate *which*, by the route that the deployment has.
        """
        target = self._target(which)
        routes = [self._recreate_by_id, self._recreate_by_container]
        if self.capabilities.recreate_by_devcontainer is False:
            routes.reverse()
        with naming("recreate_by_devcontainer"), self._explaining("recreate_by_devcontainer"):
            # A recorded route is only tried first: the deployment may have been updated since.
            with contextlib.suppress(UnsupportedCallError):
                return routes[0](target)
            return routes[1](target)

    def _recreate_by_id(self, target: WorkspaceAgentDevcontainer) -> Response:
        with self.capabilities.requesting("recreate_by_devcontainer"):
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
        built = [each for each in listing.containers if _is_built_for(each, target)]
        container = target.container or next(iter(built), None)
        # Without a container, the deployment refuses the request and gives the reason.
        return target.name if container is None else container.id

    def delete(self, which: Which) -> None:
        """
        Stop *which* and remove it, with its container and its agent.
        """
        path = self._path("devcontainers", str(self._target(which).id))
        route: Route = "delete_devcontainer"
        with self._explaining(route), self.capabilities.requesting(route):
            self.http.call("DELETE", path, expect=204)

    def wait(
        self, which: Which, timeout: float | None, watch: Callable[[], ContainersStream]
    ) -> WorkspaceAgentDevcontainer:
        """
        Return *which* once it is running; see `Agent.wait_devcontainer`.
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
        if timeout == 0:  # there is no time to wait for a stream's first state
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
        Replace the error of an agent that does not have the call for *route* by an error that
        gives the reason.
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
        Return the reason for *error*, the answer of an agent that does not have a call.

        The answer is the same where the agent is too old for the call, and where its template
        switches dev containers off. The list of its containers decides between the two.
        """
        try:
            self._list()
            agent = read_agent(self.http, self.agent_id)
        except DevcontainersDisabledError as disabled:
            why = escape_controls(f"{disabled.message} {disabled.detail}")
            return as_kind(DevcontainersDisabledError, error, f"{error}\n\t{why}")
        except CoderError:
            return error  # a failure of these requests must not hide the first error
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
            "which must be a devcontainer, its id or its name, or its container, not a"
            f" {type(which).__name__}"
        )
    if which == "":
        raise ValueError("which must not be empty: pass the id or the name of a devcontainer")
    if isinstance(which, WorkspaceAgentContainer) and not which.id:
        raise ValueError(f"the container {which.name!r} has no id, so it names no devcontainer")


def resolve_devcontainer(
    listing: Listing, which: Which, *, agent_id: uuid.UUID
) -> WorkspaceAgentDevcontainer:
    """
    Return the devcontainer of *listing* that *which* names.

    An id takes precedence over a name, and the id or name of a devcontainer over that of its
    container.

    Raises *DevcontainerNotFoundError* where *which* names no devcontainer of *listing*,
    *AmbiguousDevcontainerError* where it names several.
    """
    for found in _meanings(listing, which):
        if len(found) > 1:
            raise AmbiguousDevcontainerError(
                f"{_shown(which)} names several devcontainers: {_listed(found)}",
                devcontainers=[str(each.id) for each in found],
            )
        if found:
            return found[0]
    listed = _listed(listing.devcontainers) or "none"
    raise DevcontainerNotFoundError(
        f"agent {agent_id} has no devcontainer {_shown(which)}; it lists: {listed}",
        devcontainers=[each.name for each in listing.devcontainers],
    )


def _meanings(listing: Listing, which: Which) -> Iterator[list[WorkspaceAgentDevcontainer]]:
    """
    Yield the devcontainers that *which* names, one list for each of its possible meanings.

    The meanings are in the order of precedence.
    """
    if isinstance(which, WorkspaceAgentContainer):
        yield _of_containers(listing, lambda each: each.id == which.id)
        yield [each for each in listing.devcontainers if _is_built_for(which, each)]
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
    # While a devcontainer is recreated, the list does not connect it with its old container. The
    # labels of the container do.
    meant = [each for each in listing.containers if is_meant(each)]
    return [
        each
        for each in listing.devcontainers
        if (each.container is not None and is_meant(each.container))
        or any(_is_built_for(container, each) for container in meant)
    ]


def _is_built_for(
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
    Whether *devcontainer* is running.

    Raises *DevcontainerError* where it failed.
    """
    if devcontainer.status == WorkspaceAgentDevcontainerStatus.ERROR:
        error = devcontainer.error or "the deployment gives no reason"
        raise DevcontainerError(
            f"devcontainer {_shown(devcontainer)} failed: {escape_controls(error)}",
            devcontainer=devcontainer,
            error=devcontainer.error,
        )
    return devcontainer.status == WorkspaceAgentDevcontainerStatus.RUNNING


def _timed_out(
    which: Which, latest: WorkspaceAgentDevcontainer | None, timeout: float | None
) -> DevcontainerTimeoutError:
    status = "its state was not reported" if latest is None else f"it is {latest.status}"
    return DevcontainerTimeoutError(
        f"devcontainer {_shown(which)} is not running after {counted(timeout or 0.0, 'second')}:"
        f" {escape_controls(status)}",
        devcontainer=latest,
    )


def _shown(which: Which) -> str:
    if isinstance(which, (WorkspaceAgentDevcontainer, WorkspaceAgentContainer)):
        return repr(which.name or str(which.id))
    return repr(str(which))


def _listed(devcontainers: Iterable[WorkspaceAgentDevcontainer]) -> str:
    return ", ".join(f"{each.name!r} ({each.id})" for each in devcontainers)
