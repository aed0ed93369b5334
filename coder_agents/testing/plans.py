"""
Builds that go by themselves, as a provisioner makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs

from coder_agents.schema import ProvisionerTiming, TimingStage
from coder_agents.testing.runner import ScriptRunner

if TYPE_CHECKING:
    from coder_agents.testing.build import EmbeddedBuild

_STEPS = (
    (TimingStage.INIT, "terraform", "initializing terraform", "init"),
    (TimingStage.PLAN, "terraform", "read", "data.coder_workspace.me"),
    (TimingStage.GRAPH, "terraform", "building terraform dependency graph", "graph"),
    (TimingStage.APPLY, "null", "create", "null_resource.machine"),
)


def _lines(log: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(log.splitlines() if isinstance(log, str) else log)


@attrs.frozen(kw_only=True)
class BuildPlan:
    """
    How a build goes that a client requests.

    Attributes:
        pending: seconds until a provisioner begins the build; None for never: a test begins it.
        running: seconds from then until the build ends; None for never: a test ends it.
        connecting: seconds from the end of a start until its agents connect.
        canceling: seconds from the cancellation of a running build until it is canceled; None for
            never: a test finishes the cancellation.
        log: the lines that the provisioner writes, or one text of several lines, at equal
            intervals while the build runs.
        error: why the build fails; empty for a build that succeeds.
        error_code: the code of *error*, such as ``INSUFFICIENT_QUOTA``.
    """

    pending: float | None = 0.0
    running: float | None = 0.0
    connecting: float = 0.0
    canceling: float | None = 0.0
    log: tuple[str, ...] = attrs.field(default=(), converter=_lines)
    error: str = ""
    error_code: str = ""


def play(build: EmbeddedBuild, plan: BuildPlan, runner: ScriptRunner) -> None:
    """
    Let *build* go by itself according to *plan*, in a thread of *runner*.
    """
    build.connecting = plan.connecting
    runner.spawn(lambda: _run(build, plan, runner.pause))


def finish_cancel(build: EmbeddedBuild, plan: BuildPlan, runner: ScriptRunner) -> None:
    """
    Finish the cancellation of *build*, if it is canceling, in a thread of *runner*.
    """
    seconds = plan.canceling

    def finish() -> None:
        if seconds is not None and runner.pause(seconds):
            _turn(build.finish_cancel)

    if build.active:
        runner.spawn(finish)


def _run(build: EmbeddedBuild, plan: BuildPlan, pause: Callable[[float], bool]) -> None:
    if plan.pending is None or not pause(plan.pending) or not _turn(build.begin):
        return
    interval = (plan.running or 0.0) / (len(plan.log) + 1)
    for line in plan.log:
        if not pause(interval) or build.canceled_at is not None:
            return
        build.push_logs([line])
    if plan.running is None or not pause(interval):
        return
    build.timings = _timings(build)
    if plan.error:
        _turn(lambda: build.fail(plan.error, error_code=plan.error_code))
    else:
        _turn(build.complete)


def _turn(step: Callable[[], None]) -> bool:
    """
    Take *step*; return False where somebody has taken another one, such as a cancellation.
    """
    try:
        step()
    except RuntimeError:
        return False
    return True


def _timings(build: EmbeddedBuild) -> tuple[ProvisionerTiming, ...]:
    """
    Return the steps of the provisioner of *build*, which divide the time since its begin.
    """
    began, ended = build.started_at, build.workspace.state.now()
    assert began is not None
    share = (ended - began) / len(_STEPS)
    return tuple(
        ProvisionerTiming(
            job_id=build.job_id,
            started_at=began + index * share,
            ended_at=began + (index + 1) * share,
            stage=stage,
            source=source,
            action=action,
            resource=resource,
        )
        for index, (stage, source, action, resource) in enumerate(_STEPS)
    )
