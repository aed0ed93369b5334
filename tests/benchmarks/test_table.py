"""
The table of the benchmarks says what was measured, and what of it is too much.
"""

from __future__ import annotations

import platform
from importlib import util
from typing import Any

import attrs
import bench
import pytest
from contest import contests, golang, machine, rounds, rows, table
from contest.figures import QUICK, Figures, Scale, drained, repeated

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

EVERYONE = [(contest, one) for contest in contests.CONTESTS for one in contest.contestants]

CONTEST = rows.Contest(
    key="work",
    title="A work",
    unit="a piece",
    contestants=(
        rows.Contestant(label="ours", work="ours.x", against="limit", bound=2.0),
        rows.Contestant(label="limit", work="limits.x", why="the limit itself"),
        rows.Contestant(label="peer", work="peers.x", against="limit", why="a peer"),
    ),
)


def results(*costs: float | str, contest: rows.Contest = CONTEST) -> list[rounds.Result]:
    """
    Return a result for each contestant: so many seconds, or why it is absent.
    """
    return [
        rounds.Result(one, absent=cost)
        if isinstance(cost, str)
        else rounds.Result.of(one, [Figures(cpu=cost, wall=cost * 2, bytes=cost)])
        for one, cost in zip(contest.contestants, costs, strict=True)
    ]


def test_every_row_has_a_bound_or_says_why_not() -> None:
    """
    No line is left without a promise by accident.
    """
    for contest, contestant in EVERYONE:
        where = f"{contest.key}: {contestant.label}"
        assert (contestant.bound is None) == bool(contestant.why), where


def test_every_limit_is_in_the_same_contest() -> None:
    """
    A ratio is one to a contestant that was measured with it.
    """
    for contest, contestant in EVERYONE:
        labels = [one.label for one in contest.contestants]
        assert len(set(labels)) == len(labels), contest.key
        assert not contestant.against or contestant.against in labels, contestant.label


@pytest.mark.parametrize("work", sorted({contestant.work for _, contestant in EVERYONE}))
def test_every_work_is_there(work: str) -> None:
    """
    What a row names can be run: a function, a word of the Go program, a statement.
    """
    room, _, name = work.partition(".")
    if room == "go":
        assert f'case "{name}"' in (golang.SOURCE / "main.go").read_text(encoding="utf-8")
    elif room == "import":
        compile(name, "statement", "exec")
    else:
        spec: Any = util.find_spec(f"contest.{room}")
        assert f"\ndef {name}(scale: Scale) -> Figures:\n" in spec.loader.get_source(spec.name)


def test_decoding_is_measured_with_both_feeds() -> None:
    """
    Each work off a socket and each list of logs has a row whose times repeat, and one whose
    times do not; all contestants of a row get the same feed.
    """
    by_key = {contest.key: contest for contest in contests.CONTESTS}
    for key in ("logs", "metadata", "single", "body", "hundred"):
        assert {one.different for one in by_key[key].contestants} == {False}
        assert {one.different for one in by_key[f"{key}-different"].contestants} == {True}
    scale = rounds.command(by_key["logs-different"].contestants[0], Scale())[4]
    assert '"different": true' in str(scale)


def test_bounds_are_told_from_what_was_measured() -> None:
    """
    A ratio beyond its bound is called missed, one at its bound is not; a limit is called one.
    """
    assert [one.verdict for one in table.compared(CONTEST, results(2.0, 1.0, 9.0))] == [
        "ok",
        "limit",
        "",
    ]
    lines = table.compared(CONTEST, results(2.1, 1.0, 9.0))
    assert table.missed(lines) == ["ours"]
    assert table.missed(table.compared(CONTEST, results(2.1, 1.0, 9.0), slack=1.6)) == []


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    """
    A round in which the whole machine was slow counts as the others do.
    """
    ours, limit, _ = CONTEST.contestants
    own = rounds.Result.of(ours, [Figures(cpu=cpu) for cpu in (1.5, 15.0, 1.7)])
    other = rounds.Result.of(limit, [Figures(cpu=cpu) for cpu in (1.0, 10.0, 1.0)])
    [line, _] = table.compared(CONTEST, [own, other])
    assert (line.cpu, line.ratio, line.verdict) == ("1.7 s", "1.50", "ok")


def test_memory_without_a_limit_is_compared_by_its_bytes() -> None:
    """
    Where there is nothing to compare with, the bound is what a piece may cost.
    """
    [contest] = [one for one in contests.CONTESTS if one.key == "kept"]
    lines = table.compared(contest, results(280.0, 350.0, contest=contest))
    assert [(one.cpu, one.bound, one.verdict) for one in lines] == [
        ("280 B", "290 B", "ok"),
        ("350 B", "345 B", "MISSED"),
    ]


def test_an_absent_contestant_is_shown_as_absent() -> None:
    """
    A peer that is not installed is a line that says so, and nothing else is touched by it.
    """
    lines = table.compared(CONTEST, results(1.0, 1.0, "httpx not installed"))
    assert lines[2] == table.Line("peer", absent="absent: httpx not installed")
    assert "  peer" in table.text([CONTEST], {"work": lines})
    assert "absent: httpx not installed" in table.text([CONTEST], {"work": lines})
    assert table.missed(lines) == []


def test_without_its_limit_a_bound_is_not_compared() -> None:
    """
    Where Go is missing there is no ratio to it, and no failure.
    """
    line = table.compared(CONTEST, results(1.0, "go is not on the path", 1.0))[0]
    assert (line.ratio, line.bound, line.verdict) == ("", "2.00", "")


def test_a_missing_module_makes_its_contestants_absent() -> None:
    """
    What is needed is looked for before anything is run.
    """
    one = rows.Contestant(label="x", work="peers.x", why="a peer", needs=("json", "no_such_one"))
    assert rounds.absent(one) == "no_such_one not installed"
    assert rounds.absent(attrs.evolve(one, needs=("json",))) == ""


def test_without_go_its_lines_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A machine without Go has the rest of the table.
    """
    monkeypatch.setenv("PATH", "")
    golang.absent.cache_clear()
    rounds.absent.cache_clear()
    try:
        one = rows.Contestant(label=rows.GO, work="go.follow", why="the limit itself")
        assert rounds.absent(one) == "go is not on the path"
        assert golang.version() == ""
    finally:
        golang.absent.cache_clear()
        rounds.absent.cache_clear()


def test_text_is_aligned_and_fits_a_terminal() -> None:
    """
    Columns end where their headings end, and no line is longer than 120 columns.
    """
    lines = {
        contest.key: table.compared(
            contest,
            results(
                *(number + 0.001 for number in range(1, len(contest.contestants) + 1)),
                contest=contest,
            ),
        )
        for contest in contests.CONTESTS
    }
    text = table.text(contests.CONTESTS, lines).splitlines()
    assert max(map(len, text)) <= 120
    bound = text[0].index("bound") + len("bound")
    compared = [line for line in text if line.endswith(("  ok", "  MISSED"))]
    assert {line.rindex("  ") for line in compared} == {bound}
    for row in lines["logs"]:
        assert any(row.label in line and row.cpu in line for line in text)


def test_documentation_has_every_line() -> None:
    """
    The page's tables have the lines of the terminal's.
    """
    text = table.rst([CONTEST], {"work": table.compared(CONTEST, results(1.5e-6, 1e-6, "gone"))})
    assert text.splitlines()[:2] == [".. list-table:: A work; a piece", "   :header-rows: 1"]
    assert "   * - ours\n     - 1.5 µs\n     - 3 µs\n     - 1.50\n     - 2.00\n     - ok" in text
    assert "   * - peer\n     -\n     -\n     -\n     -\n     - absent: gone" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.0, "2 s"), (0.1234, "123 ms"), (2.64e-3, "2.64 ms"), (4.567e-6, "4.57 µs")],
)
def test_times_have_three_digits(seconds: float, text: str) -> None:
    """
    A time is told as exactly as it is worth.
    """
    assert table.time(seconds) == text


def test_guard_needs_neither_go_nor_peers() -> None:
    """
    The guard against regressions has only lines that run with the tests' requirements.
    """
    chosen = bench.selected(bench.parsed(["--check"]), QUICK)
    names = {one.work.partition(".")[0] for contest in chosen for one in contest.contestants}
    assert names == {"ours", "limits", "import"}
    needs = {name for contest in chosen for one in contest.contestants for name in one.needs}
    assert needs == {"msgspec"}


def test_titles_tell_how_much_is_done() -> None:
    """
    A quick run's title names the quick run's size.
    """
    titles = [one.title for one in bench.selected(bench.parsed(["--quick"]), QUICK)]
    assert "A body of 10,000 logs, 0.2 KB each, to objects, times repeat" in titles
    assert not any("{" in title for title in titles)


def test_documentation_is_written_of_whole_runs_only(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A part of the table cannot take the place of all of it.
    """
    with pytest.raises(SystemExit):
        bench.parsed(["--write", "--quick"])
    assert "complete run" in capsys.readouterr().err


def test_what_is_measured_is_counted() -> None:
    """
    Warming up does not count, and a work that ends too early is an error.
    """
    assert drained(range(1, 10), warm=3, count=5, each=95).count == 475
    assert repeated(str, 7).count == 7
    with pytest.raises(ValueError, match="fewer than 5"):
        drained(range(1, 8), warm=3, count=5)


def test_a_contestant_runs_in_a_process_without_what_it_shall_not_find() -> None:
    """
    A small contest runs from its processes to its table.
    """
    contest = rows.Contest(
        key="import",
        title="x",
        unit="a process",
        contestants=(
            rows.Contestant(
                label="without",
                work="import.import sys; assert sys.modules['msgspec'] is None",
                why="a test",
                without=("msgspec",),
            ),
        ),
    )
    told: list[str] = []
    found = rounds.measured([contest], Scale(), 2, told.append)
    assert found["import"][0].cpu > 0
    assert told == ["round 1 of 2: import", "round 2 of 2: import"]


@pytest.mark.parametrize(
    ("work", "rounds_more"), [("import.pass", 0), ("import.import decimal", 6)]
)
def test_the_guard_measures_a_missed_bound_again(work: str, rounds_more: int) -> None:
    """
    Only a contest that misses its bound runs again, twice; one that always misses it stays missed.
    """
    limit = rows.Contestant(label="limit", work="import.pass", why="a test")
    bounds = {0: 1e9, 6: 1e-9}
    other = rows.Contestant(label="other", work=work, against="limit", bound=bounds[rounds_more])
    contest = rows.Contest(key="x", title="x", unit="x", contestants=(limit, other))
    results = rounds.measured([contest], Scale(), 1, str)
    told: list[str] = []
    bench.measure_again([contest], results, Scale(), 1.0, told.append)
    assert len(told) == rounds_more
    missed = table.missed(table.compared(contest, results["x"]))
    assert missed == (["other"] if rounds_more else [])


def test_a_contestant_that_fails_is_no_figure() -> None:
    """
    What a contestant complains of is told.
    """
    contest = rows.Contest(
        key="x",
        title="x",
        unit="x",
        contestants=(rows.Contestant(label="x", work="import.import no_such_one", why="a test"),),
    )
    with pytest.raises(rounds.WorkError, match="no_such_one"):
        rounds.measured([contest], Scale(), 1, str)


def test_machine_is_described_without_its_folders() -> None:
    """
    The description can be published.
    """
    text = "\n".join(machine.described())
    assert platform.python_version() in text
    assert str(bench.DOCS.parent) not in text
