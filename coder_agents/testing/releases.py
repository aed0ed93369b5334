"""
The releases that a deployment can play, and how they differ.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Release:
    """
    What a release of Coder does in its own way.

    Attributes:
        name: such as ``2.31``.
        agent_api: the version of the protocol that its agents speak.
        provisioner_api: the version of the protocol that its provisioners speak.
        line_length: how many code points of a log line are stored; None for all.
        names_scripts: whether an agent's scripts have names; before, only their log sources do.
        tells_outcomes: whether an agent's scripts tell how they ended.
        ends_deleted: whether a log that is being followed ends where its agent is deleted.
        forgets_superseded: whether an agent is gone once a newer build is complete.
        pong_reason: with what words it closes a WebSocket whose peer answers no ping; empty
            where it does not look.
        closes_terminals: whether a terminal whose process has ended is closed with 1000; before,
            its connection just ends.
    """

    name: str
    agent_api: str
    provisioner_api: str
    line_length: int | None
    names_scripts: bool = True
    tells_outcomes: bool = False
    ends_deleted: bool = False
    forgets_superseded: bool = False
    pong_reason: str = ""
    closes_terminals: bool = False

    @property
    def version(self) -> str:
        """
        What the release calls itself.
        """
        return f"v{self.name}.0"

    @property
    def number(self) -> tuple[int, int]:
        """
        The release's number, to compare.
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
            tells_outcomes=True,
            ends_deleted=True,
            forgets_superseded=True,
            pong_reason="liveness probe failed",
            closes_terminals=True,
        ),
    )
}


def find_release(name: str) -> Release:
    """
    The release called *name*.

    Raises:
        ValueError: there is none, or it cannot be played.
    """
    if name not in RELEASES:
        raise ValueError(f"no release {name!r}: there are {', '.join(RELEASES)}")
    return RELEASES[name]
