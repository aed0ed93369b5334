"""
The names of log sources, which lines find by the ids of their sources.

Lines are decoded by the hundred thousand, straight into their class, so nothing is added to a line for
its source's name. Names are kept once for the whole process instead: a source's id is a UUID, and
sources are few. Where that does not do, as two agents call different sources by the same id or there
are too many sources, the agent's lines are given its own names one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from coder_agents.schema.fields import NIL_UUID

if TYPE_CHECKING:
    from coder_agents.schema.logs import WorkspaceAgentLogSource

MAX_SHARED = 65_536
"""
The number of names that are kept for the whole process: some 20 MB.
"""

_shared: dict[UUID, str] = {}


class HasSource:
    """
    A line that can be given names of its own.

    They are no field of it: a reader builds a line from its fields alone.
    """

    __slots__ = ("_own_names",)

    _own_names: Mapping[UUID, str]


_give = HasSource.__dict__["_own_names"].__set__  # also for a frozen line


class SourceNames:
    """
    The names of the sources of one agent.
    """

    __slots__ = ("_names", "own")

    def __init__(self) -> None:
        self._names: dict[UUID, str] = {}
        # What lines have to be given; None while the names of the process have all of them.
        self.own: Mapping[UUID, str] | None = None

    def learn(self, sources: Iterable[WorkspaceAgentLogSource]) -> None:
        """
        Have all lines, also those that are already there, find the names of *sources*.
        """
        for source in sources:
            self._names[source.id] = source.display_name
            if not share(source.id, source.display_name):
                self.own = self._names

    def give(self, lines: Iterable[HasSource]) -> None:
        """
        Have *lines*, which are new, find the names of this agent's sources.
        """
        if self.own is not None:
            for line in lines:
                _give(line, self.own)


def share(id: UUID, name: str) -> bool:
    """
    Keep the *name* of the source *id* for the whole process; return whether it is kept.
    """
    if id == NIL_UUID or (len(_shared) >= MAX_SHARED and id not in _shared):
        return False
    return _shared.setdefault(id, name) == name


def name_of_source(line: HasSource, id: UUID) -> str:
    """
    Return the name of the source *id* as *line* knows it; empty where it does not.
    """
    own = getattr(line, "_own_names", None)
    return _shared.get(id, "") if own is None else own.get(id, "")


def restore_name(line: HasSource, id: UUID, name: str) -> None:
    """
    Have *line*, which came from another process, know the *name* of its source *id* as it did there.
    """
    if name and not share(id, name):
        _give(line, {id: name})
