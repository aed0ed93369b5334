"""
From JSON to objects, by the quickest way there is.

With msgspec installed (the extra ``fast``) that is `fast`; without it, and for whatever `fast`
refuses, it is the standard library and the one converter. All ways lead to the same objects and
the same errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import compress
from types import ModuleType
from typing import Any, TypeVar

from coder_agents.errors import DecodeError
from coder_agents.schema import documents, shapes
from coder_agents.schema.converter import from_document
from coder_agents.schema.logs import WorkspaceAgentLog

T = TypeVar("T")
Text = str | bytes | bytearray | memoryview

_LOGS = list[WorkspaceAgentLog]


def from_json(text: Text, cls: type[T]) -> T:
    """
    What the JSON *text* says, as *cls*.

    *cls* is a schema class, an enumeration, one of ``str``, ``int``, ``float``, ``bool``,
    ``UUID`` and ``timedelta``, or a list or map of such: ``list[WorkspaceAgentLog]``,
    ``dict[str, str]``. Lists inside of schema classes become tuples. Bytes are UTF-8.

    A field that is missing, and null in its place, read as the field's zero value; fields
    that are not known are ignored. Escapes of half a surrogate pair read as U+FFFD.

    Raises `DecodeError` where *text* is no JSON or not that of *cls*, TypeError for a *cls* that
    is none of these.
    """
    fast = _fast()
    if fast is not None and shapes.is_class(shapes.list_item(cls) or cls):
        reading = fast.reading(cls)
        try:
            made: T = reading.make(reading.decode(text))
        except fast.REFUSALS:
            pass
        else:
            return made
    return from_document(documents.parse(text), cls)


Choose = Callable[[list[int]], Sequence[bool] | None]
"""
Says of each of some ids whether it is wanted; None where all are.
"""


def chosen_logs(text: bytes, choose: Choose) -> list[WorkspaceAgentLog]:
    """
    Return the log lines of the JSON *text* that *choose* wants, by their ids.

    No object is made of the others. Raises `DecodeError` as `from_json` does.
    """
    fast = _fast()
    if fast is not None:
        reading = fast.reading(_LOGS)
        try:
            lines = reading.decode(text)
            made: list[WorkspaceAgentLog] = reading.make(
                _kept(lines, choose([line.id for line in lines]))
            )
        except fast.REFUSALS:
            pass
        else:
            return made
    return _chosen_of_document(documents.parse(text), choose)


def _chosen_of_document(document: object, choose: Choose) -> list[WorkspaceAgentLog]:
    lines = document if type(document) is list else []
    ids: list[Any] = [line.get("id") if type(line) is dict else None for line in lines]
    if lines and all(type(number) is int for number in ids):
        try:
            return from_document(_kept(lines, choose(ids)), _LOGS)
        except DecodeError:
            pass
        return from_document(lines, _LOGS)  # with the path in what came
    logs = from_document(document, _LOGS)  # which says what is wrong, if something is
    return _kept(logs, choose([log.id for log in logs]))


def _kept(lines: list[T], wanted: Sequence[bool] | None) -> list[T]:
    return lines if wanted is None else list(compress(lines, wanted))


@cache
def _fast() -> ModuleType | None:
    # When something is first read, not when the package is imported.
    try:
        from coder_agents.schema import fast
    except ModuleNotFoundError:
        return None
    return fast
