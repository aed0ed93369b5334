"""
The metadata of an agent and its ports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coder_agents import schema
from coder_agents.agent.base import BaseAgent
from coder_agents.config import positive_seconds, seconds_or_none
from coder_agents.errors.advice import Advice
from coder_agents.representation import ResultList

if TYPE_CHECKING:
    from coder_agents.schema import WorkspaceAgentListeningPort, WorkspaceAgentMetadata
    from coder_agents.streams import MetadataStream, PortsStream, StreamOptions
    from coder_agents.streams.metadata_routes import MetadataRoutes
    from coder_agents.transport import Source


class StateMethods(BaseAgent):
    """
    The methods of an agent that read its metadata and its ports.
    """

    def watch_metadata(self, *, options: StreamOptions | None = None) -> MetadataStream:
        """
        Return a stream of the agent's metadata; each item is the full list.

        The first call finds out which route this deployment has: server-sent events, or a WebSocket
        where the deployment has no server-sent events.
        """
        from coder_agents.streams.metadata import watch

        return watch(self._metadata_routes(Advice.WATCH_METADATA.value, self._chosen(options)))

    def metadata(self, *, timeout: float | None = 10.0) -> ResultList[WorkspaceAgentMetadata]:
        """
        Return the agent's current metadata.

        Deployments have no call for that: the method opens the watch, and closes it after its first
        event. *timeout* is in seconds, None for no limit.

        Raises *RequestTimeoutError* where no event arrives within *timeout* seconds, *StreamError*
        where the connection breaks before the first event, *ServerEventError* where the deployment
        sends an error.
        """
        return self._read_metadata(Advice.METADATA.value, timeout, on_source=lambda source: None)

    def _read_metadata(
        self, call: str, timeout: float | None, *, on_source: Callable[[Source[Any]], object]
    ) -> ResultList[WorkspaceAgentMetadata]:
        from coder_agents.streams.metadata import read_once

        limit = seconds_or_none("timeout", timeout)
        routes = self._metadata_routes(call, self._chosen(None))
        return read_once(routes, timeout=limit, on_source=on_source)

    def _metadata_routes(self, call: str, options: StreamOptions) -> MetadataRoutes:
        from coder_agents.streams.metadata_routes import MetadataRoutes

        return MetadataRoutes(
            http=self._http,
            agent_id=self.id,
            capabilities=self._capabilities,
            options=options,
            call=call,
        )

    def watch_listening_ports(
        self, *, interval: float = 5.0, options: StreamOptions | None = None
    ) -> PortsStream:
        """
        Return a stream of the ports on which processes in the workspace listen.

        Each item is the full list. No deployment reports ports by itself: the stream requests the
        list *interval* seconds after each answer.

        Raises *AgentNotConnectedError* where the agent is not connected; *ValueError* or
        *TypeError* for an impossible *interval*.
        """
        from coder_agents.streams.ports import watch_ports

        positive_seconds("interval", interval)
        return watch_ports(self._sources(self._chosen(options)), interval=interval)

    def listening_ports(self) -> ResultList[WorkspaceAgentListeningPort]:
        """
        Return the ports on which processes in the workspace listen.

        An empty list can also mean that the agent cannot list ports on its platform. The deployment
        gives the agent 30 seconds to answer.

        Raises *AgentNotConnectedError* where the agent is not connected.
        """
        kind = schema.WorkspaceAgentListeningPortsResponse
        ports = self._http.read(kind, "GET", self._path("listening-ports")).ports
        return ResultList(ports, of=schema.WorkspaceAgentListeningPort)
