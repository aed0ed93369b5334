"""
The program of ``python -m coder_agents``: the command ``coder-agents``.
"""

from __future__ import annotations

from coder_agents.cli import main

main()
