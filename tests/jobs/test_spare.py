"""
Spare supervisors: started in advance, one for each control shell.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from coder_agents.jobs.protocol import ListJobs, Progress, Quit, Read, Remove, Request

from .conftest import Opener
from .shells import MAX_SILENCE, ControlShell, start

# The control shell is driven directly: neither Python nor a library has a part in it.
pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def can_spare(shell: str) -> None:
    """
    Skip what cannot be: a spare supervisor inherits an open pipe.
    """
    if shell == "mksh":
        pytest.skip("mksh passes no open file on but the first three, so no supervisor is spared")


def spare_of(control: ControlShell, spool: Path) -> int:
    """
    Make *control* start a spare supervisor; return its number.
    """
    control.run("true")
    for job in spool.glob("[!.]*"):
        control.ask(Remove(job.name))
    return int(waiting(spool, ".spare-*/spare.*").suffix[1:])


def waiting(spool: Path, pattern: str) -> Path:
    """
    Return the one path of *pattern*, once it is there.
    """
    deadline = time.monotonic() + MAX_SILENCE
    while not (found := list(spool.glob(pattern))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    [path] = found
    return path


def is_taken(spool: Path, job: str, spare: int) -> bool:
    """
    Return whether the supervisor *spare* has run *job*.
    """
    return [int(path.suffix[1:]) for path in spool.glob(f"{job}/by.*")] == [spare]


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        ({}, (b"out\n", b"err\n")),
        ({"stdout": "null"}, (b"", b"err\n")),
        ({"stderr": "null"}, (b"out\n", b"")),
        ({"stderr": "out"}, (b"out\nerr\n", b"")),
    ],
)
def test_a_spare_supervisor_runs_the_next_job(
    control: ControlShell,
    spool: Path,
    tmp_path: Path,
    streams: dict[str, str],
    expected: tuple[bytes, bytes],
) -> None:
    """
    Its outputs, its folder, its environment and its exit code are as those of any job, and it
    leads a group of its own.
    """
    spare = spare_of(control, spool)
    place = tmp_path / "a $place"
    place.mkdir()
    command = "echo $$ $PWD $(env | grep -c ca[0-9]) $A >here; cat; echo out; echo err >&2; exit 7"
    control.start(command, job="j", cwd=str(place), env={"A": "b c"}, wait=5, **streams)
    done = control.finish("j")
    assert (done.returncode, done.stdout, done.stderr) == (7, *expected)
    assert (place / "here").read_text() == f"{done.pid} {place} 0 b c\n"
    assert is_taken(spool, "j", spare)
    control.start("kill -KILL 0", job="k", wait=5)
    assert control.finish("k").returncode == -signal.SIGKILL


def test_a_long_command_gets_the_spare_supervisor(control: ControlShell, spool: Path) -> None:
    """
    A command that follows its request as base64 is run, and its output of several pieces is exact.
    """
    spare = spare_of(control, spool)
    control.start(f"seq 100000; true {'x' * 3000}", job="j", wait=5)
    expected = b"".join(b"%d\n" % number for number in range(1, 100001))
    assert control.finish("j").stdout == expected
    assert is_taken(spool, "j", spare)


@pytest.mark.parametrize(
    "options", [{"timeout": 60}, {"stdin": "followed"}, {"cwd": "it's"}], ids=str
)
def test_other_jobs_leave_it_alone(
    control: ControlShell, spool: Path, home: Path, options: dict[str, object]
) -> None:
    """
    A job with a time-out, with input, or in a folder whose name has a quote gets a supervisor of its own.
    """
    spare = spare_of(control, spool)
    (home / "it's").mkdir()
    control.start("echo out", job="j", wait=5, **options)
    assert control.finish("j").stdout == b"out\n"
    assert not is_taken(spool, "j", spare)
    control.start("true", job="k", wait=5)
    control.finish("k")
    assert is_taken(spool, "k", spare)


def test_one_that_was_killed_is_not_waited_for(control: ControlShell, spool: Path) -> None:
    """
    The next job gets a supervisor of its own.
    """
    spare = spare_of(control, spool)
    os.killpg(spare, signal.SIGKILL)
    deadline = time.monotonic() + MAX_SILENCE
    while Path(f"/proc/{spare}").exists():  # until its parent has noticed, too
        assert time.monotonic() < deadline
        time.sleep(0.01)
    control.start("exit 3", job="j", wait=5)
    assert control.finish("j").returncode == 3
    assert not is_taken(spool, "j", spare)


MV = '#!/bin/sh\n{}\nPATH=${{PATH#*:}}\nexec mv "$@"\n'


def shadowed(environment: dict[str, str], home: Path, name: str, text: str) -> str:
    """
    Return a PATH in which the program *name* is *text*.
    """
    shadow = home / "shadow"
    shadow.mkdir()
    (shadow / name).write_text(text)
    (shadow / name).chmod(0o755)
    return f"{shadow}:{environment['PATH']}"


@pytest.mark.parametrize("before", ["kill -KILL $PPID; exit 1", "kill -KILL $PPID", "exit 1"])
def test_a_folder_that_was_not_renamed_is_found(
    opened: Opener, environment: dict[str, str], spool: Path, home: Path, before: str
) -> None:
    """
    Where the control shell ends, or fails, before the spare folder has the job's name, the same request
    over another one finds the folder, and the job runs once.
    """
    control = opened(PATH=shadowed(environment, home, "mv", MV.format(before)))
    spare_of(control, spool)
    control.send(start("echo run >>count; exit 4", job="j", wait=5))
    if "KILL" in before:
        control.process.wait(MAX_SILENCE)
    else:
        assert Progress.read(control.answer()).state == "exited"
    other = opened()
    other.ask(start("echo run >>count; exit 4", job="j", wait=5), repeated=True)
    assert other.finish("j").returncode == 4
    assert (home / "count").read_text() == "run\n"
    other.ask(Remove("j"))
    assert [path.name for path in spool.iterdir() if "j" in path.name] == []


@pytest.mark.parametrize("question", [Read(job="j", wait=5), ListJobs()], ids=["read", "list"])
def test_any_request_finds_such_a_folder(
    opened: Opener, environment: dict[str, str], spool: Path, home: Path, question: Request
) -> None:
    """
    A job whose folder was not renamed is one that others can read and list.
    """
    control = opened(PATH=shadowed(environment, home, "mv", MV.format("exit 1")))
    spare_of(control, spool)
    control.start("exit 4", job="j", wait=5)
    assert any("exited" in answer.fields for answer in opened().ask(question))


def test_a_claim_of_somebody_else_is_respected(
    control: ControlShell, spool: Path, home: Path
) -> None:
    """
    Where somebody has decided before that the job begins in a folder of its own name, it does; and the
    spare supervisor, which has been marked already, is not used by anybody.
    """
    spare = spare_of(control, spool)
    (spool / ".claim-j").touch()
    control.start("echo run >>count; exit 4", job="j", wait=5)
    assert control.finish("j").returncode == 4
    assert (home / "count").read_text() == "run\n"
    assert not is_taken(spool, "j", spare)
    control.start("exit 5", job="k", wait=5)
    assert control.finish("k").returncode == 5
    assert not is_taken(spool, "k", spare)


@pytest.mark.parametrize("how", ["quit", "hang up"])
def test_it_ends_with_its_control_shell(control: ControlShell, spool: Path, how: str) -> None:
    """
    Neither a process nor a folder is left.
    """
    spare = spare_of(control, spool)
    if how == "quit":
        control.ask(Quit())
    control.close()
    deadline = time.monotonic() + MAX_SILENCE
    while list(spool.glob(".spare-*")) or _lives(spare):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_without_pipes_there_is_none(
    opened: Opener, environment: dict[str, str], spool: Path, home: Path
) -> None:
    """
    Where no pipe with a name can be made, jobs run as before, and no folder of a spare one is left.
    """
    control = opened(PATH=shadowed(environment, home, "mkfifo", "#!/bin/sh\nexit 1\n"))
    for _ in range(2):
        assert control.run("echo out").stdout == b"out\n"
        for job in spool.glob("[!.]*"):
            control.ask(Remove(job.name))
    assert list(spool.glob(".spare-*")) == []
