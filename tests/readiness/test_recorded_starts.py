"""
Starts of real agents, played again by the embedded deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coder_agents import Agent, Client, ReadyTimeoutError, StartupError
from coder_agents.testing import Deployment

from .conftest import UNHURRIED, Heard

SPEED = 8.0  # times faster than it was; each takes about a second

Recording = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client that waits for lines that come after the agent is ready, as they did.
    """
    with deployment.client(retries=0, stream_options=UNHURRIED) as made:
        yield made


@pytest.fixture
def play(
    recording: Recording, deployment: Deployment, client: Client
) -> Callable[[str, str], tuple[Agent, list[str]]]:
    """
    A function of a release and a name; it returns an agent that begins so, and its lines.
    """

    def start(release: str, name: str) -> tuple[Agent, list[str]]:
        timeline = recording(release, f"start_{name}_timeline")
        deployment.add_agent("dev", timeline=timeline, speed=SPEED)
        return client.agent("dev"), [log["output"] for log in timeline["logs"]]

    return start


Play = Callable[[str, str], tuple[Agent, list[str]]]


def heard_all(heard: Heard, lines: list[str]) -> bool:
    """
    Whether every line was passed on once and in order.
    """
    ids = [log.id for log in heard.logs]
    return heard.outputs == lines and ids == sorted(set(ids))


def states_in_order(heard: Heard, wanted: list[str]) -> bool:
    """
    Whether the states up to the last were passed on; on a slow machine the first may have passed.
    """
    states = [state for _, state in heard.states]
    return bool(states) and wanted[-len(states) :] == states


def test_a_start_that_goes_well(play: Play, heard: Heard) -> None:
    """
    The agent is ready, and its last line, which came after that, is not lost.
    """
    agent, lines = play("2.24", "ready")
    data = agent.wait_ready(30, on_log=heard.on_log, on_state=heard.on_state, strict=True).data
    assert (data.status, data.lifecycle_state) == ("connected", "ready")
    assert heard_all(heard, lines)
    assert states_in_order(heard, ["created", "starting", "ready"])


@pytest.mark.parametrize("strict", [False, True])
def test_a_start_with_a_script_that_fails(
    play: Play, heard: Heard, strict: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A warning, or an error with the lines of who wrote to standard error last.
    """
    agent, lines = play("2.31", "error")
    if strict:
        with pytest.raises(StartupError, match="failed") as caught:
            agent.wait_ready(30, on_log=heard.on_log, strict=True)
        assert (caught.value.script, caught.value.source) == (None, "Startup")
        assert caught.value.last_lines[0].output == "err 3"
    else:
        assert agent.wait_ready(30, on_log=heard.on_log).data.lifecycle_state == "start_error"
        assert "can be used, but a startup script failed (start_error)" in caplog.text
    assert heard_all(heard, lines)


def test_a_start_that_takes_too_long(play: Play, heard: Heard) -> None:
    """
    Still starting at the time limit, which says what there is to know.
    """
    agent, lines = play("2.31", "slow")
    with pytest.raises(ReadyTimeoutError) as caught:
        agent.wait_ready(3, on_log=heard.on_log, on_state=heard.on_state)
    assert (caught.value.status, caught.value.lifecycle_state) == ("connected", "starting")
    # The timeline holds no timings: nothing has ended as far as the deployment reports.
    assert "still running: Startup, Failing, Slow\n" in str(caught.value)
    assert caught.value.last_lines[-1].output == "done"
    assert heard_all(heard, lines)
    assert states_in_order(heard, ["created", "starting"])
