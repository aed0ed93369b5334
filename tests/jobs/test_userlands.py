"""
Jobs and files on agents with a rare shell or userland.

With ``CODER_AGENTS_THOROUGH`` all tests of this folder run under each of them.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from coder_agents.jobs.protocol import (
    FileInfo,
    GetChecksum,
    GetPiece,
    ListDirectory,
    ListJobs,
    Piece,
    PutPiece,
    ReplaceFile,
    Signal,
    Stat,
    WriteInput,
    numbers_of,
    read_entries,
    read_jobs,
)

from .shells import ControlShell, missing
from .test_files import checksum

# The control shell is driven directly: neither Python nor a library has a part in it.
pytestmark = pytest.mark.once


@pytest.fixture(params=["bsd", "mksh", "toybox"])
def shell(request: pytest.FixtureRequest) -> str:
    """
    The name of each rare shell and userland.
    """
    name: str = request.param
    if (reason := missing(name)) is not None:
        pytest.skip(reason)
    return name


def test_jobs_are_exact(control: ControlShell) -> None:
    """
    Ends, outputs, input, time limits and signals are as on every agent.
    """
    assert control.run("echo out; echo err >&2; exit 7").returncode == 7
    assert control.run("kill -9 $$").returncode == -9
    assert control.run(f"true {'x' * 3000}; exit 5").returncode == 5
    data = bytes(range(256)) * 400
    control.ask(WriteInput(job="in", offset=0, data=data[:50_000]))
    control.ask(WriteInput(job="in", offset=50_000, data=data[50_000:], end=True))
    control.start("cat; cat /dev/null >&2; echo e >&2", job="in", stdin="spooled")
    end = control.finish("in")
    assert (end.stdout == data, end.stderr) == (True, b"e\n")
    assert control.read("in", 50_001).stdout == data[50_001:]
    timed = control.run("sleep 1000", timeout=0.3, grace=0.3)
    assert (timed.timed_out, timed.returncode) == (True, -signal.SIGTERM)
    control.start(["sleep", "1000"], job="long")
    listed = {record.job: record for record in read_jobs(control.ask(ListJobs()))}
    assert (listed["in"].sizes, listed["long"].command) == ((len(data), 2), b"sleep 1000")
    assert listed["in"].started is not None
    assert numbers_of(control.ask(Signal(job="long", signal=signal.SIGTERM))[0]) == (1,)
    assert control.finish("long").returncode == -signal.SIGTERM


def test_files_are_exact(control: ControlShell, home: Path) -> None:
    """
    Files are written, read, listed and replaced, and what they are is what the system says.
    """
    data = bytes(range(256)) * 300
    new, path = str(home / "new"), home / "a b"
    path.write_bytes(b"old")
    path.chmod(0o640)
    for at in (0, 30_000, 60_000):
        control.ask(PutPiece(new, offset=at, data=data[at : at + 30_000]))
    request = ReplaceFile(str(path), temporary=new, checksum=checksum(data), size=len(data))
    control.ask(request)
    assert (path.read_bytes() == data, path.stat().st_mode & 0o7777) == (True, 0o640)
    for at in (0, 1, 50_000):
        [answer] = control.ask(GetPiece(str(path), offset=at, max_bytes=20_000))
        assert Piece.read(answer).data == data[at : at + 20_000]
    assert numbers_of(control.ask(GetChecksum(str(path)))[0]) == (checksum(data), len(data))
    (home / "empty").touch()
    [empty] = control.ask(GetPiece(str(home / "empty"), offset=0))
    assert Piece.read(empty) == Piece(b"", 0)
    (home / "broken").symlink_to("nowhere")
    entries = read_entries(control.ask(ListDirectory(str(home))))
    assert sorted(entries) == [b".local", b"a b", b"broken", b"empty"]
    for name, entry in entries.items():
        known = (home / os.fsdecode(name)).lstat()
        [answer] = control.ask(Stat(str(home / os.fsdecode(name)), follow=False))
        assert FileInfo.read(answer) == entry
        assert (entry.mode, entry.size, entry.uid) == (known.st_mode, known.st_size, known.st_uid)
        assert entry.modified == int(known.st_mtime)
    with pytest.raises(FileNotFoundError):
        control.ask(Stat(str(home / "broken")))
    with pytest.raises(FileNotFoundError):
        control.ask(GetPiece(str(home / "nowhere"), offset=0))
