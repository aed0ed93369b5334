"""
Playing again how agents started elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from coder_agents import DecodeError
from coder_agents.testing import Deployment, EmbeddedAgent

ELSEWHERE = "bf9d011c-b593-4329-957c-5bcf4deb6e37"
SOURCE = "1946ffde-9d6f-4877-9d9d-57554f4af540"
OTHER_SOURCE = "1d3f0f06-1ac4-4acf-8165-7e4a73e577b2"


def body(second: float, status: str, lifecycle: str) -> dict[str, Any]:
    """
    What was told of an agent that changed *second* seconds after ten o'clock.
    """
    return {
        "id": ELSEWHERE,
        "parent_id": None,
        "resource_id": ELSEWHERE,
        "name": "elsewhere",
        "updated_at": f"2026-11-22T10:00:{second:06.3f}-03:30",
        "status": status,
        "lifecycle_state": lifecycle,
        "environment_variables": None,
        "log_sources": [{"workspace_agent_id": ELSEWHERE, "id": SOURCE, "display_name": "Startup"}],
        "from_the_future": [1],
    }


def line(second: float, text: str, source: str = SOURCE) -> dict[str, Any]:
    """
    A line that was stored then.
    """
    moment = f"2026-11-22T10:00:{second:06.3f}-03:30"
    return {"id": 7, "created_at": moment, "output": text, "level": "warn", "source_id": source}


# The poll at 2.0 told of what had happened at 12.0, so the time 0 was 10.0 by the clock or later.
TIMELINE: dict[str, Any] = {
    "polls": [
        {"t": 0.5, "body": json.dumps(body(5, "connecting", "created"))},
        {"t": 2.0, "body": body(12, "connected", "starting")},
        {"t": 4.0, "body": body(13.5, "connected", "ready")},
    ],
    "logs": [
        line(9, "early"),
        line(12.5, "one"),
        line(12.5, "two"),
        line(12.5, "of another source", OTHER_SOURCE),
        line(13.999, "last"),
    ],
}


@pytest.fixture
def agent(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent without scripts.
    """
    return deployment.add_agent("main")


def test_the_agent_is_told_as_it_was(call: Any, agent: EmbeddedAgent) -> None:
    """
    Field by field, unknown ones and nulls too, but for the ids and the name; at first at once.
    """
    agent.replay(TIMELINE, speed=0.001)
    expected = body(5, "connecting", "created")
    expected |= {"id": str(agent.id), "name": "main", "resource_id": str(agent.data.resource_id)}
    expected["log_sources"][0]["workspace_agent_id"] = str(agent.id)
    assert call.get(f"/workspaceagents/{agent.id}").json() == expected
    build = call.get("/users/me/workspace/dev").json()["latest_build"]
    assert build["resources"][0]["agents"] == [expected]
    answer = call.get(f"/workspaceagents/{agent.id}/listening-ports")
    assert (answer.status_code, agent.data.status) == (400, "connecting")
    logs = call.get(f"/workspaceagents/{agent.id}/logs").json()
    assert logs == []


def test_lines_come_between_the_polls(call: Any, agent: EmbeddedAgent) -> None:
    """
    Those stored together come together, those from before the first poll with it.
    """
    stream = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    stream.recv()
    agent.replay(TIMELINE, speed=20)
    batches: list[Any] = []
    while not batches or batches[-1][-1]["output"] != "last":
        batches += [json.loads(stream.recv())]
    assert agent.wait_started() == "ready"
    lines = [each for batch in batches for each in batch]
    wanted = [row["output"] for row in TIMELINE["logs"]]
    assert [each["output"] for each in lines] == wanted
    assert [each["id"] for each in lines] == [1, 2, 3, 4, 5]
    assert {each["level"] for each in lines} == {"warn"}
    assert lines[1]["created_at"] == lines[2]["created_at"] == "2026-11-22T10:00:12.5-03:30"
    assert [UUID(each["source_id"]) for each in lines[2:4]] == [UUID(SOURCE), UUID(OTHER_SOURCE)]
    assert call.get(f"/workspaceagents/{agent.id}").json()["lifecycle_state"] == "ready"


def test_an_agent_can_begin_with_its_timeline(deployment: Deployment, call: Any) -> None:
    """
    Nobody sees it otherwise, it runs nothing of its own, and one that cannot be played makes none.
    """
    agent = deployment.add_agent("late", scripts=["echo mine"], timeline=TIMELINE, speed=0.001)
    assert call.get(f"/workspaceagents/{agent.id}").json()["lifecycle_state"] == "created"
    assert agent.data.log_sources[0].display_name == "Startup"
    with pytest.raises(ValueError, match="needs polls"):
        deployment.add_agent("never", timeline={"polls": []})
    assert [each.name for each in deployment.agents] == ["late"]
    quick = deployment.add_agent("quick", timeline=TIMELINE, speed=1000)
    assert quick.wait_started() == "ready"
    assert agent.new_build().wait_started() == "ready"


def test_what_is_done_by_hand_is_told(call: Any, agent: EmbeddedAgent) -> None:
    """
    It is told also when a newer build ends the agent, or another timeline follows.
    """
    agent.replay(TIMELINE, speed=1000)
    agent.wait_started()
    agent.replay({"polls": [{"t": 0, "body": body(1, "connected", "starting")}]})
    assert agent.data.lifecycle_state == "starting"
    agent.disconnect()
    told = call.get(f"/workspaceagents/{agent.id}").json()
    assert (told["status"], told["from_the_future"]) == ("disconnected", [1])
    agent.new_build()
    assert agent.data.lifecycle_state == "off"


def test_a_newer_timeline_takes_the_place(agent: EmbeddedAgent) -> None:
    """
    Nothing of the one before happens any more.
    """
    late = {"polls": [TIMELINE["polls"][0], {"t": 0.6, "body": body(9, "timeout", "off")}]}
    agent.replay(late)
    agent.replay(TIMELINE, speed=1000)
    agent.wait_started()
    for thread in agent._runner._threads:
        thread.join()
    assert agent.data.status == "connected"


def test_closing_ends_a_timeline(deployment: Deployment, agent: EmbeddedAgent) -> None:
    """
    Nobody waits for its end.
    """
    agent.replay(TIMELINE, speed=0.0001)
    deployment.close()
    assert agent.data.lifecycle_state == "created"


def test_lines_without_times_come_at_once(agent: EmbeddedAgent, deployment: Deployment) -> None:
    """
    They do so also where no poll tells when it was.
    """
    timeline = {
        "polls": [{"t": 0, "body": {"status": "connecting"}}],
        "logs": [{"output": "one"}, line(1, "two")],
    }
    agent.replay(timeline)
    while len(found := deployment._state.logs.after(agent.id, 0)) < 2:
        pass
    assert [log.output for log in found] == ["one", "two"]
    assert found[0].created_at is not None


@pytest.mark.parametrize(
    ("timeline", "speed", "error", "problem"),
    [
        ({"polls": []}, 1, ValueError, "needs polls"),
        ({"polls": TIMELINE["polls"][::-1]}, 1, ValueError, "in the order"),
        (TIMELINE, 0, ValueError, "speed must be above 0"),
        (TIMELINE, float("nan"), ValueError, "speed must be above 0"),
        ({"polls": [{"t": 0, "body": {"status": 1}}]}, 1, DecodeError, "status"),
        ({**TIMELINE, "logs": [{"output": 1}]}, 1, DecodeError, "output"),
    ],
)
def test_timelines_that_cannot_be_played(
    agent: EmbeddedAgent, timeline: Any, speed: float, error: type[Exception], problem: str
) -> None:
    """
    They are refused in words, and change nothing.
    """
    with pytest.raises(error, match=problem):
        agent.replay(timeline, speed=speed)
    assert agent.data.lifecycle_state == "ready"


def test_recorded_starts(calls: Any, recordings: Path, release: str) -> None:
    """
    Each comes to its recorded end, with all of its lines, through every route.
    """
    for file in sorted((recordings / f"v{release}").glob("*_timeline.json")):
        timeline = json.loads(file.read_text(encoding="utf-8"))
        last = json.loads(timeline["polls"][-1]["body"])
        with Deployment(release=release) as deployment:
            agent = deployment.add_agent("dev")
            agent.replay(timeline, speed=50)
            call = calls(deployment)
            path = f"/workspaceagents/{agent.id}"
            stream = call.websocket(f"{path}/logs?follow")
            told = call.get(path).json()
            while told["updated_at"] != last["updated_at"]:
                told = call.get(path).json()
            own = ("id", "resource_id", "log_sources")
            assert {name for name in told if told[name] != last[name]} == set(own)
            found = call.get("/users/me/workspace/dev").json()["latest_build"]["resources"]
            assert found[0]["agents"] == [told]
            lines = call.get(f"{path}/logs").json()
            while len(lines) < len(timeline["logs"]):
                lines = call.get(f"{path}/logs").json()
            own_ids = [{**each, "id": 0} for each in timeline["logs"]]
            assert [{**each, "id": 0} for each in lines] == own_ids
            followed: list[Any] = []
            while len(followed) < len(lines):
                followed += json.loads(stream.recv())
            assert followed == lines
