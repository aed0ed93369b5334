"""
Completion: the names, and the scripts in real shells.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from coder_agents.cli import program
from coder_agents.cli.names import _SECONDS, VARIABLE, _limit, complete
from coder_agents.cli.root import NAME, root
from coder_agents.cli.settings import CommandSettings
from coder_agents.testing import Deployment

from .processes import SECONDS


@pytest.fixture
def context() -> click.Context:
    """
    The context in which a shell completes.
    """
    # Not click.Context(root): click keeps the option for help of the first context that a command meets.
    return root.make_context(NAME, [], obj=CommandSettings(), resilient_parsing=True)


def found(context: click.Context, typed: str, *, agents: bool = True) -> list[str]:
    """
    Return the names that complete *typed*.
    """
    return [name for name, _ in complete(context, typed, agents=agents)]


def test_names_begin_as_typed(environment: Path, context: click.Context) -> None:
    """
    Workspaces and their agents are completed, also after the owner.
    """
    assert found(context, "de") == ["dev", "dev.main"]
    assert found(context, "dev.m") == ["dev.main"]
    assert found(context, "tester/ev") == ["tester/evil", "tester/evil.gpu"]
    assert found(context, "@tester/dev", agents=False) == ["@tester/dev"]
    assert "evil" in found(context, "")
    assert found(context, "zzz") == []


def test_one_request_is_sent(
    environment: Path, context: click.Context, deployment: Deployment
) -> None:
    """
    A completion requests the workspaces with the typed name in theirs, and nothing else.
    """
    before = len(deployment.requests)
    found(context, "dev.m")
    [request] = list(deployment.requests)[before:]
    assert "name%3Adev" in request.target


@pytest.mark.parametrize("typed", ["a b", "x owner:all", "dev/x/y:", "'", "../x", "a:b"])
def test_what_is_no_name_is_not_requested(
    environment: Path, context: click.Context, deployment: Deployment, typed: str
) -> None:
    """
    Text that could be another filter of the search is sent nowhere.
    """
    before = len(deployment.requests)
    assert found(context, typed) == []
    assert len(deployment.requests) == before


def test_there_is_never_an_error(
    environment: Path, context: click.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without settings, with a wrong token and without a deployment there are no names.
    """
    monkeypatch.setenv("CODER_SESSION_TOKEN", "wrong")
    assert found(context, "de") == []
    monkeypatch.setenv("CODER_URL", "http://127.0.0.1:1")
    assert found(context, "de") == []
    monkeypatch.delenv("CODER_URL")
    assert found(context, "de") == []


def test_a_slow_deployment_is_not_waited_for(
    environment: Path,
    context: click.Context,
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    After the limit there are no names, though the answer would come.
    """
    monkeypatch.setenv(VARIABLE, "0.2")
    began = time.monotonic()
    with deployment.unreachable():
        assert found(context, "de") == []
    assert time.monotonic() - began < SECONDS / 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("", _SECONDS), ("x", _SECONDS), ("-1", _SECONDS), ("inf", _SECONDS)],
)
def test_the_limit_can_be_set(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    """
    The limit is that of the environment, where that is a number of seconds.
    """
    monkeypatch.setenv(VARIABLE, text)
    assert _limit() == seconds


def test_hostile_names_do_not_reach_the_shell(
    environment: Path, context: click.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is no name of a workspace, as only a hostile deployment lists it, is skipped.
    """
    from coder_agents.schema import Workspace

    listed = [Workspace(name="$(rm x)"), Workspace(name="dev\nlog"), Workspace(name="good")]
    monkeypatch.setattr("coder_agents.Client.workspaces", lambda self, query: iter(listed))
    assert found(context, "") == ["good"]


@pytest.mark.usefixtures("with_handlers_of_signals")
def test_commands_are_completed_without_importing_them(
    context: click.Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Commands and options that begin as typed are completed with their lines.
    """
    assert [item.value for item in root.shell_complete(context, "li")] == ["list"]
    assert "--url" in [item.value for item in root.shell_complete(context, "--")]
    assert "-h" in [item.value for item in root.shell_complete(context, "-")]
    monkeypatch.setenv(program.COMPLETE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "coder-agents st")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit) as ended:
        program.main([])
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == ["plain,start", "plain,stop"]


@pytest.fixture
def shell_environment(environment: Path, deployment: Deployment) -> Mapping[str, str]:
    """
    The environment of a shell whose PATH has the command.
    """
    folder = environment / "bin"
    folder.mkdir()
    command = folder / "coder-agents"
    command.write_text(
        f"#!{sys.executable}\nfrom coder_agents.cli import main\nmain()\n", encoding="utf-8"
    )
    command.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    here = str(Path(__file__).resolve().parents[2])
    python = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PATH": path, "HOME": str(environment), "PYTHONPATH": python}


BASH = """
eval "$(coder-agents completion bash)"
COMP_WORDS=(coder-agents show de) COMP_CWORD=2
_coder_agents_completion coder-agents de show
echo "${COMPREPLY[@]}"
"""
FISH = """
coder-agents completion fish | source
complete --do-complete "coder-agents show de"
"""
# A zsh without a person at it completes in another zsh with a terminal.
ZSH = r"""
zmodload zsh/zpty
zpty shell "zsh -f -i"
zpty -w shell 'PS1="> "; autoload -U compinit; compinit -u; eval "$(coder-agents completion zsh)"; echo lo""aded'
output=""
while zpty -r shell line; do output+="$line"; [[ $output == *loaded* ]] && break; done
zpty -w -n shell $'coder-agents show dev.\t'
while zpty -r shell line '*dev.main*'; do print -r -- "$line"; break; done
zpty -d shell
"""


@pytest.mark.parametrize(
    ("shell", "script"), [("bash", BASH), ("fish", FISH), ("zsh", ZSH)], ids=["bash", "fish", "zsh"]
)
def test_a_shell_completes_names(
    shell_environment: Mapping[str, str], shell: str, script: str
) -> None:
    """
    The script that is printed for a shell completes the name of an agent there.
    """
    program_of_shell = shutil.which(shell)
    if program_of_shell is None:
        pytest.skip(f"{shell} is not installed")
    ended = subprocess.run(
        [program_of_shell, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env=shell_environment,
        timeout=3 * SECONDS,
    )
    assert "dev.main" in ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("shell", "text"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef"), ("fish", "complete --")],
)
def test_the_script_of_a_shell_is_printed(
    environment: Path, capsys: pytest.CaptureFixture[str], shell: str, text: str
) -> None:
    """
    The script requests completions by the variable that the program reads.
    """
    assert program.run(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert text in out
    assert program.COMPLETE in out


@pytest.mark.usefixtures("with_handlers_of_signals")
def test_an_argument_is_completed_by_names(
    environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    An agent is completed with the agents of its workspace, and a workspace without them.
    """
    monkeypatch.setenv(program.COMPLETE, "bash_complete")
    monkeypatch.setenv("COMP_CWORD", "2")
    for command, wanted in (("show", ["plain,dev", "plain,dev.main"]), ("stop", ["plain,dev"])):
        monkeypatch.setenv("COMP_WORDS", f"coder-agents {command} dev")
        with pytest.raises(SystemExit):
            program.main([])
        assert capsys.readouterr().out.split() == wanted


@pytest.mark.usefixtures("with_handlers_of_signals")
@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("cp de", ["plain,dev:", "plain,dev.main:"]),
        ("cp fi", ["file,fi"]),
        ("cp -r dev ./fi", ["file,./fi"]),
        ("cp none/x", []),
        ("logs dev --bookmarks fi", ["file,fi"]),
        ("list --token-file fi", ["file,fi"]),
    ],
)
def test_files_of_this_machine_are_completed(
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    wanted: list[str],
) -> None:
    """
    The shell completes files where there are some, and for a copy else the names of agents with a colon.
    """
    (environment / "file").touch()
    monkeypatch.setenv(program.COMPLETE, "bash_complete")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split())))
    monkeypatch.setenv("COMP_WORDS", f"coder-agents {typed}")
    with pytest.raises(SystemExit):
        program.main([])
    assert capsys.readouterr().out.split() == wanted
