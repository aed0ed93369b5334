"""
Agents: their scripts, their states, and the builds of their workspaces.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from coder_agents.schema import WorkspaceAgentMetadataResult
from coder_agents.testing import Deployment, EmbeddedAgent, Metadata, Script


def in_order(*moments: datetime | None) -> bool:
    """
    Whether all of *moments* are there, each no earlier than the one before.
    """
    known = [moment for moment in moments if moment is not None]
    return len(known) == len(moments) and known == sorted(known)


def outputs(deployment: Deployment, agent: EmbeddedAgent) -> list[tuple[str, str]]:
    """
    Level and text of the stored lines.
    """
    return [(log.level, log.output) for log in deployment._state.logs.after(agent.id, 0)]


def test_an_agent_without_scripts_is_ready_at_once(deployment: Deployment) -> None:
    """
    It is connected, its times are set, and it tells of the machine it runs on.
    """
    data = deployment.add_agent("main").data
    assert (data.status, data.lifecycle_state) == ("connected", "ready")
    assert in_order(data.created_at, data.first_connected_at, data.started_at, data.ready_at)
    assert data.disconnected_at is None
    assert (data.version, data.api_version) == ("v2.31.0", "2.8")
    assert data.operating_system == "linux"
    assert data.health.healthy
    assert data.startup_script_behavior == "non-blocking"
    assert repr(deployment.agents[0]) == f"<EmbeddedAgent main {data.id}>"


def test_scripts_write_the_log(deployment: Deployment, tmp_path: Path) -> None:
    """
    Standard output is info, standard error is error, each line with its source.
    """
    gate = tmp_path / "gate"
    script = (
        f"echo out; echo err >&2; until [ -e {gate} ]; do sleep 0.01; done; printf 'no newline'"
    )
    agent = deployment.add_agent(scripts=[Script(script, "Startup", icon="/icon.svg")])
    before = agent.data
    assert (before.lifecycle_state, before.ready_at) == ("starting", None)
    assert before.startup_script_behavior == "blocking"
    gate.touch()
    assert agent.wait_started() == "ready"
    assert sorted(outputs(deployment, agent)[:2]) == [("info", "out"), ("error", "err")]
    assert outputs(deployment, agent)[2:] == [("info", "no newline")]
    data = agent.data
    assert data.logs_length == 16
    assert in_order(data.started_at, data.ready_at)
    assert data.ready_at != data.started_at
    (source,) = data.log_sources
    assert (source.display_name, source.icon) == ("Startup", "/icon.svg")
    assert source.id == data.scripts[0].log_source_id
    assert {log.source_id for log in deployment._state.logs.after(agent.id, 0)} == {source.id}


FAILED = "agent startup script exited with an error"


@pytest.mark.parametrize(
    ("scripts", "lifecycle", "reason"),
    [
        (["true", "echo boom; exit 3"], "start_error", FAILED),
        ([Script("sleep 600", timeout=0.05), "true"], "start_timeout", ""),
        (["exit 3", Script("sleep 600", timeout=0.2)], "start_error", FAILED),
        ([Script("exit 1", run_on_start=False, cron="0 0 5 * * *")], "ready", ""),
    ],
)
def test_how_scripts_end_decides_the_lifecycle(
    deployment: Deployment, scripts: list[Script | str], lifecycle: str, reason: str
) -> None:
    """
    A failure is an error, a time-out a state of its own; what is not run does not count.
    """
    agent = deployment.add_agent(scripts=scripts)
    assert agent.wait_started() == lifecycle
    data = agent.data
    assert data.ready_at is not None
    assert (data.health.healthy, data.health.reason) == (not reason, reason)
    assert [script.exit_code for script in data.scripts] == [None] * len(scripts)


@pytest.mark.parametrize("coder_deployment", [{"release": "2.35"}], indirect=True)
def test_new_releases_tell_how_scripts_ended(coder_deployment: Deployment) -> None:
    """
    At 2.35 each script has an exit code and a status, once it has run.
    """
    agent = coder_deployment.add_agent(
        scripts=[
            "exit 3",
            "true",
            Script("sleep 600", timeout=0.05),
            Script("x", run_on_start=False),
        ]
    )
    agent.wait_started()
    found = [(script.exit_code, script.status) for script in agent.data.scripts]
    assert found == [(3, "exit_failure"), (0, "ok"), (255, "timed_out"), (None, None)]


@attrs.frozen
class Hasty(Script):
    """
    A script whose output is read only shortly after its end.
    """

    @property
    def _pipe_seconds(self) -> float:
        return 0.05


def test_output_that_stays_open_is_told_in_the_log(deployment: Deployment) -> None:
    """
    The script did not fail, but its start is an error.
    """
    agent = deployment.add_agent(scripts=[Hasty("sleep 600 & echo done")])
    assert agent.wait_started() == "start_error"
    (first, warning) = outputs(deployment, agent)
    assert first == ("info", "done")
    assert warning[0] == "error"
    assert "holds its output" in warning[1]


def test_waiting_for_the_start_has_a_limit(deployment: Deployment) -> None:
    """
    What is still starting then raises, and is killed when the deployment closes.
    """
    agent = deployment.add_agent(scripts=["sleep 600"])
    with pytest.raises(TimeoutError, match="still starting"):
        agent.wait_started(timeout=0.01)
    deployment.close()
    assert agent.data.lifecycle_state == "starting"
    assert agent.data.status == "disconnected"


def test_too_many_lines_overflow(calls: Any) -> None:
    """
    What a script writes beyond the limit is refused, which only the agent tells.
    """
    with Deployment(log_limit=100) as deployment:
        agent = deployment.add_agent(scripts=["yes | head -c 20000"])
        assert agent.wait_started() == "ready"
        assert agent.push_logs(["x"]) == []
        data = calls(deployment).get(f"/workspaceagents/{agent.id}").json()
        assert data["logs_overflowed"] is True
        assert data["logs_length"] <= 100


def wait_for_value(agent: EmbeddedAgent, key: str) -> WorkspaceAgentMetadataResult:
    """
    The first value that was collected for *key*.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = {item.description.key: item.result for item in agent.metadata.snapshot()}
        if found[key].collected_at is not None:
            return found[key]
        time.sleep(0.005)
    raise AssertionError(f"{key} was not collected")


@pytest.mark.parametrize(
    ("script", "value", "error"),
    [
        ("echo 42%; echo noise >&2", "42%\n", ""),
        ("echo nope; exit 1", "nope\n", "run cmd: exit status 1"),
        ("echo a; sleep 600", "a\n", "run cmd: signal: killed\ncontext deadline exceeded"),
        (
            "head -c 3000 /dev/zero | tr '\\0' x",
            "x" * 2_048,
            "value of 3000 bytes exceeded 2048 bytes",
        ),
    ],
)
def test_metadata_is_collected(deployment: Deployment, script: str, value: str, error: str) -> None:
    """
    The value is standard output alone, the error in the words of the real agent.
    """
    agent = deployment.add_agent(metadata=[Metadata("Item", "key", script, 600, 0.2)])
    result = wait_for_value(agent, "key")
    assert (result.value, result.error) == (value, error)


def test_metadata_is_collected_again(deployment: Deployment, tmp_path: Path) -> None:
    """
    An item runs each interval, one without an interval once.
    """
    often, once = tmp_path / "often", tmp_path / "once"
    agent = deployment.add_agent(
        metadata=[
            Metadata("Often", "often", f"echo x >> {often}", 0.01),
            Metadata("Once", "once", f"echo x >> {once}", 0),
        ]
    )
    wait_for_value(agent, "once")
    deadline = time.monotonic() + 60
    while len(often.read_text() if often.exists() else "") < 6 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(often.read_text()) >= 6
    assert once.read_text() == "x\n"


def test_a_script_that_the_close_interrupts_sets_no_value(deployment: Deployment) -> None:
    """
    Closing kills it, and what it had printed is nobody's value.
    """
    agent = deployment.add_agent(metadata=[Metadata("Slow", "slow", "echo a; sleep 600", 1, 600)])
    deployment.close()
    (item,) = agent.metadata.snapshot()
    assert item.result.collected_at is None
    agent.stop()


def test_nothing_is_run_after_the_stop(deployment: Deployment) -> None:
    """
    A script whose thread comes late finds the agent stopped.
    """
    agent = deployment.add_agent(scripts=[Script("echo no", run_on_start=False)])
    agent.stop()
    (installed,) = agent._facts.scripts
    agent.run_script(installed)
    agent._runner.collect_once(Metadata("Late", "late", "echo no"), agent.metadata.set)
    assert agent.metadata.snapshot() == []
    assert outputs(deployment, agent) == []


@pytest.mark.parametrize(
    ("scripts", "lifecycle"),
    [
        (["echo bye"], "off"),
        (["echo bye; exit 3"], "shutdown_error"),
        (
            [Script("sleep 600", run_on_start=False, run_on_stop=True, timeout=0.05)],
            "shutdown_timeout",
        ),
        (
            ["echo bye; exit 3", Script("sleep 600", run_on_stop=True, timeout=0.2)],
            "shutdown_error",
        ),
    ],
)
def test_how_scripts_at_the_stop_end_decides_the_lifecycle(
    deployment: Deployment, scripts: list[Any], lifecycle: str
) -> None:
    """
    They run when the workspace stops, whatever still runs is killed after them, and their lines
    are stored.
    """
    stopping = [
        Script(each, run_on_start=False, run_on_stop=True) if isinstance(each, str) else each
        for each in scripts
    ]
    agent = deployment.add_agent(scripts=[Script("sleep 600"), *stopping])
    assert (agent.data.lifecycle_state, outputs(deployment, agent)) == ("starting", [])
    deployment.workspace().start_build("stop").complete()
    data = agent.data
    assert (data.status, data.lifecycle_state) == ("disconnected", lifecycle)
    assert data.ready_at is None
    assert ("info", "bye") in outputs(deployment, agent) or scripts[0] != "echo bye"
    agent.stop()
    assert agent.data == data


def test_while_scripts_run_at_the_stop(deployment: Deployment, tmp_path: Path) -> None:
    """
    The agent is shutting down and connected; whoever stops it waits until it is off.
    """
    gate = tmp_path / "gate"
    script = f"echo going; until [ -e {gate} ]; do sleep 0.01; done; echo gone"
    stop = Script(script, run_on_start=False, run_on_stop=True)
    agent = deployment.add_agent(scripts=[stop])
    assert agent.data.lifecycle_state == "ready"
    stopping = threading.Thread(target=agent.stop)
    stopping.start()
    while not outputs(deployment, agent):
        time.sleep(0.005)
    during = agent.data
    assert (during.status, during.lifecycle_state) == ("connected", "shutting_down")
    assert during.health.reason == "agent is shutting down"
    gate.touch()
    stopping.join(60)
    assert outputs(deployment, agent) == [("info", "going"), ("info", "gone")]
    assert agent.data.lifecycle_state == "off"


def test_closing_runs_no_scripts(deployment: Deployment) -> None:
    """
    It is a machine that is switched off: also what a stop waits for is killed.
    """
    stop = Script("echo bye; sleep 600", run_on_start=False, run_on_stop=True)
    idle, stopping = (deployment.add_agent(name, scripts=[stop]) for name in ("idle", "stopping"))
    thread = threading.Thread(target=stopping.stop)
    thread.start()
    while not outputs(deployment, stopping):
        time.sleep(0.005)
    deployment.close()
    thread.join(60)
    assert outputs(deployment, idle) == []
    assert idle.data.lifecycle_state == "ready"


@pytest.mark.parametrize(
    ("status", "lifecycle", "reason"),
    [
        ("disconnected", "ready", "agent has lost connection"),
        ("timeout", "created", "agent is taking too long to connect"),
        ("disconnected", "off", "agent is not running"),
        ("connected", "shutting_down", "agent is shutting down"),
        ("connecting", "created", ""),
    ],
)
def test_health(deployment: Deployment, status: str, lifecycle: str, reason: str) -> None:
    """
    Status and lifecycle decide it together; the workspace counts who is unwell.
    """
    agent = deployment.add_agent()
    agent.set_status(status)
    agent.set_lifecycle(lifecycle)
    data = agent.data
    assert (data.status, data.lifecycle_state) == (status, lifecycle)
    assert (data.health.healthy, data.health.reason) == (not reason, reason)


def test_times_follow_the_connection(deployment: Deployment) -> None:
    """
    Losing touch has a time, which getting in touch again removes.
    """
    agent = deployment.add_agent()
    first = agent.data
    agent.disconnect()
    lost = agent.data
    assert lost.disconnected_at == lost.updated_at != first.updated_at
    assert in_order(first.updated_at, lost.updated_at)
    agent.connect()
    again = agent.data
    assert again.disconnected_at is None
    assert again.first_connected_at == first.first_connected_at
    assert again.last_connected_at != lost.last_connected_at
    assert in_order(lost.last_connected_at, again.last_connected_at)
    agent.set_status("connecting")
    agent.set_lifecycle("created")
    new = agent.data
    assert (new.first_connected_at, new.last_connected_at) == (None, None)
    assert (new.started_at, new.ready_at, new.version) == (None, None, "")


def test_a_new_build_has_new_agents(deployment: Deployment, call: Any, tmp_path: Path) -> None:
    """
    Each agent gets a successor of the same name, which runs the same scripts again.
    """
    file = tmp_path / "runs"
    old = deployment.add_agent(scripts=[f"echo x >> {file}"])
    other = deployment.add_agent("other")
    old.wait_started()
    new = old.new_build()
    assert new.wait_started() == "ready"
    assert file.read_text() == "x\nx\n"
    assert (new.name, new.superseded, old.superseded, other.superseded) == (
        "main",
        False,
        True,
        True,
    )
    assert new.id not in (old.id, other.id)
    latest = call.get("/users/me/workspace/dev").json()["latest_build"]
    assert latest["build_number"] == 2
    names = [agent["name"] for agent in latest["resources"][0]["agents"]]
    assert names == ["main", "other"]
    gone = call.get(f"/workspaceagents/{old.id}").json()
    assert (gone["status"], gone["lifecycle_state"]) == ("disconnected", "off")


def test_builds_pass_through_states(deployment: Deployment, call: Any) -> None:
    """
    A pending build has no resources, a failed one an error, a stopped one no agents.
    """
    agent = deployment.add_agent()
    workspace = deployment.workspace("dev")

    def latest() -> Any:
        return call.get(f"/workspaces/{workspace.id}").json()["latest_build"]

    failing = workspace.start_build()
    assert (latest()["status"], latest()["job"]["status"]) == ("pending", "pending")
    assert latest()["resources"] == []
    failing.fail("no quota")
    assert (latest()["status"], latest()["job"]["error"]) == ("failed", "no quota")
    assert agent.data.status == "connected"
    workspace.start_build("stop").complete()
    assert latest()["status"] == "stopped"
    assert "agents" not in latest()["resources"][0]
    assert agent.data.lifecycle_state == "off"
    workspace.start_build().complete()
    assert latest()["status"] == "running"
    assert latest()["resources"][0]["agents"][0]["name"] == "main"


@pytest.mark.parametrize(("release", "status"), [("2.31", 200), ("2.35", 404)])
def test_an_agent_of_an_earlier_build(calls: Any, release: str, status: int) -> None:
    """
    It can be had while the new build is pending; afterwards not from 2.34 on.
    """
    with Deployment(release=release) as deployment:
        agent, call = deployment.add_agent(), calls(deployment)
        build = agent.build.workspace.start_build()
        assert call.get(f"/workspaceagents/{agent.id}/logs").status_code == 200
        build.complete()
        assert call.get(f"/workspaceagents/{agent.id}/logs").status_code == status


def test_names_are_unique_in_a_workspace(deployment: Deployment) -> None:
    """
    The same name twice is an error, in another workspace it is not.
    """
    deployment.add_agent("main")
    with pytest.raises(ValueError, match="has an agent 'main' already"):
        deployment.add_agent("main")
    other = deployment.add_agent("main", workspace="other")
    assert other.build.workspace.name == "other"


def test_text_of_many_lines(deployment: Deployment, call: Any) -> None:
    """
    A text is its lines; the source of pushed lines appears with the first of them.
    """
    agent = deployment.add_agent()
    assert agent.data.log_sources == ()
    assert len(agent.push_logs("a\nb")) == 2
    (source,) = json.loads(call.get(f"/workspaceagents/{agent.id}").text)["log_sources"]
    assert (source["display_name"], source["icon"]) == ("External", "/emojis/1f310.png")
    assert source["workspace_agent_id"] == str(agent.id)
