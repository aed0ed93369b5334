"""
The command ``metadata``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.cli import exits
from coder_agents.cli.arguments import agents_argument, json_option, watch_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings, agents_of
from coder_agents.render import single_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coder_agents import Agent
    from coder_agents.cli.states import Listing
    from coder_agents.cli.tables import Row
    from coder_agents.representation import ResultList
    from coder_agents.schema import WorkspaceAgentMetadata

    Items = ResultList[WorkspaceAgentMetadata]


@command("metadata")
@agents_argument
@watch_option
@json_option
@settings_of
def metadata_command(
    settings: CommandSettings, refs: tuple[str, ...], watch: bool, as_json: bool
) -> int:
    """
    Print the metadata of agents, and watch it.

    In a pipe, a row has six cells, separated by tabs: the agent, the key, the name, the value, the age in seconds
    and the error. With --watch, the rows of items that were collected again follow as they come. An agent that is
    deleted meanwhile is reported, and the other agents continue.
    """
    from coder_agents.cli.failures import one_line, report

    client = settings.client()
    agents = agents_of(client, refs)
    listing = _listing()
    if watch:
        return listing.print_watched(agents, as_json=as_json)
    found = client.metadata(agents)
    listing.print_once(found.results, as_json=as_json)
    for agent, error in found.failures.items():
        report(f"{agent.label}: {one_line(error)}")
    return exits.FAILED if found.failures else exits.DONE


def _listing() -> Listing[Items, WorkspaceAgentMetadata]:
    from coder_agents.cli.states import Listing
    from coder_agents.cli.tables import TableColumn

    return Listing(
        columns=[
            TableColumn("AGENT", rank=1),
            TableColumn("KEY", rank=4),
            TableColumn("NAME"),
            TableColumn("VALUE", is_long=True),
            TableColumn("AGE", rank=2, right=True),
            TableColumn("ERROR", rank=3),
        ],
        items=lambda items: items,
        row=_row,
        watch=lambda agent, options: agent.watch_metadata(options=options),
        changes=_changes,
    )


def _row(agent: Agent, item: WorkspaceAgentMetadata, seconds: float) -> Row:
    description, result = item.description, item.result
    name = description.display_name or description.key
    value = single_line(result.value)
    age = None if result.age is None else result.age + int(seconds)
    return agent.label, description.key, name, value, age, result.error


def _changes(
    before: Items | None, after: Items
) -> Iterator[tuple[str, list[WorkspaceAgentMetadata]]]:
    """
    Yield the items of *after* that were collected since *before*; none of them has a word.
    """
    known = {item.description.key: item.result.collected_at for item in before or ()}
    yield (
        "",
        [item for item in after if known.get(item.description.key, 0) != item.result.collected_at],
    )
