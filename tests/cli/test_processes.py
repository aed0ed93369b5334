"""
The program as a process: in a pipe, in a terminal, with signals.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from coder_agents.testing import Deployment

from .processes import PROGRAM, SECONDS, Ended, in_terminal, interrupted, killed, piped

Runs = Callable[[str], Ended]
DATA = bytes(range(256)) * 1_000


@pytest.fixture(scope="session")
def to_stop(deployment: Deployment) -> str:
    """
    The name of a workspace that a test stops, added once: tests of other modules may run between these tests.
    """
    deployment.add_agent(workspace="processes")
    return "processes"


@pytest.fixture(scope="module")
def runs(
    ctrl_c: None,
    to_stop: str,
    variables: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Runs:
    """
    Runs a process by its name, once.
    """
    target = tmp_path_factory.mktemp("target")

    def stopped_reader() -> Ended:
        command = " ".join([*PROGRAM, "run", "dev", "--", "yes", "</dev/null"])
        script = f"{command} | head -c 2; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", script],
            check=False,
            capture_output=True,
            env=variables,
            text=True,
            timeout=SECONDS,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    plan: dict[str, Callable[[], Ended]] = {
        **{
            name: lambda arguments=arguments: piped(variables, *arguments)  # type: ignore[misc]
            for name, arguments in {
                "help": ["--help"],
                "list": ["list"],
                "show": ["show", "dev"],
                "logs": ["logs", "dev"],
                "metadata": ["metadata", "dev"],
                "ports": ["ports", "dev", "--json"],
                "containers": ["containers", "dev"],
                "wait": ["wait", "dev"],
                "stop": ["stop", to_stop],
                "jobs": ["jobs", "dev"],
                "terminal": ["terminal", "dev"],
                "top": ["top"],
                "cp": ["cp", "dev:/etc/hostname", f"{target}/hostname"],
                "export": ["export", "ports", "dev", "-o", f"{target}/ports.csv"],
                "demo": ["demo", "nothing"],
                "doctor": ["doctor", "dev"],
                "completion": ["completion", "zsh"],
                "usage": ["logs", "--nothing"],
                "failure": ["show", "nothing"],
            }.items()
        },
        "run": lambda: piped(
            variables, "run", "dev", "--", "sh", "-c", "cat >&2; exit 9", input=DATA
        ),
        "reader": stopped_reader,
        "list in a terminal": lambda: in_terminal(variables, "list", columns=40),
        "logs in a terminal": lambda: in_terminal(variables, "logs", "evil"),
        "watch in a terminal": lambda: in_terminal(
            variables, "metadata", "dev", "-w", interrupt_at="0.42"
        ),
        "terminal in a terminal": lambda: in_terminal(
            variables,
            "terminal",
            "dev",
            "--",
            "echo begun; read x; echo got $x",
            typed="hello\r",
            after="begun",
        ),
        "top in a terminal": lambda: in_terminal(
            variables, "top", "dev", typed="q", after="dev.main"
        ),
        "leave a terminal": lambda: in_terminal(
            variables, "terminal", "dev", "--", "echo begun; sleep 60", typed="\r~.", after="begun"
        ),
        "interrupted follow": lambda: interrupted(
            variables, "logs", "-f", "dev", at=lambda output: b"oops" in output
        ),
        "interrupted run": lambda: interrupted(
            variables,
            "run",
            "dev",
            "--",
            "echo $$; exec sleep 600",
            at=lambda output: b"\n" in output,
        ),
        "terminated run": lambda: interrupted(
            variables,
            "run",
            "dev",
            "--",
            "echo $$; exec sleep 600",
            at=lambda output: b"\n" in output,
            number=signal.SIGTERM,
        ),
    }
    return functools.cache(lambda name: plan[name]())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("help", "Work with the agents of Coder workspaces."),
        ("list", "dev.main\trunning\tconnected\tready"),
        ("show", "status\tconnected"),
        ("logs", "[info] [agent.main|Startup Script] Installing"),
        ("metadata", "dev.main\tload\tload\t0.42"),
        ("ports", '"port":8000'),
        ("containers", "container\tweb\trunning"),
        ("wait", "dev.main\tconnected\tready"),
        ("stop", "processes\tstop\t2\tsucceeded"),
        ("jobs", ""),
        ("cp", ""),
        ("export", ""),
        ("doctor", "ok\twebsocket"),
        ("completion", "#compdef coder-agents"),
    ],
)
def test_a_command_in_a_pipe(runs: Runs, name: str, text: str) -> None:
    """
    The output of each command is plain and stable, and its code is 0.
    """
    ended = runs(name)
    assert ended.status == 0, ended.err
    assert text in ended.out
    assert "\x1b" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("usage", 2, "No such option"),
        ("top", 2, "needs a terminal"),
        ("failure", 1, "no workspace nothing"),
        ("terminal", 1, "needs a terminal here"),
        ("demo", 1, "no workspace nothing"),
    ],
)
def test_a_failure_in_a_pipe(runs: Runs, name: str, status: int, text: str) -> None:
    """
    An error is one line on standard error, and nothing on standard output.
    """
    ended = runs(name)
    assert (ended.status, ended.out) == (status, "")
    assert ended.err.count("\n") == 1
    assert text in ended.err


def test_run_passes_every_byte(runs: Runs) -> None:
    """
    The input and an output have all 256 values, unchanged, and the code is that of the command.
    """
    ended = runs("run")
    assert ended.status == 9
    assert ended.out == ""
    assert ended.err.encode("latin-1") == DATA


def test_without_a_reader_the_command_is_killed(runs: Runs, deployment: Deployment) -> None:
    """
    A reader that leaves ends the command there, and the code is that of SIGPIPE.
    """
    ended = runs("reader")
    assert ended.out == "y\n141\n"
    assert ended.err == ""


@pytest.mark.parametrize(
    ("name", "number"), [("interrupted run", signal.SIGINT), ("terminated run", signal.SIGTERM)]
)
def test_a_signal_kills_the_command(runs: Runs, name: str, number: int) -> None:
    """
    Ctrl-C and SIGTERM kill the command on the agent, and end the program as other programs.
    """
    ended = runs(name)
    assert ended.status == -number
    assert ended.err == ""
    there = Path(f"/proc/{ended.out.strip()}/cmdline")
    assert not there.exists() or b"sleep" not in there.read_bytes()


def test_ctrl_c_ends_a_log_that_is_followed(runs: Runs) -> None:
    """
    After Ctrl-C, the program ends by the signal, without a word.
    """
    ended = runs("interrupted follow")
    assert ended.status == -signal.SIGINT
    assert ended.err == ""


def test_a_terminal_has_tables_and_colours(runs: Runs) -> None:
    """
    In a terminal of 40 columns, the table fits, and states have colours.
    """
    ended = runs("list in a terminal")
    assert ended.status == 0
    assert "\x1b[32mrunning" in ended.out
    assert max(map(len, ended.text.splitlines())) <= 40
    assert ended.text.startswith("NAME")


def test_hostile_logs_do_no_harm_in_a_terminal(runs: Runs) -> None:
    """
    No sequence of a log reaches a terminal but colours.
    """
    ended = runs("logs in a terminal")
    assert "[red]x[/red]" in ended.out
    assert not any(each in ended.out for each in ("\x1b]", "\x1b[2J", "\x07", "\u202e"))


def test_a_watch_in_a_terminal_ends_with_ctrl_c(runs: Runs) -> None:
    """
    After Ctrl-C, the cursor is shown again, and the program has ended by the signal.
    """
    ended = runs("watch in a terminal")
    assert ended.status == -signal.SIGINT
    assert ended.out.rindex("\x1b[?25h") > ended.out.rindex("\x1b[?25l")


def test_a_person_uses_a_terminal(runs: Runs) -> None:
    """
    What is typed reaches the command there, and its end is the end of the program.
    """
    ended = runs("terminal in a terminal")
    assert ended.status == 0
    assert "got hello" in ended.text


def test_a_person_leaves_the_dashboard(runs: Runs) -> None:
    """
    The dashboard shows the agent, and q ends it with the code 0.
    """
    ended = runs("top in a terminal")
    assert ended.status == 0
    assert "dev.main" in ended.text


def test_a_person_leaves_a_terminal(runs: Runs) -> None:
    """
    After ~. the program ends, and prints how to attach again.
    """
    ended = runs("leave a terminal")
    assert ended.status == 0
    assert "coder-agents terminal dev --attach" in ended.text


def test_help_imports_little() -> None:
    """
    The list of commands is printed without the client, rich, textual, pandas and requests.
    """
    heavy = {"requests", "attrs", "rich.console", "textual", "pandas", "coder_agents.client"}
    code = (
        "import sys; from coder_agents.cli import program;"
        f" program.run(['--help']); sys.exit(bool({heavy!r} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_closed_streams_do_not_become_sockets(variables: Mapping[str, str]) -> None:
    """
    A command has no input where standard input is closed, and its output goes nowhere without one.
    """
    command = " ".join([*PROGRAM, "run", "dev", "--", "cat", "<&-", ">&-"])
    done = subprocess.run(
        ["sh", "-c", command], check=False, capture_output=True, env=variables, timeout=SECONDS
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    "program",
    [PROGRAM, (sys.executable, "-c", "from coder_agents.cli import main; main()")],
    ids=["module", "entry point"],
)
def test_ctrl_c_while_modules_are_imported_shows_no_traceback(
    ctrl_c: None,
    variables: Mapping[str, str],
    tmp_path: Path,
    program: tuple[str, ...],
) -> None:
    """
    Ctrl-C ends the process by the signal also before the command line is read, and prints nothing.
    """
    (tmp_path / "click.py").write_text(
        "import time; print('importing', flush=True); time.sleep(60)"
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, [variables.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [*program, "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**variables, "PYTHONPATH": paths},
    )
    with killed(process):
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == -signal.SIGINT
