"""
Calls over several agents of a deployment that limits requests.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from driving import reached

from coder_agents import Agent, BatchTimeoutError, Client
from coder_agents.batch import verbs
from coder_agents.batch.threads import NAME
from coder_agents.testing import Deployment, Metadata, RateLimit
from coder_agents.testing.http import ServerRequest
from coder_agents.transport import Pace

AGENTS = 16
LIMIT = RateLimit(AGENTS, window=1.0, retry_after=False)


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """
    A deployment with some agents, which accepts one request for each agent in a second.
    """
    with Deployment(rate_limit=LIMIT) as made:
        for number in range(AGENTS):
            agent = made.add_agent(workspace=f"w{number}", metadata=[Metadata("CPU", "cpu")])
            agent.wait_started()
            agent.push_logs(["a line"])
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client whose first pause is as short as the window of the limit.
    """
    with deployment.client() as made:
        made._http._paces[0] = Pace(first_pause=0.05)
        deployment.rate_limited.clear()
        yield made


def use_up(deployment: Deployment, route: str) -> None:
    """
    Use up the limit of *route* for the second that follows, as another program of the user would.
    """
    headers = {"coder-session-token": deployment.token}
    request = ServerRequest("GET", "/api/v2/", "/api/v2/", (), headers, b"", keep_alive=True)
    while deployment._limiter.check(route, request).refusal is None:
        pass
    deployment.rate_limited.clear()


CALLS: list[tuple[str, Callable[[Client, list[Agent]], object]]] = [
    ("watch_metadata", lambda client, agents: client.metadata(agents, timeout=5)),
    ("logs", lambda client, agents: client.logs(agents)),
    ("listening_ports", lambda client, agents: client.ports(agents)),
    ("agent", lambda client, agents: client.wait_ready(agents)),
    ("pty", lambda client, agents: client.run(agents, "true")),
    ("containers", lambda client, agents: client.each(agents, lambda agent: agent.containers())),
]


@pytest.mark.parametrize(("route", "call"), CALLS, ids=[route for route, _ in CALLS])
def test_no_agent_fails_and_few_requests_are_refused(
    deployment: Deployment,
    client: Client,
    route: str,
    call: Callable[[Client, list[Agent]], object],
) -> None:
    """
    Each verb completes for every agent, with few more refused requests than begin before the first
    refusal.
    """
    agents = list(client.agents())
    use_up(deployment, route)
    results = call(client, agents)
    results.raise_for_failures()  # type: ignore[attr-defined]
    assert len(results.results) == AGENTS  # type: ignore[attr-defined]
    assert 0 < deployment.rate_limited[route] < 3 * AGENTS


def test_the_logs_of_all_are_followed(deployment: Deployment, client: Client) -> None:
    """
    The openings wait for their turns, and no log fails.
    """
    agents = list(client.agents())
    use_up(deployment, "logs_follow")
    with client.follow_logs(agents, tail=1) as stream:
        assert {next(stream).agent.id for _ in agents} == {agent.id for agent in agents}
        assert not stream.failures
    assert deployment.rate_limited["logs_follow"] > 0


def test_a_rate_is_kept(client: Client) -> None:
    """
    At 40 requests a second, the sixteenth begins three eighths of a second after the first.
    """
    agents = list(client.agents())
    began = time.monotonic()
    client.metadata(agents, rate=40).raise_for_failures()
    assert time.monotonic() - began >= (AGENTS - 1) / 40 * 0.99


def test_a_call_whose_time_is_over_says_why(client: Client) -> None:
    """
    The error names the limit, and how long the deployment requests to wait.
    """
    pace = client._http.pace_of_several
    pace._refused(pace._clock(), 3600.0)
    agents = list(client.agents())[:2]
    with client.each(agents, lambda agent: agent.refresh(), timeout=0.05) as results:
        assert results.wait(30)
    for error in results.failures.values():
        assert isinstance(error, BatchTimeoutError)
        said = re.search(
            r"the deployment limits requests \(status 429\): none is sent for another ([\d,]+) s",
            str(error),
        )
        assert said
        assert 3000 < int(said[1].replace(",", "")) <= 3600
        assert "max_workers" not in str(error)


def test_a_wait_whose_time_is_over_reports_the_time_that_was_passed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The moment that the last request gets beyond that time is no part of it.
    """
    monkeypatch.setattr(verbs, "_GRACE", 0.25)
    pace = client._http.pace_of_several
    pace._refused(pace._clock(), 3600.0)
    found = client.wait_ready(list(client.agents())[:1], 0.5)
    [error] = found.failures.values()
    assert isinstance(error, BatchTimeoutError)
    assert error.timeout == 0.5
    assert "the 0.5 seconds of the call were over" in str(error)


def test_a_canceled_call_waits_for_no_turn(client: Client) -> None:
    """
    Its threads end at once, though the deployment requests an hour.
    """
    pace = client._http.pace_of_several
    pace._refused(pace._clock(), 3600.0)
    results = client.each(client.agents(), lambda agent: agent.metadata())
    results.cancel()
    assert results.wait(30)
    assert len(results.failures) == AGENTS
    reached(lambda: not [each for each in threading.enumerate() if each.name.startswith(NAME)])
