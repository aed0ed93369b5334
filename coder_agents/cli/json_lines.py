"""
JSON Lines: one object for each row of ``coder_agents.export.records``.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Mapping
from typing import Any

from coder_agents.cli.screen import OutputScreen


def write_json(screen: OutputScreen, objects: Any, **more: str) -> None:
    """
    Write the records of *objects*, one line of JSON each; *more* are values that begin each of them.

    The lines are those of a file that ``coder_agents.export.write`` writes, and safe on a terminal.
    """
    from coder_agents.export import records

    write_records(screen, ({**more, **record} for record in records(objects)))


def write_records(screen: OutputScreen, records: Iterable[Mapping[str, Any]]) -> None:
    """
    Write *records*, one line of JSON each, as `write_json`.
    """
    from coder_agents.export.formats import json_line

    is_unicode = codecs.lookup(screen.encoding).name.startswith("utf")
    for record in records:
        line = json_line(dict(record))
        # JSON has its own escapes for the characters that the locale does not have.
        screen.line(line if is_unicode else json.dumps(json.loads(line)))
    screen.flush()
