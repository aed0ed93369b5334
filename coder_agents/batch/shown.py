"""
How the results of several agents show themselves, without waiting for any.
"""

from __future__ import annotations

from typing import Any

from coder_agents.batch.work import Outcome, Work
from coder_agents.render.html import render_html_table
from coder_agents.render.line import counted, render_value
from coder_agents.representation.tables import MAX_ROWS, Table, without_empty
from coder_agents.streams.by_agent import ByAgent


def line_of(work: Work) -> str:
    """
    Return the state of *work* as one line.
    """
    return f"<Results of {_state(work)}>"


def html_of(work: Work) -> str:
    """
    Return the results so far as a table, and the errors as another one.
    """
    outcomes = list(work.outcomes())
    failures = ByAgent((each.agent, each.error) for each in outcomes if each.error is not None)
    columns, rows = _table([each for each in outcomes if each.error is None])
    hidden = len(rows) - MAX_ROWS
    table = render_html_table(
        *without_empty(columns, rows[:MAX_ROWS]),
        caption=_state(work),
        skipped=(MAX_ROWS, hidden) if hidden > 0 else None,
    )
    return table + (failures._repr_html_() if failures else "")


def _state(work: Work) -> str:
    outcomes = work.arrived()
    failed = sum(each.error is not None for each in outcomes)
    left = len(work.agents) - len(outcomes)
    parts = [counted(len(work.agents), "agent")]
    if failed:
        parts.append(f"{failed:,} failed")
    if left:
        parts.append(f"{left:,} not done")
        parts += filter(None, [work.limit()])
    return ", ".join(parts)


def _table(outcomes: list[Outcome]) -> Table:
    """
    Return the columns and a row for each result, or for each item of lists that have columns.
    """
    pairs = [(each.agent.label, item) for each in outcomes for item in _items(each.result)]
    columns = {tuple(getattr(item, "_columns", ())) for _, item in pairs}
    shared = columns.pop() if len(columns) == 1 else ()
    if not shared:
        rows = [(each.agent.label, render_value(each.result)) for each in outcomes]
        return ("Agent", "Result"), list(rows)
    is_agent = shared[0] == "Agent"
    names = shared if is_agent else ("Agent", *shared)
    return names, [_row(label, item, is_agent=is_agent) for label, item in pairs]


def _items(result: Any) -> list[Any]:
    return result if isinstance(result, list) else [result]


def _row(label: str, item: Any, *, is_agent: bool) -> tuple[object, ...]:
    return tuple(item._cells()) if is_agent else (label, *item._cells())
