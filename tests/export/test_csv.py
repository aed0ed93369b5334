"""
Cells of CSV that no spreadsheet takes for a formula, and lines of JSON that are safe and exact.
"""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.export.chunks import KINDS
from coder_agents.export.columns import Chunk
from coder_agents.export.formats import LINE_FORMATS, json_line, safe_cell
from coder_agents.render import escape_controls
from coder_agents.schema import WorkspaceAgentContainer, WorkspaceAgentLog, WorkspaceAgentMetadata
from coder_agents.schema import WorkspaceAgentMetadataResult as Result

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.mark.parametrize("start", FORMULAS)
def test_a_cell_that_could_begin_a_formula_gets_a_quote(start: str) -> None:
    """
    A cell that begins with a character of OWASP's list is text, also where spaces come before it.
    """
    assert safe_cell(f"{start}cmd|' /C calc'!A0").startswith("'")
    assert safe_cell(f"{start}=1").startswith("'")
    assert safe_cell(f"  {start.strip() or '='}1+1").startswith("'")
    assert safe_cell(start).startswith("'")


@pytest.mark.parametrize("text", ["-1", "+0.5", "-1e-3", ".5", "3.", "-0"])
def test_a_number_stays_a_number(text: str) -> None:
    """
    A text that is a number as a whole gets no quote.
    """
    assert safe_cell(text) == text


@pytest.mark.parametrize("text", ["-1+1", "-", "+49 30", "-1=2", "-٣", "--1", "1-1=", ""])
def test_what_only_begins_as_a_number_is_text(text: str) -> None:
    """
    A calculation is no number.
    """
    assert safe_cell(text) == (f"'{text}" if text[:1] in FORMULAS else text)


def rows_of(format: Any, *objects: Any) -> list[str]:
    """
    Return the rows of *objects*, all of one class, in *format*.
    """
    rows: list[str] = LINE_FORMATS[format].rows(Chunk(KINDS[type(objects[0])], objects))
    return rows


@given(st.text())
def test_no_cell_begins_a_formula_and_lines_stay_lines(text: str) -> None:
    """
    The row of any output has one cell for it that is text, with the lines of the output.
    """
    [row] = rows_of("csv", WorkspaceAgentLog(output=text))
    [cells] = csv.reader(io.StringIO(row, newline=""))
    cell = cells[5]
    assert not cell.startswith(FORMULAS) or math.isfinite(float(cell))
    shown = text.replace("\r\n", "\n").split("\n")
    assert cell.removeprefix("'").split("\n") in (
        [escape_controls(line) for line in shown],
        [escape_controls(line).removeprefix("'") for line in shown],
    )
    row.encode()


def test_values_of_all_types_have_a_form_in_csv() -> None:
    """
    A missing value is empty, a truth value a word, a time that of RFC 3339, a mapping JSON.
    """
    at = datetime(2026, 11, 22, 8, 36, 52, tzinfo=UTC)
    container = WorkspaceAgentContainer(name="web", created_at=at, labels={"a": "=1"}, running=True)
    [row] = csv.reader(rows_of("csv", container))
    assert row == [
        *("", "container", "", "web", "", "true", "", "2026-11-22T08:36:52Z", ""),
        *('{"a":"=1"}', "{}", "", "", "", "", "", ""),
    ]
    [row] = csv.reader(rows_of("csv", WorkspaceAgentMetadata(result=Result(value="-3.5"))))
    assert row[3:5] == ["-3.5", "-3.5"]


@given(st.text(st.characters()))
def test_a_line_of_json_is_exact_and_safe(text: str) -> None:
    """
    A parser gets the text back, and the line has no character that a terminal obeys.
    """
    [row] = rows_of("jsonl", WorkspaceAgentLog(output=text))
    assert json.loads(row)["output"] == text
    assert row.endswith("\n")
    line = row.removesuffix("\n")
    assert escape_controls(line) == line
    row.encode()


def test_a_time_in_json_is_that_of_the_api() -> None:
    """
    A time is a text of RFC 3339, and a value of another type is an error.
    """
    assert json_line({"at": datetime(2026, 1, 1, tzinfo=UTC)}) == '{"at":"2026-01-01T00:00:00Z"}'
    with pytest.raises(TypeError, match="a set is no value of a record"):
        json_line({"at": set()})


@given(st.text())
def test_a_line_of_text_is_safe(text: str) -> None:
    """
    A line of text stays one line, without what a terminal obeys.
    """
    [row] = rows_of("text", WorkspaceAgentLog(output=text))
    assert row.count("\n") == 1
    assert escape_controls(row[:-1]) == row[:-1]
