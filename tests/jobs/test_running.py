"""
Jobs under each shell: their ends, their outputs and their input.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from coder_agents.jobs.protocol import (
    ListJobs,
    Nop,
    Prevent,
    Quit,
    Read,
    Remove,
    Signal,
    WriteInput,
    numbers_of,
    read_jobs,
)

from .conftest import Opener
from .shells import ControlShell, start

# The control shell is driven directly: neither Python nor a library has a part in it.
pytestmark = pytest.mark.once

# What a shell of busybox cannot tell from a death by the same signal: see control_shell.sh.
AMBIGUOUS = {128 + signal.SIGINT, 128 + signal.SIGPIPE}


def alive(group: int) -> list[str]:
    """
    Return the processes of a group, but for those that only wait to be noticed.
    """
    command = ["ps", "-eo", "pgid=,stat=,args="]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    words = [line.split(None, 2) for line in lines]
    return [rest for number, state, rest in words if int(number) == group and state[0] != "Z"]


def test_each_exit_code_is_exact(control: ControlShell, shell: str) -> None:
    """
    An exit code is reported as it is, also where it is what shells report of a signal.
    """
    for code in (0, 1, 7, 126, 127, 128, 129, 130, 137, 141, 143, 192, 255):
        if shell != "busybox" or code not in AMBIGUOUS:
            assert control.run(f"exit {code}").returncode == code


def test_a_missing_program_is_the_code_127(control: ControlShell) -> None:
    """
    The message names the program as the caller did, and no file of ours.
    """
    for path in ("no-such-program", "/no/such/program"):
        for end in (control.run([path, "x"]), control.run("x", shell=path)):
            assert (end.returncode, end.stderr) == (127, f"{path}: not found\n".encode())


def test_a_program_that_cannot_run_is_the_code_126(control: ControlShell, home: Path) -> None:
    """
    The message names the program as the caller did, and no file of ours.
    """
    (home / "text").write_text("")
    for path in (f"{home}/text", str(home)):
        for end in (control.run([path, "x"]), control.run("x", shell=path)):
            assert (end.returncode, end.stderr) == (126, f"{path}: Permission denied\n".encode())


def test_a_start_after_its_removal_starts_nothing(
    control: ControlShell, home: Path, spool: Path
) -> None:
    """
    A start that was on its way while its caller gave up finds the guard taken, and no job is known.
    """
    control.ask(WriteInput(job="j", offset=0, data=b"secret"))
    for repeated in (False, True):
        control.ask(Prevent("j"), repeated=repeated)
    for command in ("touch started", "touch started #" + "x" * 3000):
        assert control.start(command, job="j", stdin="spooled").state == "new"
    assert control.read("j").state == "new"
    assert read_jobs(control.ask(ListJobs())) == []
    assert sorted(path.name for path in (spool / "j").iterdir()) == ["go", "removed.0"]
    assert not (home / "started").exists()
    control.ask(Remove("j"))
    assert not (spool / "j").exists()


def test_a_job_that_runs_is_not_prevented(control: ControlShell) -> None:
    """
    Where the start was faster than the removal, the job runs and has to be ended first.
    """
    control.start(["sleep", "1000"], job="j")
    with pytest.raises(OSError, match="busy"):
        control.ask(Prevent("j"))
    control.ask(Signal(job="j", signal=signal.SIGKILL))
    control.finish("j")
    control.ask(Prevent("j"))
    assert control.read("j").state == "new"


def test_each_death_by_signal_is_exact(control: ControlShell) -> None:
    """
    A death by signal is no exit code: its return code is negative, as in subprocess.
    """
    for name in ("HUP", "INT", "QUIT", "KILL", "USR1", "PIPE", "TERM", "ALRM"):
        end = control.run(f"ulimit -c 0; kill -{name} $$; sleep 5")
        assert end.returncode == -signal.Signals[f"SIG{name}"]


def test_all_byte_values_arrive(control: ControlShell, tmp_path: Path) -> None:
    """
    Both outputs are exact for all 256 byte values, with no newline at the end.
    """
    data = bytes(range(256)) * 3
    (tmp_path / "data").write_bytes(data)
    end = control.run(["sh", "-c", 'cat "$1"; cat "$1" >&2', "sh", str(tmp_path / "data")])
    assert (end.returncode, end.stdout, end.stderr) == (0, data, data)


def test_a_large_output_arrives(control: ControlShell, tmp_path: Path) -> None:
    """
    An output of 1.3 MB is exact.
    """
    data = os.urandom(1_300_000)
    (tmp_path / "data").write_bytes(data)
    end = control.run(["cat", str(tmp_path / "data")])
    assert (end.returncode, end.stdout == data, end.stderr) == (0, True, b"")


def test_both_outputs_are_told_apart(control: ControlShell) -> None:
    """
    Lines that are written to both outputs in turn arrive in each in their order.
    """
    end = control.run("i=0; while [ $i -lt 200 ]; do echo $i; echo e$i >&2; i=$((i+1)); done")
    assert end.stdout.split() == [b"%d" % n for n in range(200)]
    assert end.stderr.split() == [b"e%d" % n for n in range(200)]


def test_outputs_can_be_merged_and_discarded(control: ControlShell) -> None:
    """
    Standard error can join standard output, and each can be thrown away.
    """
    both = "echo a; echo b >&2; echo c"
    merged = control.run(both, stderr="out")
    assert (merged.stdout, merged.stderr) == (b"a\nb\nc\n", b"")
    quiet = control.run(both, stdout="null")
    assert (quiet.stdout, quiet.stderr) == (b"", b"b\n")
    silent = control.run(both, stdout="null", stderr="out")
    assert (silent.returncode, silent.sizes) == (0, (0, 0))


def test_a_job_may_open_its_own_outputs(control: ControlShell) -> None:
    """
    A job that writes to /dev/stdout and /dev/stderr by name loses nothing.
    """
    end = control.run("echo a; echo b >/dev/stdout; echo x >&2; echo y >/dev/stderr; echo c")
    assert (end.stdout, end.stderr) == (b"a\nb\nc\n", b"x\ny\n")


def test_a_command_of_any_length_runs(control: ControlShell) -> None:
    """
    A command may be longer than what a system takes as an argument.
    """
    for size in (0, 1, 1000, 1500, 4000, 300_000):
        end = control.run(f"true {'x' * size}\necho done; exit 3")
        assert (end.returncode, end.stdout) == (3, b"done\n")


def test_arguments_are_exact(control: ControlShell) -> None:
    """
    A list is executed as it is: quotes, newlines and bytes that are not UTF-8 reach the program.
    """
    words: list[str | bytes] = [
        "a b",
        "",
        "'",
        '"',
        "$HOME",
        "\\n",
        "x\ny",
        "*",
        "ü",
        b"\xff\xfe",
        "%s",
        ";",
    ]
    end = control.run(["printf", "%s|", *words])
    raw = [word if isinstance(word, bytes) else word.encode() for word in words]
    assert end.stdout == b"|".join(raw) + b"|"


def test_environment_umask_and_directory(control: ControlShell, home: Path) -> None:
    """
    A job gets its variables, its umask and its directory.
    """
    inside = home / "in side"
    inside.mkdir()
    end = control.run(
        'printf "%s." "$A"; umask; pwd', env={"A": " '\n\\ü"}, umask=0o027, cwd=str(inside)
    )
    assert end.stdout.decode() == f" '\n\\ü.0027\n{inside}\n"


def test_a_job_is_a_fresh_process(control: ControlShell, home: Path) -> None:
    """
    A job without options starts in the directory of the agent, with its environment and umask, no
    input, no terminal, and as the leader of its group.
    """
    end = control.run("env; echo; umask; pwd; cat; tty; echo $$ $(ps -o pgid= -p $$) || true")
    names = {line.split(b"=")[0] for line in end.stdout.partition(b"\n\n")[0].splitlines()}
    assert not {name for name in names if re.match(rb"_?ca[_0-9]", name)}
    assert not names & {b"LC_ALL", b"OLDPWD"}
    assert f"\n{os.umask(0o022) or 18:04o}\n{home}\nnot a tty\n".encode() in end.stdout


def test_a_directory_that_is_none_is_an_error(control: ControlShell, home: Path) -> None:
    """
    Nothing starts where the working directory is missing or a file.
    """
    (home / "file").write_text("")
    with pytest.raises(FileNotFoundError):
        control.run("true", cwd=str(home / "nowhere"))
    with pytest.raises(NotADirectoryError):
        control.run("true", cwd=str(home / "file"))
    assert read_jobs(control.ask(ListJobs())) == []


def test_input_that_was_spooled(control: ControlShell) -> None:
    """
    One megabyte of input with all byte values reaches the job, and then its end.
    """
    data = os.urandom(1_000_000)
    for offset in range(0, len(data), 400_000):
        piece = data[offset : offset + 400_000]
        last = offset + len(piece) == len(data)
        request = WriteInput(job="j", offset=offset, data=piece, end=last)
        for repeated in (False, True):
            [answer] = control.ask(request, repeated=repeated)
            assert numbers_of(answer) == (offset + len(piece),)
    control.start("cat", job="j", stdin="spooled")
    end = control.finish("j")
    assert (end.returncode, end.stdout == data) == (0, True)


def test_input_that_follows(control: ControlShell) -> None:
    """
    Input that is written after the start reaches the job in order, and so does its end.
    """
    control.start("while read x; do echo got $x; done; echo end", job="j", stdin="followed")
    control.ask(WriteInput(job="j", offset=0, data=b"one\n"))
    first = control.read("j", wait=10)
    assert first.stdout == b"got one\n"
    control.ask(WriteInput(job="j", offset=4, data=b"two\n", end=True))
    end = control.finish("j")
    assert (end.returncode, end.stdout) == (0, b"got one\ngot two\nend\n")


def test_a_repeated_start_runs_once(opened: Opener, home: Path) -> None:
    """
    The same start from several control shells, in turn and at once, runs the command once.
    """
    request = start("echo run >>count; echo out; exit 4", job="same", wait=10)
    shells = [opened() for _ in range(4)]
    threads = [threading.Thread(target=shell.ask, args=(request,)) for shell in shells]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shells[0].ask(request, repeated=True)
    end = shells[1].finish("same")
    assert (end.returncode, end.stdout) == (4, b"out\n")
    assert (home / "count").read_text() == "run\n"


def test_pieces_can_be_read_again(control: ControlShell) -> None:
    """
    A read from any offset returns the same bytes as often as it is repeated.
    """
    control.start("printf 0123456789; printf abcdef >&2", job="j", wait=10)
    control.finish("j")
    for _ in range(2):
        [answer] = control.ask(Read(job="j", stdout=3, stderr=1, max_bytes=9))
        assert (answer.body, answer.fields[5]) == (b"3456789bc", "7")
    beyond = control.read("j", 11, 6)
    assert (beyond.shrunk, beyond.stdout, beyond.stderr) == (True, b"", b"")


def test_an_unknown_job_is_new(control: ControlShell) -> None:
    """
    A job that never started has the state new, and no return code.
    """
    progress = control.read("nothing", wait=10)
    assert (progress.state, progress.returncode, progress.sizes) == ("new", None, (0, 0))


def test_a_signal_reaches_the_group(control: ControlShell) -> None:
    """
    A signal right after the start ends the job and its children; later ones are not sent.
    """
    control.start("sleep 1000 | sleep 1000; echo no", job="j")
    [sent] = control.ask(Signal(job="j", signal=signal.SIGTERM, token="t"))
    end = control.finish("j")
    [late] = control.ask(Signal(job="j", signal=signal.SIGKILL), repeated=True)
    assert (numbers_of(sent), numbers_of(late)) == ((1,), (0,))
    assert (end.returncode, end.stdout) == (-signal.SIGTERM, b"")
    assert alive(end.pid) == []


def test_a_token_sends_a_signal_once(control: ControlShell) -> None:
    """
    A signal with a token is sent once, however often the request is repeated.
    """
    program = """
import os, signal
signal.signal(signal.SIGUSR1, lambda number, frame: os.write(1, b"usr;"))
os.write(1, b"ready;")
while True:
    signal.pause()
"""
    assert control.start([sys.executable, "-c", program], job="j", wait=20).stdout == b"ready;"
    request = Signal(job="j", signal=signal.SIGUSR1, token="t")
    counts = [numbers_of(answer) for _ in range(3) for answer in control.ask(request)]
    progress = control.read("j", 6, wait=10)
    control.ask(Signal(job="j", signal=signal.SIGKILL))
    assert (counts, progress.stdout) == ([(1,), (0,), (0,)], b"usr;")
    assert control.finish("j").stdout == b"ready;usr;"


def test_a_timeout_ends_the_whole_group(opened: Opener) -> None:
    """
    The watchdog kills a group that ignores TERM, after its client has vanished, and says so.
    """
    command = "trap '' TERM; sleep 1000 & echo begun; sleep 1000; sleep 1000"
    with opened() as first:
        begun = first.start(command, job="j", timeout=0.5, grace=0.5, wait=10)
        first.process.kill()
    end = opened().finish("j")
    assert (begun.state, end.timed_out, end.returncode) == ("running", True, -signal.SIGKILL)
    assert alive(end.pid) == []


def test_a_timeout_leaves_no_child_that_ignores_it(control: ControlShell) -> None:
    """
    Where the leader obeys TERM, its children that do not are killed.
    """
    command = "(trap '' TERM; sleep 1000; sleep 1000) & sleep 1000"
    end = control.run(command, timeout=0.3, grace=1000)
    assert (end.timed_out, end.returncode) == (True, -signal.SIGTERM)
    assert alive(end.pid) == []


def test_a_job_in_time_has_not_timed_out(control: ControlShell) -> None:
    """
    A job that ends before its time-out is not said to have timed out.
    """
    end = control.run("exit 5", timeout=100.5)
    assert (end.timed_out, end.returncode) == (False, 5)


def test_a_child_that_stays_does_not_delay_the_end(control: ControlShell) -> None:
    """
    A process in the background that holds the output open delays nothing; what it writes later
    can still be read.
    """
    control.start("mkfifo go; (read x <go; echo late) & echo first", job="j", wait=10)
    first = control.finish("j")
    assert (first.returncode, first.stdout) == (0, b"first\n")
    control.run("echo >go")
    while not (later := control.read("j", len(first.stdout)).stdout):
        pass
    assert later == b"late\n"


def test_jobs_are_listed_and_removed(control: ControlShell, spool: Path) -> None:
    """
    A list has each job with its state, its command and its sizes, until the job is removed.
    """
    control.start("echo 12; echo 'a\nb' >&2; exit 3", job="ended", wait=10)
    control.finish("ended")
    control.start(["sleep", "1000"], job="runs")
    jobs = {record.job: record for record in read_jobs(control.ask(ListJobs()))}
    assert sorted(jobs) == ["ended", "runs"]
    ended = jobs["ended"]
    assert (ended.state, ended.code, ended.sizes) == ("exited", 3, (3, 4))
    assert (ended.command, jobs["runs"].command) == (
        b"echo 12; echo 'a\nb' >&2; exit 3",
        b"sleep 1000",
    )
    assert ended.started is not None
    assert abs(ended.started - spool.stat().st_mtime) < 60
    with pytest.raises(OSError, match="busy"):
        control.ask(Remove("runs"))
    control.ask(Signal(job="runs", signal=signal.SIGKILL))
    control.finish("runs")
    for name in ("ended", "runs", "ended"):
        control.ask(Remove(name), repeated=True)
    assert read_jobs(control.ask(ListJobs())) == []
    assert list(spool.glob("[!.]*")) == []


def test_the_spool_is_private(control: ControlShell, spool: Path) -> None:
    """
    Nobody else can read what a job got and wrote, and its environment is deleted at its end.
    """
    control.start("echo $SECRET", job="j", env={"SECRET": "s3cret"}, wait=10)
    end = control.finish("j")
    assert end.stdout == b"s3cret\n"
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [spool, *spool.rglob("*")]}
    assert modes == {0}


def test_the_next_request_ends_a_wait(control: ControlShell) -> None:
    """
    A read that waits is answered when another request comes, and then that one is.
    """
    control.start(["sleep", "1000"], job="j")
    numbers = [control.send(Read(job="j", wait=1000)), control.send(Nop())]
    assert [control.answer().id for _ in numbers] == numbers
    control.ask(Signal(job="j", signal=signal.SIGKILL))


def test_quit_and_hang_up_end_the_shell(opened: Opener) -> None:
    """
    The control shell ends when that is requested, on a hang-up, and after its idle seconds.
    """
    from coder_agents.jobs.program import Limits

    ending = opened()
    ending.ask(Quit())
    assert ending.process.wait(30) == 0
    opened().close()
    assert opened(Limits(idle=0.5)).process.wait(30) == 0
