"""
The time line of a start, from recordings of a deployment and over the embedded one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import attrs
import matplotlib
import pytest
from driving import reached

matplotlib.use("Agg")

from matplotlib import pyplot

from coder_agents import Client, WorkspaceNotFoundError, export
from coder_agents.display import StepKind, StepStatus, Timeline, TimelineStep
from coder_agents.display.timeline import _drawn_bar
from coder_agents.display.timeline_steps import past_steps, steps_of
from coder_agents.schema import (
    ProvisionerJob,
    ProvisionerJobLog,
    ProvisionerJobStatus,
    ProvisionerTiming,
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLog,
    WorkspaceAgentScript,
    WorkspaceAgentStatus,
    WorkspaceBuild,
    WorkspaceBuildTimings,
    WorkspaceResource,
    WorkspaceTransition,
    from_json,
)
from coder_agents.testing import Deployment, Script

from .conftest import HOSTILE, NOON

Recording = Callable[[str, str], dict[str, Any]]


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    """
    After each test no figure is left.
    """
    yield
    pyplot.close("all")


def at(seconds: float) -> datetime:
    """
    Return the time of so many *seconds* after noon.
    """
    return NOON + timedelta(seconds=seconds)


def line(seconds: float | None, stage: str) -> ProvisionerJobLog:
    """
    Return a line of a build's log, so many *seconds* after noon; None is a line without a time.
    """
    return ProvisionerJobLog(created_at=None if seconds is None else at(seconds), stage=stage)


def agent(**facts: Any) -> WorkspaceAgent:
    """
    Return an agent that connected after five seconds and is starting, unless *facts* differ.
    """
    usual = {
        "name": "main",
        "created_at": at(10),
        "first_connected_at": at(15),
        "started_at": at(15),
        "status": WorkspaceAgentStatus.CONNECTED,
        "lifecycle_state": WorkspaceAgentLifecycle.STARTING,
    }
    return WorkspaceAgent(**{**usual, **facts})


def build(
    *agents: WorkspaceAgent,
    status: ProvisionerJobStatus = ProvisionerJobStatus.SUCCEEDED,
    **job: Any,
) -> WorkspaceBuild:
    """
    Return a build that was requested at noon and ran from the first to the tenth second.
    """
    times = {"started_at": at(1), "completed_at": at(10)}
    return WorkspaceBuild(
        build_number=3,
        transition=WorkspaceTransition.START,
        created_at=at(0),
        job=ProvisionerJob(status=status, **{**times, **job}),
        resources=(WorkspaceResource(agents=agents),),
    )


def script(name: str) -> WorkspaceAgentScript:
    """
    Return a startup script.
    """
    return WorkspaceAgentScript(display_name=name, run_on_start=True)


def timeline(*steps: TimelineStep, read_at: datetime | None = None) -> Timeline:
    """
    Return a time line of *steps*.
    """
    return Timeline(
        workspace="dev",
        build_number=3,
        transition="start",
        steps=steps,
        read_at=read_at or at(100),
    )


def facts(steps: list[TimelineStep], *names: str) -> list[tuple[Any, ...]]:
    """
    Return the fields *names* of each of *steps*.
    """
    return [tuple(getattr(step, name) for name in names) for step in steps]


def read(recording: Recording, name: str) -> WorkspaceBuildTimings:
    """
    Return recorded timings.
    """
    body = recording("2.30", name)["response"]["body"]
    return from_json(json.dumps(json.loads(body)).encode(), WorkspaceBuildTimings)


def of_recording(timings: WorkspaceBuildTimings, **others: Any) -> list[TimelineStep]:
    """
    Return the steps of a build whose only agent has *timings*.
    """
    connection = timings.agent_connection_timings[0]
    own = agent(
        id=connection.workspace_agent_id,
        created_at=connection.started_at,
        started_at=connection.ended_at,
        **others,
    )
    return steps_of(build(own), timings, ())


def test_the_steps_of_a_recorded_start(recording: Recording) -> None:
    """
    The queue, the build, the connection and each script have the times that were measured.
    """
    steps = of_recording(read(recording, "timings_ok"))
    assert facts(steps, "kind", "name", "status") == [
        (StepKind.QUEUE, "waiting for a provisioner", StepStatus.OK),
        (StepKind.BUILD, "build (start)", StepStatus.OK),
        (StepKind.CONNECTION, "connecting", StepStatus.OK),
        (StepKind.SCRIPT, "Tools", StepStatus.OK),
        (StepKind.SCRIPT, "Burst", StepStatus.OK),
        (StepKind.SCRIPT, "Slow", StepStatus.OK),
    ]
    assert [round(step.duration.total_seconds(), 1) for step in steps if step.duration] == [
        *(1.0, 9.0, 20.2),
        *(0.8, 4.6, 23.0),
    ]
    assert timeline(*steps).slowest is steps[-1]


@pytest.mark.parametrize(
    ("name", "script", "status", "code"),
    [
        ("timings_failed", "Dotfiles", StepStatus.FAILED, 3),
        ("timings_timed_out", "Late", StepStatus.TIMED_OUT, 255),
    ],
)
def test_a_recorded_failure_is_marked(
    recording: Recording, name: str, script: str, status: StepStatus, code: int
) -> None:
    """
    The script that failed has its status and its exit code, in the heading, too.
    """
    steps = of_recording(read(recording, name))
    bad = [step for step in steps if step.status.is_bad]
    assert facts(bad, "name", "status", "exit_code") == [(script, status, code)]
    text = str(timeline(*steps))
    assert f"{status}: main: {script}" in text.splitlines()[0]
    assert f"{status} (exit code {code})" in text


def test_scripts_that_run_are_steps_until_now(recording: Recording) -> None:
    """
    The build lists no script before its end: the agent's own scripts are the ones that run.
    """
    timings = read(recording, "timings_running")
    steps = of_recording(timings, scripts=(script("One"), script("Two")))
    assert facts(steps[-2:], "name", "status", "ended_at") == [
        ("One", StepStatus.RUNNING, None),
        ("Two", StepStatus.RUNNING, None),
    ]
    began = steps[-1].started_at
    assert began is not None
    shown = timeline(*steps, read_at=began + timedelta(hours=1))
    assert shown.length_of(steps[-1]) == timedelta(hours=1)
    assert "60 min 00 s" in str(shown)
    assert "░" in str(shown)
    assert "opacity:.35" in shown._repr_html_()


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (WorkspaceAgentLifecycle.CREATED, StepStatus.PENDING),
        (WorkspaceAgentLifecycle.READY, StepStatus.UNKNOWN),
    ],
)
def test_a_script_that_is_not_listed_has_the_status_of_its_agent(
    state: WorkspaceAgentLifecycle, status: StepStatus
) -> None:
    """
    It has not begun while the agent has not; after the start its end is not known.
    """
    own = agent(scripts=(script("One"),), lifecycle_state=state, started_at=None)
    [step] = steps_of(build(own), WorkspaceBuildTimings(), ())[3:]
    assert (step.status, step.duration) == (status, None)
    assert str(status) in str(timeline(step))


@pytest.mark.parametrize(
    ("state", "status", "ready_at"),
    [
        (WorkspaceAgentLifecycle.STARTING, StepStatus.RUNNING, None),
        (WorkspaceAgentLifecycle.READY, StepStatus.OK, at(25)),
        (WorkspaceAgentLifecycle.START_ERROR, StepStatus.FAILED, at(25)),
        (WorkspaceAgentLifecycle.OFF, StepStatus.UNKNOWN, at(5)),
    ],
)
def test_without_timings_all_scripts_are_one_step(
    state: WorkspaceAgentLifecycle, status: StepStatus, ready_at: datetime | None
) -> None:
    """
    The agent's own times say how long its scripts took together.
    """
    one = agent(scripts=(script("One"),), lifecycle_state=state, ready_at=ready_at)
    two = attrs.evolve(one, scripts=(script("One"), script("Two")))
    names = [steps_of(build(each), None, ())[-1].name for each in (one, two)]
    assert names == ["One", "all 2 startup scripts"]
    step = steps_of(build(two), None, ())[-1]
    assert step.status is status
    assert step.ended_at == (ready_at if ready_at == at(25) else None)


def test_without_timings_an_agent_without_scripts_has_its_connection_alone() -> None:
    """
    The same holds for an agent that has not begun its scripts.
    """
    for own in (agent(), agent(scripts=(script("One"),), started_at=None)):
        assert steps_of(build(own), None, ())[-1].kind is StepKind.CONNECTION


@pytest.mark.parametrize(
    ("agent_status", "status"),
    [
        (WorkspaceAgentStatus.CONNECTING, StepStatus.RUNNING),
        (WorkspaceAgentStatus.TIMEOUT, StepStatus.TIMED_OUT),
    ],
)
def test_an_agent_that_has_not_connected(
    agent_status: WorkspaceAgentStatus, status: StepStatus
) -> None:
    """
    It is still connecting, or took too long.
    """
    own = agent(first_connected_at=None, status=agent_status)
    step = steps_of(build(own), None, ())[-1]
    assert (step.status, step.ended_at) == (status, None)


@pytest.mark.parametrize(
    ("job", "names", "status"),
    [
        ({"started_at": None, "completed_at": None}, 1, StepStatus.RUNNING),
        ({"started_at": None}, 1, StepStatus.OK),
        ({"completed_at": None}, 2, StepStatus.RUNNING),
    ],
)
def test_a_build_that_has_not_ended(job: dict[str, Any], names: int, status: StepStatus) -> None:
    """
    A build that waits has no step but the queue; one that was canceled in the queue ended there.
    """
    steps = steps_of(build(status=ProvisionerJobStatus.RUNNING, **job), None, ())
    assert len(steps) == names
    assert steps[-1].status is status


@pytest.mark.parametrize(
    ("job_status", "status"),
    [
        (ProvisionerJobStatus.FAILED, StepStatus.FAILED),
        (ProvisionerJobStatus.CANCELED, StepStatus.CANCELED),
        (ProvisionerJobStatus("odd"), StepStatus.UNKNOWN),
    ],
)
def test_a_build_that_failed(job_status: ProvisionerJobStatus, status: StepStatus) -> None:
    """
    The build's step has its status, and the heading names it.
    """
    steps = steps_of(build(status=job_status), None, ())
    assert steps[-1].status is status
    assert (f"{status}: build" in str(timeline(*steps)).splitlines()[0]) == status.is_bad


def test_stages_of_the_log_follow_each_other() -> None:
    """
    A stage lasts until the next one begins, the last one until the job's end; lines without a stage or a
    time are none.
    """
    lines = [
        line(1, "Setting up"),
        line(2, "Planning"),
        line(3, ""),
        line(None, "Odd"),
        line(4, "Planning"),
        line(5, "Starting"),
    ]
    steps = [s for s in steps_of(build(), None, lines) if s.kind is StepKind.STAGE]
    assert facts(steps, "name", "started_at", "ended_at") == [
        ("Setting up", at(1), at(2)),
        ("Planning", at(2), at(5)),
        ("Starting", at(5), at(10)),
    ]
    last = steps_of(build(completed_at=None), None, lines)[-1]
    assert (last.status, last.ended_at) == (StepStatus.RUNNING, None)


def test_resources_of_the_provisioner_are_steps() -> None:
    """
    Each has its stage, its resource and its action; one that has not ended is running.
    """
    timings = WorkspaceBuildTimings(
        provisioner_timings=(
            ProvisionerTiming(
                started_at=at(2),
                ended_at=at(8),
                stage=TimingStage.APPLY,
                resource="docker_volume.home",
                action="create",
            ),
            ProvisionerTiming(started_at=at(8), stage=TimingStage.APPLY, source="docker"),
            ProvisionerTiming(
                started_at=at(1), ended_at=at(2), stage=TimingStage.INIT, resource="init"
            ),
        )
    )
    steps = steps_of(build(), timings, ())
    assert facts(steps[2:], "kind", "name", "status") == [
        (StepKind.RESOURCE, "apply docker_volume.home create", StepStatus.OK),
        (StepKind.RESOURCE, "apply docker", StepStatus.RUNNING),
        (StepKind.RESOURCE, "init", StepStatus.OK),
    ]
    # The build as a whole is longer, and explains nothing.
    assert timeline(*steps[:3]).slowest is steps[2]
    assert timeline(*steps[:2]).slowest is steps[1]


def test_stop_scripts_come_last(recording: Recording) -> None:
    """
    They are listed with the start of their agent, and named.
    """
    steps = of_recording(read(recording, "timings_with_stop"))
    assert [step.name.endswith(" (stop)") for step in steps[-2:]] == [False, True] or steps[
        -1
    ].name.endswith(" (stop)")


def test_a_time_line_of_nothing() -> None:
    """
    It has no times, no slowest step, and is a table without rows, and a plot without bars.
    """
    empty = timeline()
    assert (empty.began_at, empty.ended_at, empty.slowest) == (None, None, None)
    assert str(empty).splitlines()[0] == "dev, build 3 (start)"
    assert len(empty.plot().patches) == 0
    unknown = timeline(TimelineStep(kind=StepKind.SCRIPT, name="x", status=StepStatus.UNKNOWN))
    assert unknown.slowest is None
    assert unknown.length_of(unknown.steps[0]) == timedelta()
    instant = timeline(step("x", 1, 1))
    assert "▏" in str(instant)
    assert instant.slowest is instant.steps[0]
    assert len(instant.plot().patches) == 1


def step(name: str, begin: float, end: float, **others: Any) -> TimelineStep:
    """
    Return a script that ran from *begin* to *end*.
    """
    return TimelineStep(
        kind=StepKind.SCRIPT, name=name, started_at=at(begin), ended_at=at(end), **others
    )


def test_a_long_time_line_is_cut_with_its_count() -> None:
    """
    A build may have hundreds of resources before the scripts of its agents: the table has the sixty
    longest steps, the plot forty, and both have what failed.
    """
    steps = [step(f"s{n}", n, n + 1 + n / 100) for n in range(99)]
    long = timeline(step("bad", 0, 0.1, status=StepStatus.FAILED), *steps)
    rows = str(long).splitlines()[3:]
    assert [row.split()[0] for row in rows] == ["bad", *(f"s{n}" for n in range(40, 99)), "…"]
    assert rows[-1].startswith("… 40 shorter steps")
    axes = long.plot()
    assert len(axes.patches) == 40
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["bad", *(f"s{n}" for n in range(60, 99))]
    assert "; 60 steps not shown" in axes.get_title(loc="left")


def test_a_time_line_is_exported_as_what_the_client_returns() -> None:
    """
    It has a row for each step, with the types of other tables, and can be written.
    """
    shown = timeline(
        step("bad", 1, 4, status=StepStatus.FAILED, exit_code=3, agent="main"),
        TimelineStep(kind=StepKind.BUILD, name="b", started_at=at(1), status=StepStatus.RUNNING),
    )
    assert list(export.records(shown)) == [
        {
            "workspace": "dev",
            "build_number": 3,
            "kind": "script",
            "agent": "main",
            "name": "bad",
            "status": "failed",
            "exit_code": 3,
            "started_at": at(1),
            "ended_at": at(4),
            "duration": 3.0,
        },
        {
            "workspace": "dev",
            "build_number": 3,
            "kind": "build",
            "agent": None,
            "name": "b",
            "status": "running",
            "exit_code": None,
            "started_at": at(1),
            "ended_at": None,
            "duration": None,
        },
    ]
    frame = shown.to_frame()
    assert frame["duration"].sum() == 3.0
    assert frame["exit_code"].dtype == "Int64"
    assert len(export.to_frame([shown, shown])) == 4
    assert list(timeline().to_frame()) == list(frame)
    with pytest.raises(TypeError, match="steps of time lines and log lines"):
        export.to_frame([shown, WorkspaceAgentLog()])


def test_a_gantt_chart_has_a_bar_for_each_step() -> None:
    """
    A bar begins and ends with its step, in seconds since the first; what went wrong is red.
    """
    shown = timeline(
        step("fine", 0, 2),
        step("bad", 1, 4, status=StepStatus.FAILED),
        TimelineStep(
            kind=StepKind.CONNECTION, name="on", started_at=at(1), status=StepStatus.RUNNING
        ),
        read_at=at(11),
    )
    axes = shown.plot()
    bars: Any = axes.patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 2), (1, 3), (1, 10)]
    assert [bar.get_hatch() for bar in bars] == [None, None, "//"]
    assert matplotlib.colors.same_color(bars[1].get_facecolor(), "tab:red")
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["2.0 s", "3.0 s, failed", "10.0 s, running"]
    assert [text.get_fontweight() for text in axes.texts] == ["normal", "normal", "bold"]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["script", "connection", "failed"]
    assert axes.get_title(loc="left") == "dev, build 3 (start); slowest: on"
    _, own = pyplot.subplots()
    assert shown.plot(ax=own) is own


def test_a_gantt_chart_hides_no_bar_and_shows_each_kind_in_its_own_colour() -> None:
    """
    The legend is beside the axes, and each text after a bar ends within them.
    """
    begin, end = at(0), at(9)
    kinds = [TimelineStep(kind=kind, name="x", started_at=begin, ended_at=end) for kind in StepKind]
    bad = step("b" * 40, 0, 9, status=StepStatus.TIMED_OUT)
    axes = timeline(*kinds, bad).plot()
    colours = [tuple(bar.get_facecolor()) for bar in axes.patches]
    assert len(set(colours)) == len(kinds) + 1
    figure: Any = axes.figure
    figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    right = axes.get_window_extent().x1
    assert legend.get_window_extent().x0 >= right
    assert max(text.get_window_extent().x1 for text in axes.texts) <= right


def test_a_short_last_step_has_its_bar_in_the_table() -> None:
    """
    It is the last column of the bars, and not behind them.
    """
    *_, long, last = str(timeline(step("long", 0, 100), step("last", 100, 100.1))).splitlines()
    assert (long[-1], last[-1], len(last)) == ("█", "▏", len(long))


def test_hostile_names_do_no_harm() -> None:
    """
    They are cut and escaped in text, HTML and plots.
    """
    own = agent(name=HOSTILE * 50, scripts=(script(HOSTILE * 1000),))
    shown = timeline(*steps_of(build(own), WorkspaceBuildTimings(), [line(2, HOSTILE)]))
    text, markup = str(shown), shown._repr_html_()
    assert "\x1b" not in text + markup
    assert "\u202e" not in text + markup
    assert "<b>" not in markup
    assert max(map(len, text.splitlines())) < 300
    labels = [label.get_text() for label in shown.plot().get_yticklabels()]
    assert all("$" not in label.replace(r"\$", "") for label in labels)


def test_a_time_line_of_the_embedded_deployment(client: Client, deployment: Deployment) -> None:
    """
    It is read by the workspace's name, and names what was slow and what failed.
    """
    made = deployment.add_agent(
        scripts=[Script("sleep 0.3", display_name="Slow"), Script("exit 3", display_name="Bad")]
    )
    reached(lambda: client.agent("dev").lifecycle_state == "start_error")
    reached(lambda: len(client.agent("dev").build_timings().agent_script_timings) == 2)
    shown = client.timeline("dev")
    assert {step.name for step in shown.steps} >= {"connecting", "Slow", "Bad"}
    assert shown.slowest is not None
    assert shown.slowest.name == "Slow"
    assert "failed: main: Bad" in str(shown)
    assert "Slow" in shown._repr_html_()
    assert repr(shown).startswith("<Timeline of dev, build 1, ")
    assert made.build.number == shown.build_number


def test_a_stopped_workspace_shows_its_last_start(client: Client, deployment: Deployment) -> None:
    """
    Its latest build is a stop, which has no scripts; the heading and the plot name the state.
    """
    at_stop = Script("true", run_on_start=False, run_on_stop=True)
    deployment.add_agent(scripts=[Script("true", display_name="Packages"), at_stop])
    reached(lambda: len(client.agent("dev").build_timings().agent_script_timings) == 1)
    workspace = deployment.workspace("dev")
    for _ in range(11):  # more than the first page lists
        workspace.start_build("stop").complete()
    shown = client.timeline("dev")
    assert (shown.build_number, shown.transition, shown.state_now) == (1, "start", "stopped")
    assert "Packages" in {step.name for step in shown.steps}
    assert not [step for step in shown.steps if step.name.endswith("(stop)")]
    assert str(shown).startswith("dev, build 1 (start), now stopped · ")
    assert shown.plot().get_title(loc="left").startswith("dev, build 1 (start), now stopped")


@pytest.mark.parametrize("stops", [0, 120])
def test_a_workspace_whose_start_is_not_found_shows_its_latest_build(
    client: Client, deployment: Deployment, stops: int
) -> None:
    """
    The deployment may not list the builds, and a start may be further back than is searched.
    """
    deployment.add_agent()
    workspace = deployment.workspace("dev")
    for _ in range(stops or 1):
        workspace.start_build("stop").complete()
    if not stops:
        deployment.faults.add("refuse", route="builds", status=403)
    shown = client.timeline("dev")
    assert (shown.transition, shown.state_now) == ("stop", "")


def test_a_workspace_that_was_never_started_has_no_start(
    client: Client, deployment: Deployment
) -> None:
    """
    All its builds are read, and the latest one is shown.
    """
    deployment.add_agent()
    workspace = deployment.workspace("dev")
    workspace.start_build("stop").complete()
    del workspace.builds[0]
    assert client.timeline("dev").transition == "stop"


def test_nothing_of_a_past_start_runs(recording: Recording) -> None:
    """
    An agent that never connected and a script that never ended are not shown as running until now.
    """
    away = agent(first_connected_at=None, scripts=(script("One"),))
    for timings in (None, WorkspaceBuildTimings()):
        steps = past_steps(build(away), timings, [])
        assert {step.status for step in steps} == {StepStatus.OK, StepStatus.UNKNOWN}
    stopped = read(recording, "timings_with_stop")
    [own] = {each.workspace_agent_id for each in stopped.agent_script_timings}
    steps = past_steps(build(agent(id=own)), stopped, [])
    assert not [step for step in steps if step.name.endswith("(stop)")]


def test_a_deployment_without_timings_has_a_time_line(
    client: Client, deployment: Deployment
) -> None:
    """
    A refusal of the optional parts is no error; that of the workspace is one.
    """
    deployment.add_agent()
    json_type = {"Content-Type": "application/json"}
    body = '{"message": "Route not found."}'
    for route in ("build_timings", "build_logs"):
        deployment.faults.add("refuse", route=route, status=404, headers=json_type, body=body)
    assert {step.kind for step in client.timeline("dev").steps} >= {StepKind.BUILD}
    with pytest.raises(WorkspaceNotFoundError):
        client.timeline("nothing")


def test_a_plot_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The error names what to install.
    """
    for name in [
        each for each in sys.modules if each.startswith("coder_agents.display.timeline_plot")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"coder-agents\[notebook\]"):
        timeline(step("x", 0, 1)).plot()


def test_bars_of_a_notebook_keep_their_place_in_a_narrow_table(recording: Recording) -> None:
    """
    A bar of characters would be broken into lines; this one has a place and a width.
    """
    timings = read(recording, "timings_running")
    steps = of_recording(timings, scripts=(script("One"),))
    markup = timeline(*steps)._repr_html_()
    assert not set("█░▏") & set(markup)
    assert "margin-left:0.0%;width:" in markup


def test_a_step_without_a_bar_has_an_empty_cell() -> None:
    """
    A bar of no length is not drawn.
    """
    assert str(_drawn_bar("   ")) == ""
