"""
The paths of requests.
"""

from __future__ import annotations

from urllib.parse import quote


def quoted(*segments: object) -> str:
    """
    Return *segments* as one path; each is quoted, and so stays one segment.
    """
    return "".join(f"/{quote(str(segment), safe='')}" for segment in segments)
