"""
The validating reader: it reads decoded JSON value by value, and reports the place of an error.

It has the same results as the converter. It is slower, so it runs only where the converter met an
unexpected value.
"""

from __future__ import annotations

import json
from typing import Any

from coder_agents.schema import documents, scalars, shapes
from coder_agents.schema.fields import json_name

_MAX_KEY = 40


def read(value: object, cls: Any, path: str) -> Any:
    """
    Return *value* as *cls*; *path* is the place of *value*.

    Raises *DecodeError* with the place of the first unexpected value.
    """
    if cls in scalars.SCALARS:
        return _read_scalar(value, cls, path)
    if shapes.is_enumeration(cls):
        text = _read_scalar(value, str, path, f"a string ({cls.__name__})")
        return cls(text)
    if shapes.is_class(cls):
        return _read_class(value, cls, path)
    if (inner := shapes.optional_of(cls)) is not None:
        return None if value is None else read(value, inner, path)
    if (item := shapes.map_value(cls)) is not None:
        return _read_map(value, item, path)
    if (item := shapes.tuple_item(cls)) is not None:
        return tuple(_read_list(value, item, path))
    return _read_list(value, shapes.list_item(cls), path)


def _read_scalar(value: object, cls: Any, path: str, wanted: str = "") -> Any:
    reader, usually = scalars.SCALARS[cls]
    try:
        return reader(value)
    except scalars.Mismatch:
        pass
    raise documents.failure(path, wanted or usually, documents.excerpt(value))


def _read_class(value: object, cls: Any, path: str) -> Any:
    members = _expect(dict, value, path, f"an object ({cls.__name__})")
    found = {
        field.name: read(members[name], field.type, f"{path}.{name}")
        for field in shapes.resolved_fields(cls)
        if (name := json_name(field)) in members
    }
    return cls(**found)


def _read_map(value: object, item: Any, path: str) -> dict[str, Any]:
    members = _expect(dict, value, path, "an object")
    return {key: read(found, item, f"{path}[{_key(key)}]") for key, found in members.items()}


def _read_list(value: object, item: Any, path: str) -> list[Any]:
    items = _expect(list, value, path, "a list")
    return [read(found, item, f"{path}[{index}]") for index, found in enumerate(items)]


def _expect(shape: type, value: object, path: str, wanted: str) -> Any:
    if value is None:
        return shape()
    if type(value) is shape:
        return value
    raise documents.failure(path, wanted, documents.excerpt(value))


def _key(key: str) -> str:
    shown = json.dumps(key[:_MAX_KEY])
    return shown if len(key) <= _MAX_KEY else shown[:-1] + '..."'
