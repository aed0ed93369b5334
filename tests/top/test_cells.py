"""
What the table and the details show of an agent.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from coder_agents import schema
from coder_agents.cli.top.cells import Palette, cell, log_text, one_line, short_number
from coder_agents.cli.top.details import details, title
from coder_agents.cli.top.history import ReadingHistory
from coder_agents.cli.top.order import SortColumn
from coder_agents.schema import Number

from .states import item, log_of, port, state_of

HOSTILE = "[red]\x1b[31m\x1b]52;c;eA==\x07\u202eexe.txt\r\n\x00\u2028[/red]\U0001f600"
PALETTE = Palette(good="green", doubtful="yellow", bad="red", accent="blue")


def shown(renderable: RenderableType, width: int = 80) -> str:
    """
    Return what a terminal gets to see, without colours.
    """
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(renderable)
    return out.getvalue()


def plain(column: SortColumn, width: int = 60, **fields: object) -> str:
    """
    Return the text of a cell.
    """
    return cell(state_of(**fields), column, width, PALETTE).plain  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lifecycle", "text", "style"),
    [
        ("ready", "● ready", "green"),
        ("start_error", "✗ start error", "red"),
        ("starting", "◐ starting", "yellow"),
        ("off", "○ off", "dim"),
        ("", "◐ unknown", "yellow"),
    ],
)
def test_a_state_has_a_word_a_symbol_and_a_colour(lifecycle: str, text: str, style: str) -> None:
    """
    The symbol alone is left in a column that has no space for the word.
    """
    state = state_of(lifecycle=lifecycle)
    wide = cell(state, SortColumn.STATE, 15, PALETTE)
    assert (wide.plain, wide.style) == (text, style)
    assert cell(state, SortColumn.STATE, 1, PALETTE).plain == text[0]


def test_an_agent_that_is_not_connected_shows_the_connection() -> None:
    """
    Its lifecycle says nothing then.
    """
    assert plain(SortColumn.STATE, status="disconnected") == "✗ disconnected"
    assert plain(SortColumn.STATE, gone_at=1.0) == "○ gone"


def test_metadata_shows_numbers_first_with_their_history() -> None:
    """
    A text follows without bars, an error is named, and what was never collected is missing.
    """
    history = ReadingHistory().add(item("50%", at=0)).add(item("100%", at=1))
    text = plain(
        SortColumn.METADATA,
        metadata=[
            item("main\nsecond", key="git", name="Branch"),
            item("100%", at=1),
            item("", key="disk", name="Disk", error="no such file"),
            item("1", at=None, key="load", name="Load"),
        ],
        histories={"cpu": history},
    )
    assert text == "CPU 100% ▄█  Branch main  Disk error"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (60, "CPU 100% ▁▁▁▁▁▁▁█  RAM 1 ▁▁▁▁▁▁▁█"),
        (32, "CPU 100% ▁▁▁▁▁▁▁█  RAM 1 ▁▁▁▁▁▁█"),
        (24, "CPU 100% ▁▁▁█  RAM 1 ▁▁█"),
        (22, "CPU 100% ▁▁▁▁▁▁▁█"),
        (12, "CPU 100% ▁▁█"),
        (11, "CPU 100%"),
        (6, "CPU 1…"),
    ],
)
def test_metadata_fits_its_column(width: int, text: str) -> None:
    """
    Bars are given up before items, and the newest readings are shown.
    """
    cpu, ram = ReadingHistory(), ReadingHistory()
    for second in range(10):
        cpu = cpu.add(item("100%" if second == 9 else "1%", at=second))
        ram = ram.add(item("1" if second == 9 else "0", at=second))
    items = [item("100%", at=9), item("1", at=9, key="ram", name="RAM")]
    histories = {"cpu": cpu, "ram": ram}
    assert plain(SortColumn.METADATA, width, metadata=items, histories=histories) == text


def test_metadata_that_could_not_be_read_shows_why() -> None:
    """
    The reason gives way to the last metadata, where there is any.
    """
    problems = {"metadata": "status 500"}
    assert plain(SortColumn.METADATA, problems=problems) == "status 500"
    assert plain(SortColumn.METADATA, problems=problems, metadata=[item("1%")]) == "CPU 1%"
    assert plain(SortColumn.METADATA) == ""


def test_a_log_cell_shows_the_last_state_of_the_line() -> None:
    """
    A progress bar shows its end, and a log that cannot be followed the reason.
    """
    assert plain(SortColumn.LOG, log=log_of(" 5%\r\x1b[32m100%\x1b[0m")) == "100%"
    assert plain(SortColumn.LOG, problems={"log": "status 404"}) == "status 404"
    assert cell(state_of(log=log_of("x", level="error")), SortColumn.LOG, 9, PALETTE).style == "red"


def test_a_ports_cell_shows_numbers() -> None:
    """
    Ports that could not be read are unknown, which is not the same as none.
    """
    assert plain(SortColumn.PORTS, ports=[port(3000), port(8080, "node")]) == "3000 8080"
    assert plain(SortColumn.PORTS, ports=[]) == ""
    assert plain(SortColumn.PORTS, problems={"ports": "time-out"}) == "unknown"


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE * 20_000, "\u4e2d" * 100_000, "\t" * 9])
def test_hostile_text_does_no_harm(text: str) -> None:
    """
    Names, values, lines and reasons stay in their cells, on one line, without controls and markup.
    """
    state = state_of(
        text,
        text,
        lifecycle=text,
        operating_system=text,
        version=text,
        latency={text: schema.DERPRegion()},
        health=schema.WorkspaceAgentHealth(reason=text),
        metadata=[item(text, name=text), item("", key="x", name=text, error=text)],
        log=log_of(text),
        ports=[port(1, text)],
        problems={"log": text},
    )
    for column in SortColumn:
        found = cell(state, column, 30, PALETTE)
        assert found.cell_len <= 30
        assert found.plain.isprintable()
    for renderable in (title(state, PALETTE), details(state, PALETTE, 60)):
        lines = shown(renderable, 60).split("\n")
        assert all(line.isprintable() for line in lines)
        assert len(lines) < 700
        if "red" in text:
            assert any("[red]" in line for line in lines)


def test_colours_of_a_log_line_are_shown_and_nothing_else_is_obeyed() -> None:
    """
    The text is that of the line, with escapes by their codes, and cut where it is endless.
    """
    text = log_text(log_of("\x1b[31mred\x1b[0m \x1b[2J[b]\tx"))
    assert text.plain == "red \\x1b[2J[b]    x"
    assert [(span.start, span.end, str(span.style)) for span in text.spans] == [(0, 3, "color(1)")]
    assert len(log_text(log_of("x" * 100_000)).plain) == 2001


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(28.123456, None, "%"), "28.12%"),
        (Number(3.2, 16.0, "GiB"), "3.2/16 GiB"),
        (Number(123456.7), "123,457"),
        (Number(1e20), "1e+20"),
        (Number(0.0001), "0.0001"),
    ],
)
def test_numbers_are_short(number: Number, text: str) -> None:
    """
    Four digits are enough in a table.
    """
    assert short_number(number) == text


def test_a_cut_text_ends_with_an_ellipsis() -> None:
    """
    The limit counts characters.
    """
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("a\tb") == "a b"
    assert one_line("a\r\nb\r\n") == "a ⏎ b"


def test_a_palette_takes_only_colours_that_rich_knows() -> None:
    """
    Themes for terminals with few colours have names that rich does not know.
    """
    palette = Palette.of({"text-success": "#8AD4A1", "text-error": "ansi_red"})
    assert (palette.good, palette.bad, palette.doubtful) == ("#8AD4A1", "", "")


def test_details_show_everything_about_an_agent() -> None:
    """
    Items have their age and a picture, errors their reason, long texts a few lines.
    """
    history = ReadingHistory().add(item("50%", at=0)).add(item("100%", at=1))
    state = state_of(
        operating_system="linux",
        architecture="amd64",
        version="v2.31.0",
        health=schema.WorkspaceAgentHealth(reason="a script failed"),
        metadata=[
            item("100%", at=1, age=7),
            item("one\n" * 9, key="text", name="Text", age=600, interval=1),
            item("", key="bad", name="Bad", error="no such file"),
            item("", at=None, key="new", name="New"),
        ],
        histories={"cpu": history},
        ports=[port(8080, "node"), port(9000)],
        problems={"log": "status 500"},
    )
    text = shown(details(state, PALETTE, 78))
    for part in (
        "linux/amd64  v2.31.0",
        "a script failed",
        "7 s ago",
        "10 min ago, stale",
        "no such file",
        "not collected",
        "8080 node  9000",
        "log: status 500",
        "…",
    ):
        assert part in text
    assert text.count("one") == 6
    assert text.count("█") == 3  # two for all of it, one for half of it
    assert shown(title(state, PALETTE)) == "alice/dev.main  ● ready\n"
    assert shown(details(state_of(), PALETTE, 20)) == "\n"
