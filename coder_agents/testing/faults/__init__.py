"""
Faults on demand: what goes wrong between a deployment and its clients.

`Deployment.faults` holds those that wait for a connection::

    deployment.faults.add("drop", route="logs_follow", after=2, times=3)

makes the next three connections that follow logs end without a close frame after
two messages each. A request takes the first waiting fault of its route, and with
it those that only change how things are sent (`Drip`, `Delay`, `Unchunked`).

What is left to chance (where a message is cut) is drawn from the deployment's
seed and the order in which the faults were added, so it is the same each time.
"""

from __future__ import annotations

from coder_agents.lazy import listing
from coder_agents.testing.faults.fault import Fault
from coder_agents.testing.faults.queue import KINDS, Faults

__all__ = ["KINDS", "Fault", "Faults"]

__dir__ = listing(__name__)
