"""
Agents as metrics of Prometheus: states, numbers in metadata, log lines, and the deployment itself.

Needs prometheus-client: ``pip install 'coder-agents[exporter]'``.
"""

from __future__ import annotations

try:
    import prometheus_client  # noqa: F401
except ImportError as error:
    raise ImportError(
        "coder_agents.exporter needs prometheus-client: pip install 'coder-agents[exporter]'"
    ) from error

from coder_agents.exporter.collector import AgentCollector
from coder_agents.lazy import listing

__all__ = ["AgentCollector"]

__dir__ = listing(__name__)
