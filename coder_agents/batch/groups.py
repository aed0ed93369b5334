"""
Groups of agents whose logs are followed by several workers, each with its own store of bookmarks.
"""

from __future__ import annotations

import functools
import os
import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from coder_agents.agent import Agent
from coder_agents.batch.travel import TravellingAgent, travelling
from coder_agents.config import whole_number
from coder_agents.render.line import counted
from coder_agents.streams import BookmarkStore, FileBookmarks, MergedLogStream
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.stores import check_store

if TYPE_CHECKING:
    from coder_agents.client import Client

StoreFactory = Callable[[int], BookmarkStore]
Bookmarks = str | os.PathLike[str] | StoreFactory
"""
The folder of the files of bookmarks, or a function that returns the store of a group by its number.
"""

_FILE = re.compile(r"group-\d+-of-\d+\.json", re.ASCII)


class FolderBookmarks(FileBookmarks):
    """
    The bookmarks of one group: saved to a file of its own, and loaded from the files of all groups
    in the same folder.

    So agents may move from group to group, as they do where there are more agents, or more groups:
    each log continues after all lines that any group has handled.
    """

    def load(self) -> dict[uuid.UUID, str]:
        """
        Return the bookmarks in all files of the folder, joined for each agent.

        Raises as `FileBookmarks.load` does, for each of these files.
        """
        joined = {each: Bookmark.read(text, each) for each, text in super().load().items()}
        for path in sorted(self.path.parent.iterdir()):
            if path == self.path or not _FILE.fullmatch(path.name):
                continue
            for each, text in FileBookmarks(path).load().items():
                found = Bookmark.read(text, each)
                joined[each] = joined[each].union(found) if each in joined else found
        return {each: str(bookmark) for each, bookmark in joined.items()}


@attrs.frozen(kw_only=True, eq=False, repr=False)
class AgentGroup:
    """
    Agents whose logs one worker follows; see `Client.split`.

    A group can be pickled, without its connections. In another process its agents get a client of
    that process, with the token of this process where the token was sent, and otherwise with the
    settings of the environment there.

    Attributes:
        number: the number of the group, from 0.
        count: how many groups there are.
    """

    number: int
    count: int
    _members: Sequence[TravellingAgent]
    _new_store: StoreFactory
    _client: Client | None = None
    _agents: Sequence[Agent] = ()

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"<AgentGroup {self.number} of {self.count}, {counted(len(self), 'agent')}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self.number, self.count, tuple(self._members), self._new_store)

    @property
    def agents(self) -> list[Agent]:
        """
        The agents; in another process they are of a client of that process. No request is sent.

        Raises *ConfigError* in another process, where the token was not sent and the environment
        names no deployment or another one.
        """
        return list(self._agents) or [member.arrive() for member in self._members]

    @property
    def bookmarks(self) -> BookmarkStore:
        """
        The store of the group's bookmarks, recreated at each access.

        Raises *TypeError* where the function that was passed to `Client.split` returns no store.
        """
        store = self._new_store(self.number)
        check_store(store)  # None would follow the logs without bookmarks
        return store

    def follow_logs(self, **options: Any) -> MergedLogStream[Agent]:
        """
        Return a stream of the logs of the group's agents, which continues after the bookmarks of the
        group's store and saves them there.

        *options* are those of `Client.follow_logs`, except *bookmarks*. Raises what that method
        raises, and *ConfigError* as `agents` does.
        """
        client = self._client or self._members[0].client.arrive()
        return client.follow_logs(self.agents, bookmarks=self.bookmarks, **options)


def _arrived(
    number: int, count: int, members: Sequence[TravellingAgent], new_store: StoreFactory
) -> AgentGroup:
    return AgentGroup(number=number, count=count, members=members, new_store=new_store)


def split(
    client: Client,
    agents: Sequence[Agent],
    n: int,
    *,
    bookmarks: Bookmarks,
    send_token: bool,
) -> list[AgentGroup]:
    """
    Return *agents* of *client* in at most *n* groups; see `Client.split`.
    """
    whole_number("n", n, least=1)
    ordered = sorted(agents, key=lambda agent: agent.id.int)
    members = travelling(ordered, send_token=send_token)
    count = min(n, len(members))
    new_store = _factory(bookmarks, count)
    return [
        AgentGroup(
            number=number,
            count=count,
            members=members[number::count],
            new_store=new_store,
            client=client,
            agents=ordered[number::count],
        )
        for number in range(count)
    ]


def _factory(bookmarks: Any, count: int) -> StoreFactory:
    if isinstance(bookmarks, (str, os.PathLike)):
        folder = os.path.realpath(bookmarks)
        os.makedirs(folder, exist_ok=True)
        return functools.partial(_folder_bookmarks, folder, count)
    if callable(bookmarks):
        return bookmarks  # type: ignore[no-any-return]
    raise TypeError(
        "bookmarks must be a folder, or a function that returns the store of a group by its number,"
        f" not {type(bookmarks).__name__}"
    )


def _folder_bookmarks(folder: str, count: int, number: int) -> BookmarkStore:
    return FolderBookmarks(Path(folder, f"group-{number}-of-{count}.json"))
