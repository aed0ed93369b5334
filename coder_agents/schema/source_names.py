"""
The names of log sources, by the ids of the sources.

A log may have hundreds of thousands of lines, which are decoded directly into their class. So a
line has no field for the name of its source. One table for the whole process has the names: the id
of a source is a UUID, and there are few sources. Two cases need more: two agents use one id for
different sources, or there are too many sources. Then each line of the agent gets the agent's own
names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING
from uuid import UUID

from coder_agents.schema.fields import NIL_UUID

if TYPE_CHECKING:
    from coder_agents.schema.logs import WorkspaceAgentLogSource

MAX_SHARED = 65_536
"""
The maximal number of names in the table of the process, about 20 MB.
"""

_shared: dict[UUID, str] = {}


class HasSource:
    """
    A line that can get its own names of sources.

    The names are not a field: a reader builds a line from its fields only.
    """

    __slots__ = ("_own_names",)

    _own_names: Mapping[UUID, str]
    if TYPE_CHECKING:
        source_id: UUID


_id = attrgetter("source_id.int")
_set_own = HasSource.__dict__["_own_names"].__set__  # it works for a frozen line, too
_with_own_names: set[bool] = set()  # not empty once any line of the process has own names


def _give(line: HasSource, names: Mapping[UUID, str]) -> None:
    _with_own_names.add(True)
    _set_own(line, names)


class SourceNames:
    """
    The names of the sources of one agent.
    """

    __slots__ = ("_names", "own")

    def __init__(self) -> None:
        self._names: dict[UUID, str] = {}
        # The names that each line needs; None while the table of the process has all of them.
        self.own: Mapping[UUID, str] | None = None

    def learn(self, sources: Iterable[WorkspaceAgentLogSource]) -> None:
        """
        Make the names of *sources* known to all lines, including those that were read before.
        """
        for source in sources:
            self._names[source.id] = source.display_name
            if not share(source.id, source.display_name):
                self.own = self._names

    def give(self, lines: Iterable[HasSource]) -> None:
        """
        Make the names of this agent's sources known to *lines*, which were just read.
        """
        if self.own is not None:
            for line in lines:
                _give(line, self.own)


def share(id: UUID, name: str) -> bool:
    """
    Put the *name* of the source *id* into the table of the process; return whether it is there.
    """
    if id == NIL_UUID or (len(_shared) >= MAX_SHARED and id not in _shared):
        return False
    return _shared.setdefault(id, name) == name


def name_of_source(line: HasSource, id: UUID) -> str:
    """
    Return the name of the source *id* of *line*; empty where it is not known.
    """
    own = getattr(line, "_own_names", None)
    return _shared.get(id, "") if own is None else own.get(id, "")


def names_of_sources(lines: Sequence[HasSource]) -> list[str]:
    """
    Return for each of *lines* the name of its source, as ``source_name`` has it.
    """
    if _with_own_names:
        return [name_of_source(line, line.source_id) for line in lines]
    # A UUID has a slow hash, and a log has few sources.
    ids = list(map(_id, lines))
    names = {number: _shared.get(UUID(int=number), "") for number in set(ids)}
    return list(map(names.__getitem__, ids))


def restore_name(line: HasSource, id: UUID, name: str) -> None:
    """
    Make the *name* of the source *id* known to *line*, which was pickled or copied.
    """
    if name and not share(id, name):
        _give(line, {id: name})
