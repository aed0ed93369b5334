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
    The methods of an agent for its containers.
    """

    def watch_containers(
        self, *, interval: float | None = None, options: StreamOptions | None = None
    ) -> ContainersStream:
        """
        Return a stream of the agent's containers and devcontainers; each item is the full list.

        The deployment reports changes of devcontainers. To find changes of other containers, the
        stream reads the list of containers *interval* seconds after each state. Where the
        deployment (before 2.25) or the agent is too old to report changes, the stream reads only
        that list. *interval* is 30 by default, and 5 where the stream reads only the list.

        Raises *AgentNotConnectedError* where the agent is not connected,
        *DevcontainersDisabledError* where the template does not switch dev containers on;
        *ValueError* or *TypeError* for an impossible *interval*.
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
        Return the containers and dev containers that the agent lists.

        Only containers with all *labels* are returned; *labels* do not filter devcontainers. The
        deployment gives the agent 30 seconds to answer.

        Raises *AgentNotConnectedError* where the agent is not connected,
        *DevcontainersDisabledError* where the template does not switch dev containers on;
        *ValueError* or *TypeError*, before any request, for labels that cannot be sent.
        """
        kind, params = schema.WorkspaceAgentListContainersResponse, _label_params(labels)
        return self._http.read(kind, "GET", self._path("containers"), params=params)

    def recreate_devcontainer(self, which: Which) -> Response:
        """
        Start to recreate *which*, and return the deployment's answer.

        *which* is a devcontainer, its id or its name, or its container, or the id or the name of
        its container. An id takes precedence over a name, and a dev container over a container. The
        first call finds out which route this deployment has.

        Raises *DevcontainerNotFoundError* where the agent lists no such devcontainer,
        *AmbiguousDevcontainerError* where it lists several, *ConflictError* where the devcontainer
        is already being recreated, *NotFoundError* where the deployment does not know an id,
        *DevcontainersDisabledError* where the template does not switch dev containers on,
        *UnsupportedCallError* where the agent is older than 2.25 and its deployment is not: restart
        the workspace then.
        """
        return self._devcontainers().recreate(which)

    def delete_devcontainer(self, which: Which) -> None:
        """
        Delete *which*, its container, and the agent in the container.

        *which* and the errors are those of `recreate_devcontainer`. In addition, the method raises
        *UnsupportedCallError* where the deployment or the agent is older than 2.30 and does not have
        the call. Where that is the agent, the error's ``agent_version`` is the agent's release.
        """
        self._devcontainers().delete(which)

    def wait_devcontainer(
        self, which: Which, *, timeout: float | None = 600
    ) -> WorkspaceAgentDevcontainer:
        """
        Wait until *which* is running, and return its data.

        *which* is as for `recreate_devcontainer`; *timeout* is in seconds, None for no limit. After
        `recreate_devcontainer`, the method waits for the new container. Where the deployment or the
        agent is older than 2.25, it reads the list of containers every 2 seconds.

        Raises *DevcontainerError*, with the deployment's text, where the dev container failed;
        *DevcontainerTimeoutError*; *DevcontainerNotFoundError* where the agent does not list the
        devcontainer, or no longer lists it; and what `watch_containers` raises.
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
        raise TypeError(f"labels must be a mapping of text to text, not {type(labels).__name__}")
    return [("label", _label(key, value)) for key, value in labels.items()]


def _label(key: str, value: str) -> str:
    for text in (key, value):
        if not isinstance(text, str):
            raise TypeError(f"labels must be text, not {type(text).__name__}")
        if re.search("[\ud800-\udfff]", text):
            raise ValueError(f"a label must be text that UTF-8 can encode, not {text!r}")
    if not key or "=" in key or "=" in value:
        raise ValueError(
            f"the label {key!r}: {value!r} cannot be requested: a key must not be empty,"
            " and neither key nor value may contain a '='"
        )
    return f"{key}={value}"
