"""
From objects of any shape to chunks of one kind each.

Objects are one object, a list of them, any other iterable, a stream, or a mapping from agents to
any of these.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from coder_agents.agent import Agent
from coder_agents.batch import Results
from coder_agents.client.searches import AgentSequence, WorkspaceSequence
from coder_agents.export import command_rows, log_rows, start_rows, state_rows, workspace_rows
from coder_agents.export.columns import NOBODY, Chunk, Kind, Owner, Table
from coder_agents.export.result_rows import rows_of_results
from coder_agents.representation import ResultList
from coder_agents.representation.tabular import Tabular
from coder_agents.schema import (
    ProvisionerJobLog,
    Workspace,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPort,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
)
from coder_agents.streams import (
    AgentLog,
    BuildLogStream,
    ContainersStream,
    LogStream,
    MergedLogStream,
    MetadataStream,
    PortsStream,
    Stream,
)

_PIECE = 1000  # items

KINDS: Mapping[type, Kind] = {
    **log_rows.logs(),
    **state_rows.states(),
    **workspace_rows.workspaces(),
    **start_rows.starts(),
    **command_rows.commands(),
}

# What holds objects of one class only, which is known also where there are none.
_CLASSES_IN: Mapping[type, type] = {
    LogStream: WorkspaceAgentLog,
    BuildLogStream: ProvisionerJobLog,
    MergedLogStream: AgentLog,
    MetadataStream: WorkspaceAgentMetadata,
    PortsStream: WorkspaceAgentListeningPort,
    ContainersStream: WorkspaceAgentListContainersResponse,
    AgentSequence: Agent,
    WorkspaceSequence: Workspace,
}

Pieces = Callable[[Iterable[Any]], Iterator[list[Any]]]
"""
Takes the items of an iterable that may wait for each of them.
"""


def one_by_one(items: Iterable[Any]) -> Iterator[list[Any]]:
    """
    Yield each of *items* as soon as it comes.
    """
    return ([item] for item in items)


def in_batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    """
    Yield *items* in lists: those of a stream as they arrive, others up to 1,000 together.
    """
    if isinstance(items, Stream):
        return items.batches()
    remaining = iter(items)
    return iter(lambda: list(itertools.islice(remaining, _PIECE)), [])


@cache
def kind_of(cls: Any) -> Kind | None:
    """
    Return the kind of *cls*; None where objects of *cls* have no rows.
    """
    return next((KINDS[base] for base in cls.__mro__ if base in KINDS), None)


def _kind_of(objects: Any) -> Kind | None:
    cls: Any = type(objects)
    return kind_of(cls)


def check(objects: Any) -> None:
    """
    Raise *TypeError* where *objects* can have no rows, as far as this is seen without taking any.
    """
    if _kind_of(objects) is None and not (_is_iterable(objects) or isinstance(objects, Tabular)):
        raise _no_rows(objects)
    if isinstance(objects, Mapping):
        for key in objects:
            owner_of(key)


def chunks_of_one_table(objects: Any, pieces: Pieces) -> Iterator[Chunk]:
    """
    Yield the chunks of *objects*, whose iterables are taken by *pieces*.

    The first chunk has no items where only their class is known.

    Raises *TypeError* where an object has no rows, or rows of another table than those before it.
    """
    table: Table | None = None
    for chunk in chunks(objects, pieces):
        found = chunk.kind.table
        if table is not None and found is not table:
            raise TypeError(
                f"{table.name} and {found.name} have different columns: export each of them alone"
            )
        table = found
        yield chunk


def chunks(objects: Any, pieces: Pieces, owner: Owner = NOBODY) -> Iterator[Chunk]:
    """
    Yield the chunks of *objects*, which belong to *owner* unless they have an agent of their own.

    Raises *TypeError* for an object that has no rows.
    """
    shown = objects._tabulated() if isinstance(objects, Tabular) else objects
    if isinstance(shown, Chunk):
        yield shown
    else:
        yield from _chunks(shown, pieces, owner)


def _chunks(objects: Any, pieces: Pieces, owner: Owner) -> Iterator[Chunk]:
    held = _class_in(objects)
    if held in KINDS:
        yield Chunk(KINDS[held], ())
    kind = _kind_of(objects)
    if kind is not None:
        yield Chunk(kind, [objects], owner)
    elif isinstance(objects, Mapping):
        for key, value in objects.items():
            yield from chunks(value, pieces, owner_of(key))
    elif isinstance(objects, Results):
        yield from _of_results(objects, pieces)
    elif isinstance(objects, list | tuple):
        yield from _of_list(objects, pieces, owner)
    elif _is_iterable(objects):
        within = _owner_of_stream(objects) if isinstance(objects, LogStream) else owner
        for piece in pieces(objects):
            yield from _of_list(piece, pieces, within)
    else:
        raise _no_rows(objects)


def _class_in(objects: Any) -> Any:
    """
    Return the class of the objects that *objects* holds or would hold; None where it is not known.
    """
    if isinstance(objects, ResultList | Results):
        return objects._of
    return next((_CLASSES_IN[base] for base in type(objects).__mro__ if base in _CLASSES_IN), None)


def _of_results(results: Results[Any], pieces: Pieces) -> Iterator[Chunk]:
    found = results.results
    if (found or results._of in KINDS) and all(map(_has_rows, found.values())):
        yield from chunks(found, pieces)
    else:
        yield rows_of_results(results)


def _has_rows(result: Any) -> bool:
    if _kind_of(result) is not None:
        return True
    return isinstance(result, list | tuple) and all(map(_has_rows, result))


def _of_list(items: Sequence[Any], pieces: Pieces, owner: Owner) -> Iterator[Chunk]:
    kinds = set(map(kind_of, set(map(type, items))))
    if len(kinds) == 1 and (kind := kinds.pop()) is not None:
        yield Chunk(kind, items, owner)
    else:
        for item in items:
            yield from chunks(item, pieces, owner)


def owner_of(key: Any) -> Owner:
    """
    Return the owner that *key* of a mapping names: an agent, or the agent's name.

    Raises *TypeError* where *key* is neither.
    """
    label = key if isinstance(key, str) else getattr(key, "label", None)
    if not isinstance(label, str):
        raise TypeError(
            "the keys of a mapping must be agents, or names for the column agent, not"
            f" {type(key).__name__}"
        )
    return Owner(label, label)


def chunk_of_stream(stream: Stream[Any], lines: Sequence[Any]) -> Chunk:
    """
    Return the chunk of *lines*, which *stream*, of logs, has just yielded.
    """
    owner = _owner_of_stream(stream) if isinstance(stream, LogStream) else NOBODY
    return Chunk(KINDS[_class_in(stream)], lines, owner)


def _owner_of_stream(stream: LogStream) -> Owner:
    agent = stream._agent
    return NOBODY if agent is None else Owner(agent.label, agent.name)


def _is_iterable(objects: Any) -> bool:
    return isinstance(objects, Iterable) and not isinstance(objects, str | bytes | bytearray)


def _no_rows(objects: Any) -> TypeError:
    return TypeError(
        f"an object of the class {type(objects).__name__} has no rows: pass what the client"
        " returns, such as agent.logs(), a list or a stream of it, or a mapping from agents to it"
    )
