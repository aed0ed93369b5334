"""
The releases that a deployment can simulate, and their differences.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Release:
    """
    The behaviour of one release of Coder.

    Attributes:
        name: such as ``2.31``.
        agent_api: the version of the protocol of its agents.
        provisioner_api: the version of the protocol of its provisioners.
        line_length: how many code points of a log line are stored; None for all.
        names_scripts: whether an agent's scripts have names; otherwise only their log sources have.
        reports_outcomes: whether an agent's description has the outcomes of its scripts.
        ends_deleted: whether following a log ends when its agent is deleted.
        forgets_superseded: whether an agent is gone once a newer build is complete.
        pong_reason: the close reason for a WebSocket whose peer answers no ping; empty where pongs
            are not checked.
        closes_terminals: whether a terminal whose process has ended is closed with 1000; otherwise
            its connection ends without a close frame.
    """

    name: str
    agent_api: str
    provisioner_api: str
    line_length: int | None
    names_scripts: bool = True
    reports_outcomes: bool = False
    ends_deleted: bool = False
    forgets_superseded: bool = False
    pong_reason: str = ""
    closes_terminals: bool = False

    @property
    def version(self) -> str:
        """
        The full version of the release.
        """
        return f"v{self.name}.0"

    @property
    def number(self) -> tuple[int, int]:
        """
        The release's number, for comparisons.
        """
        major, minor = self.name.split(".")
        return int(major), int(minor)


RELEASES = {
    release.name: release
    for release in (
        Release(
            "2.24",
            agent_api="2.6",
            provisioner_api="1.7",
            line_length=None,
            names_scripts=False,
        ),
        Release(
            "2.31",
            agent_api="2.8",
            provisioner_api="1.15",
            line_length=1_024,
            ends_deleted=True,
            pong_reason="Ping failed",
            closes_terminals=True,
        ),
        Release(
            "2.35",
            agent_api="2.8",
            provisioner_api="1.15",
            line_length=1_024,
            reports_outcomes=True,
            ends_deleted=True,
            forgets_superseded=True,
            pong_reason="liveness probe failed",
            closes_terminals=True,
        ),
    )
}


def find_release(name: str) -> Release:
    """
    Return the release called *name*.

    Raises:
        ValueError: the release is unknown or cannot be simulated.
    """
    if name not in RELEASES:
        raise ValueError(f"release must be one of {', '.join(RELEASES)}, not {name!r}")
    return RELEASES[name]
