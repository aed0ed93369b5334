"""
The parts of the command line that send nothing.
"""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import click
import pytest
from samples import agent_of

from coder_agents.cli import exits
from coder_agents.cli.arguments import DURATION, MOMENT, seconds_of
from coder_agents.cli.command_line import in_order
from coder_agents.cli.failures import one_line
from coder_agents.cli.places import CopyPlace, parse_place
from coder_agents.cli.program import _end_in_order
from coder_agents.cli.tables import TableColumn, fitted, tab_separated
from coder_agents.cli.watching import Watched

COLUMNS = [
    TableColumn("A"),
    TableColumn("B", rank=2),
    TableColumn("C", rank=1),
    TableColumn("D", is_long=True),
]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("90s", 90), ("2h30m", 9_000), ("1d", 86_400), ("2w", 1_209_600)],
)
def test_durations(text: str, seconds: float) -> None:
    """
    A duration is a number of seconds, or numbers with units.
    """
    assert seconds_of(text) == seconds
    assert DURATION.convert(text, None, None) == seconds
    assert MOMENT.convert(text, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "-1", "1x", "1 m", "m1", "9" * 30, "nan", "1e3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """
    Any other text is neither a duration nor a moment.
    """
    assert seconds_of(text) is None
    for kind in (DURATION, MOMENT):
        with pytest.raises(click.BadParameter):
            kind.convert(text, None, None)


def test_moments() -> None:
    """
    A time has an offset, or is in the zone of this machine.
    """
    wanted = datetime(2026, 11, 28, 9, tzinfo=UTC)
    assert MOMENT.convert("2026-11-28T09:00:00Z", None, None) == wanted
    assert MOMENT.convert("2026-11-28T10:00+01:00", None, None) == wanted
    local = datetime(2026, 11, 28, 9).astimezone()
    assert MOMENT.convert("2026-11-28 09:00", None, None) == local


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("dev ls", "-- dev ls"),
        ("dev -- ls", "-- dev ls"),
        ("dev ls -l -- x", "-- dev ls -l -- x"),
        ("-v dev --time 1 -- ls", "-v --time 1 -- dev ls"),
        ("dev --time 1 ls --time 2", "--time 1 -- dev ls --time 2"),
        ("dev --time=1 ls", "--time=1 -- dev ls"),
        ("-t1 dev -vt 2 -tv ls", "-t1 -vt 2 -tv -- dev ls"),
        ("-- dev ls", "-- dev ls"),
        ("-- dev -- ls", "-- dev -- ls"),
        ("dev -", "-- dev -"),
        ("dev --time", "--time -- dev"),
        ("", "--"),
    ],
)
def test_options_come_before_the_command(typed: str, wanted: str) -> None:
    """
    Options are found before and after the agent, and those of the command are left to it.
    """
    options = [click.Option(["-t", "--time"]), click.Option(["-v"], is_flag=True)]
    assert in_order(typed.split(), options) == wanted.split()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("dev:a/b", CopyPlace("dev", "a/b")),
        ("dev:", CopyPlace("dev", "")),
        ("alice/dev.main:/x:y", CopyPlace("alice/dev.main", "/x:y")),
        ("file", CopyPlace("", "file")),
        ("./a:b", CopyPlace("", "./a:b")),
        ("/a:b", CopyPlace("", "/a:b")),
    ],
)
def test_places(text: str, place: CopyPlace) -> None:
    """
    The text before the first colon is an agent, unless it begins as a path.
    """
    assert parse_place(text) == place
    assert str(place) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [("dev:a/b/", "b"), ("dev:", ""), ("dev:~", ""), ("..", ""), ("x/y", "y"), ("dev:/", "")],
)
def test_names_of_places(text: str, name: str) -> None:
    """
    The name of a copy in a folder is the last part of the path, where that is a name.
    """
    assert parse_place(text).name == name


def test_a_row_is_one_line() -> None:
    """
    Tabs and line ends in cells are shown by their codes, and a missing value is an empty cell.
    """
    row = ("a\tb", None, 1.5, datetime(2026, 1, 2, tzinfo=UTC), "c\nd")
    assert tab_separated(row) == "a\\x09b\t\t1.5\t2026-01-02T00:00:00Z\tc\\x0ad"


@pytest.mark.parametrize(
    ("width", "widths"),
    [
        (200, {0: 10, 1: 20, 2: 20, 3: 40}),
        (84, {0: 10, 1: 8, 2: 20, 3: 40}),
        (70, {0: 10, 1: 8, 2: 8, 3: 38}),
        (48, {0: 10, 1: 8, 2: 8, 3: 16}),
        (45, {0: 10, 2: 8, 3: 23}),
        (30, {0: 10, 3: 18}),
        (10, {0: 4, 3: 4}),
        (1, {0: 1, 3: 1}),
    ],
)
def test_columns_fit(width: int, widths: dict[int, int]) -> None:
    """
    On a narrow terminal columns are cut first, then dropped by their rank, and what is left is wide again.
    """
    assert fitted(COLUMNS, [10, 20, 20, 40], width) == widths


def test_the_lines_of_an_error_are_sentences_of_one_line() -> None:
    """
    A full stop at the end of a line is none within a line.
    """
    assert (
        one_line(ValueError("It failed.\n\n Try again.\nOr not")) == "It failed; Try again; Or not"
    )
    assert one_line(ValueError()) == "ValueError"


def test_an_outage_ends_with_the_connection_though_the_state_stays_the_same() -> None:
    """
    The stream returns no state twice: a new connection alone shows that the old state holds.
    """
    watched: Watched[str] = Watched(agent_of(1), state="old")
    watched._note_break("it was cut", 1, 0.5)

    class Connected:
        stats = SimpleNamespace(reconnects=0)

        def poll(self, timeout: float) -> None:
            return None

    stream: Any = Connected()
    watched.stream = stream
    assert watched.poll(0) is None
    assert watched.outage is not None
    first = watched.outage
    watched._note_break("refused", 2, 1.0)
    assert (watched.outage.since, watched.outage.attempt) == (first.since, 2)
    watched._note_break("it was cut again", 1, 0.5)
    assert watched.outage.began > first.began
    stream.stats = SimpleNamespace(reconnects=1)
    assert watched.poll(0) is None
    assert watched.outage is None


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no such signal")
def test_a_second_signal_does_not_interrupt_what_the_first_one_lets_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    When a terminal is closed, SIGHUP comes from the system and from the shell.
    """
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    _end_in_order()
    with pytest.raises(SystemExit) as caught:
        handlers[signal.SIGHUP](signal.SIGHUP, None)
    assert caught.value.code == exits.HUNG_UP
    handlers[signal.SIGHUP](signal.SIGHUP, None)
    handlers[signal.SIGTERM](signal.SIGTERM, None)


def test_long_columns_share_the_room() -> None:
    """
    One very long name drops no column, and cuts another long one no more than itself.
    """
    columns = [
        TableColumn("A", is_long=True),
        TableColumn("B"),
        TableColumn("C", rank=1, is_long=True),
    ]
    assert fitted(columns, [120, 7, 51], 80) == {0: 35, 1: 7, 2: 34}
    assert fitted(columns, [120, 7, 12], 80) == {0: 57, 1: 7, 2: 12}
    assert fitted(columns, [120, 7, 51], 30) == {0: 21, 1: 7}
