"""
Reading objects from JSON.

Where msgspec is installed (the extra ``fast``), `with_msgspec` reads. The standard library and the
converter read elsewhere, and read the texts that `with_msgspec` refuses. Both ways have the same
results and the same errors.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from types import ModuleType
from typing import Any, TypeVar, cast

import attrs

from coder_agents.errors import DecodeError
from coder_agents.schema import documents, scalars, shapes
from coder_agents.schema.converter import from_document
from coder_agents.schema.fields import is_identifying, json_name
from coder_agents.schema.logs import LogLineID, WorkspaceAgentLog

T = TypeVar("T")
Text = str | bytes | bytearray | memoryview

PIECE = 1 << 17
"""
The size of the pieces of a long list, in bytes: about six hundred lines.
"""

_FIRST_KEY = re.compile(rb'\s*\[\{("[^"\\]{1,40}":)')


def from_json(text: Text, cls: type[T]) -> T:
    """
    Return the JSON *text* as *cls*.

    *cls* is a schema class, an enumeration, one of ``str``, ``int``, ``float``, ``bool``,
    ``UUID`` and ``timedelta``, or a list or map of these: ``list[WorkspaceAgentLog]``,
    ``dict[str, str]``. Lists inside of schema classes become tuples. Bytes are UTF-8.

    A missing field and null both read as the field's zero value. Only the fields that identify a
    *cls* are required: ``{}`` is no `User`. Unknown fields are ignored, but they have to be valid
    JSON. An escape of half a surrogate pair reads as U+FFFD. Ids of log lines have at most 64 bits;
    other integers have any width.

    While a text of more than 256 KB is read, the garbage collector is paused: decoded JSON has no
    cycles.

    Raises *DecodeError* where *text* is not JSON or not that of *cls*, *TypeError* for a *cls* that
    is none of these.
    """
    return decode(text, cls)


def decode(text: Text, cls: type[T], *, piece: int = PIECE) -> T:
    """
    Return what `from_json` returns; lists of more than twice *piece* bytes are read piece by piece.
    """
    whole = text if isinstance(text, (str, bytes)) else bytes(memoryview(text))
    if len(whole) <= 2 * piece:
        value = _read(whole, cls)
    else:
        with collector_paused():
            value = _read_long(whole, cls, piece)
    require_identity(value, whole, cls)
    return cast("T", value)


def require_identity(value: Any, text: str | bytes, cls: Any) -> None:
    """
    Raise *DecodeError* where *text* lacks a field that identifies a *cls*; it was read as *value*.
    """
    for field in _identifying_fields(cls):
        if getattr(value, field.name) == field.default:
            _require(field, text)


@cache
def _identifying_fields(cls: Any) -> tuple[attrs.Attribute[Any], ...]:
    if not shapes.is_class(cls):
        return ()
    return tuple(field for field in shapes.resolved_fields(cls) if is_identifying(field))


def _require(field: attrs.Attribute[Any], text: str | bytes) -> None:
    """
    Raise *DecodeError* where *text*, an object in JSON, does not have *field*, or has null there.

    Null is accepted for a list: Go writes an empty list as null.
    """
    members, name = documents.parse(text), json_name(field)
    _, wanted = scalars.SCALARS.get(field.type, (None, ""))
    if isinstance(members, dict) and name in members and not (wanted and members[name] is None):
        return
    raise documents.failure(f"$.{name}", wanted or "a list", "nothing")


def _read_long(text: str | bytes, cls: Any, piece: int) -> Any:
    if isinstance(text, bytes) and shapes.list_item(cls) is not None:
        with suppress(DecodeError):
            return list(chain.from_iterable(_read(part, cls) for part in _cut(text, piece)))
    return _read(text, cls)


def _read(text: str | bytes, cls: Any) -> Any:
    fast = _with_msgspec()
    read = None if fast is None else fast.reader(cls)
    if fast is not None and read is not None:
        try:
            return read(text)
        except fast.REFUSALS:
            pass
    return from_document(documents.parse(text), cls)


def logs_of(texts: Sequence[bytes]) -> list[WorkspaceAgentLog]:
    """
    Return the lines of one or more JSON lists *texts*, in order.

    Raises *DecodeError* for the first text that `from_json` refuses.
    """
    fast = _with_msgspec()
    if fast is not None and sum(map(len, texts)) <= 2 * PIECE:
        try:
            return cast("list[WorkspaceAgentLog]", fast.logs_of(texts))
        except fast.REFUSALS:
            pass
    return list(chain.from_iterable(from_json(text, list[WorkspaceAgentLog]) for text in texts))


def log_ids(text: bytes, *, piece: int = PIECE) -> list[int]:
    """
    Return the ids of all lines in *text*, a JSON list of log lines, in order.

    Only the ids are decoded and validated. A missing id and null read as 0; null for the list reads
    as no lines.

    Raises *DecodeError* where *text* is not JSON, not a list of objects, or an id is not an integer
    of at most 64 bits.
    """
    return [line.id for line in decode(text, list[LogLineID], piece=piece)]


def pieces(text: bytes, *, piece: int = PIECE) -> list[bytes]:
    """
    Return the JSON list of objects *text* cut between two objects into lists of about *piece*
    bytes.

    The result is ``[text]`` for a list of at most twice *piece* bytes, and for a list that does not
    begin with an object whose first key is plain. Decoding piece by piece needs memory for one
    piece, which stays in the caches of the processor.

    The cuts are exact where no object contains another list of objects with the same first key.
    Elsewhere a cut may be inside of such a list. Then a piece is not JSON, `from_json` and
    `log_ids` raise *DecodeError* for it, and the caller has to read *text* as a whole. A cut is
    never inside of a string, because each quotation mark in a string has a backslash before it.
    """
    return list(_cut(text, piece))


def _cut(text: bytes, piece: int) -> Iterator[bytes]:
    begin = _FIRST_KEY.match(text) if len(text) > 2 * piece else None
    if begin is None:
        yield text
        return
    mark = b"},{" + begin[1]
    view = memoryview(text)  # so that each byte is copied once
    start, at = begin.start(1) - 1, text.find(mark, piece)
    while at >= 0:
        yield b"".join((b"[", view[start:at], b"}]"))
        start = at + 2
        at = text.find(mark, start + piece)
    yield b"".join((b"[", view[start:]))


@contextmanager
def collector_paused() -> Iterator[None]:
    """
    Pause the garbage collector: decoded JSON has no cycles that it could collect.

    Without the pause, it searches all objects several times while a long list is built.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@cache
def _with_msgspec() -> ModuleType | None:
    # The import happens at the first read, not when the package is imported.
    try:
        from coder_agents.schema import with_msgspec
    except ModuleNotFoundError:
        return None
    return with_msgspec
