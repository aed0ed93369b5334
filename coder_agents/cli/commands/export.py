"""
The command ``export``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli.arguments import AGENT, file_options
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings, agents_of

if TYPE_CHECKING:
    from coder_agents import Agent, Client
    from coder_agents.schema import WorkspaceAgentContainer, WorkspaceAgentDevcontainer

FORMATS = ("text", "jsonl", "csv", "parquet")


# A list that knows the class of its items, so that a file without rows has the names of the columns.
def _containers(agent: Agent) -> Sequence[WorkspaceAgentContainer]:
    from coder_agents.representation import ResultList
    from coder_agents.schema import WorkspaceAgentContainer

    return ResultList(agent.containers().containers, of=WorkspaceAgentContainer)


def _devcontainers(agent: Agent) -> Sequence[WorkspaceAgentDevcontainer]:
    from coder_agents.representation import ResultList
    from coder_agents.schema import WorkspaceAgentDevcontainer

    return ResultList(agent.containers().devcontainers, of=WorkspaceAgentDevcontainer)


OF_AGENTS: Mapping[str, Callable[[Agent], Any]] = {
    "logs": lambda agent: agent.logs(),
    "ports": lambda agent: agent.listening_ports(),
    "containers": _containers,
    "devcontainers": _devcontainers,
    "jobs": lambda agent: agent.jobs(),
    "startup": lambda agent: [agent.startup_report()],
}
"""
What is written of each agent, and how it is read.
"""

KINDS = (*OF_AGENTS, "metadata", "agents", "workspaces")


@command("export")
@click.argument("kind", metavar="KIND", type=click.Choice(KINDS))
@click.argument("refs", metavar="[AGENT]...", type=AGENT, nargs=-1)
@file_options(FORMATS)
@click.option(
    "-a", "--append", is_flag=True, help="For logs: follow them into the file, and resume from it."
)
@click.option(
    "-q",
    "--query",
    metavar="QUERY",
    help="For agents and workspaces: a search, such as 'owner:me'.",
)
@settings_of
def export_command(
    settings: CommandSettings,
    kind: str,
    refs: tuple[str, ...],
    path: str,
    format_: Any,
    append: bool,
    query: str | None,
) -> None:
    """
    Write what an agent or a deployment lists to a file.

    KIND is logs, metadata, ports, containers, devcontainers, jobs or startup, of each AGENT; or agents or
    workspaces, those that --query finds.

    The suffix of the file is its format: .txt or .log (logs only), .jsonl, .csv or .parquet. The file is written
    in one step: whoever opens it gets the old one or the new one. Parquet needs the extra "data":

    \b
    pip install 'coder-agents[data]'

    With --append, the logs are followed until they end or until Ctrl-C, and a later call continues: no line is
    lost and none is written twice, also after a crash. The file FILE.position beside the file has the position.
    """
    of_agents = kind in OF_AGENTS or kind == "metadata"
    if of_agents and not refs:
        raise click.UsageError(f"{kind} needs an AGENT")
    if not of_agents and refs:
        raise click.UsageError(f"{kind} takes --query and no AGENT")
    if query is not None and of_agents:
        raise click.UsageError(f"--query is for agents and workspaces, not for {kind}")
    if append and kind != "logs":
        raise click.UsageError("--append is for logs")
    from coder_agents import export
    from coder_agents.export.files import check_file

    # A deployment is not read for a file that cannot be written.
    check_file(path, _class_of(kind), format=format_, append=append)
    client = settings.client()
    if not of_agents:
        found = client.agents(query) if kind == "agents" else client.workspaces(query)
        count = export.write(found, path, format=format_)
    elif append:
        _follow(client, refs, path, format_)
        return
    else:
        agents = agents_of(client, refs)
        count = export.write(_read(client, kind, agents), path, format=format_)
    _report_count(count, f"written to {path}")


def _class_of(kind: str) -> type:
    """
    Return the class of the objects that *kind* names.
    """
    from coder_agents import Agent, JobInfo, StartupReport, schema

    return {
        "logs": schema.WorkspaceAgentLog,
        "metadata": schema.WorkspaceAgentMetadata,
        "ports": schema.WorkspaceAgentListeningPort,
        "containers": schema.WorkspaceAgentContainer,
        "devcontainers": schema.WorkspaceAgentDevcontainer,
        "jobs": JobInfo,
        "startup": StartupReport,
        "agents": Agent,
        "workspaces": schema.Workspace,
    }[kind]


def _report_count(count: int, what: str) -> None:
    from coder_agents.render.line import counted

    click.echo(f"{counted(count, 'row')} {what}", err=True)


def _read(client: Client, kind: str, agents: list[Agent]) -> Any:
    if kind != "metadata":
        return {agent: OF_AGENTS[kind](agent) for agent in agents}
    found = client.metadata(agents)
    for error in found.failures.values():
        raise error
    return found


def _follow(client: Client, refs: tuple[str, ...], path: str, format_: Any) -> None:
    """
    Append the logs of the agents *refs* to the file *path* until they end, or until Ctrl-C.
    """
    from coder_agents import export
    from coder_agents.export.appending import append_rows
    from coder_agents.export.paths import target_of

    agents = agents_of(client, refs)
    known = export.bookmarks(path)
    after = {agent.id: known[agent.id] for agent in agents if agent.id in known}
    counts: list[int] = []
    try:
        with client.follow_logs(agents, after=after) as stream:
            append_rows(stream, target_of(path, format_), on_end=counts.append)
    except KeyboardInterrupt:
        _report_count(sum(counts), f"appended to {path}")
        raise
    _report_count(sum(counts), f"appended to {path}")
