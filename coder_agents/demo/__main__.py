"""
What ``python -m coder_agents.demo`` runs.
"""

from __future__ import annotations

import signal
import sys

from coder_agents.demo import main

status = main()
signal.signal(signal.SIGINT, signal.SIG_IGN)  # there is nothing left to interrupt
sys.exit(status)
