"""
Workspaces that are started, stopped and restarted, on the embedded deployment.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import responses
from driving import LIMIT, InThread, reached
from paced import paced

from coder_agents import (
    BadRequestError,
    BuildEndedError,
    BuildTimeoutError,
    Client,
    ConflictError,
    DecodeError,
    NoAgentsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ReadyTimeoutError,
    ServerError,
    TransportError,
    WorkspaceFailedError,
    WorkspaceNotFoundError,
    WorkspaceStoppedError,
)
from coder_agents.schema import ProvisionerJobLog, WorkspaceTransition
from coder_agents.testing import BuildPlan, Deployment, EmbeddedBuild, EmbeddedWorkspace
from coder_agents.workspaces.builds import create_build, read_build

from .conftest import OPTIONS, QUICK

Routes = Callable[[], list[str]]
FOREVER = BuildPlan(running=None)
STUCK = BuildPlan(pending=None)
FAILING = BuildPlan(log=["plan", "apply"], error="terraform apply: exit status 1")


def numbers(workspace: EmbeddedWorkspace) -> list[tuple[int, str]]:
    """
    Return the number and the transition of each build after the first.
    """
    return [(each.number, str(each.transition)) for each in workspace.builds[1:]]


def begun(workspace: EmbeddedWorkspace, number: int) -> EmbeddedBuild:
    """
    Wait until a provisioner has begun the build *number*, and return the build.
    """
    reached(lambda: len(workspace.builds) >= number and workspace.builds[number - 1].started_at)
    return workspace.builds[number - 1]


def test_a_workspace_is_stopped_and_started(
    workspace: EmbeddedWorkspace, client: Client, routes: Routes
) -> None:
    """
    Each call requests one build, waits for it where that is wanted, and returns it.
    """
    stopped = client.stop_workspace("dev", wait=True)
    assert (stopped.build_number, stopped.status, stopped.job.status) == (2, "stopped", "succeeded")
    assert routes().count("create_build") == 1
    started = client.start_workspace("dev")
    assert (started.build_number, started.status, started.transition) == (3, "pending", "start")
    assert routes() == ["workspace_by_name", "create_build"]
    assert started.workspace_id == workspace.id
    assert client.wait_ready("dev", 30).data.lifecycle_state == "ready"
    assert numbers(workspace) == [(2, "stop"), (3, "start")]


def test_a_workspace_can_be_named_in_each_way(workspace: EmbeddedWorkspace, client: Client) -> None:
    """
    A name with and without the owner, a UUID, and an object, which is read again, name it.
    """
    stale = client.workspace("dev")
    refs: list[Any] = ["dev", "tester/dev", str(workspace.id), workspace.id, stale]
    for number, ref in enumerate(refs, 2):
        change = client.stop_workspace if number % 2 == 0 else client.start_workspace
        assert change(ref, wait=True).build_number == number
    assert client.workspace(stale).latest_build.build_number == 6


@pytest.mark.parametrize("change", ["start_workspace", "stop_workspace", "restart_workspace"])
def test_impossible_arguments_are_refused_before_any_request(
    deployment: Deployment, client: Client, change: str
) -> None:
    """
    The errors name the argument.
    """
    call: Any = getattr(client, change)
    cases: list[tuple[str, dict[str, Any], type[Exception], str]] = [
        ("dev", {"wait": "no"}, TypeError, "wait must be True or False"),
        ("dev", {"timeout": -1}, ValueError, "timeout"),
        ("dev", {"timeout": "1"}, TypeError, "timeout"),
        ("dev", {"on_build_log": 1}, TypeError, "on_build_log must be a function"),
        ("dev.main", {}, ValueError, "without .main, it names the workspace: me/dev"),
        ("a b", {}, ValueError, "has ' ' in the name"),
    ]
    for ref, options, kind, text in cases:
        with pytest.raises(kind) as raised:
            call(ref, **options)
        assert text in str(raised.value)
    with pytest.raises(TypeError, match="start must be True or False"):
        client.wait_ready("dev", start=1)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="on_build_log must be a function"):
        client.wait_ready("dev", on_build_log=1)  # type: ignore[call-overload]
    assert not deployment.requests


def test_what_is_there_already_needs_no_build(
    workspace: EmbeddedWorkspace, client: Client, routes: Routes
) -> None:
    """
    The build that started or stopped the workspace is the result, with and without a wait.
    """
    for wait in (False, True):
        assert client.start_workspace("dev", wait=wait).build_number == 1
    client.stop_workspace("dev", wait=True)
    routes()
    for wait in (False, True):
        assert client.stop_workspace("dev", wait=wait).status == "stopped"
    assert routes() == ["workspace_by_name"] * 2
    assert numbers(workspace) == [(2, "stop")]


def test_a_build_that_is_under_way_is_joined(
    workspace: EmbeddedWorkspace, client: Client, routes: Routes
) -> None:
    """
    A second start requests nothing, and waits for the same build.
    """
    workspace.plans["start"] = FOREVER
    client.stop_workspace("dev", wait=True)
    first = client.start_workspace("dev")
    routes()
    assert client.start_workspace("dev").id == first.id
    second = InThread(lambda: client.start_workspace("dev", wait=True))
    begun(workspace, 3).complete()
    assert second.ended() is None
    assert second.result.id == first.id  # type: ignore[attr-defined]
    assert "create_build" not in routes()


def test_another_change_is_waited_for_first(workspace: EmbeddedWorkspace, client: Client) -> None:
    """
    A workspace that is stopping is started after its stop, without *wait*, too.
    """
    workspace.plans["stop"] = FOREVER
    client.stop_workspace("dev")
    lines: list[str] = []
    starter = InThread(
        lambda: client.start_workspace("dev", on_build_log=lambda line: lines.append(str(line)))
    )
    reached(lambda: lines)
    assert numbers(workspace) == [(2, "stop")]
    begun(workspace, 2).complete()
    assert starter.ended() is None
    assert starter.result.build_number == 3  # type: ignore[attr-defined]
    assert lines == ["==> Setting up", "==> Stopping workspace", "==> Cleaning Up"]


def test_a_build_that_is_canceling_is_waited_for_and_replaced(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    A start that is being canceled does not start the workspace.
    """
    workspace.plans["start"] = BuildPlan(running=None, canceling=None)
    client.stop_workspace("dev", wait=True)
    client.start_workspace("dev")
    canceling = begun(workspace, 3)
    assert client.cancel_build("dev").status == "canceling"
    starter = InThread(lambda: client.start_workspace("dev"))
    canceling.finish_cancel()
    assert starter.ended() is None
    assert starter.result.build_number == 4  # type: ignore[attr-defined]


def test_the_failure_of_another_change_does_not_matter(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    After a stop that failed the workspace is started all the same.
    """
    workspace.plans["stop"] = BuildPlan(running=0.1, error="busy")
    client.stop_workspace("dev")
    assert client.start_workspace("dev", wait=True).build_number == 3


def test_clients_that_race_get_one_build(
    deployment: Deployment, workspace: EmbeddedWorkspace
) -> None:
    """
    The deployment refuses the second request, and the second client joins the first one's build.
    """
    workspace.plans["start"] = BuildPlan(running=0.2)
    workspace.start_build("stop").complete()
    clients = [deployment.client(stream_options=OPTIONS) for _ in range(6)]
    threads = [
        InThread(lambda client=client: client.start_workspace("dev", wait=True))  # type: ignore[misc]
        for client in clients
    ]
    assert [thread.ended() for thread in threads] == [None] * 6
    assert {thread.result.build_number for thread in threads} == {3}  # type: ignore[attr-defined]
    assert numbers(workspace) == [(2, "stop"), (3, "start")]
    for client in clients:
        client.close()


def test_a_refusal_for_another_build_leads_to_that_build(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    A stop that another client requested in between is waited for, and then the start is requested.
    """
    workspace.start_build("stop").complete()
    fault = deployment.faults.add("delay", route="create_build", seconds=LIMIT)
    workspace.plans["stop"] = BuildPlan(running=0.1)
    starter = InThread(lambda: client.start_workspace("dev", wait=True))
    assert fault.wait_struck()
    workspace.request_build("stop")
    fault.release()
    assert starter.ended() is None
    assert numbers(workspace) == [(2, "stop"), (3, "stop"), (4, "start")]


def test_a_refusal_without_a_reason_is_raised_at_last(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    A conflict that no build explains is no endless wait.
    """
    workspace.start_build("stop").complete()
    fault = deployment.faults.add(
        "refuse", route="create_build", status=409, message="Not now.", times=None
    )
    with pytest.raises(ConflictError, match=r"Not now\."):
        client.start_workspace("dev")
    assert fault.struck == 4


@pytest.mark.parametrize("transition", ["start", "stop"])
@pytest.mark.parametrize("kind", ["drop", "reset", "cut"])
def test_a_request_whose_answer_is_lost_is_not_repeated(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client, kind: str, transition: str
) -> None:
    """
    The build that it created is found in the workspace.
    """
    change = client.stop_workspace if transition == "stop" else client.start_workspace
    if transition == "start":
        workspace.start_build("stop").complete()
    fault = deployment.faults.add(kind, route="create_build")
    before = len(workspace.builds)
    assert change("dev", wait=True).build_number == before + 1
    assert (fault.struck, len(workspace.builds)) == (1, before + 1)
    created = [request.route for request in deployment.requests].count("create_build")
    assert created == 1


def test_a_lost_request_whose_build_failed_is_not_repeated(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The failure of the build that began since is the result.
    """
    workspace.start_build("stop").complete()
    workspace.plans["start"] = FAILING
    deployment.faults.add("drop", route="create_build")
    with pytest.raises(WorkspaceFailedError, match="terraform apply: exit status 1"):
        client.start_workspace("dev", wait=True)
    assert numbers(workspace) == [(2, "stop"), (3, "start")]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("drop", {"at": "request"}),
        ("refuse", {"status": 503}),
        ("refuse", {"status": 500, "message": "Internal error."}),
        ("refuse", {"status": 429, "message": "Slow down.", "headers": {"Retry-After": "0"}}),
        ("html", {"status": 502}),
        ("html", {"status": 200, "title": "Maintenance"}),
    ],
)
def test_a_request_that_created_no_build_is_sent_again(
    deployment: Deployment,
    workspace: EmbeddedWorkspace,
    client: Client,
    kind: str,
    options: dict[str, Any],
) -> None:
    """
    The workspace is read before each further request, so there is one build.
    """
    workspace.start_build("stop").complete()
    fault = deployment.faults.add(kind, route="create_build", times=2, **options)
    assert client.start_workspace("dev", wait=True).build_number == 3
    assert fault.struck == 2
    found = [request.route for request in deployment.requests]
    assert found[:6] == ["workspace_by_name", *["create_build", "workspace"] * 2, "create_build"]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_request_is_sent_again_as_often_as_the_client_retries(
    deployment: Deployment, workspace: EmbeddedWorkspace, retries: int
) -> None:
    """
    The error of the last request is raised, once the workspace was read.
    """
    workspace.start_build("stop").complete()
    fault = deployment.faults.add("refuse", route="create_build", status=503, times=None)
    with deployment.client(stream_options=OPTIONS, retries=retries) as client:
        with pytest.raises(ServerError):
            client.start_workspace("dev")
        assert fault.struck == retries + 1
        assert [request.route for request in deployment.requests][-1] == "workspace"
        fault = deployment.faults.add(
            "refuse", route="create_build", status=429, message="Slow.", times=None
        )
        with pytest.raises((RateLimitError, ServerError)):
            client.start_workspace("dev", timeout=0)


def test_where_it_cannot_be_known_whether_a_build_was_created_the_error_says_so(
    deployment: Deployment, workspace: EmbeddedWorkspace
) -> None:
    """
    The error is that of the request, with the reason why the workspace cannot be read.
    """
    workspace.start_build("stop").complete()
    with deployment.client(stream_options=OPTIONS, retries=0) as client:
        deployment.faults.add("drop", route="create_build", at="request")
        deployment.faults.add("refuse", route="workspace", status=503)
        with pytest.raises(TransportError, match=r"POST .*/builds") as raised:
            client.start_workspace("dev")
        assert raised.value.__notes__[0].startswith("it is not known whether the build was created")
        deployment.faults.add("refuse", route="create_build", status=409, message="Not now.")
        deployment.faults.add("refuse", route="workspace", status=503)
        with pytest.raises(ServerError):
            client.start_workspace("dev")
    assert numbers(workspace) == [(2, "stop")]


def test_a_refusal_that_does_not_pass_is_raised_at_once(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The deployment's reason is in the error, and nothing is tried again.
    """
    workspace.start_build("stop").complete()
    fault = deployment.faults.add(
        "refuse", route="create_build", status=403, message="No such right.", times=None
    )
    with pytest.raises(PermissionDeniedError, match=r"No such right\."):
        client.start_workspace("dev")
    assert fault.struck == 1
    deployment.faults.clear()
    with pytest.raises(BadRequestError) as raised:
        create_build(client._http, workspace.id, WorkspaceTransition("restart"))
    assert raised.value.validations == (
        ("transition", 'Validation failed for tag "oneof" with value: "restart"'),
    )


def test_a_build_that_fails_is_an_error_with_the_end_of_its_log(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The error has the job's reason, the last lines, and the workspace; it can be pickled.
    """
    workspace.start_build("stop").complete()
    workspace.plans["start"] = FAILING
    with pytest.raises(WorkspaceFailedError) as raised:
        client.start_workspace("dev", wait=True)
    error = raised.value
    assert str(error).splitlines() == [
        "build 3 (start) of tester/dev failed: terraform apply: exit status 1",
        "The end of its log:",
        "  ==> Setting up",
        "  ==> Starting workspace",
        "  plan",
        "  apply",
        "  ==> Cleaning Up",
    ]
    assert error.job_error == "terraform apply: exit status 1"
    assert [line.output for line in error.last_lines][2:4] == ["plan", "apply"]
    assert error.workspace is not None
    assert error.workspace.latest_build.status == "failed"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.last_lines) == (str(error), error.last_lines)
    assert client.start_workspace("dev").build_number == 4


def test_an_error_shows_no_more_of_a_log_than_people_read(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    Ten lines at most, cut, with their control characters shown by their codes.
    """
    workspace.start_build("stop").complete()
    hostile = ["x" * 100_000, "\x1b]0;title\x07", "\u202eright to left", "<b>"]
    workspace.plans["start"] = BuildPlan(log=[*map(str, range(20)), *hostile], error="\x1b[2J")
    with pytest.raises(WorkspaceFailedError) as raised:
        client.start_workspace("dev", wait=True)
    text = str(raised.value)
    assert len(text.splitlines()) == 12
    assert len(text) < 1000
    assert not set("\x1b\x07\u202e") & set(text)
    assert len(raised.value.last_lines) == 10


def test_an_error_does_without_a_log_that_cannot_be_read(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The failure of the build is what matters.
    """
    workspace.start_build("stop").complete()
    workspace.plans["start"] = FAILING
    deployment.faults.add("refuse", route="build_logs", status=403, message="No.", times=None)
    with pytest.raises(WorkspaceFailedError) as raised:
        client.start_workspace("dev", wait=True)
    assert str(raised.value).endswith("exit status 1")
    assert raised.value.last_lines == ()


def test_a_canceled_build_is_an_error_of_whoever_waits(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The text reports that the build was canceled.
    """
    workspace.plans["start"] = FOREVER
    workspace.start_build("stop").complete()
    starter = InThread(lambda: client.start_workspace("dev", wait=True))
    begun(workspace, 3)
    client.cancel_build("dev")
    error = starter.ended()
    assert isinstance(error, WorkspaceFailedError)
    assert str(error).startswith("build 3 (start) of tester/dev was canceled\n")


@pytest.mark.parametrize("lines", [False, True])
def test_a_build_that_does_not_end_in_time_is_an_error(
    workspace: EmbeddedWorkspace, client: Client, lines: bool
) -> None:
    """
    The error has the build as it was last read, and the build continues.
    """
    workspace.plans["start"] = BuildPlan(running=None, log=["plan"])
    workspace.start_build("stop").complete()
    on_build_log = print if lines else None
    with pytest.raises(BuildTimeoutError) as raised:
        client.start_workspace("dev", wait=True, timeout=0.2, on_build_log=on_build_log)
    error = raised.value
    assert str(error).startswith("build 3 (start) of tester/dev has not ended after 0.")
    assert isinstance(error, TimeoutError)
    assert error.waited >= 0.2
    assert error.build is not None
    assert error.build.build_number == 3
    assert "plan" in [line.output for line in error.last_lines]
    assert pickle.loads(pickle.dumps(error)).build == error.build
    with pytest.raises(BuildTimeoutError, match=r"build 3 \(start\)"):
        client.stop_workspace("dev", timeout=0)
    workspace.latest_build.complete()
    assert client.start_workspace("dev").build_number == 3


def test_a_pending_build_that_times_out_has_its_place_in_the_queue(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The error distinguishes a build that no provisioner takes from one that is slow.
    """
    workspace.plans["start"] = STUCK
    workspace.start_build("stop").complete()
    with pytest.raises(BuildTimeoutError, match="its job is pending"):
        client.start_workspace("dev", wait=True, timeout=0)
    workspace.latest_build.queue = (3, 7)
    with pytest.raises(BuildTimeoutError, match="its job is pending, at place 3 of 7 in the queue"):
        client.start_workspace("dev", wait=True, timeout=0)


def test_each_line_of_a_build_is_passed_on_once_through_drops(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The function gets the log of the build through all that breaks while the build runs.
    """
    texts = [f"line {number}" for number in range(30)]
    workspace.plans["start"] = BuildPlan(running=0.3, log=texts)
    workspace.start_build("stop").complete()
    deployment.faults.add("drop", route="build_logs_follow", after=5, times=2)
    deployment.faults.add("refuse", route="build", status=503, times=5)
    lines: list[ProvisionerJobLog] = []
    client.start_workspace("dev", wait=True, on_build_log=lines.append)
    assert [line.output for line in lines if line.output] == texts
    assert len({line.id for line in lines}) == len(lines) == 33


def test_a_stream_that_gives_up_is_opened_again_after_its_last_line(
    deployment: Deployment, workspace: EmbeddedWorkspace, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A wait outlives the stream of its log, and warns once for each outage.
    """
    workspace.plans["start"] = BuildPlan(running=None)
    workspace.start_build("stop").complete()
    with deployment.client(stream_options=QUICK(reconnect=None)) as client:
        lines: list[str] = []
        deployment.faults.add("drop", route="build_logs_follow", after=1, times=2)
        starter = InThread(
            lambda: client.start_workspace(
                "dev", wait=True, on_build_log=lambda line: lines.append(str(line))
            )
        )
        build = begun(workspace, 3)
        reached(lambda: len(lines) == 2)
        build.push_logs(["one"])
        build.complete()
        assert starter.ended() is None
    assert lines == ["==> Setting up", "==> Starting workspace", "one", "==> Cleaning Up"]
    warnings = [record for record in caplog.records if "cannot be read now" in record.getMessage()]
    assert warnings


def test_a_log_that_cannot_be_followed_is_read_at_the_end(
    deployment: Deployment, workspace: EmbeddedWorkspace
) -> None:
    """
    The function gets every line, also where no stream can be opened while the build runs.
    """
    workspace.plans["start"] = BuildPlan(running=0.05, log=["one"])
    workspace.start_build("stop").complete()
    deployment.faults.add("refuse", route="build_logs_follow", status=503, times=None)
    lines: list[str] = []
    with deployment.client(stream_options=QUICK(reconnect=None)) as client:
        client.start_workspace("dev", wait=True, on_build_log=lambda line: lines.append(str(line)))
        assert lines == ["==> Setting up", "==> Starting workspace", "one", "==> Cleaning Up"]


def test_a_server_that_misses_the_end_of_a_build_delays_nobody(
    deployment: Deployment, workspace: EmbeddedWorkspace
) -> None:
    """
    The build is read when no line comes, and the lines that are missing come from the log.
    """
    workspace.plans["start"] = BuildPlan(running=0.05, log=["one"])
    workspace.start_build("stop").complete()
    deployment.faults.add("silence", route="build_logs_follow", after=1, pings=True)
    lines: list[str] = []
    with deployment.client(stream_options=paced(OPTIONS, max_stable_read=0.05)) as client:
        client.start_workspace("dev", wait=True, on_build_log=lambda line: lines.append(str(line)))
    assert lines == ["==> Setting up", "==> Starting workspace", "one", "==> Cleaning Up"]


@responses.activate
def test_answers_about_another_object_are_errors() -> None:
    """
    No build of another workspace, and no other build, is taken for the requested one.
    """
    workspace_id, build_id, other = (str(uuid.UUID(int=number)) for number in (7, 8, 9))
    api = "https://coder.example.com/api/v2"
    responses.post(
        f"{api}/workspaces/{workspace_id}/builds",
        json={"id": build_id, "workspace_id": other},
        status=201,
    )
    responses.get(f"{api}/workspacebuilds/{build_id}", json={"id": other})
    http = Client("https://coder.example.com", "0123456789-abcdefghijklmnopqrstuv")._http
    with pytest.raises(DecodeError, match=r"another object: \$\.workspace_id"):
        create_build(http, uuid.UUID(workspace_id), WorkspaceTransition.START)
    with pytest.raises(DecodeError, match=r"another object: \$\.id"):
        read_build(http, uuid.UUID(build_id))


def test_an_exception_of_the_function_passes_through_and_the_build_continues(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    An error of the client that the function raises passes through, too.
    """
    workspace.plans["start"] = FOREVER
    workspace.start_build("stop").complete()
    for error in (KeyError("mine"), TransportError("mine")):

        def fail(line: ProvisionerJobLog, error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error), match="mine"):
            client.start_workspace("dev", wait=True, on_build_log=fail)
        assert workspace.latest_build.active
    assert numbers(workspace) == [(2, "stop"), (3, "start")]


def test_a_wait_survives_what_passes_and_raises_what_does_not(
    deployment: Deployment, workspace: EmbeddedWorkspace
) -> None:
    """
    A deployment that is down for a moment ends no wait; a refusal does.
    """
    workspace.plans["start"] = BuildPlan(running=0.1)
    workspace.start_build("stop").complete()
    with deployment.client(stream_options=OPTIONS, retries=0) as client:
        deployment.faults.add("refuse", route="build", status=503, times=3)
        assert client.start_workspace("dev", wait=True).status == "running"
        client.stop_workspace("dev", wait=True)
        workspace.plans["start"] = FOREVER
        deployment.faults.add("refuse", route="build", status=403, message="No.")
        with pytest.raises(PermissionDeniedError, match=r"No\."):
            client.start_workspace("dev", wait=True)
        deployment.faults.add("refuse", route="build_logs_follow", status=403, message="No lines.")
        with pytest.raises(PermissionDeniedError, match=r"No lines\."):
            client.start_workspace("dev", wait=True, on_build_log=print)
        deployment.faults.add("html", route="build", status=502, times=None)
        with pytest.raises(BuildTimeoutError, match="cannot be read now: GET"):
            client.start_workspace("dev", wait=True, timeout=0.1)


def test_a_restart_stops_waits_and_starts(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The start begins after the stop has ended; without *wait* it is returned while it is pending.
    """
    old = deployment.agents[0]
    workspace.plans["stop"] = BuildPlan(running=0.1)
    workspace.plans["start"] = FOREVER
    lines: list[str] = []
    build = client.restart_workspace("dev", on_build_log=lambda line: lines.append(str(line)))
    assert (build.transition, build.build_number) == ("start", 3)
    assert not build.job.ended
    stop = workspace.builds[1]
    assert stop.completed_at is not None
    assert stop.completed_at <= workspace.builds[2].created_at
    assert lines == ["==> Setting up", "==> Stopping workspace", "==> Cleaning Up"]
    assert old.data.lifecycle_state == "off"
    begun(workspace, 3).complete()
    workspace.plans["start"] = BuildPlan()
    assert client.restart_workspace("dev", wait=True).status == "running"
    assert numbers(workspace) == [(2, "stop"), (3, "start"), (4, "stop"), (5, "start")]


def test_a_restart_of_a_stopped_workspace_is_a_start(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    There is nothing to stop.
    """
    workspace.start_build("stop").complete()
    assert client.restart_workspace("dev", wait=True).build_number == 3


def test_a_restart_whose_stop_fails_starts_nothing(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The failed stop is the error, also without *wait*.
    """
    workspace.plans["stop"] = FAILING
    with pytest.raises(WorkspaceFailedError, match=r"build 2 \(stop\) of tester/dev failed"):
        client.restart_workspace("dev")
    assert numbers(workspace) == [(2, "stop")]


def test_one_limit_covers_both_parts_of_a_restart(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    A stop that takes too long leaves no time, and nothing is started.
    """
    workspace.plans["stop"] = FOREVER
    with pytest.raises(BuildTimeoutError, match=r"build 2 \(stop\)"):
        client.restart_workspace("dev", timeout=0.1)
    assert numbers(workspace) == [(2, "stop")]


def test_a_deleted_workspace_is_not_found(workspace: EmbeddedWorkspace, client: Client) -> None:
    """
    The error is the same where it is deleted while a start waits for the end of the deletion.
    """
    ref = workspace.id
    deletion = workspace.start_build("delete")
    deletion.begin()
    starter = InThread(lambda: client.start_workspace(ref))
    deletion.complete()
    assert isinstance(starter.ended(), WorkspaceNotFoundError)
    with pytest.raises(WorkspaceNotFoundError):
        client.stop_workspace("dev")
    with pytest.raises(NotFoundError):
        create_build(client._http, workspace.id, WorkspaceTransition.START)


def test_builds_are_canceled(workspace: EmbeddedWorkspace, client: Client) -> None:
    """
    A pending build at once, a running one when its provisioner has stopped; repeatable.
    """
    workspace.plans["start"] = STUCK
    workspace.start_build("stop").complete()
    client.start_workspace("dev")
    assert client.cancel_build("dev").status == "canceled"
    assert client.cancel_build("dev").status == "canceled"
    workspace.plans["start"] = BuildPlan(running=None, canceling=None)
    build = client.start_workspace("dev")
    running = begun(workspace, 4)
    assert client.cancel_build(build).status == "canceling"
    assert client.cancel_build(workspace.id).status == "canceling"
    running.finish_cancel()
    assert client.workspace("dev").latest_build.status == "canceled"


def test_a_build_that_has_ended_is_not_canceled(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The error names the build and how it ended; it is the deployment's 400.
    """
    with pytest.raises(BuildEndedError) as raised:
        client.cancel_build("dev")
    error = raised.value
    assert str(error) == (
        "build 1 (start) of tester/dev cannot be canceled: Job has already completed! (succeeded)"
    )
    assert (error.status_code, error.method) == (400, "PATCH")
    assert error.build == client.workspace("dev").latest_build
    assert pickle.loads(pickle.dumps(error)).build == error.build
    with pytest.raises(NotFoundError):
        client._http.call("PATCH", f"/workspacebuilds/{uuid.UUID(int=0)}/cancel")


def test_after_a_cancellation_whose_answer_is_lost_the_build_is_read(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    Where the build is being canceled, that is the result; else the error is raised.
    """
    workspace.plans["start"] = BuildPlan(running=None, canceling=None)
    workspace.start_build("stop").complete()
    client.start_workspace("dev")
    begun(workspace, 3)
    deployment.faults.add("drop", route="cancel_build", at="request")
    with pytest.raises(TransportError):
        client.cancel_build("dev")
    deployment.faults.add("refuse", route="cancel_build", status=403, message="No.")
    with pytest.raises(PermissionDeniedError):
        client.cancel_build("dev")
    deployment.faults.add("drop", route="cancel_build")
    assert client.cancel_build("dev").status == "canceling"


def test_waiting_for_an_agent_starts_its_workspace(
    workspace: EmbeddedWorkspace, client: Client, routes: Routes
) -> None:
    """
    A stopped workspace is started once, and the log of its build passed on before the agent's.
    """
    workspace.plans["start"] = BuildPlan(running=0.1, log=["plan", "apply"])
    workspace.start_build("stop").complete()
    with pytest.raises(WorkspaceStoppedError, match=r"start=True to client\.wait_ready"):
        client.agent("dev")
    lines: list[str] = []
    agent = client.wait_ready(
        "dev",
        30,
        start=True,
        on_build_log=lambda line: lines.append(str(line)),
        on_state=lambda agent: lines.append(agent.data.name),
    )
    assert (agent.name, agent.lifecycle_state) == ("main", "ready")
    assert lines == [
        "==> Setting up",
        "==> Starting workspace",
        "plan",
        "apply",
        "==> Cleaning Up",
        "main",
    ]
    assert routes().count("create_build") == 1
    assert client.wait_ready("dev.main", start=True).id == agent.id
    assert client.wait_ready(str(workspace.id), start=True).id == agent.id
    assert "create_build" not in routes()


@pytest.mark.parametrize("state", ["stopping", "starting", "failed", "canceled"])
def test_waiting_for_an_agent_starts_from_each_state(
    workspace: EmbeddedWorkspace, client: Client, state: str
) -> None:
    """
    A stop is waited for, a start joined, and a failed build replaced.
    """
    build = workspace.start_build("start" if state == "starting" else "stop")
    build.begin()
    if state == "failed":
        build.fail()
    elif state == "canceled":
        build.cancel()
        build.finish_cancel()
    waiter = InThread(lambda: client.wait_ready("dev", 60, start=True))
    if build.active:
        build.complete()
    assert waiter.ended() is None
    expected = [(2, "start")] if state == "starting" else [(2, "stop"), (3, "start")]
    assert numbers(workspace) == expected


def test_a_start_that_fails_ends_the_wait_for_the_agent(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    It is tried once: the error has the end of the build's log.
    """
    workspace.plans["start"] = FAILING
    workspace.start_build("stop").complete()
    with pytest.raises(WorkspaceFailedError, match="apply: exit status 1\nThe end of its log:"):
        client.wait_ready("dev", 60, start=True)
    assert numbers(workspace) == [(2, "stop"), (3, "start")]


def test_the_time_for_an_agent_covers_the_builds_before_it(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The error is that of a wait for an agent, whatever the wait was at.
    """
    workspace.plans["start"] = BuildPlan(running=None, log=["plan"])
    workspace.start_build("stop").complete()
    with pytest.raises(
        ReadyTimeoutError, match=r"no agent after 0\.\d s: build 3 \(start\)"
    ) as raised:
        client.wait_ready("dev", 0.1, start=True)
    assert isinstance(raised.value.__cause__, BuildTimeoutError)
    assert raised.value.waited >= 0.1
    assert raised.value.agent is None


def test_the_log_of_a_build_is_passed_on_without_start_too(
    workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    Somebody else starts the workspace, and the waiter sees its build.
    """
    build = workspace.start_build()
    build.begin()
    lines: list[str] = []
    waiter = InThread(
        lambda: client.wait_ready("dev", 60, on_build_log=lambda line: lines.append(str(line)))
    )
    reached(lambda: lines)
    build.complete()
    assert waiter.ended() is None
    assert lines == ["==> Setting up", "==> Starting workspace", "==> Cleaning Up"]


def test_without_start_a_stopped_workspace_stays_stopped(
    workspace: EmbeddedWorkspace, client: Client, routes: Routes
) -> None:
    """
    Nothing is requested that changes the workspace, with and without a function for lines.
    """
    workspace.start_build("stop").complete()
    for on_build_log in (None, print):
        with pytest.raises(WorkspaceStoppedError):
            client.wait_ready("dev", 0.1, on_build_log=on_build_log)
    deletion = workspace.start_build("delete")
    for begin in (False, True):
        if begin:
            deletion.begin()
        with pytest.raises(Exception, match="it is being deleted"):
            client.wait_ready("dev", 30, on_build_log=print)
    assert "create_build" not in routes()


def test_a_workspace_without_agents_is_started_and_has_none(
    deployment: Deployment, client: Client
) -> None:
    """
    The template has no agents: there is nothing to wait for.
    """
    empty = deployment.workspace("empty")
    empty.start_build("stop").complete()
    with pytest.raises(NoAgentsError):
        client.wait_ready("empty", 30, start=True)
    assert numbers(empty) == [(2, "stop"), (3, "start")]


def test_the_id_of_an_agent_starts_nothing(
    deployment: Deployment, workspace: EmbeddedWorkspace, client: Client
) -> None:
    """
    The id of an agent names no workspace, and an agent that was shut down does not come back.
    """
    agent = deployment.agents[0]
    workspace.start_build("stop").complete()
    with pytest.raises(Exception, match="will not be ready in this build"):
        client.wait_ready(agent.id, 30, start=True)
    assert numbers(workspace) == [(2, "stop")]


def test_an_agent_that_is_stopped_during_the_wait_is_started_again(
    workspace: EmbeddedWorkspace, deployment: Deployment, client: Client
) -> None:
    """
    The wait continues with the next build's agent.
    """
    old = deployment.agents[0]
    old.set_lifecycle("starting")
    old.disconnect()
    waiter = InThread(lambda: client.wait_ready("dev", 60, start=True))
    reached(lambda: "agent" in [request.route for request in list(deployment.requests)])
    workspace.start_build("stop").complete()
    assert waiter.ended() is None
    assert waiter.result.id != old.id  # type: ignore[attr-defined]
    assert numbers(workspace) == [(2, "stop"), (3, "start")]
