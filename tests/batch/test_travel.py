"""
Agents that travel to another process: with the token only where that is wanted.
"""

from __future__ import annotations

import os
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import requests

from coder_agents import Agent, Client, ConfigError, Reconnect, StreamOptions
from coder_agents.batch import TravellingAgent, travelling
from coder_agents.schema import WorkspaceAgent
from coder_agents.testing import Deployment

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
URL = "https://coder.example.com"
OPTIONS = StreamOptions(settle=3.0, reconnect=Reconnect(maximum=7.0))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """
    An environment without any of Coder's settings.
    """
    for name in os.environ:
        if name.startswith("CODER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CODER_CONFIG_DIR", str(tmp_path))
    return monkeypatch


@pytest.fixture
def agents() -> Iterator[list[Agent]]:
    """
    Three agents of one client, which know their workspaces.
    """
    with Deployment() as deployment, deployment.client(stream_options=OPTIONS) as client:
        for name in ("a", "b", "c"):
            deployment.add_agent(workspace=name)
        yield list(client.agents())


def settings(environment: pytest.MonkeyPatch, url: str, token: str) -> None:
    """
    Set what Coder's command would use.
    """
    environment.setenv("CODER_URL", url)
    environment.setenv("CODER_SESSION_TOKEN", token)


def agent_of(client: Client) -> Agent:
    """
    An agent that the client has not read.
    """
    return client._agent(WorkspaceAgent(id=uuid.uuid4()), None)


def sent(agents: list[Agent], *, send_token: bool) -> list[bytes]:
    """
    Each agent, pickled for itself as executors do it.
    """
    found = [pickle.dumps(each) for each in travelling(agents, send_token=send_token)]
    assert all((agents[0]._http.settings.token.encode() in each) == send_token for each in found)
    return found


def arrived(pickles: list[bytes]) -> list[Agent]:
    """
    The agents as they arrive.
    """
    found: list[TravellingAgent] = [pickle.loads(each) for each in pickles]
    return [each.arrive() for each in found]


def test_without_the_token_agents_get_the_client_of_the_environment(
    agents: list[Agent], environment: pytest.MonkeyPatch
) -> None:
    """
    They arrive with what is known of them and with the options of their streams, and all share one client,
    whose token is that of the environment.
    """
    settings(environment, f"{agents[0]._http.settings.url}/", TOKEN)
    found = arrived(sent(agents, send_token=False))
    assert found == agents
    assert [each.data for each in found] == [each.data for each in agents]
    assert [each.workspace for each in found] == [each.workspace for each in agents]
    assert {each._http.settings.token for each in found} == {TOKEN}
    assert len({each._http for each in found}) == 1
    assert found[0]._stream_options == OPTIONS


def test_with_the_token_agents_need_no_environment(agents: list[Agent]) -> None:
    """
    Their client has all settings of the one that they left, and works.
    """
    found = arrived(sent(agents, send_token=True))
    assert found == agents
    assert len({each._http for each in found}) == 1
    assert found[0]._http is not agents[0]._http
    assert found[0]._http.settings == agents[0]._http.settings
    assert found[0]._stream_options == OPTIONS
    assert found[0].refresh() == agents[0].refresh()


def test_all_settings_travel_with_the_token() -> None:
    """
    Time-outs, retries, headers, TLS and proxies are those of the client that sent the agents.
    """
    client = Client(
        URL,
        TOKEN,
        timeout=(3, None),
        retries=5,
        verify="/ca.pem",
        cert=("/cert.pem", "/key.pem"),
        headers={"X-Here": "there"},
        proxies={"https": "http://proxy:3128"},
        user_agent="mine",
    )
    [agent] = arrived(sent([agent_of(client)], send_token=True))
    assert agent._http.settings == client._http.settings


def test_a_new_token_in_the_environment_is_used(
    agents: list[Agent], environment: pytest.MonkeyPatch
) -> None:
    """
    A worker that lives for months reads the token of each day, and changes its client only then.
    """
    pickles = sent(agents, send_token=False)
    settings(environment, agents[0]._http.settings.url, TOKEN)
    [first, *_] = arrived(pickles)
    settings(environment, agents[0]._http.settings.url, "another-token")
    [second, *_] = arrived(pickles)
    [third, *_] = arrived(pickles)
    assert second._http.settings.token == "another-token"
    assert first._http is not second._http is third._http


def test_the_token_of_another_deployment_is_not_used(
    agents: list[Agent], environment: pytest.MonkeyPatch
) -> None:
    """
    The environment's token goes to the environment's deployment, or nowhere.
    """
    settings(environment, URL, TOKEN)
    with pytest.raises(ConfigError) as caught:
        arrived(sent(agents, send_token=False))
    assert f"belong to {agents[0]._http.settings.url}" in str(caught.value)
    assert f"names {URL}: set CODER_URL" in str(caught.value)
    assert TOKEN not in repr(caught.value)


def test_an_environment_without_settings_is_an_error_that_names_both_ways(
    agents: list[Agent],
) -> None:
    """
    The error names the places that were read, and has a note about the other way.
    """
    with pytest.raises(ConfigError, match="CODER_URL") as caught:
        arrived(sent(agents, send_token=False))
    assert "send_token=True" in pickle.loads(pickle.dumps(caught.value)).__notes__[0]


def test_a_session_of_the_user_does_not_travel() -> None:
    """
    The error comes before anything is sent, and says what to do instead.
    """
    with requests.Session() as session:
        client = Client(URL, TOKEN, session=session)
        agent = agent_of(client)
        with pytest.raises(ConfigError, match="session= cannot be sent"):
            travelling([agent], send_token=True)
        [without] = travelling([agent], send_token=False)
        assert TOKEN.encode() not in pickle.dumps(without)


def test_a_process_keeps_few_clients() -> None:
    """
    It keeps no more than that where each agent comes with other settings, as from programs that run once.
    """
    from coder_agents.batch import travel

    for number in range(40):
        client = Client(URL, TOKEN, headers={"X-Number": str(number)})
        [agent] = arrived(sent([agent_of(client)], send_token=True))
        assert agent._http.settings.headers == {"X-Number": str(number)}
    assert len(travel._clients) == travel._MAX_CLIENTS


def test_no_text_has_the_token(agents: list[Agent]) -> None:
    """
    A line in a log, a card of an executor or a traceback may show what travels.
    """
    token = agents[0]._http.settings.token
    for each in travelling(agents, send_token=True):
        assert token not in f"{each!r} {each} {each.client!r}"
        assert str(each.id) in repr(each)
        assert attrs.asdict(each, recurse=False).keys() == {"client", "data", "workspace"}


def test_requests_of_another_process_keep_to_the_rate(client: Client, agents: list[Agent]) -> None:
    """
    Each process begins so many requests a second at most, of all agents that arrive there.
    """
    one, other = (each.arrive() for each in travelling(agents[:2], send_token=True, rate=7))
    assert one._http is other._http
    assert one._http.pace_of_several.rate == 7
    assert one._http.pace is one._http.pace_of_several
