"""
Rendering of an object as one line for programmers, as ``repr`` returns it.

A line is short, whatever the object holds: long texts, long lists and what comes after the limit of
the line are cut, each with an ellipsis. It has no character that could move, break or reorder it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from coder_agents.render.escape import escape_controls

CUT = "…"
MAX_LINE = 240
"""
The maximal number of characters of the fields in a line.
"""

_MAX_TEXT = 60  # characters of one text
_MAX_LIST = 400  # characters of the items of a list
_MAX_ITEMS = 3  # of a list
_MAX_OTHER = 320  # characters of any other object
_PLAIN = (str, bytes, int, float, UUID, datetime, timedelta, type(None))


class Rendered(str):
    """
    The line of an object within another one.
    """

    __slots__ = ()


def render_line(name: str, fields: Iterable[tuple[str, object]], limit: int = MAX_LINE) -> str:
    """
    Return ``name(field=value, …)`` with as many of *fields* as *limit* characters have room for.

    The first field always has room. Texts are quoted, and so are enumerations, which are texts.
    Ids and times are written as in JSON, durations in seconds.
    """
    parts = (f"{field}={render_value(value)}" for field, value in fields)
    return f"{name}({_joined(parts, limit)})"


def render_value(value: object) -> str:
    """
    Return *value* as a short text on one line; no *value* raises an error.
    """
    try:
        return _rendered(value)
    except Exception:  # of an object whose class is not ours
        return f"<{type(value).__name__}>"


def counted(count: float, noun: str) -> str:
    """
    Return *count* and the *noun*, which takes an s for any other number than 1.
    """
    number = f"{count:,}" if isinstance(count, int) else f"{count:,.10g}"
    return f"{number} {noun}" if count == 1 else f"{number} {noun}s"


def render_items(name: str, items: Sequence[object]) -> str:
    """
    Return ``name([item, item, item, … 97 more])`` with at most three of *items*, and at least one.
    """
    parts: list[str] = []
    length = 0
    for part in map(render_value, items[:_MAX_ITEMS]):
        length += len(part)
        if parts and length > _MAX_LIST:
            break
        parts.append(part)
    more = [f"{CUT} {len(items) - len(parts):,} more"] if len(items) > len(parts) else []
    return f"{name}([{', '.join(parts + more)}])"


def _joined(parts: Iterable[str], limit: int) -> str:
    kept: list[str] = []
    length = 0
    for part in parts:
        length += len(part) + 2
        if kept and length > limit:
            kept.append(CUT)
            break
        kept.append(part)
    return ", ".join(kept)


def _rendered(value: object) -> str:
    if isinstance(value, Rendered):
        return str(value)
    if isinstance(value, str):
        return _cut(str.__repr__, value)
    if isinstance(value, bytes):
        return _cut(bytes.__repr__, value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return _collection(value, "{}", (f"{_rendered(k)}: {_rendered(value[k])}" for k in value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return _collection(value, "()" if isinstance(value, tuple) else "[]", map(_rendered, value))
    shown = escape_controls(repr(value))
    return shown if len(shown) <= _MAX_OTHER else shown[:_MAX_OTHER] + CUT


def _cut(quoted: Callable[..., str], text: str | bytes) -> str:
    return quoted(text) if len(text) <= _MAX_TEXT else quoted(text[:_MAX_TEXT]) + CUT


def _collection(items: Collection[object], brackets: str, texts: Iterator[str]) -> str:
    first = list(itertools.islice(items, _MAX_ITEMS))
    within = first + [items[key] for key in first] if isinstance(items, Mapping) else first
    if not all(isinstance(each, _PLAIN) for each in within):
        kind = "entries" if isinstance(items, Mapping) else type(first[0]).__name__
        return f"<{len(items):,} {kind}>"
    more = [CUT] if len(items) > _MAX_ITEMS else []
    shown = _joined([*itertools.islice(texts, _MAX_ITEMS), *more], _MAX_TEXT)
    comma = "," if brackets == "()" and len(items) == 1 else ""
    return f"{brackets[0]}{shown}{comma}{brackets[1]}"
