"""
Functions written and compiled while the program runs, to make many objects of one class.

Such a function has all that is done for each field in line, and makes its objects as drafts:
of a subclass that can be set like any object, and that turns into the frozen class when it is
done. That costs a fifth of calling a frozen class, whose ``__init__`` has to set its fields the
long way round.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from coder_agents.schema import shapes
from coder_agents.schema.metadata import WorkspaceAgentMetadataDescription
from coder_agents.schema.remembered import Remembered

Names = dict[str, Any]

SHARED = frozenset({WorkspaceAgentMetadataDescription})
"""
Classes of which equal objects are one object: they come again and again, and do not change.

Classes of texts and integers alone: of other types, values that are not the same may be equal.
"""


MOST_SHARED = 512
"""
How many of them are held for each class.
"""

LONGEST_SHARED = 4096
"""
How many characters one of them may have; a longer one is made anew each time.
"""


@attrs.frozen
class Readers:
    """
    What reads one object, and what reads each of several. Neither looks at a second argument.
    """

    one: Callable[..., Any]
    many: Callable[..., list[Any]]


@attrs.frozen
class Code:
    """
    How a field is put into its variable: ``v0`` for the first, ``v1`` for the second, and so on.

    Attributes:
        lines: what does it, for one object that is called ``found``.
        before: the lines that come before those of the first of several objects.
        each: what does it for each of several, where that is something else.
        column: what has the values of all that is in ``all_found`` at once, instead of *each*.
        value: the field's value, where that is an expression and needs no variable.
    """

    lines: Sequence[str] = ()
    before: Sequence[str] = ()
    each: Sequence[str] | None = None
    column: str = ""
    value: str = ""


def code_of_repeated(at: int, found: str, made: str) -> Code:
    """
    Return how field number *at* is put into its variable where the next object often has the
    same: *found* is the expression for what was found, *made* for what is made of ``f``.
    """
    return Code(
        lines=[f"f = {found}", f"v{at} = {made}"],
        before=[f"last{at} = ..."],
        each=[f"f = {found}", f"if f != last{at}:", f"    v{at} = {made}", f"    last{at} = f"],
    )


def generate(
    cls: Any, fields: Sequence[Code], names: Names, *, rescue: Iterable[str] = ()
) -> Readers:
    """
    Return functions that read the schema class *cls*.

    *fields* are its fields in their order; *rescue* are the handlers that set ``made`` where the
    lines of a field raise something; all may use *names*.
    """
    handlers = list(rescue)
    making = _making(cls, [field.value or f"v{at}" for at, field in enumerate(fields)], names)
    one = _rescued([line for field in fields for line in field.lines] + making, handlers)
    each: list[str] = []
    for field in fields:
        if not field.column:
            each += field.lines if field.each is None else field.each
    many = _rescued(each + making, handlers)
    columns = {f"v{at}": field.column for at, field in enumerate(fields) if field.column}
    _compile(
        cls,
        [
            "def one(found, _=None):",
            *_indented([*one, "return made"]),
            "def many(all_found, _=None):",
            *_indented(_with_columns(columns)),
            "    all_made = []",
            "    add = all_made.append",
            *_indented([line for field in fields for line in field.before]),
            f"    for {', '.join(['found', *columns])} in all_found:",
            *_indented(_indented([*many, "add(made)"])),
            "    return all_made",
        ],
        names,
    )
    return Readers(names["one"], names["many"])


def _with_columns(columns: Mapping[str, str]) -> list[str]:
    if not columns:
        return []
    return [
        "try:",
        f"    all_found = zip(all_found, {', '.join(columns.values())})",
        "except (KeyError, TypeError):",
        "    return [one(found) for found in all_found]",
    ]


def _rescued(body: list[str], handlers: list[str]) -> list[str]:
    return ["try:", *_indented(body), *handlers] if handlers else body


def _making(cls: Any, values: Sequence[str], names: Names) -> list[str]:
    fields = [field.name for field in shapes.resolved_fields(cls)]
    if cls in SHARED:
        names["shared"] = _sharing(cls, fields)
        return [f"made = shared[({''.join(f'{value}, ' for value in values)})]"]
    names["draft"], names["cls"] = _draft_of(cls), cls
    setting = [f"made.{name} = {value}" for name, value in zip(fields, values, strict=True)]
    return ["made = draft()", *setting, "made.__class__ = cls"]


def _sharing(cls: Any, fields: list[str]) -> Remembered:
    return Remembered(
        lambda values: cls(**dict(zip(fields, values, strict=True))),
        limit=MOST_SHARED,
        is_small=lambda values: sum(len(v) for v in values if type(v) is str) <= LONGEST_SHARED,
    )


def _draft_of(cls: Any) -> Any:
    # Both of the last two, or the interpreter goes the long way for either.
    loose = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    return type(f"{cls.__name__}Draft", (cls,), {"__slots__": (), **loose})


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _compile(cls: Any, lines: list[str], names: Names) -> None:
    source = "\n".join(lines) + "\n"
    place = f"<coder_agents readers of {cls.__name__} {id(names):x}>"
    # So that a traceback shows the line, as with what attrs generates.
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    exec(compile(source, place, "exec"), names)
