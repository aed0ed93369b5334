"""
The command ``run``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import DURATION, agent_argument
from coder_agents.cli.command_line import CommandOfAgent
from coder_agents.cli.readers import ending_without_reader
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings
from coder_agents.render.line import counted

if TYPE_CHECKING:
    from coder_agents import Agent, Job


@command("run", cls=CommandOfAgent)
@agent_argument
@click.argument("words", metavar="COMMAND...", nargs=-1, required=True)
@click.option("-C", "--cwd", metavar="FOLDER", help="The folder in which the command runs.")
@click.option(
    "-e",
    "--env",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set a variable; without a value, to its value here. Repeatable.",
)
@click.option(
    "--timeout", type=DURATION, help="End the command after this time, such as 90s or 10m."
)
@click.option("--container", metavar="NAME", help="Run in this container of the agent's machine.")
@click.option("--container-user", metavar="USER", help="As this user in the container.")
@click.option(
    "-n", "--no-stdin", is_flag=True, help="Pass no input, as in a loop that reads standard input."
)
@click.option(
    "-d", "--detach", is_flag=True, help="Start a job, print its id, and do not wait for it."
)
@settings_of
def run_command(
    settings: CommandSettings,
    ref: str,
    words: tuple[str, ...],
    cwd: str | None,
    env: tuple[str, ...],
    timeout: float | None,
    container: str | None,
    container_user: str | None,
    no_stdin: bool,
    detach: bool,
) -> int:
    """
    Run a command on an agent.

    A single word is run by the agent's /bin/sh: coder-agents run dev -- 'make 2>&1 | tail'. Several words are a
    program and its arguments, and no shell expands them.

    Standard input is passed on as it comes, and both outputs are written as they come, unchanged. The exit code
    is that of the command. Ctrl-C, SIGTERM and SIGHUP kill the command, and so does a reader of the standard output
    that has gone, at once.

    The exit code is 128 + N where signal N ended the command, 124 after the time limit, and 125 where the
    command could not be run or was lost.
    """
    if container_user and not container:
        raise click.UsageError("--container-user needs --container")
    options: dict[str, Any] = {
        "cwd": cwd,
        "env": _variables(env),
        "timeout": timeout,
        "container": container,
        "container_user": container_user,
    }
    started = words[0] if len(words) == 1 else list(words)
    try:
        agent = settings.agent(ref)
        if detach:
            click.echo(agent.start_job(started, **options).id)
            return exits.DONE
        with ending_without_reader():
            return _attached(agent, started, passes_input=not no_stdin, options=options)
    except Exception as error:
        if isinstance(error, BrokenPipeError):
            raise
        return _not_run(error, settings)


def _variables(texts: tuple[str, ...]) -> dict[str, str]:
    variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or (not equals and name not in os.environ):
            raise click.BadParameter(
                f"{text!r} must be NAME=VALUE, or the name of a variable that is set here",
                param_hint="--env",
            )
        variables[name] = value if equals else os.environ[name]
    return variables


def _attached(
    agent: Agent, started: str | list[str], *, passes_input: bool, options: dict[str, Any]
) -> int:
    import subprocess

    from coder_agents.cli.failures import report
    from coder_agents.jobs.attached import attach

    stdin = subprocess.PIPE if passes_input else None
    job: Job = agent.start_job(started, stdin=stdin, **options)
    ended = attach(
        job,
        # Not through sys.stdin: the end of Python would wait for the lock of its buffer.
        read=(lambda size: os.read(0, size)) if passes_input else None,
        writes={"stdout": _writer(sys.stdout), "stderr": _writer(sys.stderr)},
    )
    if ended.timed_out:
        seconds = counted(options["timeout"], "second")
        report(f"the command took longer than {seconds} and was ended")
        return exits.TIMED_OUT
    code = ended.returncode
    return code if code >= 0 else exits.BY_SIGNAL - code


def _writer(stream: Any) -> Callable[[bytes], object]:
    def write(data: bytes) -> None:
        stream.buffer.write(data)
        stream.buffer.flush()

    return write


def _not_run(error: Exception, settings: CommandSettings) -> int:
    """
    Report *error*, and return the exit code: a code of the command is never that of this program.
    """
    from coder_agents.cli.failures import report_failure

    if settings.debug:
        import traceback

        traceback.print_exception(error)
    report_failure(error)
    return exits.NOT_RUN
