"""
Contests and their contestants.
"""

from __future__ import annotations

from typing import Literal

import attrs

INSTALLED = "coder_agents as installed"
FAST = "coder_agents with fast"
GO = "Go: coder/websocket, encoding/json"
GO_SSE = "Go: net/http, encoding/json"
GO_JSON = "Go: encoding/json"
JSON = "json.loads alone"
SOCKET = "bare socket, same framing"
FRAMES = "bare frames"
LINES = "bare socket, bare frames, json.loads"
PACKAGES = "requests, attrs, cattrs, websocket, sseclient"

PEER = "a peer"

Measure = Literal["cpu", "wall", "bytes"]


@attrs.frozen(kw_only=True)
class Contestant:
    """
    One implementation of a work.

    Attributes:
        label: its name.
        work: the module and the function that do the work; for "go" the program's argument, for
            "import" the statement.
        against: the label of the limit.
        bound: the maximum ratio to the limit; without a limit, the maximum cost of a piece.
        why: why there is no bound.
        needs: modules without which the contestant is absent.
        without: modules that the contestant cannot import, even if they are installed.
        different: whether it gets the feed in which all times are different.
    """

    label: str
    work: str
    against: str = ""
    bound: float | None = None
    why: str = ""
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    different: bool = False

    @property
    def is_peer(self) -> bool:
        """
        Whether this is another library, shown for comparison.
        """
        return self.why == PEER


@attrs.frozen(kw_only=True)
class Contest:
    """
    One work, and its contestants.

    Attributes:
        key: a short name, for ``--only``.
        title: the work, with placeholders for the sizes of a scale.
        unit: the unit of the figures, such as "per log".
        contestants: in the order of the table.
        measure: the figure that ratios compare: CPU time, wall-clock time, or memory.
        guard: whether it is part of the guard against regressions: short, and with the same
            ratios on every machine.
        once: whether it runs in the first round only.
        together: how many processes of each contestant run in a round, all at the same time, as
            they mostly wait; 0 if the contestants run one after the other.
        plotted: whether the plot shows it.
    """

    key: str
    title: str
    unit: str
    contestants: tuple[Contestant, ...]
    measure: Measure = "cpu"
    guard: bool = False
    once: bool = False
    together: int = 0
    plotted: bool = False


def limit(label: str, work: str) -> Contestant:
    """
    Return the contestant that the others are compared with.
    """
    return Contestant(label=label, work=work, why="the limit itself")


def peer(label: str, work: str, against: str, *needs: str) -> Contestant:
    """
    Return another library, which is absent if a module that it *needs* is absent.
    """
    return Contestant(label=label, work=work, against=against, why=PEER, needs=needs)


def ours(
    work: str, against: str, installed: float, fast: float | None = None, *, label: str = ""
) -> tuple[Contestant, ...]:
    """
    Return this package as installed and, if *fast* is given as a bound, with the extra ``fast``.
    """
    first = Contestant(
        label=label or INSTALLED,
        work=work,
        against=against,
        bound=installed,
        without=("msgspec",),
    )
    if fast is None:
        return (first,)
    second = Contestant(label=FAST, work=work, against=against, bound=fast, needs=("msgspec",))
    return first, second


def both_feeds(
    contest: Contest, installed: tuple[float, float], fast: tuple[float, float]
) -> tuple[Contest, Contest]:
    """
    Return *contest* with the feed in which times repeat, and with the feed in which all times differ.

    *installed* and *fast* are the bounds of this package for the two feeds.
    """
    return (
        attrs.evolve(
            contest,
            title=f"{contest.title}, times repeat",
            contestants=tuple(
                _bounded(one, {INSTALLED: installed[0], FAST: fast[0]})
                for one in contest.contestants
            ),
            plotted=False,
        ),
        attrs.evolve(
            contest,
            key=f"{contest.key}-different",
            title=f"{contest.title}, all times different",
            contestants=tuple(
                attrs.evolve(
                    _bounded(one, {INSTALLED: installed[1], FAST: fast[1]}), different=True
                )
                for one in contest.contestants
            ),
        ),
    )


def _bounded(contestant: Contestant, bounds: dict[str, float]) -> Contestant:
    return attrs.evolve(contestant, bound=bounds.get(contestant.label, contestant.bound))
