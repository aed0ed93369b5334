"""
Functions written and compiled while the program runs, to make many objects of one class.

Such a function has all that is done for each field in line, and makes its objects as drafts:
of a subclass that can be set like any object, and that turns into the frozen class when it is
done. That costs a fifth of calling a frozen class, whose ``__init__`` has to set its fields the
long way round.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from coder_agents.schema import shapes
from coder_agents.schema.metadata import WorkspaceAgentMetadataDescription
from coder_agents.schema.remembered import Remembered

Names = dict[str, Any]

# Equal objects of these are one object: they come again and again, and do not change. Classes of
# texts and integers alone, as of other types values that are not the same may be equal.
_SHARED = frozenset({WorkspaceAgentMetadataDescription})
_MOST_SHARED = 512
_LONGEST_SHARED = 4096  # characters of all its texts; a longer one is made anew each time


@attrs.frozen
class Readers:
    """
    What reads one object, and what reads each of several. Neither looks at a second argument.
    """

    one: Callable[..., Any]
    many: Callable[..., list[Any]]


def generate(
    cls: Any,
    fields: Iterable[str],
    names: Names,
    *,
    rescue: Iterable[str] = (),
) -> Readers:
    """
    Return functions that read the schema class *cls* from something called ``found``.

    *fields* are the lines that put its fields into the variables ``v0``, ``v1`` and so on,
    *rescue* the handlers that set ``made`` where these lines raise something; both may use
    *names*.
    """
    body = [*fields, *_making(cls, names)]
    handlers = list(rescue)
    if handlers:
        body = ["try:", *_indented(body), *handlers]
    lines = [
        "def one(found, _=None):",
        *_indented([*body, "return made"]),
        "def many(all_found, _=None):",
        "    all_made = []",
        "    add = all_made.append",
        "    for found in all_found:",
        *_indented(_indented([*body, "add(made)"])),
        "    return all_made",
    ]
    _compile(cls, lines, names)
    return Readers(names["one"], names["many"])


def _making(cls: Any, names: Names) -> list[str]:
    fields = [field.name for field in shapes.resolved_fields(cls)]
    if cls in _SHARED:
        names["shared"] = _sharing(cls, fields)
        return [f"made = shared[{''.join(f'v{at}, ' for at in range(len(fields)))}]"]
    names["new"], names["draft"], names["cls"] = object.__new__, _draft_of(cls), cls
    values = [f"made.{name} = v{at}" for at, name in enumerate(fields)]
    return ["made = new(draft)", *values, "made.__class__ = cls"]


def _draft_of(cls: Any) -> Any:
    # Both methods, or the interpreter goes the long way for either.
    loose = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(f"{cls.__name__}Draft", (cls,), {"__slots__": (), **loose})


def _sharing(cls: Any, fields: list[str]) -> Remembered:
    return Remembered(
        lambda values: cls(**dict(zip(fields, values, strict=True))),
        limit=_MOST_SHARED,
        is_small=lambda values: sum(len(v) for v in values if type(v) is str) <= _LONGEST_SHARED,
    )


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _compile(cls: Any, lines: list[str], names: Names) -> None:
    source = "\n".join(lines) + "\n"
    place = f"<coder_agents readers of {cls.__name__} {id(names):x}>"
    # So that a traceback shows the line, as with what attrs generates.
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    exec(compile(source, place, "exec"), names)
