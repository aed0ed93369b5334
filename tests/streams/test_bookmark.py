"""
A bookmark is text that says exactly where a log was left.
"""

from __future__ import annotations

import tracemalloc
import uuid

import pytest
from effort import times
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_agents.streams.bookmark import Bookmark

AGENT = uuid.UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
OTHER = uuid.UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0f")
LARGEST = 2**63 - 1
HEAD = f"1:{AGENT}:1000:"

FEW = settings(max_examples=times(20, 200), deadline=None)
floors = st.one_of(st.integers(0, 50), st.integers(0, LARGEST - 10_000))
offsets = st.sets(st.one_of(st.integers(1, 40), st.integers(1, 10_000)), max_size=60)


def text_of(floor: int, ids: set[int]) -> str:
    """
    Return the text of a bookmark.
    """
    return str(Bookmark.of(AGENT, floor, sorted(ids)))


@FEW
@given(floors, offsets)
def test_a_bookmark_survives_the_round_trip(floor: int, above: set[int]) -> None:
    """
    This holds for any floor and any ids above it.
    """
    ids = {floor + offset for offset in above}
    bookmark = Bookmark.of(AGENT, floor, sorted(ids))
    read = Bookmark.read(str(bookmark), AGENT)
    assert read == bookmark
    assert read.floor == floor
    assert list(read.ids()) == sorted(ids)


@pytest.mark.parametrize(
    ("floor", "ids", "text"),
    [
        (0, set(), f"1:{AGENT}:0:."),
        (1042, {1045, 1046, 1047, 1062}, f"1:{AGENT}:1042:3-5,20."),
        (LARGEST, set(), f"1:{AGENT}:{LARGEST}:."),
        (LARGEST - 2, {LARGEST - 1, LARGEST}, f"1:{AGENT}:{LARGEST - 2}:1-2."),
        (0, {1, LARGEST}, f"1:{AGENT}:0:1,{LARGEST}."),
    ],
)
def test_its_text_holds_ranges_counted_from_the_floor(floor: int, ids: set[int], text: str) -> None:
    """
    They reach up to the largest id there can be.
    """
    assert text_of(floor, ids) == text
    assert list(Bookmark.read(text, AGENT).ids()) == sorted(ids)


def test_neighbouring_ids_are_one_range() -> None:
    """
    Ten thousand of them take no more room than two, wherever they are.
    """
    floor = LARGEST - 20_000
    bookmark = Bookmark.of(AGENT, floor, range(floor + 1, floor + 10_001))
    assert bookmark.ranges == ((floor + 1, floor + 10_000),)
    assert str(bookmark) == f"1:{AGENT}:{floor}:1-10000."
    assert len(list(bookmark.ids())) == 10_000


@FEW
@given(floors, offsets)
def test_its_text_is_small_and_plain(floor: int, above: set[int]) -> None:
    """
    ASCII that no shell and no table splits; no more than an offset and a sign for each id.
    """
    text = text_of(floor, {floor + offset for offset in above})
    assert set(text) <= set("0123456789abcdef-:,.")
    assert len(text) <= len(f"1:{AGENT}:{floor}:.") + 6 * len(above)


def test_that_of_another_agent_is_refused() -> None:
    """
    The error has the names of both agents.
    """
    text = str(Bookmark.of(OTHER, 5, [7]))
    with pytest.raises(ValueError, match="the bookmark belongs to agent") as raised:
        Bookmark.read(text, AGENT)
    assert str(OTHER) in str(raised.value)
    assert str(AGENT) in str(raised.value)


@FEW
@given(floors, offsets, st.data())
def test_one_that_was_cut_off_is_refused(floor: int, above: set[int], data: st.DataObject) -> None:
    """
    After any character: what is left would say something else.
    """
    text = text_of(floor, {floor + offset for offset in above})
    size = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(ValueError, match="is neither a bookmark nor an id"):
        Bookmark.read(text[:size], AGENT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        ".",
        "1:",
        f"2:{AGENT}:1000:.",
        f"1:{AGENT}:.",
        f"1:{AGENT}::.",
        f"1:{AGENT}:-5:.",
        f"1:{AGENT}:1000.",
        f"1:{str(AGENT).upper()}:1000:.",
        f"1:{AGENT.hex}:1000:.",
        f"1:{AGENT}:{'1' * 20}:.",
        f"1:{AGENT}:1\N{ARABIC-INDIC DIGIT ONE}:.",
        f" {HEAD}3-17.",
        f"{HEAD}3-17. ",
        f"{HEAD}3-17.\n",
        f"{HEAD}3-17..",
        f"{HEAD}3-17,.",
        f"{HEAD},3-17.",
        f"{HEAD}3,,5.",
        f"{HEAD}3-.",
        f"{HEAD}-3.",
        f"{HEAD}3-5-7.",
        f"{HEAD}3--5.",
        f"{HEAD}3, 5.",
        f"{HEAD}+3.",
        f"{HEAD}0x3.",
        f"{HEAD}1e3.",
        f"{HEAD}1_000.",
        f"{HEAD}{'1' * 20}.",
        f"{HEAD}1-{'1' * 20}.",
        f"{HEAD}3.5.",
    ],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    """
    It is shown in the error.
    """
    with pytest.raises(ValueError, match="is neither a bookmark nor an id") as raised:
        Bookmark.read(text, AGENT)
    assert repr(text)[:80].rstrip("'") in str(raised.value)


@pytest.mark.parametrize(
    ("ranges", "says"),
    [
        ("0", "from 0 to 0"),
        ("0-3", "from 0 to 3"),
        ("5-3", "from 5 to 3"),
        ("5,3", "from 3 to 3"),
        ("3,3", "from 3 to 3"),
        ("3-5,5", "from 5 to 5"),
        ("3-9,5-7", "from 5 to 7"),
        ("3-9,8-12", "from 8 to 12"),
        ("7-9,1-3", "from 1 to 3"),
        ("1-9999999999999999999", "from 1 to 9999999999999999999"),
        (str(LARGEST - 999), f"from {LARGEST - 999} to {LARGEST - 999}"),
        (f"{LARGEST - 1001}-{LARGEST - 999}", f"to {LARGEST - 999}"),
        ("1-10000001", "from 1 to 10000001"),
        ("1-9999999,10000001-10000002", "from 10000001 to 10000002"),
    ],
)
def test_ids_that_cannot_be_are_refused(ranges: str, says: str) -> None:
    """
    Reordered, overlapping, none, too large, or more of them than anything can hold.
    """
    with pytest.raises(ValueError, match="the bookmark is damaged: it has ids") as raised:
        Bookmark.read(f"{HEAD}{ranges}.", AGENT)
    assert str(raised.value).endswith(says)


def test_the_largest_that_can_be_are_accepted() -> None:
    """
    Ten million ids, and the largest id, cost nothing to read.
    """
    assert Bookmark.read(f"{HEAD}1-10000000.", AGENT).ranges == ((1001, 10_001_000),)
    assert Bookmark.read(f"{HEAD}{LARGEST - 1000}.", AGENT).ranges == ((LARGEST, LARGEST),)


@pytest.mark.parametrize("floor", [LARGEST + 1, 10**19 - 1])
def test_a_floor_that_cannot_be_is_refused(floor: int) -> None:
    """
    A deployment would refuse to be asked behind it.
    """
    with pytest.raises(ValueError, match=f"damaged: no id is as large as {floor}"):
        Bookmark.read(f"1:{AGENT}:{floor}:.", AGENT)


@pytest.mark.parametrize(
    "tail",
    [
        "1" * 1_000_000,
        "1," * 500_000,
        "1," * 500_000 + "x.",
        "1-1," * 250_000,
        "1-" * 500_000 + ".",
        "," * 1_000_000 + ".",
        ("1" * 19 + ",") * 50_000,
        "1" * 19 + "-" + "1" * 1_000_000 + ".",
        "1-9999999999999999999," * 45_000 + "1.",
        "1," * 500_000 + "1.",
        "\N{FULLWIDTH DIGIT ONE}" * 1_000_000 + ".",
    ],
    ids=lambda tail: f"{tail[:8]}...{tail[-4:]}".encode("ascii", "replace").decode(),
)
def test_a_long_hostile_text_is_refused_at_once(tail: str) -> None:
    """
    A million characters are looked at once, and the error does not repeat them.

    One look at each takes little more memory than they do; going back over them would take
    some hundred times that, or for ever.
    """
    text = HEAD + tail
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="bookmark") as raised:
            Bookmark.read(text, AGENT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(str(raised.value)) < 250
    assert peak < 60_000_000


@FEW
@given(st.text(alphabet="0123456789,-.", max_size=30))
def test_any_tail_is_refused_or_read_as_it_is_written(tail: str) -> None:
    """
    What is read are ascending ranges above the floor: those that are written there.
    """
    try:
        read = Bookmark.read(HEAD + tail, AGENT)
    except ValueError:
        return
    ends = [end for first, last in read.ranges for end in (first, last + 1)]
    assert ends == sorted(ends)
    written = [part.split("-") for part in tail.removesuffix(".").split(",") if part]
    assert [(1000 + int(part[0]), 1000 + int(part[-1])) for part in written] == list(read.ranges)
    assert all(first > 1000 for first, _ in read.ranges)


near = st.builds(
    lambda floor, above: Bookmark.of(AGENT, floor, sorted(floor + each for each in above)),
    st.integers(0, 30),
    st.sets(st.integers(1, 40), max_size=20),
)


@given(near, near)
def test_the_union_of_two_bookmarks_covers_what_either_covers(
    first: Bookmark, second: Bookmark
) -> None:
    """
    Each id is in the union exactly if it is in one of the two, and the union can be read again.
    """
    union = first.union(second)
    either = {number for number in range(90) if number in first or number in second}
    assert {number for number in range(90) if number in union} == either
    assert union == second.union(first)
    assert Bookmark.read(str(union), AGENT) == union


@given(near)
def test_a_bookmark_contains_its_floor_and_its_ids(bookmark: Bookmark) -> None:
    """
    The ids up to the floor and the ids above it are covered, and no others.
    """
    covered = {*range(bookmark.floor + 1), *bookmark.ids()}
    assert {number for number in range(90) if number in bookmark} == covered


def test_the_bookmark_of_any_agent_can_be_read() -> None:
    """
    A text names its agent, and a text that is no bookmark raises an error.
    """
    for agent in (AGENT, OTHER):
        bookmark = Bookmark.of(agent, 5, (7,))
        assert Bookmark.read_any(str(bookmark)) == bookmark
    for text in ("", "7", "1:2:3:."):
        with pytest.raises(ValueError, match="is no bookmark"):
            Bookmark.read_any(text)
