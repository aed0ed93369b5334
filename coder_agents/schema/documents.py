"""
Decoding JSON texts, with stricter rules than the standard library.
"""

from __future__ import annotations

import json
import re
from itertools import islice

from coder_agents.errors import DecodeError

_EXCERPT = 80
_QUOTED = 40
_FEW = 10
_DEEP = 4

# One search for both letters: two searches for plain texts cost four times as much.
_SURROGATE = re.compile(r"\\u[dD]")

# It matches every escape, so that the second backslash of an escaped backslash begins none.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|.)",
    re.DOTALL,
)


def parse(text: str | bytes | bytearray | memoryview) -> object:
    """
    Return the JSON *text*, decoded.

    Raises *DecodeError* where *text* is not UTF-8 or not JSON. ``NaN`` and ``Infinity`` are not
    JSON.
    """
    checked = without_surrogates(text) if isinstance(text, str) else _decoded(text)
    return _parsed(_without_lone_escapes(checked))


def without_surrogates(text: str) -> str:
    """
    Return *text* with each half of a surrogate pair, which cannot be encoded, replaced by U+FFFD.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def failure(path: str, wanted: str, found: str) -> DecodeError:
    """
    Return the error for *found* at *path*, where *wanted* belongs.
    """
    text = f"{path}: wanted {wanted}, found {found}"
    return DecodeError(text, path=path, wanted=wanted, found=found)


def excerpt(value: object) -> str:
    """
    Return the beginning of the JSON of *value*: plain ASCII, at most 80 characters.
    """
    return _cut(json.dumps(_pruned(value, _DEEP)), _EXCERPT)


def _pruned(value: object, depth: int) -> object:
    # The first characters of a large document must not need the JSON of all of it.
    if isinstance(value, str):
        return value[:_EXCERPT]
    if isinstance(value, list):
        return [_pruned(item, depth - 1) for item in value[:_FEW]] if depth else []
    if isinstance(value, dict):
        few = islice(value.items(), _FEW if depth else 0)
        return {key[:_EXCERPT]: _pruned(item, depth - 1) for key, item in few}
    return value


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _decoded(data: bytes | bytearray | memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
    raise failure("$", "JSON in UTF-8", found)


def _without_lone_escapes(text: str) -> str:
    if _SURROGATE.search(text) is None:
        return text
    return _ESCAPE.sub(lambda found: "\\ufffd" if found["lone"] else found[0], text)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name}, which is not JSON")


def _integer(digits: str) -> int | float:
    # Python refuses an integer of more than 4,300 digits, also in an unknown field. As an infinite
    # number it is ignored in an unknown field, and refused elsewhere.
    try:
        return int(digits)
    except ValueError:
        return float(digits)


# `scan_once` is in C; `decode` is in Python and adds two searches for white space.
_scan = json.JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]
# It calls a function for each integer, so it reads only the texts that `_scan` refuses.
_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_integer)
_WHITE = " \t\n\r"  # RFC 8259, section 2


def _parsed(text: str) -> object:
    try:
        value, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError):
        pass  # the text is decoded again outside of this handler: the error then has no context
    else:
        if not text[end:].strip(_WHITE):
            return value
    return _decoded_or_refused(text)


def _decoded_or_refused(text: str) -> object:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        found = _place(error)
    except RecursionError:
        found = "lists or objects nested too deeply"
    except ValueError as error:
        found = _cut(str(error), _EXCERPT)
    raise failure("$", "JSON", found)


def _place(error: json.JSONDecodeError) -> str:
    following = error.doc[error.pos : error.pos + _QUOTED]
    shown = _cut(json.dumps(following), _QUOTED) if following else "the end"
    return f"{shown} at line {error.lineno} column {error.colno}"
