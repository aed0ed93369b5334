"""
What this deployment can do, learnt from its answers.

A version header cannot decide it: development builds say ``v0.0.0-devel``.
"""

from __future__ import annotations

import attrs


@attrs.define
class Capabilities:
    """
    What was learnt so far; None where nothing was.

    Attributes:
        recreate_by_devcontainer: whether a devcontainer is recreated by its own id
            (2.25 and later) and not by its container's.
        containers_watch: whether containers can be watched (2.25 and later), and need not be
            asked for again and again.
    """

    recreate_by_devcontainer: bool | None = None
    containers_watch: bool | None = None
