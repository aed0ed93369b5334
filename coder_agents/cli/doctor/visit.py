"""
The checks, from the settings to a WebSocket. A check is skipped where an earlier one has to succeed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from coder_agents import APIError, AuthenticationError, CoderError, ConfigError, StreamOptions
from coder_agents.cli.doctor.result import Result, failed, ok, skipped
from coder_agents.cli.doctor.sources import check_sources, without_password
from coder_agents.cli.failures import one_line
from coder_agents.cli.settings import CommandSettings
from coder_agents.render.line import counted
from coder_agents.schema import WorkspaceAgentStatus
from coder_agents.transport.server_clock import clock_skew

if TYPE_CHECKING:
    from coder_agents import Agent, Client

MAX_SKEW = 30.0
"""
Seconds that two clocks may differ.
"""

_TIMEOUT = (5.0, 15.0)
_LATER = ("deployment", "tls", "clock", "user", "agents", "websocket", "metadata", "commands")


def check(settings: CommandSettings, ref: str | None) -> Iterator[Result]:
    """
    Yield the results of all checks; *ref* names an agent to check, None takes the first that is connected.
    """
    results = list(check_sources(settings, os.environ))
    yield from results
    try:
        client = settings.client(timeout=_TIMEOUT, retries=0)
    except (CoderError, ValueError) as error:
        if not any(each.state == "failed" for each in results):
            yield failed("settings", one_line(error))
        yield from _skipped(_LATER, "the settings are not complete")
        return
    yield from _Visit(client, ref).results()


def _skipped(names: tuple[str, ...], text: str) -> Iterator[Result]:
    for name in names:
        yield skipped(name, text)


class _Visit:
    """
    The checks that send requests.
    """

    def __init__(self, client: Client, ref: str | None) -> None:
        self._client = client
        self._ref = ref

    def results(self) -> Iterator[Result]:
        """
        Yield the results, in order.
        """
        reached = True
        for result in (self._proxy(), *self._deployment()):
            yield result
            reached = reached and result.state != "failed"
        if not reached:
            yield from _skipped(_LATER[2:], "the deployment cannot be reached")
            return
        yield self._clock()
        user = self._user()
        yield user
        if user.state == "failed":
            yield from _skipped(_LATER[4:], "the token is not accepted")
            return
        agent, result = self._agent()
        yield result
        if agent is None:
            yield from _skipped(_LATER[5:], "there is no agent to check it with")
        else:
            yield self._websocket(agent)
            yield self._metadata(agent)
            if result.state == "failed":
                yield skipped("commands", "the agent is not connected")
            else:
                yield self._commands(agent)
        yield self._capabilities()

    def _proxy(self) -> Result:
        http = self._client._http
        try:
            http.check_surroundings()
            proxy = http.proxy_of(http.settings.url)
        except ConfigError as error:
            return failed("proxy", one_line(error), "correct the variable, such as HTTPS_PROXY")
        return ok("proxy", without_password(proxy) if proxy else "none")

    def _deployment(self) -> Iterator[Result]:
        settings = self._client._http.settings
        began = time.monotonic()
        try:
            info = self._client.build_info()
        except (CoderError, OSError) as error:
            yield failed("deployment", one_line(error), _advice(error))
            yield skipped("tls", "the deployment cannot be reached")
            return
        took = 1_000 * (time.monotonic() - began)
        yield ok("deployment", f"Coder {info.version}, answered in {took:.0f} ms")
        if not settings.url.startswith("https:"):
            yield ok("tls", "none: the URL begins with http://, so the token is sent in plain text")
        elif settings.verify is False:
            yield failed("tls", "the certificate is not checked")
        else:
            trusted = "the usual authorities" if settings.verify is True else settings.verify
            yield ok("tls", f"the certificate is valid by {trusted}")

    def _clock(self) -> Result:
        try:
            skew = clock_skew(self._client._http)
        except CoderError as error:
            return failed("clock", one_line(error))
        if skew is None:
            return skipped("clock", "the answers of the deployment have no date")
        seconds = skew.total_seconds()
        if abs(seconds) <= MAX_SKEW:
            return ok("clock", f"differs by {abs(seconds):.0f} s from the deployment's")
        word = "behind" if seconds > 0 else "ahead of"
        text = f"the clock of this machine is {abs(seconds):.0f} s {word} the deployment's"
        return failed("clock", text, "set both by NTP: --since compares times of both")

    def _user(self) -> Result:
        try:
            return ok("user", self._client.me().username)
        except CoderError as error:
            return failed("user", one_line(error), _advice(error))

    def _agent(self) -> tuple[Agent | None, Result]:
        try:
            if self._ref is not None:
                agent = self._client.agent(self._ref)
                return agent, _state_of(agent)
            agents = list(self._client.agents())
        except (CoderError, ValueError) as error:
            return None, failed("agents", one_line(error), _advice(error))
        connected = [each for each in agents if each.status == WorkspaceAgentStatus.CONNECTED]
        text = f"{len(agents)} in your workspaces, {len(connected)} connected"
        if not connected:
            return None, ok("agents", f"{text}; name another one as an argument")
        return connected[0], ok("agents", f"{text}; checked with {connected[0].label}")

    def _websocket(self, agent: Agent) -> Result:
        options = attrs.evolve(StreamOptions(), reconnect=None)
        began = time.monotonic()
        try:
            with agent.follow_logs(tail=0, options=options):
                took = 1_000 * (time.monotonic() - began)
                return ok("websocket", f"opened in {took:.0f} ms")
        except (CoderError, OSError) as error:
            advice = "a proxy or balancer in between has to pass the header Upgrade: websocket"
            return failed("websocket", one_line(error), advice)

    def _metadata(self, agent: Agent) -> Result:
        try:
            items = agent.metadata()
        except (CoderError, OSError) as error:
            advice = "a proxy in between must not hold server-sent events back"
            return failed("metadata", one_line(error), advice)
        return ok("metadata", counted(len(items), "item"))

    def _commands(self, agent: Agent) -> Result:
        try:
            done = agent.run("true", timeout=_TIMEOUT[1])
        except (CoderError, OSError) as error:
            return failed("commands", one_line(error), "the agent needs a POSIX shell")
        return ok("commands", f"a command ran in {1_000 * done.duration:.0f} ms")

    def _capabilities(self) -> Result:
        known = attrs.asdict(self._client.capabilities)
        has = [name for name, value in known.items() if value is True]
        lacks = [name for name, value in known.items() if value is False]
        text = f"has {', '.join(has) or 'nothing that was checked'}"
        return ok("capabilities", f"{text}; lacks {', '.join(lacks)}" if lacks else text)


def _state_of(agent: Agent) -> Result:
    text = f"{agent.label} is {agent.status}, {agent.lifecycle_state}"
    if agent.status == WorkspaceAgentStatus.CONNECTED:
        return ok("agents", text)
    return failed("agents", text, "wait for the agent: coder-agents wait AGENT --start")


def _advice(error: BaseException) -> str:
    """
    Return what to do about *error* of a request, where its text does not name it.
    """
    if isinstance(error, AuthenticationError):
        return "the token has expired or is wrong: run `coder login`, or `coder tokens create`"
    if isinstance(error, APIError):
        return "the deployment was reached, but refused the request"
    return "check the URL, the network and the proxy"
