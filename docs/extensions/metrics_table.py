"""
The table of the exporter's metrics, from their definitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from command_line import escaped, parsed
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from coder_agents.exporter.labels import AGENT_LABELS
from coder_agents.exporter.metrics import METRICS, Definition


class MetricsTable(SphinxDirective):
    """
    Writes a row for each metric.
    """

    def run(self) -> list[nodes.Node]:
        """
        Return the table.
        """
        return parsed(self, "\n".join(rows()))


def rows() -> Iterator[str]:
    """
    Yield the lines of the table.
    """
    yield from (".. list-table::", "   :header-rows: 1", "   :widths: 42 12 46", "")
    yield from ("   * - Metric", "     - Type", "     - Meaning")
    for each in METRICS:
        yield f"   * - ``{each.name}``{_labels(each)}"
        yield f"     - {each.type}"
        yield f"     - {escaped(each.help)}"


def _labels(definition: Definition) -> str:
    own = [name for name in definition.labels if name not in AGENT_LABELS]
    if definition.type == "stateset":
        own.append(definition.name)
    if definition.type == "info":
        own += ["id", "version", "os", "arch"]
    return f" by {', '.join(f'``{name}``' for name in own)}" if own else ""


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Take part in the build.
    """
    app.add_directive("metrics-table", MetricsTable)
    return {"parallel_read_safe": True}
