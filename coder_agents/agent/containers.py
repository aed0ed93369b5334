"""
The containers and dev containers of an agent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from coder_agents import schema
from coder_agents.agent.base import BaseAgent
from coder_agents.config import positive_seconds

if TYPE_CHECKING:
    from coder_agents.devcontainers import Devcontainers, Which
    from coder_agents.schema import (
        Response,
        WorkspaceAgentDevcontainer,
        WorkspaceAgentListContainersResponse,
    )
    from coder_agents.streams import ContainersStream, StreamOptions
    from coder_agents.streams.containers_feed import Intervals
    from coder_agents.transport import Params


class ContainerMethods(BaseAgent):
    """
    The methods of an agent for what runs beside it in containers.
    """

    def watch_containers(
        self, *, interval: float | None = None, options: StreamOptions | None = None
    ) -> ContainersStream:
        """
        Return a stream of the agent's containers and devcontainers; each item is all of them.

        Deployments report by themselves what becomes of devcontainers. Whether other containers run
        is read from the list of containers, *interval* seconds after each state. Where the
        deployment (before 2.25) or the agent is too old to report anything, all is read from that
        list. *interval* is 30 by default, and 5 where the list is all there is.

        Raises *AgentNotConnectedError* where the agent is not connected,
        *DevcontainersDisabledError* where the template does not switch dev containers on.
        """
        from coder_agents.streams.containers_feed import Intervals

        if interval is None:
            return self._watch_containers(Intervals(), options)
        positive_seconds("interval", interval)
        return self._watch_containers(Intervals(beside=interval, alone=interval), options)

    def _watch_containers(
        self, intervals: Intervals, options: StreamOptions | None = None
    ) -> ContainersStream:
        from coder_agents.streams.containers import watch_containers

        return watch_containers(self._sources(self._chosen(options)), intervals)

    def containers(
        self, labels: Mapping[str, str] | None = None
    ) -> WorkspaceAgentListContainersResponse:
        """
        Return the containers and devcontainers that the agent sees.

        *labels* must all match; they choose among the containers, not among the
        devcontainers. The deployment gives the agent 30 seconds to answer.

        Raises *AgentNotConnectedError* where the agent is not connected,
        *DevcontainersDisabledError* where the template does not switch dev containers on;
        *ValueError* or *TypeError*, before any request, for labels that cannot be sent.
        """
        kind, params = schema.WorkspaceAgentListContainersResponse, _label_params(labels)
        return self._http.read(kind, "GET", self._path("containers"), params=params)

    def recreate_devcontainer(self, which: Which) -> Response:
        """
        Start to build *which* anew and return what the deployment says.

        *which* is a devcontainer, its id or name, or its container or the id or name of
        that. An id goes before a name, a devcontainer's before its container's. The route that
        this deployment has is found out by asking, once.

        Raises *DevcontainerNotFoundError* where the agent lists no such devcontainer,
        *AmbiguousDevcontainerError* where it lists several, *ConflictError* where the devcontainer is
        being recreated already, *NotFoundError* where the deployment does not know an id,
        *DevcontainersDisabledError* where the template does not switch dev containers on,
        *UnsupportedError* where the agent is older than 2.25 and its deployment is not: restart
        the workspace then.
        """
        return self._devcontainers().recreate(which)

    def delete_devcontainer(self, which: Which) -> None:
        """
        Delete *which*, and with it its container and the agent inside.

        *which* is as for `recreate_devcontainer`, and so are the errors. Raises
        *UnsupportedError* where the deployment or the agent is older than 2.30, and does not have
        the call; ``agent_version`` says which release the agent has, where that is why.
        """
        self._devcontainers().delete(which)

    def wait_devcontainer(
        self, which: Which, *, timeout: float | None = 600
    ) -> WorkspaceAgentDevcontainer:
        """
        Wait until *which* is running and return it as it is then.

        *which* is as for `recreate_devcontainer`; *timeout* is in seconds, None for no limit. Behind
        `recreate_devcontainer` it is the new container that is waited for. Where deployment or agent
        are older than 2.25, the list of containers is read every 2 seconds.

        Raises *DevcontainerError*, with the deployment's text, where it went wrong;
        *DevcontainerTimeoutError*; *DevcontainerNotFoundError* where the agent lists no such
        devcontainer, or no longer; and what `watch_containers` raises.
        """
        from coder_agents.streams.containers_feed import Intervals

        alone = self._stream_options._pauses.devcontainer_read
        watch = partial(self._watch_containers, Intervals(alone=alone))
        return self._devcontainers().wait(which, timeout, watch)

    def _devcontainers(self) -> Devcontainers:
        from coder_agents.devcontainers import Devcontainers

        return Devcontainers(self.id, self._http, self._capabilities)


def _label_params(labels: Mapping[str, str] | None) -> Params:
    if labels is None:
        return []
    if not isinstance(labels, Mapping):
        raise TypeError(f"labels must be a map of text to text, not a {type(labels).__name__}")
    return [("label", _label(key, value)) for key, value in labels.items()]


def _label(key: str, value: str) -> str:
    for text in (key, value):
        if not isinstance(text, str):
            raise TypeError(f"labels must be text, not {type(text).__name__}")
        if re.search("[\ud800-\udfff]", text):
            raise ValueError(f"a label must be text that UTF-8 can tell, not {text!r}")
    if not key or "=" in key or "=" in value:
        raise ValueError(
            f"the label {key!r}: {value!r} cannot be asked for: a key must not be empty,"
            " and neither key nor value may hold a '='"
        )
    return f"{key}={value}"
