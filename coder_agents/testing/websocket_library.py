"""
The library of the WebSockets, from the extra ``testing``.
"""

from __future__ import annotations

try:
    import wsproto
    from wsproto import events as frames
except ImportError as error:
    raise ImportError(
        "coder_agents.testing needs wsproto: pip install 'coder-agents[testing]'", name="wsproto"
    ) from error

__all__ = ["frames", "wsproto"]
