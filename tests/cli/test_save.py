"""
The commands that write files.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from full_disk import limited
from holding import holds_within

from coder_agents.cli import exits
from coder_agents.cli.commands.export import KINDS, OF_AGENTS
from coder_agents.export.positions import FilePosition
from coder_agents.render.line import counted
from coder_agents.testing import Deployment

from .conftest import Run
from .test_follow import JSON, end_logs


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_exported(run: Callable[..., Run], kind: str) -> None:
    """
    The file has a row for each object, and the number of rows is reported.
    """
    agents = [] if kind in ("agents", "workspaces") else ["dev", "evil"]
    ended = run("export", kind, *agents, "-o", "rows.jsonl")
    assert ended.status == 0, ended.err
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    assert ended.err == f"{count} written to rows.jsonl\n"
    assert bool(rows) is (kind != "jobs")


@pytest.mark.parametrize("kind", OF_AGENTS)
def test_a_file_without_rows_has_the_names_of_the_columns(
    run: Callable[..., Run], deployment: Deployment, kind: str
) -> None:
    """
    An agent that has nothing to list gives the heading that other agents give.
    """
    deployment.add_agent(workspace=f"without-{kind}")
    ended = run("export", kind, f"without-{kind}", "-o", "rows.csv")
    assert ended.status == 0, ended.err
    assert Path("rows.csv").read_text().startswith("agent,")


def test_the_suffix_or_the_option_is_the_format(run: Callable[..., Run]) -> None:
    """
    A suffix without a format is an error before anything is written, unless --format names one.
    """
    assert "has no suffix of a format" in run("export", "ports", "dev", "-o", "x.odd").err
    assert run("export", "ports", "dev", "-o", "x.odd", "--format", "csv").status == 0
    assert Path("x.odd").read_text().splitlines()[1] == "dev.main,8000,tcp,python"


def test_a_dash_is_no_file(run: Callable[..., Run]) -> None:
    """
    Who means standard output gets no file with the name of a dash.
    """
    ended = run("export", "ports", "dev", "-o", "-", "--format", "csv")
    assert ended.status == exits.USAGE
    assert "standard output is /dev/stdout" in ended.err
    assert not Path("-").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["logs", "dev", "-o", "x.odd"], "'x.odd' has no suffix of a format"),
        (["logs", "dev", "-o", "missing/x.csv"], "missing/x.csv: No such file or directory"),
        (["workspaces", "-o", "missing/x.csv"], "missing/x.csv: No such file or directory"),
        (["ports", "dev", "-o", "x.txt"], "listening ports are no lines of text"),
        (["logs", "dev", "-o", "x.parquet.gz"], "a Parquet file is compressed by itself"),
        (["logs", "dev", "-a", "-o", "x.parquet"], "a Parquet file cannot grow"),
        (["logs", "dev", "-a", "-o", "missing/x.csv"], "missing/x.csv: No such file or directory"),
        (["logs", "dev", "-a", "-o", "grown.csv", "--format", "jsonl"], "has the format csv"),
        (["logs", "dev", "-o", "grown.csv", "--format", "parquet"], "needs pyarrow: pip install"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_file_that_cannot_be_written_is_reported_before_anything_is_sent(
    run: Callable[..., Run],
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    line: str,
) -> None:
    """
    What is wrong with the file, or a library that is missing, costs no request.
    """
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("grown.csv").touch()
    FilePosition(length=0, format="csv").store(Path("grown.csv"))
    before = len(deployment.requests)
    ended = run("export", *arguments)
    assert ended.status == exits.FAILED
    assert line in ended.err
    assert ended.err.count("\n") == 1
    assert len(deployment.requests) == before
    assert {path.name for path in Path().iterdir()} == {"grown.csv", "grown.csv.position"}


def test_a_full_disk_names_the_file(run: Callable[..., Run], deployment: Deployment) -> None:
    """
    The error of a file that cannot grow names that file, also where it is appended to.
    """
    deployment.add_agent(workspace="talkative").push_logs(["x" * 1_000] * 200)
    for more in [], ["--append"]:
        with limited(50_000):
            ended = run("export", "logs", "talkative", "-o", "log.txt", *more)
        assert ended.err.splitlines()[0].endswith("log.txt: File too large")


def test_metadata_that_fails_writes_nothing(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    Where the metadata of an agent cannot be read, no file is written.
    """
    deployment.faults.add("refuse", route="watch_metadata", status=403, headers=JSON, body="{}")
    assert run("export", "metadata", "dev", "-o", "m.csv").status == exits.FAILED
    assert not Path("m.csv").exists()


def test_a_log_is_appended_and_resumed(run: Callable[..., Run], deployment: Deployment) -> None:
    """
    A second call continues after the lines that are in the file, and repeats none.
    """
    agent = deployment.add_agent(workspace="appended")
    agent.push_logs(["one", "two"])
    end_logs(deployment, 1)
    first = run("export", "logs", "appended", "-a", "-o", "log.txt")
    assert (first.status, first.err) == (0, "2 rows appended to log.txt\n")
    agent.push_logs(["three"])
    end_logs(deployment, 1)
    second = run("export", "logs", "appended", "-a", "-o", "log.txt")
    assert (second.status, second.err) == (0, "1 row appended to log.txt\n")
    words = [line.split()[-1] for line in Path("log.txt").read_text().splitlines()]
    assert words == ["one", "two", "three"]


def test_metadata_is_recorded(run: Callable[..., Run], deployment: Deployment) -> None:
    """
    Each reading has a row, once, and the file has those of all agents.
    """
    ended = run("record", "dev", "evil", "-o", "readings.csv", "-t", "1")
    assert ended.status == 0, ended.err
    rows = Path("readings.csv").read_text().splitlines()[1:]
    assert {row.partition(",")[0] for row in rows} == {"dev.main", "evil.gpu"}
    assert ended.err == f"{counted(len(rows), 'reading')} written to readings.csv\n"


@pytest.mark.parametrize("name", ["x.odd", "x.txt", "absent/x.csv", "x.parquet"])
def test_a_file_that_cannot_be_written_is_an_error_before_a_recording(
    run: Callable[..., Run],
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """
    Nothing is requested for a path without a format or a folder, and for Parquet without pyarrow.
    """
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    deployment.requests.clear()
    ended = run("record", "dev", "-o", name, "-t", "1h")
    assert ended.status == exits.FAILED
    assert len(ended.err.splitlines()) == 1
    assert ".tmp" not in ended.err
    assert not deployment.requests


def test_an_agent_that_fails_is_reported_after_a_recording(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The readings of the other agents are written, and the exit code is that of a failure.
    """
    deployment.faults.add("refuse", route="watch_metadata", status=403, headers=JSON, body="{}")
    ended = run("record", "dev", "evil", "-o", "readings.csv", "-t", "1")
    assert ended.status == exits.FAILED
    written, failed = ended.err.splitlines()
    assert written.endswith(" written to readings.csv")
    assert "status code 403" in failed
    assert (
        len({row.partition(",")[0] for row in Path("readings.csv").read_text().splitlines()}) == 2
    )


def test_ctrl_c_reports_what_was_appended(
    run: Callable[..., Run], deployment: Deployment, ctrl_c_counts: None
) -> None:
    """
    After Ctrl-C, the number of rows in the file is reported, and the code is that of Ctrl-C.
    """
    deployment.add_agent(workspace="endless").push_logs(["one", "two"])

    def interrupt() -> None:
        holds_within(60, lambda: Path("log.txt").exists() and Path("log.txt").read_bytes())
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=interrupt)
    presser.start()
    ended = run("export", "logs", "endless", "-a", "-o", "log.txt")
    presser.join()
    count = Path("log.txt").read_text().count("\n")
    assert ended.status == exits.INTERRUPTED
    assert ended.err == f"{'1 row' if count == 1 else f'{count} rows'} appended to log.txt\n"
