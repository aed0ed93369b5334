"""
The program of ``python -m coder_agents.demo``.
"""

from __future__ import annotations

import signal
import sys

from coder_agents.demo import main

status = main()
signal.signal(signal.SIGINT, signal.SIG_IGN)  # the demo has ended: an interrupt has no use
sys.exit(status)
