"""
Builds that clients request from the embedded deployment, and their logs.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import uuid
from typing import Any

import pytest
import websocket
from driving import InThread, reached

from coder_agents.schema import ProvisionerJobLog, WorkspaceBuildTimings, from_json
from coder_agents.testing import BuildPlan, Deployment, EmbeddedBuild, EmbeddedWorkspace, Script
from coder_agents.testing.workspace import BuildActiveError

MISSING = uuid.UUID(int=1)
SETTING_UP, STARTING, CLEANING_UP = "Setting up", "Starting workspace", "Cleaning Up"


@pytest.fixture
def workspace(deployment: Deployment) -> EmbeddedWorkspace:
    """
    A workspace with one agent.
    """
    deployment.add_agent().wait_started()
    return deployment.workspace()


def request(call: Any, workspace: EmbeddedWorkspace, transition: str) -> Any:
    """
    Request a build as a client does.
    """
    return call("POST", f"/workspaces/{workspace.id}/builds", json={"transition": transition})


def ended(build: EmbeddedBuild) -> EmbeddedBuild:
    """
    Wait until *build* has ended.
    """
    reached(lambda: not build.active)
    return build


def test_a_requested_build_goes_by_itself(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    The answer has a pending build; then its agents stop, or new ones appear and get ready.
    """
    old = workspace.latest_build.agents[0]
    answer = request(call, workspace, "stop")
    assert answer.status_code == 201
    reported = answer.json()
    assert (reported["status"], reported["transition"], reported["build_number"]) == (
        "pending",
        "stop",
        2,
    )
    assert (reported["resources"], reported["job"]["status"]) == ([], "pending")
    build = ended(workspace.latest_build)
    assert str(build.id) == reported["id"]
    assert build.status == "stopped"
    assert (old.data.status, old.data.lifecycle_state) == ("disconnected", "off")
    assert request(call, workspace, "start").status_code == 201
    (new,) = ended(workspace.latest_build).agents
    assert new.wait_started() == "ready"
    assert call.get(f"/workspacebuilds/{new.build.id}").json()["status"] == "running"


def test_a_build_takes_the_time_that_is_set(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    None as a time is for ever: a test continues by the build's own methods.
    """
    workspace.plans["start"] = BuildPlan(pending=None)
    request(call, workspace, "start")
    pending = workspace.latest_build
    assert pending.job_status == "pending"
    pending.begin()
    assert pending.status == "starting"
    pending.complete()
    workspace.plans["start"] = BuildPlan(running=None, log=["one"])
    request(call, workspace, "start")
    running = workspace.latest_build
    reached(lambda: len(running.log.after(0)) == 3)
    assert running.status == "starting"
    running.fail()
    workspace.plans["start"] = BuildPlan(pending=0.05, running=0.05)
    request(call, workspace, "start")
    build = ended(workspace.latest_build)
    assert build.started_at is not None
    assert build.completed_at is not None
    assert (build.started_at - build.created_at).total_seconds() >= 0.05
    assert (build.completed_at - build.started_at).total_seconds() >= 0.05


def test_agents_of_a_build_can_take_time_to_connect(
    workspace: EmbeddedWorkspace, call: Any
) -> None:
    """
    They are connecting before, and the timings of the build have how long that was.
    """
    workspace.plans["start"] = BuildPlan(connecting=0.1)
    request(call, workspace, "start")
    build = ended(workspace.latest_build)
    (agent,) = build.agents
    agent.wait_started()
    path = f"/workspacebuilds/{build.id}/timings"
    (timing,) = from_json(call.get(path).content, WorkspaceBuildTimings).agent_connection_timings
    assert timing.duration is not None
    assert timing.duration.total_seconds() >= 0.1
    workspace.plans["start"] = BuildPlan(connecting=3600)
    request(call, workspace, "start")
    (late,) = ended(workspace.latest_build).agents
    assert (late.data.status, late.data.lifecycle_state) == ("connecting", "created")
    request(call, workspace, "stop")
    ended(workspace.latest_build)
    assert late.data.lifecycle_state == "off"


def test_a_build_can_be_made_to_fail(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    Its error, its code and its lines are those of its plan.
    """
    workspace.plans["start"] = BuildPlan(
        log="plan\napply", error="no quota", error_code="INSUFFICIENT_QUOTA"
    )
    request(call, workspace, "start")
    build = ended(workspace.latest_build)
    reported = call.get(f"/workspacebuilds/{build.id}").json()
    assert reported["status"] == "failed"
    assert (reported["job"]["error"], reported["job"]["error_code"]) == (
        "no quota",
        "INSUFFICIENT_QUOTA",
    )
    lines = call.get(f"/workspacebuilds/{build.id}/logs").json()
    assert [line["output"] or line["stage"] for line in lines] == [
        SETTING_UP,
        STARTING,
        "plan",
        "apply",
        CLEANING_UP,
    ]


def test_one_build_at_a_time(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    A request during another build is refused, also while it is canceling, and creates nothing.
    """
    workspace.plans["start"] = BuildPlan(running=None, canceling=None)
    request(call, workspace, "start")
    build = workspace.latest_build
    reached(lambda: build.started_at is not None)
    for _ in range(2):
        answer = request(call, workspace, "stop")
        assert answer.status_code == 409
        assert answer.json() == dict.fromkeys(
            ("message", "detail"), "A workspace build is already active."
        )
        with pytest.raises(BuildActiveError, match="build 2 is under way"):
            workspace.request_build("stop")
        if build.canceled_at is None:
            build.cancel()
    build.finish_cancel()
    assert request(call, workspace, "stop").status_code == 201
    assert len(workspace.builds) == 3


def test_requests_that_race_create_one_build(workspace: EmbeddedWorkspace) -> None:
    """
    All but one are refused, however the threads take turns.
    """
    workspace.plans["start"] = BuildPlan(pending=None)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(2, 12):
            begin = threading.Barrier(6)
            refused: list[BuildActiveError] = []

            def request(begin: Any = begin, refused: Any = refused) -> None:
                begin.wait()
                try:
                    workspace.request_build()
                except BuildActiveError as error:
                    refused.append(error)

            threads = [InThread(request) for _ in range(6)]
            assert [thread.ended() for thread in threads] == [None] * 6
            assert (len(refused), len(workspace.builds)) == (5, number)
            workspace.latest_build.cancel()
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"transition": "restart"}', "Validation failed."),
        ("{}", "Validation failed."),
        ("[]", "Request body must be valid JSON."),
        ("{", "Request body must be valid JSON."),
        ("", "Request body must be valid JSON."),
    ],
)
def test_a_request_that_is_not_understood_is_refused(
    workspace: EmbeddedWorkspace, call: Any, body: str, message: str
) -> None:
    """
    The answer names what is wrong, and no build is created.
    """
    answer = call("POST", f"/workspaces/{workspace.id}/builds", data=body)
    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert len(workspace.builds) == 1
    with pytest.raises(ValueError, match="transition must be one of"):
        workspace.request_build("restart")


def test_what_is_not_there_is_refused(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    A workspace and a build that do not exist, and a workspace that was deleted.
    """
    for method, path in [
        ("POST", f"/workspaces/{MISSING}/builds"),
        ("GET", f"/workspacebuilds/{MISSING}"),
        ("GET", f"/workspacebuilds/{MISSING}/logs"),
        ("GET", f"/workspacebuilds/{MISSING}/timings"),
        ("PATCH", f"/workspacebuilds/{MISSING}/cancel"),
    ]:
        assert call(method, path, json={"transition": "start"}).status_code == 404
    assert request(call, workspace, "delete").status_code == 201
    ended(workspace.latest_build)
    assert request(call, workspace, "start").status_code == 404


DONE = (200, "Job has been marked as canceled...")
COMPLETED = (400, "Job has already completed!")


def cancel(call: Any, workspace: EmbeddedWorkspace) -> tuple[int, str]:
    """
    Request the cancellation of the latest build; return the status and the message.
    """
    answer = call("PATCH", f"/workspacebuilds/{workspace.latest_build.id}/cancel")
    return answer.status_code, answer.json()["message"]


def test_a_pending_build_is_canceled_at_once(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    It has no log, and a build that has ended is not canceled.
    """
    assert cancel(call, workspace) == COMPLETED
    workspace.plans["start"] = BuildPlan(pending=None)
    request(call, workspace, "start")
    assert cancel(call, workspace) == DONE
    assert workspace.latest_build.status == "canceled"
    assert workspace.latest_build.log.after(0) == []
    assert cancel(call, workspace) == COMPLETED


def test_a_running_build_is_canceled_after_a_time(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    That time is set by its plan, or a test ends it.
    """
    workspace.plans["start"] = BuildPlan(running=None, canceling=0.05)
    request(call, workspace, "start")
    build = workspace.latest_build
    reached(lambda: build.started_at is not None)
    assert cancel(call, workspace) == DONE
    ended(build)
    assert build.status == "canceled"
    assert [line.stage for line in build.log.after(0)] == [SETTING_UP, STARTING, CLEANING_UP]
    workspace.plans["start"] = BuildPlan(running=None, canceling=None)
    request(call, workspace, "start")
    slow = workspace.latest_build
    reached(lambda: slow.started_at is not None)
    assert cancel(call, workspace) == DONE
    assert cancel(call, workspace) == (400, "Job has already been marked as canceled!")
    slow.finish_cancel()
    workspace.plans["start"] = BuildPlan(running=0.2, log=["x"] * 100)
    request(call, workspace, "start")
    reached(lambda: len(workspace.latest_build.log.after(0)) > 5)
    assert cancel(call, workspace) == DONE
    assert ended(workspace.latest_build).status == "canceled"
    assert len(workspace.latest_build.log.after(0)) < 100


def test_a_build_that_a_test_ends_early_is_left_alone(
    workspace: EmbeddedWorkspace, call: Any
) -> None:
    """
    Its plan does not end it a second time.
    """
    workspace.plans["start"] = BuildPlan(running=0.05)
    request(call, workspace, "start")
    build = workspace.latest_build
    reached(lambda: build.started_at is not None)
    build.fail("by hand")
    workspace.plans["start"] = BuildPlan(running=0.1)
    request(call, workspace, "start")
    assert ended(workspace.latest_build).status == "running"
    assert (build.status, build.error) == ("failed", "by hand")


def test_a_build_that_completes_in_spite_of_its_cancellation_is_canceled(
    workspace: EmbeddedWorkspace, call: Any
) -> None:
    """
    A stop whose agent shuts down slowly is canceled meanwhile.
    """
    build = workspace.start_build("stop")
    build.begin()
    real = build.make_agents

    def make_slowly() -> None:
        real()
        build.cancel()

    build.make_agents = make_slowly  # type: ignore[method-assign]
    build.complete()
    assert (build.status, build.job_status) == ("canceled", "canceled")


def frames_of(connection: websocket.WebSocket) -> list[tuple[int, int, bytes]]:
    """
    Return the opcode, the end flag and the data of each frame up to the close frame, without pings.
    """
    found = []
    while True:
        frame: websocket.ABNF = connection.recv_frame()  # type: ignore[no-untyped-call]
        if frame.opcode != websocket.ABNF.OPCODE_PING:
            found.append((frame.opcode, frame.fin, bytes(frame.data)))  # type: ignore[arg-type]
        if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
            return found


def test_a_log_is_followed_line_by_line(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    Each message is one line, in two frames, and the end of the build is a close with a reason.
    """
    build = workspace.start_build()
    build.begin()
    path = f"/workspacebuilds/{build.id}/logs"
    (first, second) = call.get(path).json()
    assert call.get(f"{path}?after={first['id']}").json() == [second]
    connection = call.websocket(f"{path}?follow&after={first['id']}")
    assert json.loads(connection.recv()) == second
    ids = build.push_logs("one\ntwo", "warn")
    build.complete()
    text, rest, close = (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_CONT, 8)
    found = frames_of(connection)
    assert [(opcode, fin) for opcode, fin, _ in found] == [*[(text, 0), (rest, 1)] * 3, (close, 1)]
    lines = [from_json(data, ProvisionerJobLog) for _, fin, data in found if not fin]
    assert [line.id for line in lines[:2]] == ids
    assert [(line.output, line.log_level) for line in lines[:2]] == [
        ("one", "warn"),
        ("two", "warn"),
    ]
    assert lines[2].stage == CLEANING_UP
    assert found[-1][2] == (1000).to_bytes(2, "big") + b"done"
    again = call.websocket(f"{path}?follow&after={lines[2].id}")
    assert [opcode for opcode, _, _ in frames_of(again)] == [close]


def test_a_log_that_is_followed_ends_with_the_server(
    deployment: Deployment, workspace: EmbeddedWorkspace, call: Any
) -> None:
    """
    A shutdown closes in the same way as the end of the build, as in a real server.
    """
    build = workspace.start_build()
    connection = call.websocket(f"/workspacebuilds/{build.id}/logs?follow")
    deployment.restart()
    assert frames_of(connection)[-1][2] == (1000).to_bytes(2, "big") + b"done"


def test_steps_of_the_provisioner_have_timings(workspace: EmbeddedWorkspace, call: Any) -> None:
    """
    They follow each other from the begin of the build to its end; a build by hand has none.
    """
    workspace.plans["start"] = BuildPlan(running=0.05)
    request(call, workspace, "start")
    build = ended(workspace.latest_build)
    answer = call.get(f"/workspacebuilds/{build.id}/timings")
    steps = from_json(answer.content, WorkspaceBuildTimings).provisioner_timings
    assert [step.stage for step in steps] == ["init", "plan", "graph", "apply"]
    assert steps[0].started_at == build.started_at
    for before, after in itertools.pairwise(steps):
        assert before.ended_at == after.started_at
    assert steps[-1].ended_at is not None
    assert build.completed_at is not None
    assert steps[-1].ended_at <= build.completed_at
    assert steps[-1].resource == "null_resource.machine"
    assert {step.job_id for step in steps} == {build.job_id}
    by_hand = workspace.start_build()
    by_hand.complete()
    assert by_hand.timings == ()


@pytest.mark.parametrize(
    "plan", [BuildPlan(pending=3600), BuildPlan(running=3600), BuildPlan(running=3600, log=["x"])]
)
def test_closing_the_deployment_ends_its_builds(plan: BuildPlan) -> None:
    """
    No thread is left of a build that waits, and none of an agent that it is stopping.
    """
    with Deployment() as deployment:
        deployment.add_agent(scripts=[Script("sleep 3600", run_on_stop=True, run_on_start=False)])
        workspace = deployment.workspace()
        workspace.plans["start"] = plan
        workspace.request_build("start")
    with Deployment() as deployment:
        agent = deployment.add_agent(
            scripts=[Script("sleep 3600", run_on_stop=True, run_on_start=False)]
        )
        deployment.workspace().request_build("stop")
        reached(lambda: agent.data.lifecycle_state == "shutting_down")


def test_a_cancellation_that_takes_for_ever_ends_with_the_deployment() -> None:
    """
    No thread is left of it.
    """
    with Deployment() as deployment:
        workspace = deployment.workspace()
        workspace.plans["start"] = BuildPlan(running=None, canceling=3600)
        build = workspace.request_build()
        reached(lambda: build.started_at is not None)
        with deployment.client() as client:
            assert client.cancel_build("dev").status == "canceling"
