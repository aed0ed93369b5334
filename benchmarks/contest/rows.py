"""
What a contest is, and what its rows have in common.
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
SOCKET = "bare socket, the same framing"
FRAMES = "bare frames"
LINES = "bare socket, bare frames, json.loads"
PACKAGES = "the five packages"

Measure = Literal["cpu", "wall", "bytes"]


@attrs.frozen(kw_only=True)
class Contestant:
    """
    One who does a work.

    Attributes:
        label: who that is.
        work: the room and the function that do it; of "go" the program's word for it, of
            "import" the statement.
        against: the label of the limit.
        bound: what the ratio to the limit may be; without a limit, what a piece may cost.
        why: why there is no bound.
        needs: modules without which it is absent.
        without: modules that it does not find, even where they are installed.
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


@attrs.frozen(kw_only=True)
class Contest:
    """
    One work, and all who do it.

    Attributes:
        key: a short name, for ``--only``.
        title: the work, with a scale's sizes to be filled in.
        unit: what the figures are of.
        contestants: in the order of the table.
        measure: what ratios are made of: CPU time, time on the wall, memory.
        guard: whether it is part of the guard against regressions: the same wherever it runs,
            and soon over.
        once: whether it is part of the first round only.
        together: how many of each contestant run in a round, all at the same time, as they
            mostly wait; 0 where they run one after the other.
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
    Return what others are compared with.
    """
    return Contestant(label=label, work=work, why="the limit itself")


def peer(label: str, work: str, against: str, *needs: str) -> Contestant:
    """
    Return another library, which is absent where a module that it *needs* is.
    """
    return Contestant(label=label, work=work, against=against, why="a peer", needs=needs)


def ours(
    work: str, against: str, installed: float, fast: float | None = None, *, label: str = ""
) -> tuple[Contestant, ...]:
    """
    Return this package, as it is installed and, where *fast* is its bound, with the extra.
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
    Return *contest* with the feed whose times repeat, and with the one whose times do not.

    *installed* and *fast* are the bounds of this package for either.
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
