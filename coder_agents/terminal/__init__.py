"""
Terminals of an agent.
"""

from __future__ import annotations
