"""
From JSON to objects, by the quickest way there is.

With msgspec installed (the extra ``fast``) that is `fast`; without it, and for whatever `fast`
refuses, it is the standard library and the one converter. All ways lead to the same objects and
the same errors.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain, compress
from types import ModuleType
from typing import Any, NamedTuple, TypeVar, cast

from coder_agents.errors import DecodeError
from coder_agents.schema import documents, shapes
from coder_agents.schema.converter import from_document
from coder_agents.schema.logs import WorkspaceAgentLog

T = TypeVar("T")
Text = str | bytes | bytearray | memoryview

Wanted = Sequence[bool] | None
"""
Of each of some things whether it is wanted; None where all are.
"""
Choose = Callable[[list[int], Collection[int]], Wanted]
"""
Says which ids are wanted, and what is so besides.
"""

_LOGS = list[WorkspaceAgentLog]
_PIECE = 1 << 17  # bytes; some six hundred lines
_FIRST_KEY = re.compile(rb'\s*\[\{("[^"\\]{1,40}":)')


def from_json(text: Text, cls: type[T]) -> T:
    """
    What the JSON *text* says, as *cls*.

    *cls* is a schema class, an enumeration, one of ``str``, ``int``, ``float``, ``bool``,
    ``UUID`` and ``timedelta``, or a list or map of such: ``list[WorkspaceAgentLog]``,
    ``dict[str, str]``. Lists inside of schema classes become tuples. Bytes are UTF-8.

    A field that is missing, and null in its place, read as the field's zero value; fields
    that are not known are ignored. Escapes of half a surrogate pair read as U+FFFD.

    While a list of more than 256 KB is read, the collection of garbage is paused: nothing
    that is made can be any.

    Raises `DecodeError` where *text* is no JSON or not that of *cls*, TypeError for a *cls* that
    is none of these.
    """
    asked: Any = cls
    item = shapes.list_item(asked)
    if not shapes.is_class(item or asked):
        return from_document(documents.parse(text), cls)
    return cast("T", _read(text, asked) if item is None else _read_list(text, asked))


def _read_list(text: Text, cls: Any) -> list[Any]:
    pieces = _pieces(text)
    if pieces:
        with suppress(DecodeError), _collector_paused():
            return list(chain.from_iterable(_read(piece, cls) for piece in pieces))
    made: list[Any] = _read(text, cls)
    return made


def _read(text: Text, cls: Any) -> Any:
    fast = _fast()
    if fast is not None:
        reading = fast.reading(cls)
        try:
            return reading.make(reading.decode(text))
        except fast.REFUSALS:
            pass
    return from_document(documents.parse(text), cls)


class ChosenLogs(NamedTuple):
    """
    Log lines, and the ids of all of them.
    """

    ids: list[int]
    logs: list[WorkspaceAgentLog]


def chosen_logs(text: bytes, choose: Choose) -> ChosenLogs:
    """
    Return the log lines of the JSON *text* that *choose* wants, by their ids.

    No object is made of the others. Raises `DecodeError` as `from_json` does.
    """
    pieces = _pieces(text)
    if pieces:
        with suppress(DecodeError), _collector_paused():
            return _chosen_of_pieces(pieces, choose)
    return _chosen(text, choose, ())


def _chosen_of_pieces(pieces: list[bytes], choose: Choose) -> ChosenLogs:
    logs: list[WorkspaceAgentLog] = []
    ids: dict[int, None] = {}  # in their order
    for piece in pieces:
        chosen = _chosen(piece, choose, ids)
        ids.update(dict.fromkeys(chosen.ids))
        logs += chosen.logs
    return ChosenLogs(list(ids), logs)


def _chosen(text: bytes, choose: Choose, besides: Collection[int]) -> ChosenLogs:
    fast = _fast()
    if fast is not None:
        reading = fast.reading(_LOGS)
        try:
            lines = reading.decode(text)
            ids = [line.id for line in lines]
            wanted = choose(ids, besides)
            return ChosenLogs(_kept(ids, wanted), reading.make(_kept(lines, wanted)))
        except fast.REFUSALS:
            pass
    return _chosen_of_document(documents.parse(text), choose, besides)


def _chosen_of_document(document: object, choose: Choose, besides: Collection[int]) -> ChosenLogs:
    ids = _ids(document)
    if not ids:
        logs = from_document(document, _LOGS)  # which says what is wrong, if something is
        ids = [log.id for log in logs]
        wanted = choose(ids, besides)
        return ChosenLogs(_kept(ids, wanted), _kept(logs, wanted))
    lines = cast("list[Any]", document)
    wanted = choose(ids, besides)
    with suppress(DecodeError):
        return ChosenLogs(_kept(ids, wanted), from_document(_kept(lines, wanted), _LOGS))
    return ChosenLogs(ids, from_document(lines, _LOGS))  # it raises, with the path in what came


def _ids(document: Any) -> list[int]:
    """
    Return the ids of the lines in *document*, none where they are not all integers.
    """
    try:
        ids = [line["id"] for line in document]
    except (TypeError, KeyError):
        return []
    return ids if set(map(type, ids)) == {int} else []


def _pieces(text: Text) -> list[bytes]:
    """
    Return the JSON of a long list of objects cut between two of them, as lists again; none
    where it is not long, or begins in another way.

    So what is decoded on the way needs no more memory than a piece, and stays in the processor's
    caches. In JSON the mark between two objects can be nowhere else: a quotation mark
    inside a text has a backslash before it. Inside of other lists it can be, and then a piece
    is no JSON.
    """
    if not isinstance(text, bytes) or len(text) <= 2 * _PIECE:
        return []
    begin = _FIRST_KEY.match(text)
    if begin is None:
        return []
    mark = b"},{" + begin[1]
    pieces, view = [], memoryview(text)  # so that each byte is copied once
    start, at = begin.start(1) - 1, text.find(mark, _PIECE)
    while at >= 0:
        pieces.append(b"".join((b"[", view[start:at], b"}]")))
        start = at + 2
        at = text.find(mark, start + _PIECE)
    return [*pieces, b"".join((b"[", view[start:]))]


@contextmanager
def _collector_paused() -> Iterator[None]:
    # JSON has no cycles, and what is made of it has none: looking for some, again and again while
    # a hundred thousand objects are made, takes a third of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _kept(things: list[T], wanted: Wanted) -> list[T]:
    return things if wanted is None else list(compress(things, wanted))


@cache
def _fast() -> ModuleType | None:
    # When something is first read, not when the package is imported.
    try:
        from coder_agents.schema import fast
    except ModuleNotFoundError:
        return None
    return fast


def log_ids(text: bytes) -> list[int]:
    """
    Return the ids of all lines of the JSON list *text*.
    """
    return [log.id for log in from_json(text, _LOGS)]


def pieces(text: bytes) -> list[bytes]:
    """
    Return *text* cut between lines into lists.
    """
    return _pieces(text) or [text]
