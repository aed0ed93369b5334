"""
Signatures of attrs classes, which autodoc would read from generated source.

Those of the schema, whose fields all have the zero value of their type, are left out; so are
those of enumerations.
"""

from __future__ import annotations

import enum
from typing import Any

import attrs
from sphinx.application import Sphinx

SCHEMA = "coder_agents.schema."


def shown(field: attrs.Attribute[Any]) -> str:
    """
    Return one argument as it is written in a signature.
    """
    if field.default is attrs.NOTHING:
        return field.name
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
        return f"{field.name}={field.default.factory.__name__}()"
    return f"{field.name}={field.default!r}"


def sign(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """
    Return the signature of an attrs class, from its fields.
    """
    if isinstance(obj, type) and issubclass(obj, enum.Enum):
        return "", ""
    if what != "class" or not attrs.has(obj) or not signature:
        return None
    if obj.__module__.startswith(SCHEMA):
        return "", ""
    fields = attrs.fields(obj)
    only_by_name = ["*"] if fields[0].kw_only else []
    return f"({', '.join([*only_by_name, *map(shown, fields)])})", ""


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Take part in the build.
    """
    app.connect("autodoc-process-signature", sign)
    return {"parallel_read_safe": True}
