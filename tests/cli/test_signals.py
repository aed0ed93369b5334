"""
What ends a command: signals, and a reader of its output that has gone.
"""

from __future__ import annotations

import _thread
import contextlib
import gzip
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from driving import LIMIT, InThread, interrupt_starts, reached

from coder_agents.cli import exits, readers
from coder_agents.cli.readers import ending_without_reader
from coder_agents.render.line import counted
from coder_agents.testing import Deployment, EmbeddedAgent

from .conftest import Run
from .processes import PROGRAM, close_terminal, in_terminal, killed
from .test_follow import JSON


@pytest.fixture
def watched(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent with one item of metadata, and without a log.
    """
    agent = deployment.add_agent(workspace=f"signals-{uuid.uuid4().hex[:8]}")
    agent.set_metadata("load", "1")
    return agent


def rows_of(path: Path) -> int:
    """
    Return how many rows *path* has, a file of CSV or Parquet.
    """
    if not path.exists():
        return 0
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return int(parquet.read_table(path).num_rows)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt") as file:
        return max(0, len(file.read().splitlines()) - 1)


def has_reading(deployment: Deployment, agent: EmbeddedAgent) -> bool:
    """
    Whether a program has read metadata of *agent* and has connected again, after the fault ``drop``.
    """
    wanted = [str(agent.id) in each.target for each in deployment.requests]
    return sum(wanted) >= 2


@pytest.mark.parametrize(
    ("suffix", "signals"),
    [
        (".csv", [signal.SIGTERM]),
        # The system and the shell send one each.
        (".csv.gz", [signal.SIGHUP, signal.SIGHUP]),
        (".parquet", [signal.SIGTERM, signal.SIGHUP]),
        (".csv", [signal.SIGKILL]),
    ],
)
def test_a_recording_that_is_ended_has_its_readings(
    variables: Mapping[str, str],
    deployment: Deployment,
    watched: EmbeddedAgent,
    tmp_path: Path,
    suffix: str,
    signals: list[int],
) -> None:
    """
    After SIGTERM and SIGHUP the file is complete, and after SIGKILL it has what was recorded a second before.
    """
    path = tmp_path / f"readings{suffix}"
    place: dict[str, Any] = {"route": "watch_metadata", "containing": str(watched.id)}
    deployment.faults.add("drop", after=1, **place)
    name = watched.build.workspace.name
    process = subprocess.Popen(
        [*PROGRAM, "record", name, "-o", str(path), "-t", "1h"],
        stderr=subprocess.PIPE,
        env=variables,
    )
    with killed(process):
        reached(lambda: has_reading(deployment, watched))
        if suffix != ".parquet":
            reached(lambda: rows_of(path))
        for each in signals:
            process.send_signal(each)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert -process.returncode in signals
    assert rows_of(path) >= 1
    assert {each.name for each in tmp_path.iterdir()} == {path.name}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_ctrl_c_ends_a_recording(
    ctrl_c: None,
    run: Callable[..., Run],
    deployment: Deployment,
    watched: EmbeddedAgent,
    suffix: str,
) -> None:
    """
    Rows are in the file while others come, each reading once, and the code is 0.
    """
    path = Path(f"readings{suffix}").absolute()
    path.write_text("an old file")
    place: dict[str, Any] = {"route": "watch_metadata", "containing": str(watched.id)}
    if suffix == ".parquet":
        deployment.faults.add("drop", after=1, **place)

    def interrupt() -> None:
        if suffix == ".parquet":
            reached(lambda: has_reading(deployment, watched))
        else:
            reached(lambda: path.read_bytes() != b"an old file" and rows_of(path))
            watched.set_metadata("load", "2")
            reached(lambda: rows_of(path) == 2)
        _thread.interrupt_main()

    interrupting = InThread(interrupt)
    ended = run("record", watched.build.workspace.name, "-o", path.name, "-t", "1h")
    assert interrupting.ended() is None
    count = rows_of(path)
    assert (ended.status, ended.err) == (0, f"{counted(count, 'reading')} written to {path.name}\n")
    assert count == (1 if suffix == ".parquet" else 2)


def test_a_recording_without_a_stream_leaves_the_old_file(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    Where the streams of all agents fail before the first reading, the error is that of the command.
    """
    Path("readings.csv").write_text("an old file")
    deployment.faults.add(
        "refuse", route="watch_metadata", status=403, headers=JSON, body="{}", times=2
    )
    ended = run("record", "dev", "evil", "-o", "readings.csv", "-t", "1h")
    assert ended.status == exits.FAILED
    assert "status code 403" in ended.err
    assert Path("readings.csv").read_text() == "an old file"


def test_a_recording_without_readings_has_the_names_of_the_columns(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    An agent without metadata gives a file without rows.
    """
    deployment.add_agent(workspace="without-metadata")
    ended = run("record", "without-metadata", "-o", "readings.csv", "-t", "0.1")
    assert (ended.status, ended.err) == (0, "0 readings written to readings.csv\n")
    assert Path("readings.csv").read_text().startswith("agent,key,")


def terminate(keyboard: int, process: subprocess.Popen[bytes]) -> None:
    """
    Send SIGTERM to the process.
    """
    process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("arguments", "at"),
    [
        (["metadata", "dev", "-w"], "0.42"),
        (["top", "dev"], "dev.main"),
        (["terminal", "dev", "--", "echo begun; sleep 60"], "begun\r"),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_a_terminal_is_restored_at_the_end(
    ctrl_c: None, variables: Mapping[str, str], arguments: list[str], at: str
) -> None:
    """
    After SIGTERM, the cursor is shown again, the first screen is back, and no traceback is shown.
    """
    ended = in_terminal(variables, *arguments, interrupt_at=at, interrupt=terminate)
    assert ended.status == -signal.SIGTERM
    assert "Traceback" not in ended.text
    assert ended.out.rfind("\x1b[?25h") >= ended.out.rfind("\x1b[?25l")
    assert ended.out.count("\x1b[?1049h") == ended.out.count("\x1b[?1049l")


def test_a_watch_ends_with_its_terminal(ctrl_c: None, variables: Mapping[str, str]) -> None:
    """
    Where the terminal is closed, the program ends by SIGHUP, although it cannot restore the cursor.
    """
    ended = in_terminal(
        variables, "metadata", "dev", "-w", interrupt_at="0.42", interrupt=close_terminal
    )
    assert ended.status == -signal.SIGHUP


@pytest.mark.parametrize(
    "arguments",
    [
        ["logs", "-f", "dev"],
        ["metadata", "SILENT", "-w", "--json"],
        ["run", "dev", "--", "echo $$; exec sleep 600"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_ends_with_the_reader_of_its_output(
    ctrl_c: None,
    variables: Mapping[str, str],
    deployment: Deployment,
    watched: EmbeddedAgent,
    arguments: list[str],
) -> None:
    """
    When the reader has gone, nothing more has to be written: the program ends by SIGPIPE, without a word, and kills
    a command on the agent.
    """
    name = watched.build.workspace.name
    place: dict[str, Any] = {"route": "watch_metadata", "containing": str(watched.id)}
    deployment.faults.add("silence", after=1, **place)
    process = subprocess.Popen(
        [*PROGRAM, *[name if each == "SILENT" else each for each in arguments]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables,
        bufsize=0,
    )
    with killed(process):
        assert process.stdout is not None
        assert process.stderr is not None
        line = b""
        while not line.endswith(b"\n"):
            line += process.stdout.read(1)
        process.stdout.close()
        errors = process.stderr.read()
    deployment.faults.clear()
    assert (process.returncode, errors) == (-signal.SIGPIPE, b"")
    if arguments[0] == "run":
        there = Path(f"/proc/{int(line)}/cmdline")
        assert not there.exists() or b"sleep" not in there.read_bytes()


@contextlib.contextmanager
def piped_output(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """
    Make standard output a pipe in the block; yield what closes the reader.
    """
    reader, writer = os.pipe()
    with contextlib.ExitStack() as readers, os.fdopen(writer, "w") as out:
        readers.callback(os.close, reader)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            yield readers.close


def test_a_block_ends_with_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The main thread is interrupted where it waits, and the handler of the signal is the one before.
    """
    before = signal.getsignal(signal.SIGPIPE)
    with (
        piped_output(monkeypatch) as close_reader,
        pytest.raises(SystemExit) as ended,
        ending_without_reader(),
    ):
        close_reader()
        time.sleep(LIMIT)
    assert ended.value.code == exits.READER_GONE
    assert signal.getsignal(signal.SIGPIPE) is before


def test_ctrl_c_passes_through_as_the_block_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A thread that does not run yet cannot be waited for.
    """
    interrupt_starts(monkeypatch, "reader of the output")
    with (
        piped_output(monkeypatch),
        pytest.raises(KeyboardInterrupt),
        ending_without_reader(),
    ):
        pass


def waiting_threads() -> int:
    """
    Return how many threads wait for a reader; others, such as a deployment's, come and go.
    """
    return sum(each.name == "reader of the output" for each in threading.enumerate())


def test_a_connection_that_breaks_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    SIGPIPE of a socket is the error of the socket alone, and no thread is left after the block.
    """
    ours, theirs = socket.socketpair()
    theirs.close()
    with piped_output(monkeypatch), ours, ending_without_reader():
        assert waiting_threads() == 1
        with pytest.raises(BrokenPipeError):
            ours.send(b"x")
    assert waiting_threads() == 0


def test_only_a_pipe_has_a_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    For a file, for a stream without a number, and in another thread, nobody waits for a reader.
    """

    def watches() -> bool:
        with ending_without_reader():
            return waiting_threads() > 0

    with (tmp_path / "file").open("w") as out, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        assert not watches()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.StringIO())
        assert not watches()
    with piped_output(monkeypatch):
        monkeypatch.delattr("select.poll")  # as on Windows
        assert not watches()


def test_another_thread_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Only the main thread handles signals: another one ends when it writes.
    """

    def watches() -> int:
        with ending_without_reader():
            return waiting_threads()

    with piped_output(monkeypatch):
        watching = InThread(watches)
        assert watching.ended() is None
    assert watching.result == 0


def test_a_reader_that_was_noticed_by_a_write_interrupts_nothing() -> None:
    """
    The signal of the thread that watches the reader does not end what already ends, such as the end of a
    command on the agent.
    """
    watch = readers._ReaderWatch(0)
    watch._has_gone = True
    try:
        raise BrokenPipeError
    except BrokenPipeError:
        watch.end(0, None)
    with pytest.raises(SystemExit):
        watch.end(0, None)
    os.close(watch._closer)
    os.close(watch._closed)
