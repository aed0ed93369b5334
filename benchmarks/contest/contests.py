"""
All contests, in the order of the table.
"""

from __future__ import annotations

from contest import decoding, others

CONTESTS = (*decoding.CONTESTS, *others.CONTESTS)
