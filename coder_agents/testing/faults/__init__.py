"""
Faults on demand: errors between a deployment and its clients.

`Deployment.faults` holds the faults that wait for a connection::

    deployment.faults.add("drop", route="logs_follow", after=2, times=3)

This fault ends the next three connections that follow logs after two messages each, without a close
frame. A request takes the first waiting fault of its route, together with the faults that change
only the way of sending (`Drip`, `Delay`, `Unchunked`).

Random choices, such as where a message is cut, depend only on the deployment's seed and the order
in which the faults were added, so they are the same each time.
"""

from __future__ import annotations

from coder_agents.lazy import listing
from coder_agents.testing.faults.fault import Fault
from coder_agents.testing.faults.queue import KINDS, Faults

__all__ = ["KINDS", "Fault", "Faults"]

__dir__ = listing(__name__)
