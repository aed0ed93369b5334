"""
What errors advise: in a shell, options and commands; in a program, arguments and methods.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import coder_agents
from coder_agents.cli import exits
from coder_agents.cli.advice import IN_SHELL, in_shell
from coder_agents.errors.advice import Advice
from coder_agents.testing import Deployment

from .conftest import Run

PACKAGE = Path(coder_agents.__file__).parent
OF_PYTHON = re.compile(
    r"\b(pass|with|in|from|add|beside) [a-z_]+="  # an argument
    r"|\b(agent|client|job|stream|[A-Z]\w+)\.[a-z_]+\b\(?"  # a method or an attribute
    r"|\b[a-z_]+\(\)"  # a call
)
OTHER_ROOMS = ("cli", "testing", "demo", "display", "render", "schema", "representation")

# Of these modules no command raises the messages that name Python: they check what programs pass, or warn
# of what programs leave open.
NOT_OF_COMMANDS = {
    "errors/advice.py",
    "agent/logs.py",
    "base_client.py",
    "batch/agents.py",
    "batch/each.py",
    "batch/results.py",
    "batch/travel.py",
    "client/batches.py",
    "export/chunks.py",
    "exporter/collector.py",
    "filesystem/readable.py",
    "jobs/job.py",
    "jobs/run.py",
    "log_records.py",
    "references.py",
    "streams/core.py",
    "terminal/interact.py",
    "terminal/start.py",
    "terminal/terminal.py",
}


def messages(module: Path) -> Iterator[str]:
    """
    Yield the constant texts of *module* that are sentences, without docstrings.
    """
    tree = ast.parse(module.read_text(encoding="utf-8"))
    alone = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) and id(node) not in alone else None
        if isinstance(value, str) and value.count(" ") >= 2:
            yield value


def test_each_advice_has_words_for_a_shell() -> None:
    """
    The advice of every error has words for a shell, which name no argument and no method of Python.
    """
    assert set(IN_SHELL) == set(Advice)
    assert not [words for words in IN_SHELL.values() if OF_PYTHON.search(words)]
    for advice, words in IN_SHELL.items():
        assert in_shell(f"a: {advice}; b") == f"a: {words}; b"


def test_messages_that_name_python_are_listed_as_advice() -> None:
    """
    A message that a command can show names no argument and no method, but an `Advice`.
    """
    modules = (
        path
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in OTHER_ROOMS
    )
    naming = {
        path.relative_to(PACKAGE).as_posix()
        for path in modules
        if any(OF_PYTHON.search(text) for text in messages(path))
    }
    assert naming == NOT_OF_COMMANDS


@pytest.mark.parametrize(
    ("arguments", "variables", "line"),
    [
        (
            ["show", "idle"],
            {},
            "workspace tester/idle is stopped; start it: coder-agents wait --start tester/idle",
        ),
        (["list"], {"CODER_URL": ""}, "no URL of a Coder deployment: no option was given, the"),
        (
            ["list"],
            {"CODER_URL": "http://me:secret@x.example"},
            "must not hold a user name or password: set CODER_SESSION_TOKEN, or run `coder login`; ",
        ),
        (
            ["list"],
            {"CODER_HEADER": "Coder-Session-Token=x"},
            "the header Coder-Session-Token must not be set: set CODER_SESSION_TOKEN, or run",
        ),
        (
            ["list"],
            {"CODER_CLIENT_TLS_CA_FILE": "/missing.pem"},
            "CODER_CLIENT_TLS_CA_FILE names a file that does not exist: /missing.pem; ",
        ),
        (
            ["list"],
            {"http_proxy": "http://127.0.0.1:1", "no_proxy": ""},
            "Connection refused; its URL comes from an environment variable such as HTTPS_PROXY; ",
        ),
        (
            ["list"],
            {"CODER_SESSION_TOKEN": "wrong"},
            "; set CODER_SESSION_TOKEN to what `coder tokens create` prints\n",
        ),
        (["export", "logs", "dev", "-o", "x.odd"], {}, "each also with .gz, or use --format\n"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_error_names_what_to_do_in_a_shell(
    run: Callable[..., Run],
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variables: dict[str, str],
    line: str,
) -> None:
    """
    The line of an error names options, commands and variables, and nothing of Python.
    """
    deployment.workspace("idle").start_build("stop").complete()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ended = run(*arguments)
    assert ended.status == exits.FAILED
    assert line in ended.err
    assert ended.err.count("\n") == 1
    assert not OF_PYTHON.search(ended.err)


def test_an_agent_that_was_named_by_its_id_has_no_next_build(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The option is named as it was typed, and the remedy as it is to be typed.
    """
    ended = run("logs", str(deployment.agents[0].id), "-f", "--across-builds")
    assert ended.err == (
        "coder-agents: --across-builds needs the agent's workspace, which is not known for an agent"
        " that was found by its own UUID: name it as workspace.agent\n"
    )


def test_a_job_that_runs_is_ended_by_a_command(run: Callable[..., Run]) -> None:
    """
    A job that runs is not removed, and the line names the command that ends it.
    """
    job = run("run", "-d", "dev", "sleep 60").out.strip()
    ended = run("jobs", "dev", "--remove", job)
    assert ended.status == exits.FAILED
    assert "end it with coder-agents jobs AGENT --kill ID, or wait" in ended.err
    assert run("jobs", "dev", "--kill", job).status == 0
    assert run("jobs", "dev", "--output", job).status > exits.BY_SIGNAL
    assert run("jobs", "dev", "--remove", job).status == 0
