"""
Files that are written in one step.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coder_agents import Agent, AgentLog, Client, export
from coder_agents.export.files import check_file
from coder_agents.schema import (
    LogLevel,
    ProvisionerJobLog,
    WorkspaceAgentListeningPort,
    WorkspaceAgentListeningPortsResponse,
    WorkspaceAgentLog,
)

from .conftest import Labelled, names

AT = datetime(2026, 11, 22, 8, 36, 52, 123_456, tzinfo=UTC)
LOGS = [
    WorkspaceAgentLog(id=1, created_at=AT, output="one", level=LogLevel.INFO),
    WorkspaceAgentLog(id=2, created_at=AT, output="\x1b[31mtwo\u202e", level=LogLevel.ERROR),
]
TEXT = "2026-11-22T08:36:52Z [info] [agent] one\n2026-11-22T08:36:52Z [error] [agent] \\x1b[31mtwo\\u202e\n"
PORT = WorkspaceAgentListeningPort(port=80)


def test_text_is_that_of_the_deployment(agent: Agent, tmp_path: Path) -> None:
    """
    A line has the form of the deployment's plain text logs, and is safe on a terminal.
    """
    path = tmp_path / "log.txt"
    assert export.write(LOGS, path) == 2
    assert path.read_text() == TEXT
    export.write({"main": LOGS[0]}, path)
    assert path.read_text() == "2026-11-22T08:36:52Z [info] [agent.main] one\n"
    export.write([AgentLog(Labelled("dev.main"), LOGS[0])], path)
    assert path.read_text() == "2026-11-22T08:36:52Z [info] [agent.dev.main] one\n"


def test_the_text_of_a_stream_has_the_name_of_its_agent(
    agent: Agent, ending: Callable[[], None], tmp_path: Path
) -> None:
    """
    The lines of one agent have the name that the deployment's own text has.
    """
    ending()
    with agent.follow_logs(source="Startup Script") as stream:
        export.write(stream, tmp_path / "log.txt")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.partition("[info] ")[2] for line in lines] == [
        "[agent.main|Startup Script] one",
        "[agent.main|Startup Script] two",
    ]


def test_the_text_of_a_build_log(tmp_path: Path) -> None:
    """
    A line of a build's log has the form of its own text.
    """
    line = ProvisionerJobLog(id=1, created_at=AT, log_level=LogLevel.INFO, stage="Plan", output="x")
    export.write(line, tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text() == f"{line.text()}\n"


def test_json_lines_and_csv_have_all_rows(tmp_path: Path) -> None:
    """
    JSON Lines have the exact text, CSV begins with the names of the columns.
    """
    export.write(LOGS, tmp_path / "x.jsonl")
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert [json.loads(line)["output"] for line in lines] == [log.output for log in LOGS]
    export.write(LOGS, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["output"] for row in rows] == ["one", "\\x1b[31mtwo\\u202e"]
    assert [row["level"] for row in rows] == ["info", "error"]


@pytest.mark.parametrize("suffix", [".txt.gz", ".jsonl.gz", ".csv.gz", ".log.GZ"])
def test_a_compressed_file_has_the_same_content(suffix: str, tmp_path: Path) -> None:
    """
    The suffix .gz compresses the format before it, and equal rows give equal files.
    """
    plain, packed, again = (tmp_path / name for name in ("x", f"x{suffix}", f"y{suffix}"))
    plain = tmp_path / f"x{Path(suffix).stem}"
    for path in (plain, packed, again):
        assert export.write(LOGS, path) == 2
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert packed.read_bytes() == again.read_bytes()


def test_parquet_keeps_types_and_text(tmp_path: Path) -> None:
    """
    A Parquet file has the exact text and the types of the table of Arrow.
    """
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    many = [WorkspaceAgentLog(id=number, output=f"line {number}") for number in range(250_000)]
    assert export.write(iter(many), path) == len(many)
    table = parquet.read_table(path)
    assert table.schema.equals(export.to_arrow(LOGS).schema)
    assert table["id"].to_pylist() == list(range(len(many)))
    assert parquet.ParquetFile(path).num_row_groups == 3
    assert export.write(LOGS, path) == 2
    assert parquet.read_table(path)["output"].to_pylist() == [log.output for log in LOGS]


@pytest.mark.parametrize("path", [None, 5, b"x.csv", io.StringIO()])
def test_a_path_is_text_or_a_path(path: Any) -> None:
    """
    The error says what it is instead, and what would be right.
    """
    with pytest.raises(TypeError, match=f"not an object of the class {type(path).__name__}"):
        export.write([], path)


def test_the_file_and_then_its_name_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    After a power failure the folder has the old file or the complete new one.
    """
    is_folder: list[bool] = []
    sync = os.fsync

    def counted(descriptor: int) -> None:
        is_folder.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    export.write(LOGS, tmp_path / "x.csv")
    assert is_folder == [False, True]


def test_no_rows_are_a_file_too(tmp_path: Path) -> None:
    """
    A file of no rows has the names of the columns where the kind is known.
    """
    nothing = WorkspaceAgentListeningPortsResponse()
    assert export.write(nothing, tmp_path / "x.csv") == 0
    assert (tmp_path / "x.csv").read_text() == "agent,port,network,process_name\n"
    assert export.write([], tmp_path / "x.csv") == 0
    assert (tmp_path / "x.csv").read_text() == ""
    parquet = pytest.importorskip("pyarrow.parquet")
    assert export.write(nothing, tmp_path / "x.parquet") == 0
    assert parquet.read_table(tmp_path / "x.parquet").num_columns == 4
    assert export.write([], tmp_path / "x.parquet") == 0


def test_the_format_takes_precedence_over_the_suffix(tmp_path: Path) -> None:
    """
    A file of any name has the format that is passed.
    """
    path = tmp_path / "x.csv"
    export.write(LOGS, path, format="text")
    assert path.read_text() == TEXT
    export.write(LOGS, str(tmp_path / "plain"), format="jsonl")
    assert len((tmp_path / "plain").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("x", {}, r"'x' has no suffix of a format: use one of \.txt, \.log, \.jsonl"),
        ("x.gz", {}, "has no suffix of a format"),
        ("x.json", {}, "has no suffix of a format"),
        (
            "x.csv",
            {"format": "xml"},
            "format must be one of 'text', 'jsonl', 'csv', 'parquet', not",
        ),
        ("x.parquet.gz", {}, r"compressed by itself: write it without \.gz"),
        ("x.gz", {"format": "parquet"}, "compressed by itself"),
        ("x.parquet", {"append": True}, "a Parquet file cannot grow"),
    ],
)
def test_a_wrong_format_is_an_error_before_anything_is_read(
    name: str, options: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """
    The error names what would be right, and neither reads the objects nor touches the file.
    """

    taken: list[int] = []

    def objects() -> Iterator[WorkspaceAgentLog]:
        taken.append(1)
        yield LOGS[0]

    with pytest.raises(ValueError, match=reason):
        export.write(objects(), tmp_path / name, **options)
    assert taken == []
    assert names(tmp_path) == []


@pytest.mark.parametrize("append", [False, True])
def test_what_has_no_rows_touches_no_file(append: bool, tmp_path: Path) -> None:
    """
    An object without rows is refused before the file is opened.
    """
    with pytest.raises(TypeError, match="has no rows"):
        export.write(3, tmp_path / "x.csv", append=append)
    with pytest.raises(TypeError):
        export.write(LOGS, 3, append=append)  # type: ignore[arg-type]
    assert names(tmp_path) == []


def test_only_logs_are_text(tmp_path: Path) -> None:
    """
    Other rows are refused before the file is touched, with the formats that they have.
    """
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match=r"listening ports are no lines of text.*\.jsonl, \.csv"):
        export.write([PORT], path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


def failing() -> Iterator[Any]:
    """
    Yield lines of a log, and fail.
    """
    yield from LOGS * 1000
    raise KeyboardInterrupt


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("objects", [failing, lambda: [*LOGS, PORT]], ids=["interrupt", "mixture"])
def test_an_error_leaves_the_old_file(
    suffix: str, objects: Callable[[], Any], tmp_path: Path
) -> None:
    """
    An interrupt and a mixture of kinds leave the old file whole, and nothing beside it.
    """
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"x{suffix}"
    path.write_text("old")
    with pytest.raises((KeyboardInterrupt, TypeError)):
        export.write(objects(), path)
    assert path.read_text() == "old"
    assert names(tmp_path) == [path.name]


def test_the_old_file_is_whole_until_the_new_one_is(tmp_path: Path) -> None:
    """
    While rows are written, whoever opens the file gets the old one.
    """
    path = tmp_path / "x.jsonl"
    path.write_text("old")

    def logs() -> Iterator[WorkspaceAgentLog]:
        yield from LOGS * 5000
        assert path.read_text() == "old"

    assert export.write(logs(), path) == 10_000
    assert len(path.read_text().splitlines()) == 10_000


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    """
    A replaced file has the old mode, and a new one that of any new file.
    """
    path, other = tmp_path / "x.csv", tmp_path / "other"
    other.touch()
    export.write(LOGS, path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
    path.chmod(0o640)
    export.write(LOGS, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """
    The file that a symbolic link leads to is replaced, not the link.
    """
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "x.csv", tmp_path / "link.csv"
    link.symlink_to(target)
    export.write(LOGS, link)
    assert link.is_symlink()
    assert len(target.read_text().splitlines()) == 3


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """
    A pipe gets the rows and stays a pipe.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        export.write(LOGS, pipe, format="text")
        assert os.read(reader, 1000).decode() == TEXT
        assert pipe.is_fifo()
    finally:
        os.close(reader)


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="the system does not name descriptors")
def test_a_pipe_that_is_open_can_be_named(tmp_path: Path) -> None:
    """
    The name of a descriptor, such as /dev/stdout, leads to the pipe.
    """
    reader, writer = os.pipe()
    try:
        export.write(LOGS, f"/dev/fd/{writer}", format="text")
        assert os.read(reader, 1000).decode() == TEXT
    finally:
        os.close(reader)
        os.close(writer)


def test_nothing_is_appended_to_a_device_or_a_pipe(tmp_path: Path) -> None:
    """
    Neither can be cut off after an interrupt, and nothing is written beside them.
    """
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ValueError, match="is a device or a pipe"):
        export.write(LOGS, tmp_path / "pipe.csv", append=True)
    with pytest.raises(ValueError, match="append to a file"):
        check_file("/dev/null", WorkspaceAgentLog, format="csv", append=True)
    assert names(tmp_path) == ["pipe.csv"]


def test_a_name_of_maximal_length_can_be_written(tmp_path: Path) -> None:
    """
    The file beside the file has a shorter name.
    """
    path = tmp_path / f"{'x' * 251}.csv"
    export.write(LOGS, path)
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("append", [False, True])
def test_a_folder_that_is_missing_is_the_systems_error(append: bool, tmp_path: Path) -> None:
    """
    The error names what is missing; a folder in place of the file is an error, too.
    """
    with pytest.raises(FileNotFoundError):
        export.write(LOGS, tmp_path / "missing" / "x.csv", append=append)
    with pytest.raises(IsADirectoryError):
        export.write(LOGS, tmp_path, format="csv", append=append)


def test_the_token_is_in_no_row(
    client: Client, agent: Agent, deployment: Any, tmp_path: Path
) -> None:
    """
    No export of what the client returns has the token.
    """
    things = [client.agents(), client.workspaces(), agent.startup_report(), {agent: agent.logs()}]
    for number, thing in enumerate(things):
        export.write(thing, tmp_path / f"{number}.jsonl")
        assert deployment.token not in (tmp_path / f"{number}.jsonl").read_text()


def test_a_file_is_checked_before_its_rows_are_collected(tmp_path: Path) -> None:
    """
    A device is not replaced, and needs no check; a folder that is missing is an error.
    """
    check_file("/dev/null", WorkspaceAgentListeningPort, format="csv")
    with pytest.raises(FileNotFoundError):
        check_file(tmp_path / "missing" / "ports.csv", WorkspaceAgentListeningPort)
