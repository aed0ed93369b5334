"""
Agents that travel to another process, which creates a client for them.

A token travels only where the caller wants that. Otherwise the other process reads its settings from its
own environment, and refuses agents of another deployment than the environment names.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from coder_agents.agent import Agent
from coder_agents.batch.agents import several
from coder_agents.config import Settings, deployment_url
from coder_agents.environment import Environment
from coder_agents.errors import ConfigError
from coder_agents.schema import Workspace, WorkspaceAgent
from coder_agents.streams import StreamOptions
from coder_agents.transport import DEFAULT_RATE, HTTP, Pace

if TYPE_CHECKING:
    from coder_agents.client import Client

_MAX_CLIENTS = 16  # clients of a process that are kept for the agents that arrive next


@attrs.frozen(kw_only=True)
class TravellingClient:
    """
    The settings of a client that may travel to another process.

    Attributes:
        url: the deployment's URL.
        timeout: seconds to connect, and seconds without an answer.
        retries: how often a GET is sent again.
        options: the options of the client's streams.
        rate: how many requests a second begin at most, in each process.
        settings: all settings, the token included; None where the other process has to know them.
    """

    url: str
    timeout: tuple[float, float]
    retries: int
    options: StreamOptions
    rate: float = DEFAULT_RATE
    settings: Settings | None = attrs.field(default=None, repr=False)

    def arrive(self) -> Client:
        """
        Return the client of this process that has these settings; it is created once.

        Raises *ConfigError* where the environment names no deployment, no token, or another
        deployment: the token of one deployment is never sent to another one.
        """
        url, token = self._address()
        key = self, token
        if (known := _arrived(key)) is not None:
            return known
        created = self._client(url, token)
        created._http = created._http.paced(Pace(self.rate))
        _clients.append((key, created))
        del _clients[:-_MAX_CLIENTS]
        # Another thread may have created one at the same time: all use the first.
        return _arrived(key) or created

    def _address(self) -> tuple[str, str]:
        if self.settings is not None:
            return self.url, self.settings.token
        environment = Environment(os.environ)
        try:
            url, token = deployment_url(environment.url()), environment.token()
        except ConfigError as error:
            error.add_note(
                f"This process works on agents of {self.url} for another process, and got no token"
                " from there; send_token=True sends it."
            )
            raise
        if url != self.url:
            raise ConfigError(
                f"the agents belong to {self.url}, but the environment of this process names {url}:"
                " set CODER_URL and CODER_SESSION_TOKEN here, or pass send_token=True there"
            )
        return url, token

    def _client(self, url: str, token: str) -> Client:
        from coder_agents.client import Client

        own = self.settings
        if own is None:
            return Client.from_env(
                url, token, timeout=self.timeout, retries=self.retries, stream_options=self.options
            )
        return Client(
            url,
            token,
            timeout=self.timeout,
            retries=self.retries,
            verify=own.verify,
            cert=own.cert,
            headers=own.headers,
            proxies=own.proxies,
            user_agent=own.user_agent,
            stream_options=self.options,
        )


_clients: list[tuple[tuple[TravellingClient, str], Client]] = []


def _arrived(key: tuple[TravellingClient, str]) -> Client | None:
    return next((client for known, client in list(_clients) if known == key), None)


@attrs.frozen(kw_only=True, eq=False)
class TravellingAgent:
    """
    An agent without its connections, which can be pickled.

    Attributes:
        client: the client of the agent.
        data: the agent as it was last read.
        workspace: its workspace; None where it is not known.
    """

    client: TravellingClient
    data: WorkspaceAgent
    workspace: Workspace | None

    @property
    def id(self) -> uuid.UUID:
        """
        The agent's id.
        """
        return self.data.id

    def __repr__(self) -> str:
        return f"<TravellingAgent {self.id} of {self.client.url}>"

    def arrive(self) -> Agent:
        """
        Return the agent, of a client of this process; see `TravellingClient.arrive`.
        """
        return self.client.arrive()._agent(self.data, self.workspace)


def travelling(
    agents: Iterable[Agent], *, send_token: bool, rate: float = DEFAULT_RATE
) -> list[TravellingAgent]:
    """
    Return *agents* as they travel to another process; the token travels with *send_token* alone.

    In each process, *rate* requests a second begin at most.

    Raises *ConfigError* with *send_token* where the client of an agent has a session of the user,
    which cannot travel; *TypeError* where *agents* are not several agents.
    """
    clients: dict[int, TravellingClient] = {}
    found = []
    for agent in several(agents):
        http = agent._http
        if id(http) not in clients:
            clients[id(http)] = _client_of(
                http, agent._stream_options, send_token=send_token, rate=rate
            )
        found.append(
            TravellingAgent(
                client=clients[id(http)],
                data=agent.data,
                workspace=agent.workspace,
            )
        )
    return found


def _client_of(
    http: HTTP, options: StreamOptions, *, send_token: bool, rate: float
) -> TravellingClient:
    if send_token and not http.owns_session:
        raise ConfigError(
            "a client with session= cannot be sent to another process: create the client without"
            " session=, or leave send_token=True away and set CODER_URL and CODER_SESSION_TOKEN there"
        )
    settings = http.settings
    return TravellingClient(
        url=settings.url,
        timeout=(settings.connect_timeout, settings.read_timeout),
        retries=settings.retries,
        # A function of the caller is for this process, and often cannot be pickled.
        options=attrs.evolve(options, on_reconnect=None),
        rate=rate,
        settings=settings if send_token else None,
    )
