"""
The command ``jobs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import agent_argument, json_option
from coder_agents.cli.readers import ending_without_reader
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from coder_agents import Agent, Job
    from coder_agents.cli.tables import Row


@command("jobs")
@agent_argument
@click.option(
    "-o",
    "--output",
    "output_of",
    metavar="ID",
    help="Write the outputs of a job, until it ends; the exit code is that of the job.",
)
@click.option("--kill", "killed", metavar="ID", help="Kill a job.")
@click.option(
    "--remove", "removed", metavar="ID", help="Delete a job that has ended, with its outputs."
)
@click.option(
    "--container", metavar="NAME", help="The jobs in this container of the agent's machine."
)
@json_option
@settings_of
def jobs_command(
    settings: CommandSettings,
    ref: str,
    output_of: str | None,
    killed: str | None,
    removed: str | None,
    container: str | None,
    as_json: bool,
) -> int:
    """
    List the jobs of an agent, read their output, end them.

    A job is started with run --detach. It lives on without this program; its outputs are kept on the agent for a
    week after its end.

    In a pipe, a row has seven cells, separated by tabs: the id, the state, the exit code, when the job started,
    the bytes of standard output and of standard error, and the beginning of the command.
    """
    ids = [each for each in (output_of, killed, removed) if each is not None]
    if len(ids) > 1:
        raise click.UsageError("only one of --output, --kill and --remove can be given")
    agent = settings.agent(ref)
    if not ids:
        _list(agent, container, as_json=as_json)
        return exits.DONE
    job = agent.job(ids[0], container=container)
    if killed is not None:
        job.kill()
    elif removed is not None:
        job.remove()
    else:
        return _write_output(job)
    return exits.DONE


def _list(agent: Agent, container: str | None, *, as_json: bool) -> None:
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.screen import output
    from coder_agents.cli.tables import TableColumn, write_rows

    jobs, screen = agent.jobs(container=container), output()
    if as_json:
        write_json(screen, jobs)
        return
    columns = [
        TableColumn("ID"),
        TableColumn("STATE", is_state=True),
        TableColumn("EXIT", rank=1, right=True),
        TableColumn("STARTED", rank=3),
        TableColumn("OUT", rank=4, right=True),
        TableColumn("ERR", rank=5, right=True),
        TableColumn("COMMAND", is_long=True),
    ]
    rows: list[Row] = [
        (
            each.id,
            each.state,
            each.returncode,
            each.started_at,
            each.stdout_size,
            each.stderr_size,
            each.command,
        )
        for each in jobs
    ]
    write_rows(screen, columns, rows)


def _write_output(job: Job) -> int:
    import sys

    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    with ending_without_reader(), job.output() as outputs:
        for each in outputs:
            stream = streams[each.name].buffer
            stream.write(each.data)
            stream.flush()
    code = job.wait()
    return code if code >= 0 else exits.BY_SIGNAL - code
