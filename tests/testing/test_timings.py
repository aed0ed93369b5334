"""
How long the embedded deployment says that scripts took.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from coder_agents.testing import Deployment, Script

from .conftest import Caller


def timings(call: Any, deployment: Deployment) -> Any:
    """
    Return the timings of the workspace's first build.
    """
    build = deployment.workspace("dev").builds[0]
    return call.get(f"/workspacebuilds/{build.id}/timings").json()


def test_a_script_is_listed_once_it_has_ended(deployment: Deployment, call: Caller) -> None:
    """
    At the start and at the stop, with how it ended; one that the agent kills has the code 255.
    """
    agent = deployment.add_agent(
        scripts=[
            Script("exit 3", "Failing"),
            Script("sleep 60", "Late", timeout=0.05),
            Script("kill -9 $$", "Killed"),
            Script("exit 0", "Save", run_on_start=False, run_on_stop=True),
        ]
    )
    agent.wait_started()
    before = timings(call, deployment)
    found = {each["display_name"]: each for each in before["agent_script_timings"]}
    assert {name: (each["status"], each["exit_code"]) for name, each in found.items()} == {
        "Failing": ("exit_failure", 3),
        "Late": ("timed_out", 255),
        "Killed": ("exit_failure", -1),
    }
    assert {each["stage"] for each in found.values()} == {"start"}
    assert all(each["started_at"] <= each["ended_at"] for each in found.values())
    assert {each["workspace_agent_id"] for each in found.values()} == {str(agent.id)}
    agent.stop()
    after = timings(call, deployment)["agent_script_timings"]
    assert [(each["display_name"], each["stage"]) for each in after[3:]] == [("Save", "stop")]


def test_what_the_stop_kills_has_failed(deployment: Deployment, call: Caller) -> None:
    """
    With the code of a script that the agent killed.
    """
    deployment.add_agent(scripts=[Script("sleep 60", "Live")]).stop()
    (killed,) = timings(call, deployment)["agent_script_timings"]
    assert (killed["status"], killed["exit_code"]) == ("exit_failure", 255)


def test_a_run_may_be_listed_later_than_the_state(deployment: Deployment, call: Caller) -> None:
    """
    An agent reports both beside each other.
    """
    agent = deployment.add_agent(scripts=["sleep 0.05"])
    agent.timings.delay = 600
    agent.wait_started()
    assert timings(call, deployment)["agent_script_timings"] == []


def test_a_connection_is_listed_once_it_was_there(deployment: Deployment, call: Caller) -> None:
    """
    From when the build made the agent.
    """
    agent = deployment.add_agent()
    (connection,) = timings(call, deployment)["agent_connection_timings"]
    assert (connection["stage"], connection["workspace_agent_name"]) == ("connect", "main")
    agent.set_status("connecting")
    assert timings(call, deployment)["agent_connection_timings"] == []


def test_a_build_that_is_not_there_has_no_timings(deployment: Deployment, call: Caller) -> None:
    """
    Its answer is that of every missing resource.
    """
    assert call.get(f"/workspacebuilds/{uuid4()}/timings").status_code == 404
    assert call.get("/workspacebuilds/nothing/timings").status_code == 400
