"""
Conversion of decoded JSON to schema classes, and of schema classes to JSON.

It uses one cattrs converter with a hook factory for each shape of a type. The converter's functions
are generated when a class is first used. They are fast, but report only that a value is unexpected.
Then the validating reader reads the document again, and reports the value and its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from operator import eq
from types import GenericAlias
from typing import Any, TypeVar, cast
from uuid import UUID

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from coder_agents.schema import documents, generated, scalars, shapes, validating
from coder_agents.schema.fields import Age, is_skipped_when_empty, json_name
from coder_agents.schema.generated import Readers
from coder_agents.schema.open_enumeration import OpenEnumeration
from coder_agents.schema.scalars import Mismatch
from coder_agents.schema.times import format_time, to_nanoseconds

T = TypeVar("T")

Hook = Callable[..., Any]

converter = Converter(detailed_validation=False)

# In JSON, only strings can contain them.
_SEPARATORS = {"\u0085": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}

_FEW = 5  # for fewer objects, a call for each costs less than lists of their values


def from_document(document: object, cls: type[T], *, path: str = "$") -> T:
    """
    Return the decoded JSON *document* as *cls*; see `reading.from_json`.

    *path* is the place of the document in a larger one, for the text of a *DecodeError*.

    Raises *DecodeError* where *document* is not that of *cls*, *TypeError* for a *cls* that JSON is
    not read as.
    """
    kind: Any = cls
    read = _reader(kind)
    try:
        return cast("T", read(document, cls))
    except (Mismatch, TypeError):  # TypeError: a list or an object in the place of an id or a word
        pass
    # Outside of the handler, so that the error has no context.
    return cast("T", validating.read(document, cls, path))


def to_json(value: object) -> str:
    """
    Return the JSON of *value*: an object of a schema class, or lists, tuples and maps of such
    objects.

    The JSON is compact, with the deployment's names and formats. It skips the fields that the
    deployment skips. The text is one line: the separators U+0085, U+2028 and U+2029 are escaped. It
    can always be encoded: half a surrogate pair becomes U+FFFD.

    Raises *ValueError* for a time without a zone, and for a number that is not finite.
    """
    document = converter.unstructure(value)
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return documents.without_surrogates(_on_one_line(text))


def to_dict(value: object) -> dict[str, Any]:
    """
    Return *value*, an object of a schema class, as plain dicts, lists and values.

    The names and formats are those of `to_json`: times and UUIDs are strings.

    Raises *TypeError* where *value* is of no schema class, *ValueError* as `to_json` does.
    """
    if not shapes.is_class(type(value)):
        raise TypeError(f"value must be an object of a schema class, not a {type(value).__name__}")
    found: dict[str, Any] = json.loads(to_json(value))
    return found


def _on_one_line(text: str) -> str:
    """
    Return the JSON *text* with each character escaped at which `str.splitlines` would cut it.
    """
    if text.isascii():
        return text  # `json` has escaped the separators in ASCII
    for separator, escape in _SEPARATORS.items():
        text = text.replace(separator, escape)
    return text


@lru_cache
def _reader(cls: Any) -> Hook:
    if not _is_readable(cls):
        raise TypeError(f"{cls!r} is not a type that JSON is read as")
    hook: Hook = converter.get_structure_hook(cls)
    return hook


def _is_readable(cls: Any) -> bool:
    if cls in scalars.SCALARS or shapes.is_enumeration(cls) or shapes.is_class(cls):
        return True
    shaped = (shapes.list_item, shapes.tuple_item, shapes.map_value)
    return any(inner is not None and _is_readable(inner) for inner in (of(cls) for of in shaped))


def _list_reader(cls: Any) -> Hook:
    item = shapes.list_item(cls)
    read = converter.get_structure_hook(item)
    read_batch = _class_readers(item).batch if shapes.is_class(item) else None

    def read_list(value: object, _: object = None) -> list[Any]:
        if type(value) is list:
            if read_batch is None or len(value) < _FEW:
                return [read(each, item) for each in value]
            return read_batch(value)
        if value is None:
            return []
        raise Mismatch

    return read_list


def _tuple_reader(cls: Any) -> Hook:
    items = GenericAlias(list, shapes.tuple_item(cls))
    read = converter.get_structure_hook(items)

    def read_tuple(value: object, _: object) -> tuple[Any, ...]:
        return tuple(read(value, items))

    return read_tuple


def _map_reader(cls: Any) -> Hook:
    item = shapes.map_value(cls)
    read = converter.get_structure_hook(item)

    def read_map(value: object, _: object) -> dict[str, Any]:
        if type(value) is dict:
            return {key: read(found, item) for key, found in value.items()}
        if value is None:
            return {}
        raise Mismatch

    return read_map


def _class_reader(cls: Any) -> Hook:
    return _class_readers(cls).one


@cache
def _class_readers(cls: Any) -> Readers:
    return generated.class_readers(cls, converter.get_structure_hook)


def _optional_writer(cls: Any) -> Hook:
    write = converter.get_unstructure_hook(shapes.optional_of(cls))
    return lambda value: None if value is None else write(value)


def _is_special_list(cls: Any) -> bool:
    """
    Whether *cls* is a class of lists other than `list`, which cattrs does not know as one.
    """
    return isinstance(cls, type) and issubclass(cls, list) and cls is not list


def _list_writer(value: list[Any]) -> Any:
    return converter.unstructure(list(value))


def _class_writer(cls: Any) -> Hook:
    overrides = {field.name: _written(field) for field in shapes.resolved_fields(cls)}
    return make_dict_unstructure_fn(cls, converter, **overrides)


def _written(field: attrs.Attribute[Any]) -> Any:
    return override(rename=json_name(field), omit_if_default=is_skipped_when_empty(field))


def _holds(shape: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda cls: shape(cls) is not None


def _register() -> None:
    # Where two factories match, cattrs takes the one that was registered last.
    for shape, factory in (
        (_holds(shapes.list_item), _list_reader),
        (_holds(shapes.tuple_item), _tuple_reader),
        (_holds(shapes.map_value), _map_reader),
        (shapes.is_class, _class_reader),
    ):
        converter.register_structure_hook_factory(shape, factory)
    for scalar, (read, _) in scalars.SCALARS.items():
        if isinstance(scalar, type):
            converter.register_structure_hook(scalar, read)
        else:
            converter.register_structure_hook_func(partial(eq, scalar), read)
    converter.register_structure_hook(OpenEnumeration, scalars.read_enumeration)
    converter.register_unstructure_hook_factory(_holds(shapes.optional_of), _optional_writer)
    converter.register_unstructure_hook_factory(shapes.is_class, _class_writer)
    converter.register_unstructure_hook_func(partial(eq, Age), scalars.write_age)
    converter.register_unstructure_hook_func(_is_special_list, _list_writer)
    converter.register_unstructure_hook(OpenEnumeration, str.__str__)
    converter.register_unstructure_hook(UUID, str)
    converter.register_unstructure_hook(timedelta, to_nanoseconds)
    converter.register_unstructure_hook(datetime, format_time)
    converter.register_unstructure_hook(datetime | None, format_time)


_register()
