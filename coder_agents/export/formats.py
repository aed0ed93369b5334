"""
Rows as lines of a file: text, JSON Lines and CSV.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import attrs

from coder_agents.export.columns import Chunk, Column, Table, Type
from coder_agents.export.rows import records_of
from coder_agents.render import escape_controls
from coder_agents.schema.times import format_time

FormatName = Literal["text", "jsonl", "csv", "parquet"]

# What begins a formula in a spreadsheet (OWASP, "CSV Injection"): also after spaces, and in the
# wide forms that some programs treat alike.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

# Characters that JSON may contain as they are, but that would move or reorder text on a terminal.
_UNSAFE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")


@attrs.frozen
class LineFormat:
    """
    A format whose files are lines, so that a file can grow.

    Attributes:
        name: the name of the format.
        head: returns the text with which a file with the rows of a table begins.
        rows: returns the text of each row of a chunk, with the newline at its end.
    """

    name: FormatName
    head: Callable[[Table], str]
    rows: Callable[[Chunk], list[str]]


def json_line(record: dict[str, Any]) -> str:
    """
    Return *record* as one line of JSON, without a newline.

    Times are texts of RFC 3339. A parser gets every text back exactly, and yet the line is safe on
    a terminal: what could move or reorder text is written by its code, as ``\\uNNNN``.
    """
    line = _encode(record)
    return line if line.isprintable() else _UNSAFE.sub(_code, line)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return format_time(value)
    raise TypeError(f"a {type(value).__name__} is no value of a record")


_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
).encode


def _code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _json_lines(chunk: Chunk) -> list[str]:
    return [f"{json_line(record)}\n" for record in records_of(chunk)]


def safe_cell(text: str) -> str:
    """
    Return *text* as a cell of CSV that no spreadsheet takes for a formula.

    A text that could begin a formula gets a quote, ``'``, in front; a number stays as it is. Lines
    stay lines; other characters that could move or reorder text are shown by their codes.
    """
    quote = "'" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else ""
    if text.isprintable():
        return quote + text
    lines = text.replace("\r\n", "\n").split("\n")
    return quote + "\n".join(map(escape_controls, lines))


def _cell(column: Column, value: Any) -> Any:
    if value is None:
        return ""
    if column.type in (Type.TEXT, Type.CATEGORY):
        return safe_cell(value)
    if column.type is Type.TIME:
        return format_time(value)
    if column.type is Type.BOOLEAN:
        return "true" if value else "false"
    return json_line(value) if column.type is Type.MAPPING else value


class _Returned:
    """
    A file for the writer of the standard library, whose ``writerow`` returns the written text.
    """

    def write(self, text: str) -> str:
        """
        Return *text*.
        """
        return text


_csv_row: Callable[[Sequence[Any]], Any] = csv.writer(_Returned(), lineterminator="\n").writerow


def _csv_head(table: Table) -> str:
    return str(_csv_row(table.names))


def _csv_rows(chunk: Chunk) -> list[str]:
    columns = [
        [_cell(column, value) for value in values]
        for column, values in zip(chunk.kind.table.columns, chunk.values(), strict=True)
    ]
    return list(map(_csv_row, zip(*columns, strict=True)))


def _text_lines(chunk: Chunk) -> list[str]:
    if chunk.kind.lines is None:
        raise ValueError(
            f"{chunk.kind.table.name} are no lines of text, as logs are: write them as .jsonl, .csv"
            " or .parquet"
        )
    return [f"{line}\n" for line in chunk.kind.lines(chunk.items, chunk.owner)]


def _no_head(table: Table) -> str:
    return ""


LINE_FORMATS = {
    each.name: each
    for each in (
        LineFormat("text", _no_head, _text_lines),
        LineFormat("jsonl", _no_head, _json_lines),
        LineFormat("csv", _csv_head, _csv_rows),
    )
}
