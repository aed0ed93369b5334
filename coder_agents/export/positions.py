"""
How far a file has come that is appended to: the file ``PATH.position`` beside it.

The position counts bytes of the file. What a crash left after these bytes is cut off, and comes
again. So a line is in the file exactly if the bookmarks of the position cover it.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import attrs

from coder_agents.config import whole_number
from coder_agents.export.paths import PathLike
from coder_agents.local_files import check_version
from coder_agents.replacing import replaced
from coder_agents.streams.bookmark import Bookmark

_VERSION = 1


def position_path(path: Path) -> Path:
    """
    Return the path of the position of the file *path*.
    """
    return path.with_name(f"{path.name}.position")


def bookmarks(path: PathLike) -> dict[uuid.UUID, str]:
    """
    Return the bookmarks of the file *path*, to which `write` has appended logs.

    For the id of each agent whose lines are in the file, it is the bookmark that a stream takes as
    ``after=``. `write` skips the lines that it has written before, also without ``after=``; but then
    the deployment sends these lines again.

    The result is empty for a file to which no log was appended. Raises *ValueError* where the
    position beside the file is damaged.
    """
    position = FilePosition.read(Path(os.path.realpath(path)))
    found = {} if position is None else position.bookmarks
    return {agent_id: str(bookmark) for agent_id, bookmark in found.items()}


@attrs.frozen(kw_only=True)
class FilePosition:
    """
    How far a file has come.

    Attributes:
        length: how many bytes of the file count.
        format: the format of the file.
        table: the name of the rows in the file; empty before the first.
        bookmarks: for the id of each agent, the bookmark after its lines in the file.
    """

    length: int
    format: str
    table: str = ""
    bookmarks: Mapping[uuid.UUID, Bookmark] = attrs.field(factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """
        Return the position of the file *path*; None where it has none.

        Raises *ValueError* where the position is damaged, or written by a newer release.
        """
        place = position_path(path)
        try:
            text = place.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        document = None
        try:
            document = json.loads(text)
            return cls._of_document(document)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            check_version(place, document, _VERSION)
            raise ValueError(
                f"{place} is damaged ({error}): delete it together with {path.name}, to write the"
                " log from its beginning"
            ) from error

    @classmethod
    def _of_document(cls, document: Any) -> Self:
        if document["version"] != _VERSION:
            raise ValueError(f"the version is not {_VERSION}")
        whole_number("length", document["length"], least=0)
        read = map(Bookmark.read_any, document["bookmarks"].values())
        return cls(
            length=document["length"],
            format=str(document["format"]),
            table=str(document["table"]),
            bookmarks={bookmark.agent_id: bookmark for bookmark in read},
        )

    def store(self, path: Path) -> None:
        """
        Make this the position of the file *path*, in one step.
        """
        document = {
            "version": _VERSION,
            "format": self.format,
            "table": self.table,
            "length": self.length,
            "bookmarks": {str(each.agent_id): str(each) for each in self.bookmarks.values()},
        }
        with replaced(position_path(path)) as file:
            file.write(json.dumps(document, indent=1).encode())

    def covers(self, log_id: uuid.UUID, number: int) -> bool:
        """
        Whether the line *number* of the log of the agent or build *log_id* is in the file.
        """
        bookmark = self.bookmarks.get(log_id)
        return bookmark is not None and number in bookmark

    def joined(self, others: Mapping[uuid.UUID, Bookmark]) -> dict[uuid.UUID, Bookmark]:
        """
        Return the bookmarks together with *others*, of a stream that may have begun before them.
        """
        joined = dict(self.bookmarks)
        for agent_id, bookmark in others.items():
            before = joined.get(agent_id)
            joined[agent_id] = bookmark if before is None else before.union(bookmark)
        return joined
