"""
The commands that wait and follow, in this process.
"""

from __future__ import annotations

import functools
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import InThread, reached
from paced import paced

from coder_agents import StreamOptions
from coder_agents.cli import exits, failures
from coder_agents.cli.progress import waiting
from coder_agents.cli.settings import CommandSettings
from coder_agents.schema import (
    ProvisionerJobLog,
    WorkspaceAgentContainer,
)
from coder_agents.testing import Deployment, Script

from .conftest import HARMFUL, HOSTILE, Run, TerminalLike

GONE = '{"message": "Agent doesn\'t exist with that id, or you do not have access to it."}'
JSON = {"Content-Type": "application/json"}


def end_logs(deployment: Deployment, count: int) -> None:
    """
    End the next *count* logs that are followed after what is stored, as if the agents were deleted.
    """
    for _ in range(count):
        deployment.faults.add("close", route="logs_follow", after=1)
    for _ in range(count):
        deployment.faults.add("refuse", route="logs_follow", status=404, headers=JSON, body=GONE)


def test_a_followed_log_ends_as_the_log_does(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    Stored lines come first, and the command ends with the log.
    """
    end_logs(deployment, 1)
    ended = run("logs", "-f", "dev", "-n", "2")
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[-1].endswith("oops")


def test_a_followed_log_continues_after_its_bookmark(
    run: Callable[..., Run], deployment: Deployment, tmp_path: Path
) -> None:
    """
    The second command prints only what the first one has not printed, whatever --tail is.
    """
    path = tmp_path / "bookmarks.json"
    embedded = deployment.add_agent(workspace="marked")
    embedded.push_logs(["before"])
    lines = []
    for new in ("first", "second"):
        embedded.push_logs([new])
        end_logs(deployment, 1)
        ended = run("logs", "-f", "marked", "-n", "2", "--bookmarks", str(path))
        assert ended.status == 0, ended.err
        lines.append([line.rpartition("] ")[2] for line in ended.out.splitlines()])
        deployment.faults.clear()
    assert [each[-1] for each in lines] == ["first", "second"]
    assert [len(each) for each in lines] == [2, 1]


def test_a_damaged_file_of_bookmarks_is_reported(run: Callable[..., Run], tmp_path: Path) -> None:
    """
    The message names the file, without a traceback.
    """
    path = tmp_path / "bookmarks.json"
    path.write_text("{}")
    ended = run("logs", "-f", "dev", "--bookmarks", str(path))
    assert ended.status != 0
    assert "bookmarks.json is damaged" in ended.err
    assert "Traceback" not in ended.err


def test_followed_logs_of_several_agents_name_their_agents(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The logs of several agents are followed in one stream, as JSON with the agents' names.
    """
    end_logs(deployment, 2)
    ended = run("logs", "-f", "dev", "evil", "--json")
    agents = {json.loads(line)["agent"] for line in ended.out.splitlines()}
    assert agents == {"dev.main", "evil.gpu"}


@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_an_agent_whose_log_fails_does_not_stop_the_others(
    run: Callable[..., Run], deployment: Deployment, follow: list[str]
) -> None:
    """
    Where the log of one agent is refused, the other log is printed, the error is reported, and the code is 1.
    """
    route = "logs_follow" if follow else "logs"
    refused = {"message": "No."}
    deployment.faults.add("refuse", route=route, status=403, headers=JSON, body=json.dumps(refused))
    if follow:
        end_logs(deployment, 1)
    ended = run("logs", *follow, "dev", "evil")
    assert ended.status == exits.FAILED
    assert "status code 403" in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out


def test_a_log_that_ends_is_reported_while_others_continue(
    run: Callable[..., Run], deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One line names the agent that was deleted, at once, and the other log is still followed.
    """
    kept, gone = (deployment.add_agent(workspace=name) for name in ("log-kept", "log-gone"))
    for agent in (kept, gone):
        agent.push_logs([f"first of {agent.build.workspace.name}"])

    place: dict[str, Any] = {"route": "logs_follow", "containing": str(gone.id)}
    deployment.faults.add("close", after=1, **place)
    deployment.faults.add("refuse", status=404, headers=JSON, body=GONE, **place)
    write = failures.report

    def then_stop(text: str) -> None:
        write(text)
        raise KeyboardInterrupt

    monkeypatch.setattr(failures, "report", then_stop)
    ended = run("logs", "-f", "log-kept", "log-gone")
    assert ended.status == exits.INTERRUPTED
    assert ended.err == (
        "coder-agents: log-gone.main: the log has ended: the deployment no longer has the agent\n"
    )
    assert {line.split()[-1] for line in ended.out.splitlines()} == {"log-kept", "log-gone"}


def test_the_only_log_that_fails_is_an_error(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The log of a single agent that is refused is the error of the command.
    """
    deployment.faults.add("refuse", route="logs", status=403, headers=JSON, body="{}")
    ended = run("logs", "dev")
    assert (ended.status, ended.out) == (exits.FAILED, "")


def test_a_log_is_followed_across_builds(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The lines of the next build's agent follow those of the last one, until the workspace is deleted.
    """
    with Deployment() as deployment:
        deployment.add_agent().push_logs(["first"])
        workspace = deployment.workspace()

        def build() -> None:
            reached(lambda: any(each.route == "logs_follow" for each in deployment.requests))
            started = workspace.start_build("start")
            started.add_agent("main").push_logs(["second"])
            started.complete()
            second = str(started.agents[0].id)
            reached(lambda: any(second in each.target for each in deployment.requests))
            workspace.start_build("delete").complete()

        options = paced(
            StreamOptions(settle=0.2), max_settling=0.2, second_try=0.05, third_try=0.05
        )
        quick = functools.partialmethod(CommandSettings.client, stream_options=options)
        monkeypatch.setattr(CommandSettings, "client", quick)
        monkeypatch.setenv("CODER_URL", deployment.url)
        monkeypatch.setenv("CODER_SESSION_TOKEN", deployment.token)
        builder = InThread(build)
        ended = run("logs", "-f", "--across-builds", "dev")
        assert builder.ended() is None
    assert ended.status == 0, ended.err
    assert [line.split()[-1] for line in ended.out.splitlines()] == ["first", "second"]


def test_an_agent_whose_metadata_fails_is_reported(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The metadata of the other agents is printed, and the code is 1.
    """
    for route in ("watch_metadata", "watch_metadata_ws"):
        if route in deployment.faults._protocols:
            deployment.faults.add("refuse", route=route, status=403, headers=JSON, body="{}")
    ended = run("metadata", "dev", "evil")
    deployment.faults.clear()
    assert ended.status == exits.FAILED
    assert ended.err.count("\n") == 1
    assert ended.out


def test_wait_prints_the_states(run: Callable[..., Run], shown: Callable[..., Run]) -> None:
    """
    An agent that is ready is printed with its states, and --log prints its log on standard error.
    """
    ended = run("wait", "dev", "-l")
    assert ended.rows == [["dev.main", "connected", "ready"]]
    assert "Installing" in ended.err
    quiet = run("wait", "dev", "--start")
    assert (quiet.rows, quiet.err) == (ended.rows, "")
    on_terminal = shown("wait", "dev", "--log")
    assert "\x1b[32mdone" in on_terminal.err


def test_a_workspace_is_started_stopped_and_waited_for(
    run: Callable[..., Run], shown: Callable[..., Run], deployment: Deployment
) -> None:
    """
    Builds are requested and waited for; the error of a stopped workspace names the command that starts it.
    """
    deployment.add_agent(workspace="built", scripts=[Script("echo hello")])
    assert run("stop", "built").rows[0][:2] == ["built", "stop"]
    asleep = run("show", "built")
    assert "coder-agents wait --start tester/built" in asleep.err
    assert run("start", "built", "-q").rows[0][:2] == ["built", "start"]
    again = run("restart", "built", "--timeout", "60")
    assert again.rows[0][0] == "built"
    assert run("stop", "built", "--no-wait").status == 0
    ready = shown("wait", "built", "--start", "--log")
    assert ready.status == 0, ready.err
    assert ready.out.startswith("built.main\t")
    assert run("start", "nothing").status == exits.FAILED


def test_lines_of_builds_are_safe(monkeypatch: pytest.MonkeyPatch, environment: Path) -> None:
    """
    A line of a build is printed after its stage, with its control characters shown by their codes.
    """
    for stream in (io.StringIO(), TerminalLike()):
        monkeypatch.setattr(sys, "stderr", stream)
        with waiting("the build") as progress:
            progress.write_build(ProvisionerJobLog(stage="Plan", output=HOSTILE))
            progress.write_build(ProvisionerJobLog(stage="Apply"))
        assert "Plan: [red]x[/red]" in stream.getvalue()
        assert not any(each in stream.getvalue() for each in HARMFUL)


def test_warnings_of_containers_are_reported(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    A problem of the agent with its list is on standard error, and the list is printed.
    """
    agent = deployment.add_agent(workspace="warned")
    agent.set_containers([WorkspaceAgentContainer(id="c", name="web")], warnings=["half a list"])
    ended = run("containers", "warned")
    assert ended.err == "coder-agents: warned.main: half a list\n"
    assert ended.rows[0][1] == "web"
