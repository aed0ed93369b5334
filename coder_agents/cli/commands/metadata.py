"""
The command ``metadata``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

from coder_agents.cli import exits
from coder_agents.cli.arguments import agents_argument, json_option, watch_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import Settings, agents_of

if TYPE_CHECKING:
    from coder_agents import Agent
    from coder_agents.cli.screen import Screen
    from coder_agents.cli.tables import Column, Row
    from coder_agents.schema import WorkspaceAgentMetadata

    Items = Mapping[Agent, list[WorkspaceAgentMetadata]]

_POLL = 0.25  # seconds between two polls of the streams of several agents


@command("metadata")
@agents_argument
@watch_option
@json_option
@settings_of
def metadata_command(settings: Settings, refs: tuple[str, ...], watch: bool, as_json: bool) -> int:
    """
    Print the metadata of agents, and watch it.

    In a pipe, a row has six cells, separated by tabs: the agent, the key, the name, the value, the age in seconds
    and the error. With --watch, the rows of items that were collected again follow as they come.
    """
    from coder_agents.cli.failures import one_line, report
    from coder_agents.cli.screen import output

    client = settings.client()
    agents = agents_of(client, refs)
    screen = output()
    if watch:
        _watch(screen, agents, as_json=as_json)
        return exits.DONE
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.tables import write_rows

    found = client.metadata(agents)
    if as_json:
        write_json(screen, found.results)
    else:
        write_rows(screen, _columns(), _rows(found.results))
    for agent, error in found.failures.items():
        report(f"{agent.label}: {one_line(error)}")
    return exits.FAILED if found.failures else exits.DONE


def _watch(screen: Screen, agents: list[Agent], *, as_json: bool) -> None:
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.tables import drawn, tab_separated
    from coder_agents.cli.watching import show_states

    def append(before: Items | None, after: Items) -> None:
        news = _news(before, after)
        if as_json:
            write_json(screen, news)
            return
        for row in _rows(news):
            screen.line(tab_separated(row))

    show_states(
        screen,
        _watched(agents),
        draw=lambda items, width: drawn(_columns(), _rows(items), width),
        append=append,
        in_place=screen.is_live and not as_json,
    )


def _columns() -> list[Column]:
    from coder_agents.cli.tables import Column

    return [
        Column("AGENT", rank=1),
        Column("KEY", rank=4),
        Column("NAME"),
        Column("VALUE", is_long=True),
        Column("AGE", rank=2, right=True),
        Column("ERROR", rank=3),
    ]


def _rows(items: Items) -> list[Row]:
    return [_row(agent, item) for agent, found in items.items() for item in found]


def _row(agent: Agent, item: WorkspaceAgentMetadata) -> Row:
    description, result = item.description, item.result
    name = description.display_name or description.key
    value = result.value.strip("\n")
    return agent.label, description.key, name, value, result.age, result.error


def _news(before: Items | None, after: Items) -> dict[Agent, list[WorkspaceAgentMetadata]]:
    """
    Return the items of *after* that were collected since *before*.
    """
    known = {
        (agent, item.description.key): item.result.collected_at
        for agent, found in (before or {}).items()
        for item in found
    }
    return {
        agent: [
            item
            for item in found
            if known.get((agent, item.description.key), 0) != item.result.collected_at
        ]
        for agent, found in after.items()
    }


def _watched(agents: list[Agent]) -> Generator[Items, None, None]:
    """
    Yield the items of all *agents*, again after each update.
    """
    with contextlib.ExitStack() as opened:
        streams = {agent: opened.enter_context(agent.watch_metadata()) for agent in agents}
        items: dict[Agent, list[WorkspaceAgentMetadata]] = {}
        while any(stream.end is None for stream in streams.values()):
            wait = None if len(streams) == 1 else 0
            polled = {agent: stream.poll(wait) for agent, stream in streams.items()}
            updates = {agent: update for agent, update in polled.items() if update is not None}
            if updates:
                items = {**items, **updates}
                yield items
            else:
                time.sleep(_POLL)
