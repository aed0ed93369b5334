"""
Files that have rows while others are still collected.
"""

from __future__ import annotations

import errno
import gzip
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from coder_agents import export
from coder_agents.export.growing import growing_rows
from coder_agents.schema import WorkspaceAgentListeningPort


def port(number: int) -> WorkspaceAgentListeningPort:
    """
    Return a port, which is one row.
    """
    return WorkspaceAgentListeningPort(process_name="web", network="tcp", port=number)


def add(path: Path, *numbers: int, **options: Any) -> int:
    """
    Add ports one by one; return the number of rows.
    """
    with growing_rows(path, WorkspaceAgentListeningPort, **options) as rows:
        for number in numbers:
            rows.add({"dev": [port(number)]})
        return rows.count


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.csv.gz", "x.parquet"])
def test_the_file_is_the_one_that_is_written_at_once(tmp_path: Path, name: str) -> None:
    """
    Rows that are added one by one give the file of all rows, and nothing is left beside it.
    """
    grown, written = tmp_path / name, tmp_path / f"whole-{name}"
    grown.write_text("an old file")
    assert add(grown, 1, 2, 3) == 3
    export.write({"dev": [port(1), port(2), port(3)]}, written)

    def read(path: Path) -> object:
        if path.suffix == ".parquet":
            from pyarrow import parquet

            return parquet.read_table(path).to_pylist()
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

    assert read(grown) == read(written)
    assert {each.name for each in tmp_path.iterdir()} == {grown.name, written.name}


def test_rows_are_in_the_file_as_soon_as_they_are_added(tmp_path: Path) -> None:
    """
    Each call leaves whole rows, and the first one the names of the columns.
    """
    path = tmp_path / "x.csv"
    with growing_rows(path, WorkspaceAgentListeningPort) as rows:
        assert not path.exists()
        rows.add({})
        assert path.read_text() == "agent,port,network,process_name\n"
        rows.add({"dev": [port(1)]})
        assert path.read_text().splitlines()[1:] == ["dev,1,tcp,web"]
        rows.add({})
        assert rows.count == 1


def test_an_interrupted_call_adds_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What an interrupt has left of a row is overwritten, or cut off at the end.
    """
    path = tmp_path / "x.csv"
    with growing_rows(path, WorkspaceAgentListeningPort) as rows:
        rows.add({"dev": [port(1)]})
        for repeated in (True, False):
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", lambda descriptor: _interrupt())
                with pytest.raises(KeyboardInterrupt):
                    rows.add({"a-long-name": [port(22)]})
            if repeated:
                rows.add({"dev": [port(2)]})
        assert rows.count == 2
    assert path.read_text().splitlines()[1:] == ["dev,1,tcp,web", "dev,2,tcp,web"]


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_a_disk_that_fails_late_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Some systems accept what they cannot keep, and report that only when the disk has to have it.
    """
    path = tmp_path / "x.csv"

    def fail(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with growing_rows(path, WorkspaceAgentListeningPort) as rows:
        rows.add({"dev": [port(1)]})
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fail)
            with pytest.raises(OSError, match="quota") as caught:
                rows.add({"dev": [port(2)]})
        assert caught.value.filename == str(path)


def test_a_file_that_is_written_at_the_end_is_written_after_an_exception(tmp_path: Path) -> None:
    """
    A Parquet file has what was added, whatever ended the block; without a call, it stays as it was.
    """
    path = tmp_path / "x.parquet"
    path.write_text("an old file")
    with growing_rows(path, WorkspaceAgentListeningPort):
        pass
    assert path.read_text() == "an old file"
    with pytest.raises(SystemExit), growing_rows(path, WorkspaceAgentListeningPort) as rows:
        rows.add({"dev": [port(1)]})
        raise SystemExit
    from pyarrow import parquet

    assert parquet.read_table(path).num_rows == 1


def test_a_pipe_gets_all_rows_at_the_end(tmp_path: Path) -> None:
    """
    Nothing can be cut off of a pipe, so it gets the rows together.
    """
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()
    assert add(path, 1, 2, format="csv") == 2
    reader.join(60)
    assert found[0].splitlines()[1:] == ["dev,1,tcp,web", "dev,2,tcp,web"]


def test_a_program_that_exits_keeps_the_rows_that_it_appends(tmp_path: Path) -> None:
    """
    Rows of an iterable that come one by one are committed before a handler's exit passes on.
    """
    path = tmp_path / "x.jsonl"

    def ports() -> Any:
        yield port(1)
        yield port(2)
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        export.write(ports(), path, append=True)
    assert len(path.read_text().splitlines()) == 2
