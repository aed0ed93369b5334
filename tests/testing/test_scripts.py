"""
Running scripts, and cutting their output into lines.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.schema import WorkspaceAgentScriptStatus
from coder_agents.testing.scripts import LineSplitter, ScriptOutcome, ScriptRun, describe_exit


def run(script: str, **limits: float) -> tuple[ScriptOutcome, dict[str, bytes]]:
    """
    Run a script to its end: how it ended, and what it printed.
    """
    output = {"stdout": b"", "stderr": b""}

    def receive(name: str, data: bytes) -> None:
        output[name] += data

    running = ScriptRun(script, receive, **limits)
    outcome = running.wait()
    running.close()
    return outcome, output


@pytest.mark.parametrize(
    ("script", "status", "exit_code", "error"),
    [
        ("true", "ok", 0, ""),
        ("exit 3", "exit_failure", 3, "exit status 3"),
        ("no-such-command 2>/dev/null", "exit_failure", 127, "exit status 127"),
        ("kill -TERM $$", "exit_failure", -1, "signal: terminated"),
    ],
)
def test_outcomes(script: str, status: str, exit_code: int, error: str) -> None:
    """
    Exit codes and signals are told in the words of the API and of Go.
    """
    assert run(script)[0] == ScriptOutcome(WorkspaceAgentScriptStatus(status), exit_code, error)


def test_output_is_told_apart() -> None:
    """
    Standard output and standard error come apart, and standard input is empty.
    """
    assert run("cat; echo out; echo err >&2")[1] == {"stdout": b"out\n", "stderr": b"err\n"}


def test_a_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    """
    Children go too, and what came before is kept.
    """
    file = tmp_path / "pid"
    outcome, output = run(f"echo before; sleep 600 & echo $! > {file}; wait", timeout=0.1)
    error = "signal: killed\ncontext deadline exceeded"
    assert outcome == ScriptOutcome(WorkspaceAgentScriptStatus("timed_out"), 255, error)
    assert output["stdout"] == b"before\n"
    assert is_gone(int(file.read_text()))


def is_gone(pid: int) -> bool:
    """
    Whether a process ends, in good time.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_child_that_holds_the_output(tmp_path: Path) -> None:
    """
    It is waited for only so long after the script has ended, and killed at the close.
    """
    file = tmp_path / "pid"
    outcome, output = run(f"sleep 600 & echo $! > {file}; echo done", pipe_seconds=0.05)
    assert (outcome.status, outcome.exit_code) == ("pipes_left_open", 0)
    assert output["stdout"] == b"done\n"
    assert is_gone(int(file.read_text()))


def test_a_child_in_the_background_lives_until_the_close(tmp_path: Path) -> None:
    """
    With its output elsewhere the script is done at once, and the child goes on.
    """
    file = tmp_path / "pid"
    running = ScriptRun(f"sleep 600 >/dev/null 2>&1 & echo $! > {file}", lambda name, data: None)
    assert running.wait().status == "ok"
    pid = int(file.read_text())
    os.kill(pid, 0)
    running.close()
    assert is_gone(pid)
    running.kill()


def test_killing_from_elsewhere_is_no_timeout() -> None:
    """
    It ends like any script that a signal ends, also when a child escaped the group.
    """
    running: list[ScriptRun] = []
    running.append(
        ScriptRun(
            "setsid sleep 1 & echo started; wait", lambda name, data: running[0].kill(), timeout=60
        )
    )
    outcome = running[0].wait()
    running[0].close()
    assert outcome == ScriptOutcome(
        WorkspaceAgentScriptStatus("exit_failure"), 255, "signal: killed"
    )


def test_unknown_signals_have_a_number() -> None:
    """
    What the system has no name for is told by its number.
    """
    assert describe_exit(-64) in ("signal: 64", "signal: real-time signal 30")
    assert describe_exit(-9) == "signal: killed"


@given(st.lists(st.binary(max_size=5)), st.sampled_from([b"\n", b"\r\n"]))
def test_every_split_gives_the_same_lines(pieces: list[bytes], end: bytes) -> None:
    """
    The lines are those of the whole, whatever the pieces.
    """
    whole = end.join(pieces)
    splitter = LineSplitter()
    lines = [line for byte in whole for line in splitter.feed(bytes([byte]))]
    lines += splitter.flush()
    expected = [line.removesuffix(b"\r") for line in whole.split(b"\n")]
    if expected[-1] == b"" and not whole.split(b"\n")[-1]:
        expected.pop()
    assert lines == [line.decode(errors="replace") for line in expected]
    assert splitter.flush() == []
