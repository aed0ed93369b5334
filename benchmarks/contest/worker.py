"""
One contestant in a process of its own: ``python -m contest.worker WORK SCALE [MODULE...]``.

The modules are made impossible to import first, as if they were not installed. What the work
cost is printed as JSON.
"""

from __future__ import annotations

import sys

for _missing in sys.argv[3:]:
    sys.modules[_missing] = None  # type: ignore[assignment]  # what makes an import fail

import importlib  # noqa: E402
import json  # noqa: E402

import attrs  # noqa: E402

from contest.figures import Figures, Scale  # noqa: E402


def main() -> None:
    """
    Do the work that the command line names.
    """
    room, _, name = sys.argv[1].partition(".")
    work = getattr(importlib.import_module(f"contest.{room}"), name)
    figures: Figures = work(Scale(**json.loads(sys.argv[2])))
    print(json.dumps(attrs.asdict(figures)))


if __name__ == "__main__":
    main()
