"""
The commands that run something on an agent, in this process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coder_agents import Client, CommandLostError
from coder_agents.cli import exits, program
from coder_agents.jobs.attached import attach
from coder_agents.testing import Deployment

from .conftest import Run


@pytest.fixture
def no_jobs_left(deployment: Deployment) -> Any:
    """
    Checks after the test that no job is left on the agent.
    """
    yield
    with deployment.client() as client:
        assert client.agent("dev").jobs() == []


def test_outputs_and_code_are_those_of_the_command(
    run: Callable[..., Run], no_jobs_left: None
) -> None:
    """
    Both outputs are written where they belong, and the exit code is that of the command.
    """
    ended = run("run", "dev", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (ended.status, ended.out, ended.err) == (7, "out\n", "err\n")


def test_a_single_word_is_run_by_a_shell(run: Callable[..., Run]) -> None:
    """
    A single word is a script of the shell, and several words are not expanded.
    """
    assert run("run", "dev", "echo $((1+1)) | cat").out == "2\n"
    assert run("run", "dev", "echo", "$((1+1))").out == "$((1+1))\n"


def test_options_of_run(
    run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The folder and the variables are passed on, also after the agent.
    """
    monkeypatch.setenv("FROM_HERE", "here")
    options = ["-C", str(tmp_path), "--env", "A=b=c", "-e", "FROM_HERE", "-n"]
    ended = run("run", "dev", *options, "--", 'pwd; echo "$A $FROM_HERE"')
    assert ended.out == f"{tmp_path}\nb=c here\n"


def test_codes_of_run(run: Callable[..., Run], no_jobs_left: None) -> None:
    """
    A signal is 128 and its number, the time limit 124, and what could not be run 125.
    """
    assert run("run", "dev", "kill -9 $$").status == 137
    late = run("run", "--timeout", "0.5", "dev", "--", "sleep", "60")
    assert late.status == exits.TIMED_OUT
    assert "took longer than 0.5 seconds" in late.err
    assert run("run", "nothing", "true").status == exits.NOT_RUN
    missing = run("run", "-C", "/nothing", "dev", "true")
    assert missing.status == exits.NOT_RUN
    assert missing.err.count("\n") == 1
    assert "Traceback" in run("--debug", "run", "nothing", "true").err


def test_jobs_are_listed_read_killed_and_removed(
    run: Callable[..., Run], no_jobs_left: None
) -> None:
    """
    A detached command is a job with an id, whose output and code can be read later.
    """
    ended_id = run("run", "-d", "dev", "echo out; echo err >&2; exit 3").out.strip()
    output = run("jobs", "dev", "-o", ended_id)
    assert (output.status, output.out, output.err) == (3, "out\n", "err\n")
    [row] = run("jobs", "dev").rows
    assert row[:3] == [ended_id, "exited", "3"]
    assert row[4:] == ["4", "4", "echo out; echo err >&2; exit 3"]
    [record] = [json.loads(line) for line in run("jobs", "dev", "--json").out.splitlines()]
    assert record["id"] == ended_id
    assert run("jobs", "dev", "--remove", ended_id).status == 0
    running = run("run", "-d", "dev", "sleep", "60").out.strip()
    assert run("jobs", "dev", "--kill", running).status == 0
    assert run("jobs", "dev", "-o", running).status == 137
    assert run("jobs", "dev", "--remove", running).status == 0
    assert "no such job" in run("jobs", "dev", "--remove", running).err


def test_an_error_of_the_reader_kills_the_command(
    deployment: Deployment, no_jobs_left: None
) -> None:
    """
    What the function for an output raises ends the command and deletes its job.
    """

    def fail(data: bytes) -> None:
        raise BrokenPipeError

    with deployment.client() as client:
        job = client.agent("dev").start_job("echo begun; sleep 60")
        with pytest.raises(BrokenPipeError):
            attach(job, read=None, writes={"stdout": fail, "stderr": fail})


def test_input_is_passed_while_the_command_runs(deployment: Deployment, no_jobs_left: None) -> None:
    """
    The second piece of the input is read after the command has answered the first.
    """
    import subprocess
    import threading

    answered = threading.Event()
    pieces = iter([b"one\n", b"two\n", b""])

    def read(size: int) -> bytes:
        piece = next(pieces)
        assert piece == b"one\n" or answered.wait(60)
        return piece

    out: list[bytes] = []

    def write(data: bytes) -> None:
        out.append(data)
        answered.set()

    with deployment.client() as client:
        job = client.agent("dev").start_job("cat", stdin=subprocess.PIPE)
        ended = attach(job, read=read, writes={"stdout": write, "stderr": write})
    assert (ended.returncode, ended.timed_out) == (0, False)
    assert b"".join(out) == b"one\ntwo\n"


def test_a_terminal_needs_a_terminal(run: Callable[..., Run]) -> None:
    """
    Without a terminal here, none is opened there, and the message names the command that needs none.
    """
    ended = run("terminal", "dev")
    assert ended.status == exits.FAILED
    assert "coder-agents run" in ended.err


@pytest.mark.parametrize("has_ended", [True, False])
def test_who_leaves_a_terminal_gets_its_id(
    shown: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, has_ended: bool
) -> None:
    """
    Where what runs in the terminal has not ended, the command that attaches again is printed.
    """
    from coder_agents import Terminal

    def interact(terminal: Terminal) -> None:
        if has_ended:
            while terminal.read():
                pass

    # A person is at no terminal here: tests/cli/test_processes.py has one.
    monkeypatch.setattr(Terminal, "interact", interact)
    monkeypatch.setattr(sys, "stdin", type("Tty", (), {"isatty": lambda self: True})())
    ended = shown("terminal", "dev", "--", "sh", "-c", "exit" if has_ended else "sleep 60")
    assert ended.status == 0, ended.err
    assert ("--attach" in ended.err) is not has_ended


def test_a_command_that_is_lost_is_not_that_of_the_command(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An error after the start has the code 125, too.
    """

    def lose(*_: object, **__: object) -> None:
        raise CommandLostError("the agent cannot be reached")

    monkeypatch.setattr("coder_agents.jobs.attached.attach", lose)
    assert run("run", "dev", "true").status == exits.NOT_RUN
    client = Client.from_env()
    for info in client.agent("dev").jobs():
        client.agent("dev").job(info.id).wait()
        client.agent("dev").job(info.id).remove()
    client.close()


def test_a_reader_of_the_output_that_has_gone_ends_the_command(
    environment: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    no_jobs_left: None,
) -> None:
    """
    The code is that of SIGPIPE, nothing is reported, and the command is killed.
    """
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        assert program.run(["run", "-n", "dev", "echo begun; sleep 60"]) == exits.READER_GONE
    assert capfd.readouterr().err == ""
