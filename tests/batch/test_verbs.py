"""
What a client does with several agents: ports, logs, commands, and the wait until all are ready.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from driving import InThread, interrupt_in, reached
from paced import paced

from coder_agents import (
    Agent,
    AgentNotConnectedError,
    AgentShutDownError,
    Client,
    CommandError,
    CompletedCommand,
    NotFoundError,
    ReadyTimeoutError,
    Results,
    StartupError,
    StreamOptions,
)
from coder_agents.batch import verbs
from coder_agents.batch.threads import Later
from coder_agents.readiness.options import WaitOptions
from coder_agents.schema import WorkspaceAgent, WorkspaceAgentLog
from coder_agents.testing import Deployment, RateLimit, Script


def gone(client: Client) -> Agent:
    """
    An agent that the deployment does not have.
    """
    return client._agent(WorkspaceAgent(id=uuid.uuid4(), name="gone"), None)


def test_ports_of_several_agents(
    deployment: Deployment, client: Client, agents: list[Agent]
) -> None:
    """
    Each has a list, and an agent that is not connected is a failure.
    """
    for number, embedded in enumerate(deployment.agents):
        embedded.open_port(8000 + number, "python3")
    deployment.agents[5].disconnect()
    found = client.ports(client.agents(), max_workers=2)
    ports = {agent.label: [port.port for port in each] for agent, each in found.results.items()}
    assert ports == {f"w{number}.main": [8000 + number] for number in range(5)}
    assert [type(error) for error in found.failures.values()] == [AgentNotConnectedError]
    assert [row["port"] for row in found.records()] == [8000, 8001, 8002, 8003, 8004]


def test_logs_of_several_agents(
    deployment: Deployment, client: Client, agents: list[Agent]
) -> None:
    """
    The filters and positions are for each log; an agent that is gone is a failure.
    """
    for embedded in deployment.agents:
        embedded.push_logs(["one", "two", "three"])
    found = client.logs([*agents, gone(client)], tail=2, grep="t")
    assert {tuple(log.output for log in each) for each in found.results.values()} == {
        ("two", "three")
    }
    assert [type(error) for error in found.failures.values()] == [NotFoundError]
    last = {agent.id: each[0].id for agent, each in found.results.items()}
    later = client.logs(agents, after=last)
    assert {tuple(log.output for log in each) for each in later.results.values()} == {("three",)}
    assert isinstance(found.results[agents[0]][0], WorkspaceAgentLog)


def test_a_source_has_to_be_one_of_some_agent(
    deployment: Deployment, client: Client, agents: list[Agent]
) -> None:
    """
    An agent without the source has no lines; a name that is nobody's is an error.
    """
    script = Script("echo own", display_name="Mine")
    deployment.add_agent(workspace="w6", scripts=[script]).wait_started()
    known = client.logs([*agents, client.agent("w6")], source="Mine")
    assert sorted(len(each) for each in known.results.values()) == [0, 0, 0, 0, 0, 0, 1]
    with pytest.raises(ValueError, match="Yours"):
        client.logs(agents, source="Yours")


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ({"tail": -1}, ValueError),
        ({"level": "loud"}, ValueError),
        ({"after": 5}, TypeError),
        ({"after": {"dev": 5}}, TypeError),
        ({"after": {uuid.UUID(int=1): 5}}, ValueError),
        ({"rate": 0}, ValueError),
        ({"rate": "1"}, TypeError),
    ],
)
def test_impossible_filters_are_refused(
    deployment: Deployment,
    client: Client,
    agents: list[Agent],
    filters: dict[str, Any],
    error: type[Exception],
) -> None:
    """
    Nothing is requested.
    """
    before = len(deployment.requests)
    with pytest.raises(error):
        client.logs(agents, **filters)
    assert len(deployment.requests) == before


def test_a_command_runs_on_several_agents(
    deployment: Deployment, client: Client, agents: list[Agent], tmp_path: Path
) -> None:
    """
    Each has its own end; only what cannot run, or with *check* did not succeed, is a failure. No
    terminal, and no thread for one, is left.
    """
    (tmp_path / "odd").touch()
    command = "read line; echo $line; test $line != odd"
    done = client.run(agents[:2], command, input="odd\n", text=True)
    assert isinstance(done, Results)
    assert done.done
    assert [type(each) for each in done.results.values()] == [CompletedCommand] * 2
    assert [each.returncode for each in done.results.values()] == [1, 1]
    assert [each.stdout for each in done.results.values()] == ["odd\n", "odd\n"]
    assert [row["returncode"] for row in done.records()] == [1, 1]
    checked = client.run([agents[0], gone(client)], ["false"], check=True)
    assert [type(error) for error in checked.failures.values()] == [CommandError, NotFoundError]
    reached(lambda: not [each for each in threading.enumerate() if "idle" in each.name])
    assert client._http.held == {}


@pytest.mark.usefixtures("ctrl_c_counts")
def test_ctrl_c_kills_commands(client: Client, agents: list[Agent], tmp_path: Path) -> None:
    """
    The commands that run are killed on their agents, and no other is started.
    """
    command = f'echo $$ >"{tmp_path}/$PPID.$$"; exec sleep 1000'

    def pids() -> list[str]:
        return [pid for path in tmp_path.iterdir() if (pid := path.read_text().strip())]

    def interrupt() -> None:
        reached(lambda: len(pids()) == 2)
        interrupt_in("work.py", "wait")

    sender = InThread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.run(agents, command, max_workers=2)
    assert sender.ended() is None
    assert not any(map(_runs, pids()))
    assert len(pids()) == 2


def _runs(pid: str) -> bool:
    status = Path(f"/proc/{pid}/cmdline")
    return status.exists() and b"sleep" in status.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"command": 5}, TypeError, "command must be a string or a list"),
        ({"command": "x", "timeout": -1}, ValueError, "timeout"),
        ({"command": "x", "stdout": print}, TypeError, "each CompletedCommand has its own"),
        ({"command": "x", "encoding": "klingon"}, LookupError, "klingon"),
        ({"command": "x", "max_output": -1}, ValueError, "max_output"),
        ({"command": "x", "cwd": ""}, ValueError, "cwd"),
        ({"command": "x", "container_user": "root"}, ValueError, "give container, too"),
        ({"command": "x", "stdout": subprocess.STDOUT}, ValueError, "only stderr can be merged"),
    ],
)
def test_a_wrong_command_is_refused_before_any_request(
    deployment: Deployment,
    client: Client,
    agents: list[Agent],
    arguments: dict[str, Any],
    error: type[Exception],
    text: str,
) -> None:
    """
    It is an error of the call, not a failure of each agent.
    """
    before = len(deployment.requests)
    with pytest.raises(error, match=text):
        client.run(agents, **arguments)
    assert len(deployment.requests) == before


def test_a_file_cannot_be_the_input_of_several_commands(
    client: Client, agents: list[Agent], tmp_path: Path
) -> None:
    """
    One agent would get what another one lacks.
    """
    path = tmp_path / "input"
    path.touch()
    with path.open("rb") as file, pytest.raises(TypeError, match="each agent gets all of it"):
        client.run(agents, "cat", input=file)  # type: ignore[arg-type]


@pytest.fixture
def waiting(deployment: Deployment) -> Client:
    """
    A client whose waits read often.
    """
    options = paced(StreamOptions(), ready_reads=(), max_ready_read=0.05)
    return deployment.client(stream_options=options)


def test_all_agents_are_waited_for(deployment: Deployment, waiting: Client) -> None:
    """
    Agents that never get ready do not keep the few threads from the others, and have the error that
    says why; the callers' agents have their latest data.
    """
    for number in range(3):
        deployment.add_agent(workspace=f"slow{number}").set_lifecycle("starting")
    with waiting:
        agents = sorted(waiting.agents(), key=lambda agent: agent.label)
        assert len(agents) == 9
        started = time.monotonic()
        found = waiting.wait_ready(agents, 3, blocking_only=False, max_workers=2)
        assert time.monotonic() - started < 60
        assert [agent.label for agent in found.results] == [f"w{n}.main" for n in range(6)]
        assert all(result is agent for agent, result in found.results.items())
        assert {str(agent.lifecycle_state) for agent in found.results} == {"ready"}
        assert [type(error) for error in found.failures.values()] == [ReadyTimeoutError] * 3
        error = found.failures[agents[0]]
        assert isinstance(error, ReadyTimeoutError)
        assert error.waited >= 3
        assert f"is not ready after {error.waited:.1f} s" in str(error)


def test_a_wait_ends_in_time_whatever_pause_is_next(deployment: Deployment) -> None:
    """
    The next read of an agent comes no later than the end of the wait, and so does the error.
    """
    deployment.add_agent(workspace="slow").set_lifecycle("starting")
    options = paced(StreamOptions(), ready_reads=(), max_ready_read=3600.0)
    with deployment.client(stream_options=options) as client:
        agent = client.agent("slow")
        [error] = client.wait_ready([agent], 0.2, blocking_only=False).failures.values()
    assert type(error) is ReadyTimeoutError


def test_many_agents_that_are_waited_for_are_read_gently(
    deployment: Deployment, waiting: Client
) -> None:
    """
    All of them together are read 64 times a second at most, however short the pause of one is.
    """
    deployment.add_agent(workspace="slow").set_lifecycle("starting")
    wanted = WaitOptions(
        timeout=None,
        on_log=None,
        on_state=None,
        blocking_only=False,
        strict=False,
        pauses=waiting._stream_options._pauses,
    )
    with waiting:
        agent = waiting.agent("slow")
        assert verbs._readiness(6400, wanted)(agent) == Later(100.0)
        assert verbs._readiness(1, wanted)(agent) == Later(0.05)


def test_a_wait_keeps_to_the_pause_that_the_deployment_requests(
    deployment: Deployment, waiting: Client
) -> None:
    """
    An agent whose read is refused for an hour is read once, and once more at the end of the wait.
    """
    with waiting:
        agent = waiting.agent("w0")
        deployment.faults.add(
            "refuse", route="agent", times=None, status=503, headers={"Retry-After": "3600"}
        )
        before = len(deployment.requests)
        [error] = waiting.wait_ready([agent], 0.5).failures.values()
    assert isinstance(error, ReadyTimeoutError)
    assert len(deployment.requests) - before <= 3


def test_an_agent_that_failed_its_start_is_told_apart(
    deployment: Deployment, waiting: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A script that failed is a warning, and with *strict* a failure; so is an agent that is off.
    """
    deployment.add_agent(workspace="odd").set_lifecycle("start_error")
    deployment.add_agent(workspace="off").set_lifecycle("off")
    with waiting:
        agents = {agent.label: agent for agent in waiting.agents()}
        odd, there = agents["odd.main"], agents["w0.main"]
        with caplog.at_level(logging.WARNING):
            found = waiting.wait_ready([odd, there], 60)
        assert not found.failures
        assert "can be used, but a startup script failed" in caplog.text
        strict = waiting.wait_ready([odd, there, agents["off.main"]], 60, strict=True)
        kinds = {agent.label: type(error) for agent, error in strict.failures.items()}
        assert kinds == {"odd.main": StartupError, "off.main": AgentShutDownError}


def test_a_failed_read_is_repeated_while_agents_are_waited_for(
    deployment: Deployment, waiting: Client
) -> None:
    """
    A deployment that restarts does not end the wait; one that has no such agent does.
    """
    with waiting:
        agents = list(waiting.agents())
        deployment.faults.add("refuse", route="agent", status=500, times=2)
        found = waiting.wait_ready([*agents, gone(waiting)], 60)
        assert len(found.results) == 6
        assert [type(error) for error in found.failures.values()] == [NotFoundError]


@pytest.mark.parametrize("name", ["on_log", "on_state", "on_build_log"])
def test_callbacks_are_for_one_agent(client: Client, agents: list[Agent], name: str) -> None:
    """
    Several agents would call them from several threads.
    """
    callbacks: dict[str, Any] = {name: print}
    with pytest.raises(TypeError, match=f"{name} cannot be given for several agents"):
        client.wait_ready(agents, **callbacks)
    with pytest.raises(TypeError, match="start cannot be given for several agents"):
        client.wait_ready(agents, start=True)  # type: ignore[call-overload]


def test_a_limit_of_the_deployment_fails_no_agent() -> None:
    """
    The requests become slower, and the deployment refuses few of them.
    """
    with Deployment(rate_limit=RateLimit(20, window=0.5)) as deployment:
        for number in range(30):
            deployment.add_agent(workspace=f"w{number}")
        with deployment.client() as client:
            agents = list(client.agents())
            reader = InThread(lambda: client.logs(agents))
            assert reader.ended() is None
            found: Any = reader.result
            assert not found.failures
            assert len(found.results) == 30
            assert 0 < sum(deployment.rate_limited.values()) < 30
