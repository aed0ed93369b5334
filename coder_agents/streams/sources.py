"""
The connections and requests of one agent's streams.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from coder_agents import transport
from coder_agents.streams.bookmark import check_id
from coder_agents.transport import quoted

if TYPE_CHECKING:
    from coder_agents.capabilities import Capabilities
    from coder_agents.errors import CoderError
    from coder_agents.streams.options import StreamOptions
    from coder_agents.transport import (
        HTTP,
        DocumentSource,
        KeptRequest,
        Pace,
        Params,
        PolledSource,
        WebSocketSource,
    )


@attrs.frozen(kw_only=True)
class AgentSources:
    """
    Makes the connections and requests of one agent's streams, unopened.

    Attributes:
        http: the deployment.
        agent_id: the agent.
        workspace_id: the id of the agent's workspace; None where it is not known.
        capabilities: what the deployment can do; each connection adds to it.
        options: the options of the stream.
        pace: when the requests may begin; None means the pace of *http*.
    """

    http: HTTP
    agent_id: uuid.UUID
    workspace_id: uuid.UUID | None
    capabilities: Capabilities
    options: StreamOptions
    pace: Pace | None = None
    # A check is a request for each second line or so: its path is not quoted each time.
    _prefix: str = attrs.field(init=False)

    @_prefix.default
    def _quoted_prefix(self) -> str:
        return quoted("workspaceagents", self.agent_id)

    @property
    def connect_timeout(self) -> float:
        """
        The most seconds that a dial may take.
        """
        return self.http.settings.connect_timeout

    def follow_log(self, floor: int) -> WebSocketSource:
        """
        Return a connection that follows the lines after the id *floor*.
        """
        return self._websocket(
            "logs", params=[*after(floor), ("follow", ""), ("no_compression", "")]
        )

    def check_log(self, floor: int) -> KeptRequest:
        """
        Return a request for the lines after the id *floor*, over a kept connection.
        """
        return self._kept("logs", params=after(floor))

    def read_log(self, floor: int) -> DocumentSource:
        """
        Return a request for the lines after the id *floor*.
        """
        return self._document(self._path("logs"), after(floor))

    def workspace(self) -> DocumentSource:
        """
        Return a request for the agent's workspace.
        """
        return self._document(quoted("workspaces", self.workspace_id))

    def watch_containers(self) -> WebSocketSource:
        """
        Return a connection that reports the containers.
        """
        return self._websocket(
            "containers", "watch", on_open=self.capabilities.noting("containers_watch")
        )

    def check_containers(self) -> KeptRequest:
        """
        Return a request for the containers, over a kept connection.
        """
        return self._kept("containers")

    def poll(self, *segments: str, interval: float) -> PolledSource:
        """
        Return a source that reads the agent's document at *segments* every *interval* seconds.
        """
        path = self._path(*segments)
        return transport.PolledSource(lambda: self._document(path), interval=interval)

    def check_would_dial(self) -> bool:
        """
        Whether a check that begins now would dial.
        """
        return self.http.kept.would_dial(object())

    def _path(self, *segments: str) -> str:
        return self._prefix + quoted(*segments)

    def _kept(self, *segments: str, params: Params = ()) -> KeptRequest:
        return transport.KeptRequest(
            self.http.kept,
            self._path(*segments),
            params,
            max_message_size=self.options.max_message_size,
            pace=self.pace,
        )

    def _websocket(
        self,
        *segments: str,
        params: Params = (),
        on_open: Callable[[CoderError | None], object] | None = None,
    ) -> WebSocketSource:
        return transport.WebSocketSource(
            self.http,
            self._path(*segments),
            params,
            idle_timeout=self.options.idle_timeout,
            max_message_size=self.options.max_message_size,
            on_open=on_open,
            pace=self.pace,
        )

    def _document(self, path: str, params: Params = ()) -> DocumentSource:
        return transport.DocumentSource(
            self.http,
            path,
            params,
            idle_timeout=self.options.idle_timeout,
            max_message_size=self.options.max_message_size,
            pace=self.pace,
        )


def after(floor: int) -> Params:
    """
    Return the parameters of a request for the lines after the id *floor*.

    Raises *ValueError* where *floor* is larger than any id.
    """
    check_id(floor)
    return [("after", str(floor))] if floor else []
