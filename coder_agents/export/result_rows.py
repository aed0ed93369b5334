"""
The rows of results that are none of the client's objects: what a user's function returned for each agent.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from coder_agents.batch import Results
from coder_agents.export.columns import (
    Chunk,
    Column,
    Kind,
    Table,
    Type,
    category,
    text,
    transposed,
)

_MAX_INTEGER = 2**63  # what a column of integers can hold is below


def rows_of_results(results: Results[Any]) -> Chunk:
    """
    Return a row for each agent of *results*: the agent, its result, and its error.

    The type of the results is that of all values; values of several types, and those that no column
    can hold, are texts.
    """
    outcomes = results._outcomes()
    values = [each.result for each in outcomes if each.error is None]
    kind = _type_of([value for value in values if value is not None])
    table = Table("results", (category("agent"), Column("result", kind), text("error")))
    rows = [
        (
            each.agent.label,
            None if each.error is not None else _cell(each.result, kind),
            None if each.error is None else _described(each.error),
        )
        for each in outcomes
    ]
    return Chunk(Kind(table, lambda _, owner: transposed(table, rows)), outcomes)


def _type_of(values: Sequence[Any]) -> Type:
    kind = _shared_type(values)
    if kind is not Type.INTEGER:
        return kind
    is_held = all(-_MAX_INTEGER <= int(value) < _MAX_INTEGER for value in values)
    return Type.INTEGER if is_held else Type.TEXT


def _shared_type(values: Sequence[Any]) -> Type:
    def are(kind: type) -> bool:
        return bool(values) and all(isinstance(value, kind) for value in values)

    if are(bool):
        return Type.BOOLEAN
    if any(isinstance(value, bool) for value in values):
        return Type.TEXT
    # The numbers of NumPy, and so of pandas, are numbers of these classes.
    if are(numbers.Integral):
        return Type.INTEGER
    if are(numbers.Real):
        return Type.NUMBER
    if are(datetime) and all(value.tzinfo is not None for value in values):
        return Type.TIME
    return Type.TEXT


def _cell(value: Any, kind: Type) -> Any:
    if value is None:
        return None
    if kind is Type.INTEGER:
        return int(value)
    if kind is Type.NUMBER:
        return _number(value)
    return str(value) if kind is Type.TEXT else value


def _number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return float("inf") if value > 0 else float("-inf")


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
