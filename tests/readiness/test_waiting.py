"""
Waiting for agents of the embedded deployment, over real sockets.
"""

from __future__ import annotations

import logging
import pickle
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from coder_agents import (
    Agent,
    AgentShutDownError,
    AuthenticationError,
    Client,
    MessageTooLargeError,
    NotFoundError,
    ReadinessError,
    ReadyTimeoutError,
    ServerError,
    StartupError,
    StreamOptions,
    TransportError,
    WorkspaceFailedError,
    WorkspacePendingError,
    WorkspaceStoppedError,
)
from coder_agents.readiness.builds import wait_named
from coder_agents.readiness.options import Deadline, WaitOptions
from coder_agents.schema import Workspace, WorkspaceAgentLog
from coder_agents.streams.pauses import Pauses
from coder_agents.testing import Deployment, Script

from .conftest import OFTEN, UNHURRIED, Heard

SLEEPS = Script("sleep 60", "Slow")
JSON = {"Content-Type": "application/json"}


def routes(deployment: Deployment) -> list[str]:
    """
    Return what the deployment was asked for.
    """
    return [request.route for request in deployment.requests]


def test_an_agent_that_starts_is_returned_when_it_is_ready(
    each_release: Deployment, heard: Heard, tmp_path: Path
) -> None:
    """
    Every line of its scripts is passed on once, and every state.
    """
    seen = tmp_path / "seen"
    waits = f"while [ ! -e '{seen}' ]; do sleep 0.1; done"
    embedded = each_release.add_agent(scripts=[f"echo one; {waits}; echo two; echo three"])

    def go_on(log: WorkspaceAgentLog) -> None:
        heard.on_log(log)
        seen.touch()

    with each_release.client(stream_options=OFTEN) as client:
        agent = client.agent("dev")
        assert agent.wait_ready(30, on_log=go_on, on_state=heard.on_state) is agent
    assert (agent.data.id, agent.data.lifecycle_state) == (embedded.id, "ready")
    assert heard.outputs == ["one", "two", "three"]
    assert heard.states == [("connected", "starting"), ("connected", "ready")]


def test_nothing_but_the_agent_is_asked_for_where_nobody_wants_lines(
    deployment: Deployment, client: Client
) -> None:
    """
    The agent is read once where it is ready.
    """
    deployment.add_agent(scripts=["echo one"]).wait_started()
    agent = client.agent("dev")
    deployment.requests.clear()
    assert agent.wait_ready(0).data.lifecycle_state == "ready"
    assert routes(deployment) == ["agent"]


def test_the_lines_of_an_agent_that_is_ready_are_passed_on_too(
    deployment: Deployment, client: Client, heard: Heard
) -> None:
    """
    It makes no difference whether the agent or the caller was faster.
    """
    deployment.add_agent(scripts=["echo one; echo two"]).wait_started()
    client.agent("dev").wait_ready(on_log=heard.on_log)
    assert heard.outputs == ["one", "two"]


def test_lines_that_come_after_the_agent_is_ready_are_not_lost(
    deployment: Deployment, heard: Heard
) -> None:
    """
    They come as long as each is written soon after the one before it.
    """
    embedded = deployment.add_agent()
    embedded.push_logs(["first"])
    late = [["second"], ["third"]]
    timers: list[threading.Timer] = []

    def push_another(log: Any) -> None:
        heard.on_log(log)
        if late:
            timers.append(threading.Timer(0.2, embedded.push_logs, [late.pop(0)]))
            timers[-1].start()

    with deployment.client(stream_options=UNHURRIED) as client:
        client.agent("dev").wait_ready(on_log=push_another)
    for timer in timers:
        timer.join()
    assert heard.outputs == ["first", "second", "third"]


def test_a_log_that_is_always_written_holds_nobody_up(
    deployment: Deployment, client: Client, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Neither while the agent starts nor at the end.
    """
    embedded = deployment.add_agent()
    embedded.set_lifecycle("starting")
    embedded.push_logs(["0"])

    def push_another(log: Any) -> None:
        heard.on_log(log)
        embedded.push_logs([str(len(heard.logs))])
        if len(heard.logs) == 20:
            embedded.set_lifecycle("ready")

    with caplog.at_level(logging.INFO):
        client.agent("dev").wait_ready(on_log=push_another, blocking_only=False)
    assert len(heard.logs) >= 20
    assert heard.outputs == [str(number) for number in range(len(heard.logs))]
    assert "its log still grows" in caplog.text


def test_a_long_backlog_does_not_keep_the_agent_from_being_read(
    deployment: Deployment, client: Client, heard: Heard
) -> None:
    """
    The agent is read in time though whoever reads the lines is slow.
    """
    embedded = deployment.add_agent(scripts=[SLEEPS])
    embedded.push_logs([str(number) for number in range(150)])
    heard_before: list[int] = []

    def read_slowly(log: Any) -> None:
        heard.on_log(log)
        time.sleep(0.02)
        if len(heard.logs) == 40:
            embedded.set_lifecycle("ready")

    client.agent("dev").wait_ready(
        on_log=read_slowly, on_state=lambda _: heard_before.append(len(heard.logs))
    )
    assert heard_before[0] == 0
    assert 40 <= heard_before[1] < 150
    assert heard.outputs == [str(number) for number in range(150)]


def test_where_no_script_blocks_login_a_connection_is_enough(
    deployment: Deployment, client: Client
) -> None:
    """
    Unless all scripts are to be waited for.
    """
    deployment.add_agent(scripts=[Script("sleep 60", start_blocks_login=False)])
    agent = client.agent("dev")
    assert agent.wait_ready(0).data.lifecycle_state == "starting"
    with pytest.raises(ReadyTimeoutError):
        agent.wait_ready(0, blocking_only=False)


@pytest.mark.parametrize(
    ("script", "state", "text"),
    [
        (Script("echo no >&2; exit 3", "Failing"), "start_error", "a startup script failed"),
        (Script("sleep 60", timeout=0.1), "start_timeout", "a startup script took too long"),
    ],
)
def test_a_start_that_went_wrong_is_a_warning(
    each_release: Deployment,
    script: Script,
    state: str,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    The agent can be used.
    """
    each_release.add_agent(scripts=[script]).wait_started()
    with each_release.client(stream_options=OFTEN) as client:
        assert client.agent("dev").wait_ready().data.lifecycle_state == state
    assert f"agent tester/dev.main can be used, but {text} ({state})" in caplog.text


def test_strict_raises_the_script_that_failed(each_release: Deployment, heard: Heard) -> None:
    """
    Every release reports which script it was, with its exit code, its duration and its last lines.
    """
    wrong = Script("echo before; echo 'no \x1b[31mspace' >&2; exit 3", "Install")
    right = Script("sleep 0.3; echo fine >&2", "Other", start_blocks_login=False)
    each_release.add_agent(scripts=[right, wrong])
    with each_release.client(stream_options=OFTEN) as client, pytest.raises(StartupError) as caught:
        client.agent("dev").wait_ready(strict=True, on_log=heard.on_log)
    error = caught.value
    assert (error.source, error.status, error.exit_code) == ("Install", "exit_failure", 3)
    assert [log.output for log in error.last_lines] == ["before", "no \x1b[31mspace"]
    assert sorted(heard.outputs) == ["before", "fine", "no \x1b[31mspace"]
    assert error.script is not None
    assert error.script.script == wrong.script
    assert error.duration is not None
    assert not error.is_guess
    assert error.agent is not None
    assert error.agent.lifecycle_state == "start_error"
    assert error.report is not None
    assert [each.conclusion for each in error.report.scripts] == ["ok", "failed"]
    first, heading, *lines = str(error).splitlines()
    assert re.fullmatch(
        r"agent tester/dev\.main: a startup script failed \(start_error\): Install"
        r" \(exit_failure, exit code 3, after \d+\.\d s\)",
        first,
    )
    assert heading == "The last lines of Install:"
    assert lines == ["  before", "  no space"]
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_strict_guesses_only_where_the_workspace_is_not_known(
    each_release: Deployment, release: str
) -> None:
    """
    An agent that was found by its own UUID leads to no build: before 2.35 the error is a guess, and says so.
    """
    wrong = Script("echo before; echo 'no space' >&2; exit 3", "Install")
    embedded = each_release.add_agent(scripts=[Script("sleep 0.01", "Other"), wrong])
    with each_release.client(stream_options=OFTEN) as client, pytest.raises(StartupError) as caught:
        client.agent(embedded.id).wait_ready(strict=True)
    error = caught.value
    is_known = release == "2.35"
    assert (error.source, error.exit_code) == ("Install", 3 if is_known else None)
    assert (error.script is not None, error.is_guess) == (is_known, not is_known)
    first, heading, *_ = str(error).splitlines()
    start = "agent main: a startup script failed (start_error)"
    if is_known:
        assert first == f"{start}: Install (exit_failure, exit code 3)"
        assert heading == "The last lines of Install:"
    else:
        assert (
            first
            == f"{start}; which script is not known, because the agent's workspace is not known"
        )
        assert heading == "A guess: the last errors in its log are from Install:"


def test_the_only_script_is_no_guess(deployment: Deployment, client: Client) -> None:
    """
    Where the workspace is not known, it is the one that failed; how it ended is not known.
    """
    embedded = deployment.add_agent(scripts=[Script("echo no; exit 3", "Install")])
    with pytest.raises(StartupError) as caught:
        client.agent(embedded.id).wait_ready(strict=True)
    error = caught.value
    assert str(error).splitlines()[0].endswith("a startup script failed (start_error): Install")
    assert (error.is_guess, error.exit_code, error.status) == (False, None, None)
    assert error.script == embedded.data.scripts[0]


def test_strict_reports_the_script_that_took_too_long(
    deployment: Deployment, client: Client
) -> None:
    """
    The one that failed beside it is not reported where the state of the agent is about the time
    limit.
    """
    late = Script("echo slow; sleep 60", "Late", timeout=0.2)
    deployment.add_agent(scripts=[late, Script("sleep 0.6; exit 3", "Failing")])
    with pytest.raises(StartupError, match=r"took too long \(start_timeout\): Late") as caught:
        client.agent("dev").wait_ready(strict=True)
    assert (caught.value.status, caught.value.exit_code) == ("timed_out", 255)
    assert [log.output for log in caught.value.last_lines] == ["slow"]


def test_strict_waits_for_the_report_of_a_script(deployment: Deployment, client: Client) -> None:
    """
    An agent may report its state before it reports how the script ended.
    """
    embedded = deployment.add_agent(scripts=["sleep 0.3; exit 3"])
    embedded.timings.delay = 0.6
    with pytest.raises(StartupError) as caught:
        client.agent("dev").wait_ready(strict=True)
    assert caught.value.exit_code == 3
    assert routes(deployment).count("build_timings") >= 2


@pytest.mark.parametrize("status", [403, 404, 503])
def test_strict_guesses_where_the_build_cannot_be_read(
    deployment: Deployment, client: Client, status: int
) -> None:
    """
    What went wrong with the agent is raised, not what went wrong with another request.
    """
    wrong = Script("echo no >&2; exit 3", "Install")
    deployment.add_agent(scripts=[wrong, Script("sleep 0.01", "Other")])
    deployment.faults.add("refuse", route="build_timings", status=status, message="no", times=None)
    with pytest.raises(StartupError) as caught:
        client.agent("dev").wait_ready(strict=True)
    assert (caught.value.is_guess, caught.value.source) == (True, "Install")
    assert "which script is not known, because its build does not list the script" in str(
        caught.value
    )


def test_a_state_that_nobody_knows_is_reported_as_it_is(
    deployment: Deployment, client: Client
) -> None:
    """
    No script is said to have failed, and none is waited for.
    """
    deployment.add_agent(scripts=["sleep 0.01"]).wait_started()
    deployment.agents[0].set_lifecycle("from_the_future")
    with pytest.raises(StartupError, match="the result of its start is not known"):
        client.agent("dev").wait_ready(strict=True)
    assert routes(deployment).count("build_timings") == 1


def test_strict_says_nothing_where_nothing_went_wrong(
    deployment: Deployment, client: Client
) -> None:
    """
    It can be used always.
    """
    deployment.add_agent(scripts=["echo fine >&2"])
    assert client.agent("dev").wait_ready(30, strict=True).data.lifecycle_state == "ready"


@pytest.mark.parametrize("state", ["shutting_down", "off", "shutdown_error", "shutdown_timeout"])
def test_an_agent_that_shuts_down_is_not_waited_for(
    deployment: Deployment, client: Client, state: str, heard: Heard
) -> None:
    """
    The error is raised even where the agent was waited for already.
    """
    embedded = deployment.add_agent(scripts=[SLEEPS])
    embedded.push_logs(["saving", "saved"])

    def shut_down(_: Any) -> None:
        embedded.set_lifecycle(state)

    with pytest.raises(AgentShutDownError) as caught:
        client.agent("dev").wait_ready(on_state=shut_down, on_log=heard.on_log)
    first = "it will not be ready in this build; the next start of its workspace has another agent"
    assert str(caught.value).splitlines() == [
        f"agent tester/dev.main is {state}: {first}",
        "The end of its log:",
        "  saving",
        "  saved",
    ]
    assert heard.outputs == ["saving", "saved"]
    assert isinstance(caught.value, ReadinessError)


@pytest.mark.parametrize("status", ["disconnected", "timeout"])
def test_an_agent_that_is_off_is_not_said_to_be_waited_for(
    deployment: Deployment, client: Client, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What is logged does not promise what the error then denies.
    """
    embedded = deployment.add_agent()
    embedded.set_lifecycle("off")
    embedded.set_status(status)
    with caplog.at_level(logging.INFO), pytest.raises(AgentShutDownError, match="in this build"):
        client.agent("dev").wait_ready()
    assert f"agent tester/dev.main is {status}, off" in caplog.text
    assert "waiting for it" not in caplog.text


def test_a_lost_connection_is_told_and_waited_out(
    deployment: Deployment, client: Client, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A ready agent that is disconnected is not ready.
    """
    embedded = deployment.add_agent()
    embedded.disconnect()

    def connect(agent: Any) -> None:
        heard.on_state(agent)
        if agent.data.status == "disconnected":
            embedded.connect()

    client.agent("dev").wait_ready(on_state=connect)
    assert heard.states == [("disconnected", "ready"), ("connected", "ready")]
    assert "agent tester/dev.main is disconnected: waiting until it connects again" in caplog.text


def test_an_agent_that_never_called_is_waited_for_and_told(
    deployment: Deployment, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The warning has the page where its template's author wants people to look.
    """
    body = {
        "status": "timeout",
        "lifecycle_state": "created",
        "connection_timeout_seconds": 120,
        "troubleshooting_url": "https://example.com/help",
    }
    deployment.add_agent(timeline={"polls": [{"t": 0, "body": body}]})
    with pytest.raises(ReadyTimeoutError) as caught:
        client.agent("dev").wait_ready(0)
    start, _, end = str(caught.value).partition(": ")
    assert start.startswith("agent tester/dev.main is not ready after ")
    assert end == "it is timeout, created; see https://example.com/help"
    assert (
        "has not connected within 120 s: waiting until it connects; see https://example.com"
        in caplog.text
    )


def test_a_timeout_says_what_hangs(each_release: Deployment, heard: Heard) -> None:
    """
    Every release reports which scripts have ended: the rest runs.
    """
    quick = Script("echo done", "Quick")
    each_release.add_agent(scripts=[quick, Script("echo busy; sleep 60", "Slow")])
    with (
        each_release.client(stream_options=OFTEN) as client,
        pytest.raises(ReadyTimeoutError) as caught,
    ):
        client.agent("dev").wait_ready(2, on_log=heard.on_log)
    error = caught.value
    first, heading, *lines = str(error).splitlines()
    assert first.startswith("agent tester/dev.main is not ready after ")
    assert first.endswith(" s: it is connected, starting; still running: Slow")
    assert heading == "The end of its log:"
    assert lines == ["  busy"]
    assert (error.status, error.lifecycle_state) == ("connected", "starting")
    assert error.running == ("Slow",)
    assert error.waited >= 2
    assert sorted(heard.outputs) == ["busy", "done"]
    assert isinstance(error, TimeoutError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_timeout_names_all_that_may_hang_where_the_workspace_is_not_known(
    deployment: Deployment, client: Client
) -> None:
    """
    It does not say that one of them does.
    """
    embedded = deployment.add_agent(scripts=[Script("echo", "Quick"), Script("sleep 60", "Slow")])
    with pytest.raises(ReadyTimeoutError) as caught:
        client.agent(embedded.id).wait_ready(0)
    assert "one of its startup scripts still runs: Quick, Slow" in str(caught.value)
    assert caught.value.running == ()


def test_what_may_pass_is_waited_out(
    deployment: Deployment, client: Client, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is told once, not at each look.
    """
    embedded = deployment.add_agent(scripts=[SLEEPS])
    agent = client.agent("dev")
    embedded.push_logs(["one"])
    deployment.faults.add("refuse", route="agent", status=503, times=2)
    busy = deployment.faults.add("refuse", route="agent", status=429, headers={"Retry-After": "1"})
    deployment.faults.add("refuse", route="logs_follow", status=502, times=2)

    def finish(log: Any) -> None:
        heard.on_log(log)
        embedded.set_lifecycle("ready")

    agent.wait_ready(on_log=finish)
    assert busy.struck == 1
    assert heard.outputs == ["one"]
    assert caplog.text.count("agent tester/dev.main cannot be read now: ") == 1
    assert caplog.text.count("agent tester/dev.main: its log cannot be read now: ") == 1


def test_a_deployment_that_asks_for_a_pause_gets_it(deployment: Deployment, client: Client) -> None:
    """
    It is no longer than there is time: the last read is at the end of that.
    """
    deployment.add_agent(scripts=[SLEEPS])
    agent = client.agent("dev")
    deployment.requests.clear()
    headers = {"Retry-After": "3600"}
    deployment.faults.add("refuse", route="agent", status=429, headers=headers)
    with pytest.raises(ReadyTimeoutError, match="it is connected, starting"):
        agent.wait_ready(1.6)
    assert routes(deployment) == ["agent", "agent", "logs"]


def test_lines_are_passed_on_before_a_timeout(
    deployment: Deployment, client: Client, heard: Heard
) -> None:
    """
    They are passed on also where there was no time to follow them.
    """
    deployment.add_agent(scripts=[SLEEPS]).push_logs(["one", "two"])
    with pytest.raises(ReadyTimeoutError):
        client.agent("dev").wait_ready(0, on_log=heard.on_log)
    assert heard.outputs == ["one", "two"]


@pytest.mark.parametrize("way", ["agent", "logs_follow", "logs"])
@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (404, NotFoundError)])
def test_what_does_not_pass_is_raised(
    deployment: Deployment, client: Client, way: str, status: int, kind: type[Exception]
) -> None:
    """
    It is raised whatever options were given.
    """
    deployment.add_agent(scripts=["exit 0" if way == "logs" else "sleep 60"])
    deployment.faults.add(
        "refuse", route=way, status=status, headers=JSON, body='{"message": "no"}', times=None
    )
    agent = client.agent("dev")
    with pytest.raises(kind):
        agent.wait_ready(30, on_log=print)


def test_a_timeout_says_why_the_agent_could_not_be_read(
    deployment: Deployment, client: Client
) -> None:
    """
    It does so whether the agent was read before or not.
    """
    deployment.add_agent(scripts=[SLEEPS])
    agent = client.agent("dev")
    fault = deployment.faults.add("refuse", route="agent", status=503, times=None)
    deployment.faults.add("refuse", route="logs", status=503, times=None)
    with pytest.raises(ReadyTimeoutError, match=r"after .* s: GET .* 503") as caught:
        agent.wait_ready(0)
    assert (caught.value.agent, caught.value.status) == (None, "")
    fault.release()
    deployment.faults.clear()

    def fail(_: Any) -> None:
        deployment.faults.add("refuse", route="agent", status=503, times=None)
        deployment.faults.add("refuse", route="logs", status=503, times=None)

    with pytest.raises(ReadyTimeoutError, match=r"starting; .* it cannot be read now: ") as caught:
        agent.wait_ready(1, on_state=fail)
    assert caught.value.status == "connected"
    assert caught.value.last_lines == ()
    assert caught.value.__cause__ is not None


def test_what_a_callback_raises_passes_through(deployment: Deployment, client: Client) -> None:
    """
    Even where it looks like something that may pass; nothing is left open.
    """
    embedded = deployment.add_agent(scripts=[SLEEPS])
    embedded.push_logs(["one"])
    agent = client.agent("dev")
    own = TransportError("the callback's own")

    def fail(_: object) -> None:
        raise own

    callbacks: list[dict[str, Any]] = [{"on_log": fail}, {"on_state": fail}]
    for callback in callbacks:
        with pytest.raises(TransportError) as caught:
            agent.wait_ready(30, **callback)
        assert caught.value is own
    embedded.set_lifecycle("ready")
    with pytest.raises(TransportError) as caught:
        agent.wait_ready(30, on_log=fail)
    assert caught.value is own


def test_lines_go_on_where_they_were_after_a_break(
    deployment: Deployment, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Where streams of this client do not connect again by themselves; each break is told.
    """
    embedded = deployment.add_agent(scripts=[SLEEPS])
    embedded.push_logs(["1"])
    drop = deployment.faults.add("drop", route="logs_follow", after=1, times=3)

    def push_another(log: Any) -> None:
        heard.on_log(log)
        if len(heard.logs) < 6:
            embedded.push_logs([str(len(heard.logs) + 1)])
        else:
            embedded.set_lifecycle("ready")

    with deployment.client(stream_options=attrs.evolve(OFTEN, reconnect=None)) as client:
        client.agent("dev").wait_ready(30, on_log=push_another)
    assert heard.outputs == ["1", "2", "3", "4", "5", "6"]
    assert drop.struck == 3
    assert caplog.text.count("its log cannot be read now") >= 2


def test_lines_are_passed_on_where_the_log_cannot_be_followed(
    deployment: Deployment, client: Client, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """
    In the end, then; and an agent whose log cannot be read at all is ready all the same.
    """
    deployment.add_agent(scripts=["echo one; sleep 0.6; echo two"])
    deployment.faults.add("refuse", route="logs_follow", status=503, times=None)
    agent = client.agent("dev")
    agent.wait_ready(30, on_log=heard.on_log)
    assert heard.outputs == ["one", "two"]
    deployment.faults.add("refuse", route="logs", status=503, times=None)
    agent.wait_ready(30, on_log=heard.on_log)
    assert heard.outputs == ["one", "two"]
    assert "its log cannot be read now" in caplog.text


def test_a_log_that_ends_is_not_the_end(deployment: Deployment, heard: Heard) -> None:
    """
    The agent is looked at on, and what it says counts.
    """
    embedded = deployment.add_agent(scripts=[SLEEPS])
    embedded.push_logs(["one"])
    close = deployment.faults.add("close", route="logs_follow", after=1)

    def finish_later(agent: Any) -> None:
        heard.on_state(agent)
        if agent.data.lifecycle_state == "starting":
            timer.start()

    timer = threading.Timer(0.4, embedded.set_lifecycle, ["ready"])
    with deployment.client(stream_options=attrs.evolve(OFTEN, reconnect=None)) as client:
        client.agent("dev").wait_ready(30, on_log=heard.on_log, on_state=finish_later)
    timer.join()
    assert close.struck == 1
    assert heard.outputs == ["one"]
    assert routes(deployment).count("agent") < 20
    assert [state for _, state in heard.states] == ["starting", "ready"]


def test_a_message_that_is_too_large_is_raised(deployment: Deployment) -> None:
    """
    It would be too large the next time, too.
    """
    embedded = deployment.add_agent(scripts=[SLEEPS])
    embedded.push_logs(["x" * 1000])
    options = StreamOptions(max_message_size=200)
    with deployment.client(stream_options=options) as client, pytest.raises(MessageTooLargeError):
        client.agent("dev").wait_ready(30, on_log=print)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"timeout": -1}, ValueError, "timeout must be 0 or more seconds, or None, not -1"),
        ({"timeout": float("nan")}, ValueError, "timeout must be 0 or more seconds"),
        ({"timeout": "60"}, TypeError, "timeout must be seconds or None, not str"),
        ({"timeout": True}, TypeError, "timeout must be seconds or None, not bool"),
        ({"on_log": "print"}, TypeError, "on_log must be a function or None, not str"),
        ({"on_state": 1}, TypeError, "on_state must be a function or None, not int"),
        ({"strict": 1}, TypeError, "strict must be True or False, not int"),
        ({"blocking_only": None}, TypeError, "blocking_only must be True or False, not NoneType"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    deployment: Deployment,
    client: Client,
    options: dict[str, Any],
    kind: type[Exception],
    text: str,
) -> None:
    """
    The agent and the client both refuse it in words.
    """
    deployment.add_agent()
    agent = client.agent("dev")
    deployment.requests.clear()
    with pytest.raises(kind, match=text):
        agent.wait_ready(**options)
    with pytest.raises(kind, match=text):
        client.wait_ready("dev", **options)
    assert routes(deployment) == []


def test_without_a_limit_it_waits(deployment: Deployment, client: Client) -> None:
    """
    None and infinity are no limit.
    """
    deployment.add_agent(scripts=["sleep 0.6"])
    for limit in (None, float("inf")):
        assert client.agent("dev").wait_ready(limit).data.lifecycle_state == "ready"


def test_a_build_is_waited_for_by_name(each_release: Deployment, heard: Heard) -> None:
    """
    Its agent is waited for next, and that agent's lines are passed on.
    """
    each_release.add_agent(scripts=["echo one; sleep 0.2; echo two"]).wait_started()
    build = each_release.workspace("dev").start_build()
    began = threading.Timer(0.2, build.begin)
    completed = threading.Timer(0.4, build.complete)
    began.start()
    completed.start()
    with each_release.client(stream_options=OFTEN) as client:
        with pytest.raises(WorkspacePendingError):
            client.agent("dev")
        agent = client.wait_ready("dev", 30, on_log=heard.on_log, on_state=heard.on_state)
    began.join()
    completed.join()
    assert agent.id == build.agents[0].id
    assert agent.data.lifecycle_state == "ready"
    assert heard.outputs == ["one", "two"]
    assert heard.states[-1] == ("connected", "ready")


def test_a_build_that_fails_is_raised(deployment: Deployment, client: Client) -> None:
    """
    The error is the one that resolving the agent raises.
    """
    build = deployment.workspace("dev").start_build()
    timer = threading.Timer(0.1, build.fail, ["no quota"])
    timer.start()
    with pytest.raises(WorkspaceFailedError, match="no quota"):
        client.wait_ready("dev", 30)
    timer.join()


def find_dev(client: Client, completed_at: datetime | None) -> Callable[[], Agent]:
    """
    Return what finds the agent, in a workspace whose last stop ended then.
    """

    def find() -> Agent:
        try:
            return client.agent("dev")
        except WorkspaceStoppedError as error:
            workspace = error.workspace or Workspace()
            job = attrs.evolve(workspace.latest_build.job, completed_at=completed_at)
            build = attrs.evolve(workspace.latest_build, job=job)
            error.workspace = attrs.evolve(workspace, latest_build=build)
            raise

    return find


WAIT = WaitOptions(timeout=None, on_log=None, on_state=None, blocking_only=True, strict=False)


def test_a_workspace_that_is_stopped_is_not_waited_for(
    deployment: Deployment, client: Client
) -> None:
    """
    Where it was stopped before, whenever that was: no clock of a deployment is trusted far.
    """
    deployment.add_agent()
    deployment.workspace("dev").start_build("stop").complete()
    hour = timedelta(hours=1)
    for ended in (None, datetime.now(UTC) - hour, datetime.now(UTC) + hour):
        with pytest.raises(WorkspaceStoppedError):
            wait_named(find_dev(client, ended), WAIT, Deadline(30))
    assert routes(deployment).count("workspace_by_name") == 3


def test_a_restart_is_waited_for(each_release: Deployment) -> None:
    """
    Through its stop, the moment in which the workspace is stopped, and its start.
    """
    each_release.add_agent(scripts=["sleep 0.1"]).wait_started()
    workspace = each_release.workspace("dev")
    stop = workspace.start_build("stop")
    timers = [threading.Timer(0.2, stop.complete)]
    timers.append(threading.Timer(0.5, lambda: workspace.start_build().complete()))
    for timer in timers:
        timer.start()
    with each_release.client(stream_options=OFTEN) as client:
        agent = client.wait_ready("dev", 30)
    for timer in timers:
        timer.join()
    assert agent.id == workspace.latest_build.agents[0].id
    assert agent.data.lifecycle_state == "ready"


def test_a_restart_is_waited_for_from_its_middle(deployment: Deployment, client: Client) -> None:
    """
    Where nothing was seen of its stop, but that it has just ended.
    """
    deployment.add_agent().wait_started()
    workspace = deployment.workspace("dev")
    workspace.start_build("stop").complete()
    timer = threading.Timer(0.3, lambda: workspace.start_build().complete())
    timer.start()
    assert client.wait_ready("dev", 30).id == workspace.latest_build.agents[0].id
    timer.join()


def test_a_workspace_that_stops_for_good_is_an_error(
    deployment: Deployment, client: Client
) -> None:
    """
    Once it was stopped for as long as a restart may take, or there is no more time.
    """
    deployment.add_agent()
    build = deployment.workspace("dev").start_build("stop")
    with pytest.raises(ReadyTimeoutError, match="dev is pending"):
        client.wait_ready("dev", 0.1)
    timer = threading.Timer(0.1, build.complete)
    timer.start()
    hasty = attrs.evolve(WAIT, pauses=Pauses(stopped_for=0.4))
    with pytest.raises(WorkspaceStoppedError):
        wait_named(find_dev(client, None), hasty, Deadline(30))
    timer.join()
    with pytest.raises(WorkspaceStoppedError):
        client.wait_ready("dev", 0.1)


def test_a_workspace_that_is_deleted_is_not_waited_for(
    deployment: Deployment, client: Client
) -> None:
    """
    No start follows a deletion.
    """
    deployment.add_agent()
    deployment.workspace("dev").start_build("delete")
    with pytest.raises(WorkspacePendingError):
        client.wait_ready("dev", 30)


def test_a_restart_while_the_agent_is_waited_for_leads_to_the_next_agent(
    each_release: Deployment,
) -> None:
    """
    The agent that was waited for shuts down, and is not the one that is returned.
    """
    first = each_release.add_agent(scripts=[Script("sleep 60"), Script("", run_on_stop=True)])
    workspace = each_release.workspace("dev")

    def restart() -> None:
        stop = workspace.start_build("stop")
        first.set_lifecycle("shutting_down")
        time.sleep(0.3)
        stop.complete()
        time.sleep(0.3)
        workspace.start_build().complete()
        workspace.latest_build.agents[0].set_lifecycle("ready")

    timer = threading.Timer(0.2, restart)
    timer.start()
    with each_release.client(stream_options=OFTEN) as client:
        agent = client.wait_ready("dev", 30)
    timer.join()
    assert agent.id == workspace.latest_build.agents[0].id != first.id


def test_an_agent_that_shuts_down_without_a_build_is_an_error(
    deployment: Deployment, client: Client
) -> None:
    """
    Its workspace has no newer build, or cannot be read.
    """
    embedded = deployment.add_agent()
    embedded.set_lifecycle("off")
    with pytest.raises(AgentShutDownError):
        client.wait_ready("dev", 30)

    def fail(_: Any) -> None:
        deployment.faults.add("refuse", route="workspace_by_name", status=503)

    with pytest.raises(AgentShutDownError):
        client.wait_ready("dev", 30, on_state=fail)


def test_the_time_is_for_build_and_agent_together(deployment: Deployment, client: Client) -> None:
    """
    A time-out tells which of them it was.
    """
    build = deployment.workspace("dev").start_build()
    with pytest.raises(
        ReadyTimeoutError, match=r"no agent after .*workspace tester/dev is pending"
    ) as caught:
        client.wait_ready("dev", 0.1)
    assert caught.value.agent is None
    assert caught.value.waited >= 0.1
    assert isinstance(caught.value.__cause__, WorkspacePendingError)
    build.complete()
    deployment.add_agent("main", workspace="other", scripts=[SLEEPS])
    with pytest.raises(ReadyTimeoutError, match=r"agent tester/other.main .* starting") as caught:
        client.wait_ready("other", 0.1)
    assert caught.value.agent is not None


def test_what_may_pass_is_waited_out_once_the_deployment_has_answered(
    deployment: Deployment, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Before, it is raised: the URL may be wrong.
    """
    deployment.add_agent()
    build = deployment.workspace("dev").start_build()
    deployment.faults.add("refuse", route="workspace_by_name", status=503)
    with pytest.raises(ServerError):
        client.wait_ready("dev", 30)
    real, asked = client.agent, iter(range(2))

    def fail_the_second_time(ref: Any) -> Any:
        if next(asked, 2) == 1:
            deployment.faults.add("refuse", route="workspace_by_name", status=503)
            build.complete()
        return real(ref)

    monkeypatch.setattr(client, "agent", fail_the_second_time)
    assert client.wait_ready("dev", 30).data.lifecycle_state == "ready"
    assert next(asked, None) is None
