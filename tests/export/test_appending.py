"""
Files that streams are appended to, and the position beside them.
"""

from __future__ import annotations

import csv
import errno
import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from driving import signalled_when_waiting
from holding import holds_within

from coder_agents import Agent, Client, StreamError, StreamOptions, export
from coder_agents.export.appending import GrowingFile
from coder_agents.export.positions import FilePosition, position_path
from coder_agents.local_files import LocalFile
from coder_agents.schema import WorkspaceAgentListeningPort, WorkspaceAgentLog
from coder_agents.testing import Deployment, EmbeddedAgent

from .conftest import names

LINES = ["one", "two", "disk is full"]
PORT = WorkspaceAgentListeningPort(port=80)


@pytest.fixture
def append(agent: Agent, ending: Callable[[], None]) -> Callable[..., int]:
    """
    A function that appends a stream of the agent's log to a file, until the stored lines end.
    """

    def run(path: Path, **options: Any) -> int:
        ending()
        with agent.follow_logs(**options) as stream:
            return export.write(stream, path, append=True)

    return run


def outputs(path: Path) -> list[str]:
    """
    Return the lines of the log in the file of JSON Lines *path*.
    """
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line)["output"] for line in text.splitlines()]


def test_a_later_stream_continues_the_file(
    append: Callable[..., int], embedded: EmbeddedAgent, path: Path
) -> None:
    """
    A stream from the log's beginning adds only the lines that the file does not have.
    """
    assert append(path) == 3
    embedded.push_logs(["four"])
    assert append(path) == 1
    assert append(path) == 0
    assert outputs(path) == [*LINES, "four"]


def test_the_bookmark_of_the_file_saves_the_lines_that_it_has(
    append: Callable[..., int], agent: Agent, embedded: EmbeddedAgent, path: Path
) -> None:
    """
    A stream after the bookmark continues as well, and the deployment sends nothing twice.
    """
    assert export.bookmarks(path) == {}
    append(path)
    found = export.bookmarks(path)
    assert list(found) == [agent.id]
    assert agent.logs(after=found[agent.id]) == []
    embedded.push_logs(["four"])
    assert append(path, after=found[agent.id]) == 1
    assert outputs(path) == [*LINES, "four"]


def test_a_stream_that_began_later_keeps_what_the_file_has(
    append: Callable[..., int], agent: Agent, embedded: EmbeddedAgent, path: Path
) -> None:
    """
    A stream that is cut early does not make the file forget the lines after it.
    """
    append(path)
    with agent.follow_logs() as stream:
        next(stream)
        stream.close()
        assert export.write(stream, path, append=True) == 0
    embedded.push_logs(["four"])
    assert append(path) == 1
    assert outputs(path) == [*LINES, "four"]


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl.gz", ".csv.gz"])
def test_each_format_can_grow(
    append: Callable[..., int], embedded: EmbeddedAgent, suffix: str, tmp_path: Path
) -> None:
    """
    Two appends give the same text as one write, compressed as members of one file.
    """
    path, whole = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    append(path)
    embedded.push_logs(["four", "=five"])
    append(path)
    append(whole)
    read = gzip.decompress if suffix.endswith(".gz") else bytes
    assert read(path.read_bytes()) == read(whole.read_bytes())
    assert read(path.read_bytes()).decode().count("\n") == 5 + suffix.startswith(".csv")


def test_a_crash_at_any_byte_loses_and_repeats_nothing(
    append: Callable[..., int], embedded: EmbeddedAgent, path: Path
) -> None:
    """
    The next stream gives the same file after any part of a commit that a crash has left.
    """
    append(path)
    before, position = path.read_bytes(), position_path(path).read_bytes()
    embedded.push_logs(["four", "five"])
    append(path)
    after = path.read_bytes()
    for cut in [*range(len(before), len(after), 60), len(after)]:
        path.write_bytes(after[:cut])
        position_path(path).write_bytes(position)
        assert append(path) == 2
        assert path.read_bytes() == after


def test_a_crash_before_the_first_line_leaves_a_file_that_can_grow(
    append: Callable[..., int], agent: Agent, path: Path
) -> None:
    """
    The position is there before the first byte, so that the first commit can be repeated as well.
    """
    seen: list[bool] = []

    def logs() -> Iterator[WorkspaceAgentLog]:
        seen.append(position_path(path).exists())
        yield from ()

    export.write(logs(), path, append=True)
    assert seen == [True]
    path.write_bytes(b"half a li")
    assert append(path) == 3
    assert outputs(path) == LINES


def test_lines_are_in_the_file_as_they_come(
    agent: Agent, embedded: EmbeddedAgent, path: Path
) -> None:
    """
    A line can be read in the file while the stream waits for the next one.
    """
    with agent.follow_logs() as stream:
        thread = threading.Thread(target=lambda: export.write(stream, path, append=True))
        thread.start()
        for number in range(3):
            embedded.push_logs([f"live {number}"])
            expected = [*LINES, *(f"live {each}" for each in range(number + 1))]
            assert holds_within(30, lambda: path.exists() and outputs(path) == expected)  # noqa: B023
        stream.close()
        thread.join()
    assert outputs(path) == expected


def test_ctrl_c_leaves_a_file_that_can_grow(
    append: Callable[..., int], agent: Agent, embedded: EmbeddedAgent, path: Path
) -> None:
    """
    An interrupt of the wait passes through, and the next stream continues.
    """
    with agent.follow_logs() as stream, pytest.raises(KeyboardInterrupt):
        with signalled_when_waiting():
            export.write(stream, path, append=True)
    assert outputs(path) == LINES
    embedded.push_logs(["four"])
    assert append(path) == 1
    assert outputs(path) == [*LINES, "four"]


def test_an_interrupt_in_a_commit_leaves_whole_lines(path: Path, agent: Agent) -> None:
    """
    What an interrupted commit has written is cut off at once.
    """

    class Interrupted(LocalFile):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:10])
            raise KeyboardInterrupt

    from coder_agents.export.chunks import chunks_of_one_table, one_by_one
    from coder_agents.export.paths import target_of

    rows = list(chunks_of_one_table(agent.logs(), one_by_one))
    with Interrupted(path, "w+b", known_as=path) as file, pytest.raises(KeyboardInterrupt):
        position = FilePosition(length=0, format="jsonl")
        with GrowingFile(file, target_of(path, None), position) as growing:
            growing.commit(rows, {})
    assert path.read_bytes() == b""


def test_a_file_may_have_the_logs_of_several_agents(
    client: Client,
    agent: Agent,
    deployment: Deployment,
    embedded: EmbeddedAgent,
    path: Path,
) -> None:
    """
    A merged stream continues for each agent, and a further agent begins.
    """
    other = deployment.add_agent("main", workspace="other")
    other.push_logs(["of the other"])
    agents = [agent]
    for count, expected in ((1, 3), (2, 1)):
        if count == 2:
            agents.append(client.agent("other"))
        with client.follow_logs(agents) as stream:
            written: list[int] = []
            thread = threading.Thread(
                target=lambda: written.append(export.write(stream, path, append=True))  # noqa: B023
            )
            thread.start()
            wanted = 3 if count == 1 else 4
            assert holds_within(30, lambda: path.exists() and len(outputs(path)) == wanted)  # noqa: B023
            stream.close()
            thread.join()
        assert written == [expected]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["agent"] for row in rows] == ["dev.main"] * 3 + ["other.main"]
    assert set(export.bookmarks(path)) == {agent.id, other.id}


def test_the_next_builds_agent_begins_in_the_same_file(
    client: Client,
    append: Callable[..., int],
    embedded: EmbeddedAgent,
    ending: Callable[[], None],
    path: Path,
) -> None:
    """
    The log of another agent, such as that of the next build, follows in the file.
    """
    append(path)
    newer = embedded.new_build()
    newer.wait_started()
    ending()
    with client.agent("dev").follow_logs() as stream:
        assert export.write(stream, path, append=True) == 2
    assert outputs(path) == [*LINES, "one", "two"]
    assert set(export.bookmarks(path)) == {embedded.id, newer.id}


def test_other_rows_can_be_appended(agent: Agent, tmp_path: Path) -> None:
    """
    Rows of which no stream knows a position are added each time, in CSV below one line of names.
    """
    path = tmp_path / "x.csv"
    assert export.write([PORT], path) == 1
    assert export.write([PORT, PORT], path, append=True) == 2
    assert export.write((PORT for _ in range(3)), path, append=True) == 3
    with path.open(newline="") as file:
        assert [row["port"] for row in csv.DictReader(file)] == ["80"] * 6
    assert export.bookmarks(path) == {}


def test_rows_that_wait_for_each_other_are_in_the_file_one_by_one(path: Path) -> None:
    """
    A row of a slow iterable is in the file before the next one comes.
    """
    seen: list[int] = []

    def ports() -> Iterator[WorkspaceAgentListeningPort]:
        for _ in range(3):
            seen.append(len(path.read_bytes().splitlines()))
            yield PORT
            time.sleep(0.3)

    assert export.write(ports(), path, append=True) == 3
    assert seen == [0, 1, 2]


def test_a_file_of_unknown_lines_is_not_continued(
    append: Callable[..., int], agent: Agent, path: Path
) -> None:
    """
    A file without a position, or with rows of no stream, is refused, and stays as it is.
    """
    export.write(agent.logs(), path)
    with pytest.raises(ValueError, match="does not list the lines"):
        append(path)
    export.write(agent.logs(), path, append=True)
    with pytest.raises(ValueError, match="does not list the lines"):
        append(path)
    assert outputs(path) == LINES * 2


def test_a_file_of_a_stream_takes_only_streams(
    append: Callable[..., int], agent: Agent, path: Path
) -> None:
    """
    A list of lines could repeat what the stream has written.
    """
    append(path)
    with pytest.raises(ValueError, match="append only streams to it"):
        export.write(agent.logs(), path, append=True)
    assert outputs(path) == LINES


def test_a_replaced_file_has_no_position(
    append: Callable[..., int], agent: Agent, path: Path
) -> None:
    """
    The position is removed together with the file that it describes.
    """
    append(path)
    assert names(path.parent) == ["logs.jsonl", "logs.jsonl.position"]
    export.write(agent.logs(), path)
    assert names(path.parent) == ["logs.jsonl"]


def test_a_file_that_does_not_fit_its_position_is_refused(
    append: Callable[..., int], path: Path
) -> None:
    """
    A file that has become shorter, and one of another format, raise an error with the way out.
    """
    append(path)
    with pytest.raises(ValueError, match="has the format jsonl, not csv"):
        export.write([PORT], path, format="csv", append=True)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"has 0 bytes, but .* delete logs\.jsonl\.position"):
        append(path)
    position_path(path).unlink()
    assert append(path) == 3


def test_rows_of_another_table_are_refused(tmp_path: Path) -> None:
    """
    A file keeps the columns that it has, with and without a position.
    """
    path = tmp_path / "x.csv"
    log = WorkspaceAgentLog(id=1)
    export.write([PORT], path, append=True)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="has listening ports, so log lines cannot be appended"):
        export.write([log], path, append=True)
    assert path.read_bytes() == before
    for name in ("y.csv", "y.csv.gz"):
        export.write([PORT], tmp_path / name)
        with pytest.raises(ValueError, match="has other columns in its first line"):
            export.write([log], tmp_path / name, append=True)
        (tmp_path / name).write_bytes(b"no CSV at all")
        position_path(tmp_path / name).unlink()
        with pytest.raises(ValueError, match="has other columns in its first line"):
            export.write([log], tmp_path / name, append=True)
    export.write([PORT], tmp_path / "z.csv")
    whole = (tmp_path / "z.csv").read_bytes()
    (tmp_path / "z.csv").write_bytes(whole.rstrip())
    with pytest.raises(ValueError, match=r"z\.csv does not end with a newline"):
        export.write([PORT], tmp_path / "z.csv", append=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"version": 0}',
        '{"version": 1, "length": 0, "format": "jsonl", "table": "", "bookmarks": {"a": "b"}}',
        '{"version": 1, "length": 0, "format": "jsonl", "table": "", "bookmarks": {"a": 3}}',
        '{"version": 1, "length": -1, "format": "jsonl", "table": "", "bookmarks": {}}',
    ],
)
def test_a_damaged_position_is_an_error(text: str, append: Callable[..., int], path: Path) -> None:
    """
    The error names the file, and what to delete.
    """
    position_path(path).write_text(text)
    with pytest.raises(ValueError, match=r"logs\.jsonl\.position is damaged .* delete it together"):
        append(path)
    with pytest.raises(ValueError, match="is damaged"):
        export.bookmarks(path)


def test_a_position_of_a_newer_release_is_not_called_damaged(path: Path) -> None:
    """
    Nobody is advised to delete the lines.
    """
    position_path(path).write_text('{"version": 2}')
    with pytest.raises(ValueError, match=r"\.position was written by a newer release") as raised:
        export.bookmarks(path)
    assert "delete" not in str(raised.value)


def test_two_programs_do_not_append_to_one_file(
    append: Callable[..., int], agent: Agent, path: Path
) -> None:
    """
    The second one gets an error at once, and the file is that of the first.
    """
    pytest.importorskip("fcntl")

    def logs() -> Iterator[WorkspaceAgentLog]:
        with pytest.raises(BlockingIOError, match="another program is appending to this file"):
            append(path)
        yield from agent.logs()

    assert export.write(logs(), path, append=True) == 3
    assert outputs(path) == LINES


def test_a_file_that_grows_is_not_replaced(
    append: Callable[..., int], agent: Agent, path: Path
) -> None:
    """
    Else the position would count bytes of a file that is gone, and the next call would cut the new one.
    """
    pytest.importorskip("fcntl")

    def logs() -> Iterator[WorkspaceAgentLog]:
        with pytest.raises(BlockingIOError, match="another program is appending to this file"):
            export.write(agent.logs(), path)
        yield from agent.logs()

    assert export.write(logs(), path, append=True) == 3
    assert outputs(path) == LINES
    assert export.write(agent.logs(), path) == 3


def test_the_position_is_a_document_for_people_too(
    append: Callable[..., int], agent: Agent, path: Path
) -> None:
    """
    The position has the length of the file, and the bookmark of each agent.
    """
    append(path)
    document = json.loads(position_path(path).read_text())
    assert document["length"] == path.stat().st_size
    assert document["bookmarks"] == {
        str(agent_id): bookmark for agent_id, bookmark in export.bookmarks(path).items()
    }
    assert uuid.UUID(next(iter(document["bookmarks"]))) == agent.id


def test_what_a_crash_left_is_cut_off_before_anything_is_read(tmp_path: Path) -> None:
    """
    Whoever reads the file while the next row is awaited sees whole rows only.
    """
    path = tmp_path / "x.csv"
    export.write([PORT], path, append=True)
    before = path.read_bytes()
    path.write_bytes(before + b"half a ro")

    def ports() -> Iterator[WorkspaceAgentListeningPort]:
        assert path.read_bytes() == before
        yield PORT

    assert export.write(ports(), path, append=True) == 1


def test_an_error_of_the_stream_leaves_a_file_that_can_grow(
    append: Callable[..., int],
    agent: Agent,
    deployment: Deployment,
    embedded: EmbeddedAgent,
    path: Path,
) -> None:
    """
    A stream that fails raises its error, and its lines are in the file.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    with agent.follow_logs(options=StreamOptions(reconnect=None)) as stream:
        with pytest.raises(StreamError):
            export.write(stream, path, append=True)
    assert outputs(path) == LINES
    embedded.push_logs(["four"])
    assert append(path) == 1


def test_the_log_of_a_build_can_be_appended(
    client: Client, deployment: Deployment, path: Path
) -> None:
    """
    The stream of a build's log continues in the same way, under the id of the build.
    """
    deployment.add_agent("main", workspace="other").wait_started()
    client.stop_workspace("other", wait=True)
    build = client.start_workspace("other", wait=True)
    expected = [log.output for log in client.build_logs(build)]
    assert expected
    for count in (len(expected), 0):
        with client.follow_build_logs(build) as stream:
            assert export.write(stream, path, append=True) == count
    assert outputs(path) == expected
    assert set(export.bookmarks(path)) == {build.id}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_rows_before_an_error_are_in_the_file(error: type[BaseException], path: Path) -> None:
    """
    An iterable that fails has its earlier rows in the file, as none of them comes again.
    """

    def ports() -> Iterator[WorkspaceAgentListeningPort]:
        yield from [PORT] * 3
        raise error

    with pytest.raises(error):
        export.write(ports(), path, append=True)
    assert len(path.read_bytes().splitlines()) == 3


def test_a_file_system_without_locks_lets_a_file_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Where no lock can be had, nothing is known of other programs, and the file is replaced.
    """

    def refused(*args: object) -> None:
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr("coder_agents.export.appending.flock", refused)
    path = tmp_path / "ports.csv"
    path.write_text("old\n")
    port = WorkspaceAgentListeningPort(process_name="", network="tcp", port=1)
    assert export.write([port], path) == 1
    assert "old" not in path.read_text()
