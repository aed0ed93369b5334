"""
JSON Lines: one object for each row of ``coder_agents.export.records``.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from coder_agents.cli.screen import Screen


def write_json(screen: Screen, objects: Any, **more: str) -> None:
    """
    Write the records of *objects*, one line of JSON each; *more* are values that begin each of them.

    The lines are ASCII: every other character is escaped as JSON does, so that none moves a cursor.
    """
    from coder_agents import export

    for record in export.records(objects):
        screen.line(json.dumps({**more, **record}, default=_json))
    screen.flush()


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)
