"""
What is the same for every call of the package that has it.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

import coder_agents
import coder_agents.testing
from coder_agents import (
    Agent,
    Client,
    DevcontainerTimeoutError,
    NotFoundError,
    ReadyTimeoutError,
    RequestTimeoutError,
)
from coder_agents.schema import WorkspaceAgentDevcontainer, WorkspaceAgentDevcontainerStatus
from coder_agents.testing import Deployment

RUNNING = WorkspaceAgentDevcontainer(name="api", status=WorkspaceAgentDevcontainerStatus.RUNNING)
HUGE = 10**400  # seconds; no float is as large


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment with two agents: in the workspaces ``w0`` and ``w1``.
    """
    with Deployment() as made:
        for number in range(2):
            agent = made.add_agent(workspace=f"w{number}")
            agent.set_metadata("load", "0.5")
            agent.set_devcontainers([RUNNING])
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client() as made:
        yield made


@pytest.fixture
def agent(client: Client) -> Agent:
    """
    The agent of ``w0``.
    """
    return client.agent("w0")


def public_calls() -> Iterator[tuple[str, Callable[..., Any]]]:
    """
    Yield every public function and method of the package with its name.
    """
    for package in (coder_agents, coder_agents.testing):
        for name in package.__all__:
            found = getattr(package, name)
            if inspect.isfunction(found):
                yield name, found
            if not inspect.isclass(found):
                continue
            for attribute in dir(found):
                method = inspect.getattr_static(found, attribute)
                method = getattr(method, "__func__", method)
                if inspect.isfunction(method) and (
                    not attribute.startswith("_") or attribute == "__init__"
                ):
                    yield f"{name}.{attribute}", method


def calls_with(parameter: str) -> dict[str, inspect.Parameter]:
    """
    Return that *parameter* of each public call that has it.

    The fields of a class that attrs writes describe data; making one is no call here.
    """
    found = {}
    for name, call in public_calls():
        parameters = inspect.signature(call).parameters
        if parameter in parameters and not call.__code__.co_filename.startswith("<attrs"):
            found[name] = parameters[parameter]
    return found


def test_an_interval_is_given_by_name_everywhere() -> None:
    """
    A number alone could be taken for a time-out.
    """
    found = calls_with("interval")
    assert {"Agent.watch_listening_ports", "Agent.watch_containers"} <= set(found)
    positional = {
        name for name, each in found.items() if each.kind is not inspect.Parameter.KEYWORD_ONLY
    }
    assert positional == set()


def test_a_time_out_is_seconds_or_none_everywhere() -> None:
    """
    Only the client's own can also be a pair, and the error after a time-out always has one.
    """
    found = {name: each.annotation for name, each in calls_with("timeout").items()}
    assert {"Agent.metadata", "Client.metadata", "Agent.wait_devcontainer"} <= set(found)
    assert {"LogStream.poll", "Fault.wait_struck", "EmbeddedAgent.wait_started"} <= set(found)
    for name in ("Client.__init__", "Client.from_env"):
        found.pop(name, None)
    assert found.pop("CommandTimeoutError.__init__") == "float"
    assert set(found.values()) == {"float | None"}


def test_a_callback_about_an_agent_receives_the_agent() -> None:
    """
    On a new state, a new build and a failure alike.
    """
    wanted = {
        "on_state": "Callable[[Agent], object] | None",
        "on_build": "Callable[[Agent], object] | None",
        "on_failure": "Callable[[Agent, CoderError], object] | None",
    }
    for parameter, annotation in wanted.items():
        found = calls_with(parameter)
        assert found
        assert {each.annotation for each in found.values()} == {annotation}


def timed(client: Client, agent: Agent) -> dict[str, tuple[Callable[[Any], Any], type[Exception]]]:
    """
    Return each call with a time-out, and what it raises where there is no time.
    """
    return {
        "Agent.metadata": (lambda seconds: agent.metadata(timeout=seconds), RequestTimeoutError),
        "Agent.wait_ready": (lambda seconds: agent.wait_ready(timeout=seconds), ReadyTimeoutError),
        "Client.wait_ready": (
            lambda seconds: client.wait_ready("w0", timeout=seconds),
            ReadyTimeoutError,
        ),
        "Agent.wait_devcontainer": (
            lambda seconds: agent.wait_devcontainer("api", timeout=seconds),
            DevcontainerTimeoutError,
        ),
    }


@pytest.mark.parametrize(
    "call", ["Agent.metadata", "Agent.wait_ready", "Client.wait_ready", "Agent.wait_devcontainer"]
)
def test_a_time_out_means_the_same_everywhere(client: Client, agent: Agent, call: str) -> None:
    """
    None and a number of any size are no limit; what is no number of 0 or more is refused.
    """
    wait, _ = timed(client, agent)[call]
    for seconds in (None, HUGE, 1e10, float("inf")):
        assert wait(seconds)
    for refused, error in ((-1, ValueError), (float("nan"), ValueError), ("1", TypeError)):
        with pytest.raises(error, match="timeout must be"):
            wait(refused)


@pytest.mark.parametrize(
    "call", ["Agent.metadata", "Agent.wait_ready", "Client.wait_ready", "Agent.wait_devcontainer"]
)
def test_a_time_out_of_zero_waits_for_nothing(
    deployment: Deployment, client: Client, agent: Agent, call: str
) -> None:
    """
    What is not so already is a time-out, also where it is about to be.
    """
    embedded = deployment.agents[0]
    embedded.set_lifecycle("created")
    embedded.disconnect()
    starting = attrs.evolve(RUNNING, status=WorkspaceAgentDevcontainerStatus.STARTING)
    embedded.connect()
    embedded.set_devcontainers([starting])
    embedded.set_lifecycle("starting")
    wait, error = timed(client, agent)[call]
    if call.endswith("wait_ready"):
        embedded.disconnect()
    with pytest.raises(error):
        wait(0)


def test_a_dev_container_that_runs_already_needs_no_time(agent: Agent) -> None:
    """
    With a time-out of 0 the list is read once.
    """
    assert agent.wait_devcontainer("api", timeout=0).name == "api"


def test_metadata_of_several_agents_takes_the_same_time_outs(client: Client, agent: Agent) -> None:
    """
    Each agent has the time, and what takes longer is that agent's failure.
    """
    assert list(client.metadata([agent], timeout=None).results) == [agent]
    found = client.metadata([agent], timeout=0)
    assert isinstance(found.failures[agent], RequestTimeoutError)
    for seconds, error in ((-1, ValueError), ("1", TypeError)):
        with pytest.raises(error, match="timeout must be"):
            client.metadata([agent], timeout=seconds)  # type: ignore[arg-type]


def failing(deployment: Deployment, client: Client) -> tuple[Agent, Agent]:
    """
    Return an agent that is deleted, and another one that is there.
    """
    child = deployment.agents[0].add_subagent("web")
    agents = client.agent(child.id), client.agent("w1")
    child.delete()
    return agents


def test_failures_have_the_same_keys_everywhere(deployment: Deployment, client: Client) -> None:
    """
    Agents, in the order in which they were given; an agent's id finds its error, too.
    """
    gone, there = failing(deployment, client)
    with client.follow_logs([gone, there]) as stream:
        for failures in (stream.failures, client.metadata([gone, there]).failures):
            assert list(failures) == [gone]
            assert len(failures) == 1
            assert isinstance(failures[gone], NotFoundError)
            assert failures[gone.id] is failures[gone]
            assert gone.id in failures
            assert there not in failures
            assert uuid.uuid4() not in failures
            assert repr(failures).startswith("<ByAgent {web: NotFoundError(")


@pytest.mark.parametrize(
    ("agents", "says"),
    [
        ("agent", r"several agents, not one: pass \[agent\], or call the agent's own method"),
        ("name", r"several agents, such as client.agents\(\) yields, not str"),
        ("id", r"several agents, such as client.agents\(\) yields, not UUID"),
        ("nothing", r"several agents, such as client.agents\(\) yields, not int"),
        ("names", r"of the class Agent, not str; client.agent\(\) returns the agent of a name"),
    ],
)
def test_one_agent_where_several_are_expected_gets_a_helpful_error(
    deployment: Deployment, client: Client, agent: Agent, agents: str, says: str
) -> None:
    """
    The error of whatever takes several agents says how to pass one, before any request.
    """
    given: dict[str, Any] = {
        "agent": agent,
        "name": "w0",
        "id": agent.id,
        "nothing": 7,
        "names": ["w0"],
    }
    deployment.requests.clear()
    calls: list[Callable[[Any], Any]] = [client.follow_logs, client.metadata]
    for call in calls:
        with pytest.raises(TypeError, match=says):
            call(given[agents])
    assert list(deployment.requests) == []


def test_on_state_is_called_with_the_agent_that_is_waited_for(
    deployment: Deployment, client: Client, agent: Agent
) -> None:
    """
    It has just been read; the client's own call passes the agent that it returns.
    """
    heard: list[Agent] = []
    agent.wait_ready(on_state=heard.append)
    assert heard == [agent]
    assert heard[0].data.lifecycle_state == "ready"
    heard.clear()
    found = client.wait_ready("w0", on_state=heard.append)
    assert heard[0].id == found.id
    assert isinstance(heard[0], Agent)
