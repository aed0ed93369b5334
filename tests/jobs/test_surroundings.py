"""
Agents that lack something: commands, space on the disk, a folder that can be written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coder_agents.jobs.program import Limits
from coder_agents.jobs.protocol import (
    GetPiece,
    Info,
    ListDirectory,
    ListJobs,
    Nop,
    Piece,
    PutPiece,
    Read,
    Remove,
    Signal,
    WriteInput,
    facts_of,
    numbers_of,
    read_entries,
    read_jobs,
)

from .conftest import Opener, mounted
from .shells import COMMON, ControlShell, missing, start

# The control shell is driven directly: neither Python nor a library has a part in it.
pytestmark = pytest.mark.once

# What the control shell and the tests call.
COMMANDS = [
    "awk",
    "base64",
    "cat",
    "cksum",
    "chmod",
    "chown",
    "cp",
    "dd",
    "env",
    "find",
    "grep",
    "head",
    "id",
    "kill",
    "ls",
    "mkdir",
    "mkfifo",
    "mv",
    "perl",
    "printf",
    "ps",
    "python3",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "setsid",
    "sh",
    "sleep",
    "stat",
    "stty",
    "tail",
    "true",
    "uname",
    "xargs",
]


@pytest.fixture
def bare(tmp_path: Path, environment: dict[str, str]) -> Path:
    """
    A folder of links to commands, which is the whole PATH of the agent: a test removes some.
    """
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in COMMANDS:
        found = shutil.which(name, path=environment["PATH"])
        if name == "python3":
            found = sys.executable
        if found is not None:
            # Links to a busybox must keep their names.
            (folder / name).symlink_to(found)
    environment["PATH"] = str(folder)
    return folder


def without(folder: Path, *names: str) -> None:
    """
    Remove commands.
    """
    for name in names:
        (folder / name).unlink(missing_ok=True)


def check_jobs(control: ControlShell) -> None:
    """
    Run what every agent has to be able to.
    """
    assert control.run("exit 7").returncode == 7
    assert control.run("kill -9 $$").returncode == -9
    data = bytes(range(256)) * 40
    control.ask(WriteInput(job="in", offset=0, data=data, end=True))
    control.start("cat; cat /dev/null >&2", job="in", stdin="spooled")
    assert control.finish("in").stdout == data
    control.start(["sleep", "1000"], job="long")
    assert numbers_of(control.ask(Signal(job="long", signal=signal.SIGTERM))[0]) == (1,)
    assert control.finish("long").returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    "names",
    [
        ["base64", "stat"],
        ["awk", "mkfifo"],
        ["setsid"],
        ["setsid", "perl"],
        ["base64", "awk", "setsid", "stat", "readlink", "xargs", "python3"],
    ],
    ids="-".join,
)
def test_agents_that_lack_commands(
    opened: Opener, bare: Path, home: Path, names: list[str]
) -> None:
    """
    Where commands are missing that POSIX does not have, jobs and files are exact all the same.
    """
    without(bare, *names)
    control = opened()
    assert ("base64" in control.greeting.capabilities) == ("base64" not in names)
    check_jobs(control)
    data = bytes(range(256)) * 20
    control.ask(PutPiece(str(home / "a b"), offset=0, data=data))
    [answer] = control.ask(GetPiece(str(home / "a b"), offset=5))
    assert Piece.read(answer).data == data[5:]
    entries = read_entries(control.ask(ListDirectory(str(home))))
    assert entries[b"a b"].size == len(data)


def test_an_agent_where_nothing_detaches(opened: Opener, bare: Path, home: Path) -> None:
    """
    Where no command can detach a job, a start is a clear error; files can be used.
    """
    without(bare, "setsid", "perl", "python3")
    control = opened()
    assert "detach" not in control.greeting.capabilities
    for command in ("true", "true " + "x" * 9000):
        with pytest.raises(OSError, match="none of setsid"):
            control.start(command)
    control.ask(PutPiece(str(home / "file"), offset=0, data=b"x" * 9000))
    assert (home / "file").stat().st_size == 9000


def test_an_agent_whose_sleep_knows_no_fractions(opened: Opener, bare: Path) -> None:
    """
    Where sleep takes whole seconds alone, waiting and time-outs work.
    """
    real = (bare / "sleep").readlink()
    without(bare, "sleep")
    script = f'#!/bin/sh\ncase $1 in *.*) echo bad >&2; exit 1;; esac\nexec -a sleep {real} "$1"\n'
    script = script.replace("exec -a sleep", "exec")
    if "busybox" in str(real.resolve()):
        script = script.replace(f"exec {real}", f"exec {real.resolve()} sleep")
    (bare / "sleep").write_text(script)
    (bare / "sleep").chmod(0o755)
    control = opened()
    end = control.run("read x; echo $x; exec sleep 1000", timeout=0.5, grace=0.5, stdin="followed")
    assert (end.returncode, end.timed_out) == (-signal.SIGTERM, True)
    check_jobs(control)


def test_a_spool_that_cannot_be_written(opened: Opener, home: Path, tmp_path: Path) -> None:
    """
    Where the state folder cannot be made, jobs are kept in a private folder below /tmp.
    """
    (tmp_path / "file").write_text("")
    control = opened(XDG_STATE_HOME=str(tmp_path / "file"))
    folder = Path(f"/tmp/coder-agents-{os.getuid()}")
    control.start("echo x", job=f"test-{os.getpid()}", wait=10)
    assert control.finish(f"test-{os.getpid()}").stdout == b"x\n"
    assert (folder / f"test-{os.getpid()}").is_dir()
    assert folder.stat().st_mode & 0o777 == 0o700
    control.ask(Remove(f"test-{os.getpid()}"))


def test_an_agent_without_a_home(opened: Opener, home: Path, environment: dict[str, str]) -> None:
    """
    Where the environment has no home, nothing is written into the root of the file system.
    """
    del environment["HOME"]
    control = opened()
    job = f"homeless-{os.getpid()}"
    control.start("exit 3", job=job, wait=5)
    end = control.finish(job)
    control.ask(Remove(job))
    [answer] = control.ask(Info())
    assert (end.returncode, facts_of(answer)["jobs"]) == (3, f"/tmp/coder-agents-{os.getuid()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """
    A disk of 256 KiB.
    """
    with mounted(tmp_path / "disk") as folder:
        yield folder


def test_a_disk_that_becomes_full(opened: Opener, disk: Path) -> None:
    """
    A job that fills the disk runs to its end; its exit code is exact, what was spooled is right,
    and the answer says that bytes are missing.
    """
    control = opened(XDG_STATE_HOME=str(disk))
    text = "i=0; while [ $i -lt 3000 ]; do echo 'line of exactly one hundred bytes"
    text += " " + "." * 65 + "'; i=$((i+1)); done; exit 6"
    end = control.run(text)
    assert (end.returncode, end.cut) == (6, frozenset({1}))
    line = b"line of exactly one hundred bytes " + b"." * 65 + b"\n"
    assert len(end.stdout) < 256 * 1024
    assert end.stdout == (line * 3000)[: len(end.stdout)]
    with pytest.raises(OSError, match="No space left"):
        control.start("exit 3")
    with pytest.raises(OSError, match="No space left"):
        control.ask(PutPiece(str(disk / "file"), offset=0, data=b"x" * 9000))
    with pytest.raises(OSError, match="No space left"):
        control.ask(WriteInput(job="in", offset=0, data=b"x" * 900))
    control.ask(Nop())
    for record in read_jobs(control.ask(ListJobs())):
        control.ask(Remove(record.job))
    assert control.run("exit 3").returncode == 3


def test_old_jobs_are_deleted(opened: Opener, spool: Path) -> None:
    """
    The next start of a control shell deletes what ended a week ago, and nothing else.
    """
    control = opened()
    for job in ("old", "new"):
        control.start("true", job=job, wait=10)
        control.finish(job)
    control.start(["sleep", "1000"], job="long")
    control.ask(WriteInput(job="never", offset=0, data=b"x"))
    # What a supervisor removes at its very end changes the time of the folder.
    while list(spool.glob("*/p1")) != [spool / "long" / "p1"]:
        time.sleep(0.01)
    past = time.time() - 8 * 86400
    for job in ("old", "long", "never"):
        os.utime(spool / job, (past, past))
    opened().run("true")
    while (spool / "old").exists() or (spool / "never").exists():
        time.sleep(0.01)
    assert control.read("new").state == "exited"
    assert control.read("long").state == "running"
    control.ask(Signal(job="long", signal=signal.SIGKILL))


def test_a_supervisor_that_is_killed(control: ControlShell, spool: Path) -> None:
    """
    A job whose supervisor was killed is lost, and is never said to run for ever.
    """
    control.start("sleep 1000", job="j")
    while (progress := control.read("j")).state != "running":
        time.sleep(0.05)
    [supervisor] = spool.glob("j/by.*")
    os.kill(int(supervisor.suffix[1:]), signal.SIGKILL)
    while control.read("j").state != "lost":
        time.sleep(0.05)
    assert progress.pid > 0
    os.killpg(progress.pid, signal.SIGKILL)
    control.ask(Remove("j"))
    assert control.read("j").state == "new"


def test_a_hang_up_at_any_moment(opened: Opener, home: Path) -> None:
    """
    Control shells that hang up in the middle of the same start run its command once.
    """
    command = "echo run >>count; echo out; exit 4 #" + "x" * 3000
    request = start(command, job="same", wait=10)
    raw = request.encode(9)
    for share in (0.1, 0.5, 0.99, 1.0):
        control = opened()
        control.write(raw[: int(len(raw) * share)])
        os.killpg(control.process.pid, signal.SIGHUP)
        control.close()
    control = opened()
    control.ask(request, repeated=True)
    end = control.finish("same")
    assert (end.returncode, end.stdout) == (4, b"out\n")
    assert (home / "count").read_text() == "run\n"


def test_waiting_costs_little(tmp_path: Path, tools: Callable[[str], str]) -> None:
    """
    While a client waits for a quiet job, the control shell, its processes included, uses at most
    a share of a core that is far above what was measured.
    """
    with contextlib.ExitStack() as stack:
        controls = []
        for name in [each for each in sorted(COMMON) if missing(each) is None]:
            home = tmp_path / name
            home.mkdir()
            environment = {"HOME": str(home), "PATH": tools(name)}
            controls.append(stack.enter_context(ControlShell(name, environment, cwd=home)))
        for control in controls:  # all wait at the same time
            control.start(["sleep", "1000"], job="j")
            control.send(Read(job="j", wait=1))
        before = []
        for control in controls:
            control.answer()
            before.append(used(control.process.pid))
            control.send(Read(job="j", wait=2))
        for control, so_far in zip(controls, before, strict=True):
            control.answer()
            assert used(control.process.pid) - so_far < 0.3
            control.ask(Signal(job="j", signal=signal.SIGKILL))


def used(pid: int) -> float:
    """
    Return the seconds of a processor that *pid* and the processes it waited for have used.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def test_two_clients_do_not_disturb_each_other(opened: Opener) -> None:
    """
    Several control shells at once run jobs that are all exact.
    """
    wrong: list[object] = []

    def work(number: int, control: ControlShell) -> None:
        for turn in range(3):
            end = control.run(f"echo {number}.{turn}; echo e >&2; exit {number + turn}")
            if (end.returncode, end.stdout) != (number + turn, b"%d.%d\n" % (number, turn)):
                wrong.append(end)

    threads = [threading.Thread(target=work, args=(n, opened(Limits()))) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
