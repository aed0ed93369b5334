"""
Agents as a file system of fsspec: ``coder://[owner/]workspace[.agent]/absolute/path``.

Needs fsspec: ``pip install 'coder-agents[files]'``.
"""

from __future__ import annotations

try:
    import fsspec  # noqa: F401
except ImportError as error:
    raise ImportError(
        "coder_agents.filesystem needs fsspec: pip install 'coder-agents[files]'"
    ) from error

from coder_agents.filesystem.agent_file_system import AgentFileSystem
from coder_agents.lazy import listing

__all__ = ["AgentFileSystem"]

__dir__ = listing(__name__)
