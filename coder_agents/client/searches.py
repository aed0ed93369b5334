"""
The results of a search for workspaces, as sequences that are read page by page.
"""

from __future__ import annotations

import itertools
import operator
import sys
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

from coder_agents import schema
from coder_agents.agent import Agent
from coder_agents.render.line import counted, render_value
from coder_agents.representation import ResultList
from coder_agents.representation.tabular import Tabular
from coder_agents.transport import HTTP

if TYPE_CHECKING:
    from coder_agents.schema import Workspace, WorkspaceAgent

T = TypeVar("T")

_PAGE = 100  # workspaces; each is some 20 KB of JSON
_MINE = "owner:me"


class SearchResults(Sequence[T], Tabular):
    """
    What a search finds, as a sequence: the first page is read, the others are read when needed.

    What was read is kept. An error of a request leaves the sequence whole: the next use sends the
    request again. Showing the sequence requests nothing; a data frame of it has all pages.
    """

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._summary()}>"

    def _repr_html_(self) -> str:
        from coder_agents.render.html import render_html_table
        from coder_agents.representation.tables import MAX_ROWS, table

        known = self._known()
        columns, rows = table(known[:MAX_ROWS]) if known else ((), [])
        note = f"first {MAX_ROWS} …" if len(known) > MAX_ROWS else ""
        return render_html_table(columns, rows, caption=self._summary(), note=note)

    @abstractmethod
    def _known(self) -> list[T]:
        """
        Return what was read, from the beginning to the first gap.
        """

    @abstractmethod
    def _summary(self) -> str:
        """
        Return how much there is, and how much was read.
        """


class WorkspaceSequence(SearchResults["Workspace"]):
    """
    The workspaces that a search finds, as a sequence that requests its pages when they are needed.

    ``len`` is the number that the deployment has reported last. An index requests only the page with
    its workspace. A slice is a list.

    A page has a hundred workspaces. What was read is kept, so the sequence can be iterated repeatedly.
    Where a request fails, the next use of the sequence sends the request again.
    """

    def __init__(self, http: HTTP, query: str | None) -> None:
        if query is not None and not isinstance(query, str):
            raise TypeError(f"query must be text such as {_MINE!r}, not a {type(query).__name__}")
        self._http = http
        self._query = _MINE if query is None else query
        self._found: dict[int, Workspace] = {}  # by position
        self._count = 0
        self._request(0)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Workspace]:
        seen: set[uuid.UUID] = set()
        position = 0
        while (workspace := self._at(position)) is not None:
            # A workspace that was started or stopped meanwhile may have moved to the next page.
            if workspace.id not in seen:
                seen.add(workspace.id)
                yield workspace
            position += 1

    @overload
    def __getitem__(self, index: SupportsIndex) -> Workspace: ...
    @overload
    def __getitem__(self, index: slice) -> ResultList[Workspace]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            positions = range(self._count)[index]
            self._read(sorted(positions))
            found = (self._found[each] for each in positions if each in self._found)
            return ResultList(found, of=schema.Workspace)
        position = operator.index(index)
        if position < 0:
            position += self._count
        if 0 <= position < self._count:
            self._read(range(position - position % _PAGE, position + 1))
        if position not in self._found:
            raise IndexError(f"the search found {self._count:,} workspaces: no index {index}")
        return self._found[position]

    def _at(self, position: int) -> Workspace | None:
        self._read((position,))
        return self._found.get(position)

    def _read(self, positions: Iterable[int]) -> None:
        """
        Read the workspaces at *positions*, which ascend, as far as there are any.
        """
        for position in positions:
            if position >= self._count:
                return
            if position not in self._found:
                self._request(position)

    def _request(self, offset: int) -> None:
        params = [("q", self._query), ("limit", str(_PAGE)), ("offset", str(offset))]
        page = self._http.read(schema.WorkspacesResponse, "GET", "/workspaces", params=params)
        for position, workspace in enumerate(page.workspaces, offset):
            self._found.setdefault(position, workspace)
        self._count = page.count if page.workspaces else min(page.count, offset)

    def _known(self) -> list[Workspace]:
        before_gap = itertools.takewhile(self._found.__contains__, itertools.count())
        return [self._found[position] for position in before_gap]

    def _summary(self) -> str:
        known = len(self._known())
        return self._total() + (f", {known:,} read" if known < self._count else "")

    def _total(self) -> str:
        return f"{counted(self._count, 'workspace')} of {render_value(self._query)}"


class AgentSequence(SearchResults["Agent"]):
    """
    The agents of the workspaces that a search finds, as a sequence that requests pages when needed.

    The deployment reports how many workspaces there are, not how many agents. So ``len`` and negative
    indexes read all pages. A slice is a list.

    A page has the agents of a hundred workspaces. What was read is kept, so the sequence can be
    iterated repeatedly. Where a request fails, the next use of the sequence sends the request again.
    """

    def __init__(
        self, workspaces: WorkspaceSequence, agent_of: Callable[[WorkspaceAgent, Workspace], Agent]
    ) -> None:
        self._workspaces = workspaces
        self._agent_of = agent_of
        self._made: dict[uuid.UUID, tuple[Agent, ...]] = {}  # by the workspace's id

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Agent]:
        return itertools.chain.from_iterable(map(self._of, self._workspaces))

    @overload
    def __getitem__(self, index: SupportsIndex) -> Agent: ...
    @overload
    def __getitem__(self, index: slice) -> ResultList[Agent]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ResultList(itertools.islice(self, _stop(index)), of=Agent)[index]
        position = operator.index(index)
        if 0 <= position <= sys.maxsize:
            found = list(itertools.islice(self, position, position + 1))
        else:
            agents = list(self)
            found = agents[position:][:1] if -len(agents) <= position < 0 else []
        if not found:
            raise IndexError(f"the search found {counted(len(self), 'agent')}: no index {index}")
        return found[0]

    def _of(self, workspace: Workspace) -> tuple[Agent, ...]:
        if workspace.id not in self._made:
            agents = workspace.latest_build.agents
            made = tuple(self._agent_of(agent, workspace) for agent in agents)
            self._made.setdefault(workspace.id, made)
        return self._made[workspace.id]

    def _known(self) -> list[Agent]:
        known: dict[uuid.UUID, Workspace] = {each.id: each for each in self._workspaces._known()}
        return [agent for workspace in known.values() for agent in self._of(workspace)]

    def _summary(self) -> str:
        workspaces = self._workspaces
        known = len(workspaces._known())
        within = f"{known:,} of " if known < len(workspaces) else ""
        return f"{counted(len(self._known()), 'agent')} in {within}{workspaces._total()}"


def _stop(index: slice) -> int | None:
    """
    Return how many items of a sequence decide what *index* selects; None for all.
    """
    ends = [each for each in (index.start, index.stop) if each is not None]
    descends = index.step is not None and index.step < 0
    return None if index.stop is None or descends or any(end < 0 for end in ends) else index.stop
