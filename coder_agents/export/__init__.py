"""
Records, data frames and files of what the client returns.

Records, text, JSON Lines and CSV need nothing else. Data frames need pandas, and Arrow tables and
Parquet need pyarrow: ``pip install 'coder-agents[data]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.export.arrow import to_arrow
    from coder_agents.export.files import write
    from coder_agents.export.frames import to_frame
    from coder_agents.export.positions import bookmarks
    from coder_agents.export.rows import records

__all__ = ["bookmarks", "records", "to_arrow", "to_frame", "write"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "arrow": "to_arrow",
        "files": "write",
        "frames": "to_frame",
        "positions": "bookmarks",
        "rows": "records",
    },
)
