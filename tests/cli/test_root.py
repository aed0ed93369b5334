"""
The command itself: its help, its errors and its exit codes.
"""

from __future__ import annotations

import builtins
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import pytest

from coder_agents import TransportError
from coder_agents.cli import exits, main, program, root
from coder_agents.cli.commands import workspaces
from coder_agents.cli.failures import one_line, report_failure
from coder_agents.cli.root import COMMANDS
from coder_agents.errors import CommandTimeoutError, ReadyTimeoutError, RequestTimeoutError
from coder_agents.testing import Deployment

from .conftest import HARMFUL, HOSTILE, Run

NAMES = [name for chapter in COMMANDS.values() for name in chapter]


def command_of(name: str) -> click.Command:
    """
    Return the command *name*.
    """
    found = root.root.get_command(click.Context(root.root), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_help(run: Callable[..., Run], name: str) -> None:
    """
    The first line of a command's help is the line in the list of commands, and each option is described.
    """
    ended = run(name, "--help")
    assert ended.status == 0
    assert ended.out.startswith(f"Usage: coder-agents {name}")
    command = command_of(name)
    assert command.name == name
    assert (command.help or "").strip().partition("\n")[0] == {
        k: v for each in COMMANDS.values() for k, v in each.items()
    }[name]
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_help_is_plain_text_that_fits(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """
    A help has no markup, and its lines fit an ordinary terminal and, but for long options, a narrow one.
    """
    for columns, widest in (80, 80), (40, 46):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = run(name, "--help").out.splitlines()
        lines = [line for line in lines if "~/.config" not in line]  # a command to copy
        lines = [line for line in lines if "$(" not in line]
        assert max(map(len, lines)) <= widest
        assert not any("`" in line for line in lines)


def test_without_a_command_the_help_is_shown(run: Callable[..., Run]) -> None:
    """
    The list of the commands is the answer to a bare call, to -h and to --help.
    """
    bare = run()
    assert bare.status == 0
    assert all(f"  {name} " in bare.out for name in NAMES)
    assert run("-h") == bare
    assert run("--help") == bare


def test_the_version_is_shown(run: Callable[..., Run]) -> None:
    """
    --version prints the name and the version.
    """
    assert run("--version").out.startswith("coder-agents 0.")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["lst"], "there is no command 'lst'; similar: list; see coder-agents --help"),
        (["qqq"], "there is no command 'qqq'; see coder-agents --help"),
        (["--nothing"], "No such option"),
        (["list", "--nothing"], "see coder-agents list --help"),
        (["list", "-a", "-q", "x"], "--all is --query ''"),
        (["show"], "Missing argument 'AGENT'"),
        (["show", "a/b/c"], "has more than one '/'"),
        (["logs"], "Missing argument 'AGENT...'"),
        (["logs", "dev", "--json", "--text"], "cannot be given together"),
        (["logs", "dev", "--across-builds"], "needs --follow"),
        (["logs", "dev", "--bookmarks", "x.json"], "--bookmarks needs --follow"),
        (["logs", "dev", "--since", "soon"], "neither a duration"),
        (["wait", "dev", "--timeout", "soon"], "no duration"),
        (["run", "dev"], "Missing argument 'COMMAND...'"),
        (["run", "dev", "-e", "=", "true"], "must be NAME=VALUE"),
        (["run", "dev", "-e", "NOT_SET_HERE", "true"], "must be NAME=VALUE"),
        (["run", "dev", "--container-user", "x", "true"], "needs --container"),
        (["jobs", "dev", "--kill", "a", "--remove", "b"], "only one of"),
        (["terminal", "dev", "--container-user", "x"], "needs --container"),
        (["terminal", "dev", "--attach", "x"], "'x' is not a valid UUID"),
        (["terminal", "dev", "--attach", str(UUID(int=1)), "true"], "be given with --attach"),
        (["start", "dev.main"], "names an agent; without .main"),
        (["top", "dev", "--query", "x"], "cannot be given together"),
        (["top"], "needs a terminal"),
        (["cp", "a", "b"], "no path is on an agent"),
        (["cp", "a/b/c:d", "b"], "has more than one '/'"),
        (["cp", "", "dev:"], "a path is empty"),
        (["export", "logs", "-o", "x"], "logs needs an AGENT"),
        (["export", "agents", "dev", "-o", "x"], "takes --query and no AGENT"),
        (["export", "ports", "dev", "-q", "", "-o", "x"], "--query is for agents"),
        (["export", "ports", "dev", "-a", "-o", "x"], "--append is for logs"),
        (["completion", "csh"], "'csh' is not one of"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_line(
    run: Callable[..., Run], deployment: Deployment, arguments: list[str], text: str
) -> None:
    """
    What is wrong with a command line is reported in one line, with the code 2, before anything is sent.
    """
    before = len(deployment.requests)
    ended = run(*arguments)
    assert ended.status == exits.USAGE
    assert ended.out == ""
    assert ended.err.startswith("coder-agents: ")
    assert ended.err.count("\n") == 1
    assert text in ended.err
    assert len(deployment.requests) == before


def test_an_error_is_one_line(run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An error is one line; a traceback is shown with --debug alone, before and after the command.
    """
    for arguments in (
        ["show", "nothing"],
        ["wait", "nothing"],
        ["--url", "http://127.0.0.1:1", "list"],
    ):
        ended = run(*arguments)
        assert ended.status == exits.FAILED
        assert ended.err.count("\n") == 1
    for arguments in (["--debug", "show", "nothing"], ["show", "nothing", "--debug"]):
        ended = run(*arguments)
        assert "Traceback" in ended.err
        assert ended.err.splitlines()[-1].startswith("coder-agents: no workspace nothing")
    monkeypatch.delenv("CODER_URL")
    assert "environment variable CODER_URL is not set" in run("list").err


def test_the_token_comes_from_a_file(
    run: Callable[..., Run], deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    --token-file takes precedence over the environment, and no message shows what the file contains.
    """
    monkeypatch.setenv("CODER_SESSION_TOKEN", "wrong-token")
    assert run("list").status == exits.FAILED
    Path("token").write_text(f"{deployment.token}\n")
    assert run("--token-file", "token", "list").status == 0
    assert run("list", "--token-file", "token").status == 0
    Path("empty").touch()
    assert "contains no token" in run("--token-file", "empty", "list").err
    Path("binary").write_bytes(b"secret\xff")
    ended = run("--token-file", "binary", "list")
    assert "contains no token" in ended.err
    assert "secret" not in ended.err
    assert "No such file" in run("--token-file", "missing", "list").err


def test_a_hostile_error_does_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The text of an error is escaped and cut.
    """
    assert report_failure(ValueError(HOSTILE + "x" * 10_000)) == exits.FAILED
    err = capsys.readouterr().err
    assert not any(each in err for each in HARMFUL)
    assert len(err) < 2_100


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ReadyTimeoutError("late"), exits.TIMED_OUT),
        (CommandTimeoutError("late"), exits.TIMED_OUT),
        (RequestTimeoutError("no answer"), exits.FAILED),
        (TransportError("refused"), exits.FAILED),
        (TimeoutError(), exits.FAILED),
        (KeyError("x"), exits.FAILED),
    ],
)
def test_a_time_limit_has_a_code_of_its_own(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    """
    The code is 124 where the limit of a command has passed, and not where a request had no answer.
    """
    assert report_failure(error) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_lines_of_errors() -> None:
    """
    Lines are joined, the errors of the system name the file, and an error without text its class.
    """
    assert one_line(ValueError("a\n\tb\n")) == "a; b"
    assert one_line(FileNotFoundError(2, "No such file", "x")) == "x: No such file"
    assert one_line(OSError(5, "Input/output error")) == "Input/output error"
    assert one_line(OSError(28, "No space")) == "standard output: No space"
    assert one_line(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), exits.INTERRUPTED),
        (click.Abort(), exits.INTERRUPTED),
        (SystemExit(143), 143),
        (SystemExit("text"), exits.FAILED),
        (RuntimeError("odd"), exits.FAILED),
    ],
    ids=repr,
)
def test_each_end_has_its_code(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    """
    Ctrl-C, a signal and an error that nobody expects have their codes.
    """

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(workspaces.list_command, "callback", fail)
    ended = run("list")
    assert ended.status == code
    assert ("unexpected RuntimeError: odd; --debug shows where" in ended.err) is (
        type(error) is RuntimeError
    )


def test_a_reader_that_has_gone_is_no_error(
    environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    Without a reader the code is that of SIGPIPE, nothing is printed, and later output is discarded.
    """
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        assert program.run(["list"]) == exits.READER_GONE
        print("later", file=out, flush=True)


@pytest.mark.parametrize("missing", [["click"], ["click", "rich"]])
def test_without_the_extra_its_name_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: list[str]
) -> None:
    """
    Without click or rich, one line names the extra.
    """
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else find(name)
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "pip install 'coder-agents[cli]'" in capsys.readouterr().err


@pytest.mark.usefixtures("with_handlers_of_signals")
def test_main_ends_the_process_with_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The entry point ends with the code of the program, and signals run what restores a terminal.
    """
    monkeypatch.setattr(sys, "argv", ["coder-agents", "lst"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == exits.USAGE
    with pytest.raises(SystemExit) as terminated:
        signal.raise_signal(signal.SIGTERM)
    assert terminated.value.code == 128 + signal.SIGTERM
    # A handler that is there already stays.
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        main()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_top_names_the_extra_where_textual_is_missing(
    shown: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The dashboard without textual is an error that names the extra.
    """
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "coder_agents.cli.top.session":
            raise ModuleNotFoundError("No module named 'textual'", name="textual")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr("sys.stdin", type("Tty", (), {"isatty": lambda self: True})())
    ended = shown("top")
    assert ended.status == exits.FAILED
    assert "pip install 'coder-agents[cli]'" in ended.err


def test_the_codes_are_described() -> None:
    """
    Each code of the program has a description for the documentation.
    """
    own = {
        value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)
    }
    assert own - {exits.BY_SIGNAL} == set(exits.CODES)


def test_the_demo_is_run(run: Callable[..., Run]) -> None:
    """
    The options are those of the demo, whose errors are one line, too.
    """
    ended = run("demo", "nothing", "--seconds", "0")
    assert ended.status == exits.FAILED
    assert ended.err.startswith("coder-agents: no workspace nothing")
    refused = run("demo", "dev", "--seconds", "0", "--url", "http://127.0.0.1:1")
    assert "http://127.0.0.1:1/api/v2" in refused.err
    assert run("demo", "dev", "--seconds", "inf").status == exits.USAGE
    shown = run("demo", "dev", "--seconds", "0")
    assert (shown.status, shown.err) == (0, "")
    assert "The agent main" in shown.out


def test_an_unreachable_deployment_leads_to_the_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The error of the system alone names no remedy, so the line names the command that finds it.
    """
    report_failure(TransportError("GET http://x: refused"))
    err = capsys.readouterr().err
    assert (
        err
        == "coder-agents: GET http://x: refused; coder-agents doctor checks the way to the deployment\n"
    )
