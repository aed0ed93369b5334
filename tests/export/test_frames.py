"""
Rows as data frames and as tables of Arrow.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")

from coder_agents import Agent, AgentLog, Client, Results, export  # noqa: E402
from coder_agents.export.chunks import KINDS  # noqa: E402
from coder_agents.schema import (  # noqa: E402
    LogLevel,
    WorkspaceAgentContainer,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
)

from .conftest import Labelled  # noqa: E402

AT = datetime(2026, 11, 22, 8, 36, 52, 123_456, tzinfo=UTC)
TEXT = str(pandas.Series([""]).dtype)
LOG_TYPES = {
    "agent": "category",
    "id": "int64",
    "created_at": "datetime64[us, UTC]",
    "level": "category",
    "source": "category",
    "output": TEXT,
    "source_id": "category",
}


def log(id: int, **fields: Any) -> WorkspaceAgentLog:
    """
    Return a line.
    """
    return WorkspaceAgentLog(**{"id": id, "created_at": AT, "level": LogLevel.INFO, **fields})


def types(frame: Any) -> dict[str, str]:
    """
    Return the type of each column of *frame*.
    """
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def test_the_columns_of_a_frame_are_typed() -> None:
    """
    Times have a zone, and few different texts are categories.
    """
    frame = export.to_frame([log(1, output="a"), log(2, output="b")])
    assert types(frame) == LOG_TYPES
    assert list(frame["output"]) == ["a", "b"]
    assert frame["created_at"][0] == pandas.Timestamp(AT)


def test_the_types_do_not_depend_on_the_values() -> None:
    """
    Missing times and an empty stream of values leave the types as they are.
    """
    frame = export.to_frame([log(1, created_at=None, output="")])
    assert types(frame) == LOG_TYPES
    assert frame["created_at"].isna().all()
    assert frame["agent"].isna().all()


@pytest.mark.parametrize("kind", KINDS.values(), ids=[cls.__name__ for cls in KINDS])
def test_frames_and_tables_of_all_kinds_have_types(kind: Any) -> None:
    """
    Each column of no rows has the type that it has with rows.
    """
    from coder_agents.export.arrow import arrow_schema, arrow_table
    from coder_agents.export.frames import frame_of

    empty: list[Any] = [()] * len(kind.table.columns)
    frame = frame_of(kind.table, empty)
    assert list(frame) == kind.table.names
    full = [[_SAMPLE[column.type.value]] for column in kind.table.columns]
    assert types(frame_of(kind.table, full)) == types(frame)
    assert arrow_table(kind.table, full).schema == arrow_schema(kind.table)
    missing = [
        full[at] if column.is_required else [None] for at, column in enumerate(kind.table.columns)
    ]
    assert types(frame_of(kind.table, missing)) == types(frame)
    assert arrow_table(kind.table, missing).num_rows == 1


_SAMPLE: dict[str, Any] = {
    "text": "a",
    "category": "a",
    "integer": 2**62 + 1,
    "number": 0.5,
    "boolean": True,
    "time": AT,
    "mapping": {"a": "b"},
}


def test_nothing_has_the_columns_of_its_kind_where_the_kind_is_known(agent: Agent) -> None:
    """
    An empty answer, an empty stream and the metadata of no agents have all columns; an empty list
    has none.
    """
    empty = export.to_frame(WorkspaceAgentListContainersResponse())
    assert (len(empty), "labels" in empty) == (0, True)
    assert "key" in export.to_frame(Results.of([], kind=WorkspaceAgentMetadata))
    stream = agent.follow_logs(tail=0)
    stream.close()
    assert types(export.to_frame(stream)) == LOG_TYPES
    assert export.to_frame([]).shape == (0, 0)
    assert export.to_arrow([]).num_columns == 0
    assert export.to_arrow(stream).column_names == list(LOG_TYPES)


def test_levels_are_ordered_and_unknown_levels_are_above_all() -> None:
    """
    A frame is filtered by a level as a log is: an unknown level passes.
    """
    words = ["debug", "error", "fatal", "warn", "trace"]
    levels = [log(number, level=LogLevel(word)) for number, word in enumerate(words)]
    frame = export.to_frame(levels)
    assert list(frame[frame["level"] >= "warn"]["level"]) == ["error", "fatal", "warn"]
    assert frame["level"].max() == "fatal"


def test_times_of_all_zones_are_in_utc() -> None:
    """
    A time keeps its moment, whatever zone it has.
    """
    east = timezone(timedelta(hours=9))
    times = [AT, AT.astimezone(east), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), None]
    frame = export.to_frame([log(1, created_at=each) for each in times])
    assert [
        None if pandas.isna(each) else each.to_pydatetime() for each in frame["created_at"]
    ] == [*(AT, AT, times[2], None)]
    table = export.to_arrow([log(1, created_at=each) for each in times])
    assert table["created_at"].to_pylist() == [AT, AT, times[2], None]


def test_numbers_that_are_missing_leave_numbers(agent: Agent) -> None:
    """
    A missing float is NaN, and a missing integer leaves the others integers.
    """
    frame = export.to_frame({agent: agent.metadata()}).set_index("key")
    assert frame["number"].dtype == "float64"
    assert frame["number"].isna()["host"]
    assert frame["of"]["memory"] == 16.0
    assert str(frame["age"].dtype) == "Int64"
    assert list(frame["agent"]) == ["dev.main"] * 3


def test_large_ids_are_exact() -> None:
    """
    An id of 63 bits is not rounded.
    """
    assert export.to_frame(log(2**63 - 1))["id"][0] == 2**63 - 1
    assert export.to_arrow(log(2**63 - 1))["id"].to_pylist() == [2**63 - 1]


HALF = "a\ud800b"
SHOWN = "a\\ud800b"


@pytest.mark.parametrize("make", [export.to_frame, export.to_arrow])
def test_half_a_surrogate_pair_is_shown_by_its_code(make: Callable[[Any], Any]) -> None:
    """
    Text that UTF-8 cannot encode is in a frame and in a table, also in a category and a mapping.
    """
    agents = [
        AgentLog(Labelled(HALF), log(1, output=HALF)),
        AgentLog(Labelled(SHOWN), log(2, output="")),
    ]
    made = make(agents)
    assert [str(each) for each in made["agent"]] == [SHOWN, SHOWN]
    assert [str(each) for each in made["output"]] == [SHOWN, ""]
    labels = make(WorkspaceAgentContainer(name=HALF, labels={HALF: HALF}))
    assert str(labels["name"][0]) == SHOWN


def test_labels_are_a_map_of_arrow() -> None:
    """
    A mapping from text to text is a map in Arrow and a dict in pandas.
    """
    container = WorkspaceAgentContainer(labels={"team": "web"})
    assert export.to_arrow(container)["labels"].to_pylist() == [[("team", "web")]]
    assert export.to_frame(container)["labels"][0] == {"team": "web"}


def test_a_frame_of_an_iterable_takes_all_of_it(client: Client, agent: Agent) -> None:
    """
    A generator and a search are read to their ends.
    """
    lines = map(log, range(2500))
    assert list(export.to_frame(lines)["id"]) == list(range(2500))
    assert list(export.to_frame(client.agents())["agent"]) == ["dev.main"]


def test_a_frame_of_a_stream_takes_it_to_its_end(agent: Agent, ending: Callable[[], None]) -> None:
    """
    A stream that ends gives its lines with the name of its agent.
    """
    ending()
    with agent.follow_logs() as stream:
        frame = export.to_frame(stream)
    assert list(frame["output"]) == ["one", "two", "disk is full"]
    assert set(frame["agent"]) == {"dev.main"}


@pytest.mark.parametrize(
    ("library", "make", "call"),
    [
        ("pandas", lambda path: export.to_frame([]), "export.to_frame needs pandas"),
        ("pyarrow", lambda path: export.to_arrow([]), "export.to_arrow needs pyarrow"),
        (
            "pyarrow",
            lambda path: export.write([log(1)], path / "x.parquet"),
            "a Parquet file needs pyarrow",
        ),
    ],
)
def test_a_missing_library_names_its_extra(
    library: str,
    make: Callable[[Any], object],
    call: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    """
    The error names what to install, and a file is not begun.
    """
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"{call}: pip install 'coder-agents\\[data\\]'"):
        make(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_was_copied_has_the_same_row() -> None:
    """
    A frame of copies is the frame of the originals.
    """
    lines = [log(1), log(2, level=LogLevel("other"))]
    copies = [attrs.evolve(line) for line in lines]
    pandas.testing.assert_frame_equal(export.to_frame(copies), export.to_frame(lines))


def test_what_a_call_returns_becomes_a_frame(client: Client, agent: Agent) -> None:
    """
    Lists and searches have a method for it, and an empty list has the columns of its class.
    """
    assert list(agent.logs().to_frame()["output"]) == ["one", "two", "disk is full"]
    assert list(client.agents().to_frame()["name"]) == ["main"]
    assert types(agent.logs(grep="nothing").to_frame()) == LOG_TYPES
    assert types(agent.logs()[:0].copy().to_frame()) == LOG_TYPES
    first, second = agent.logs()[:0], agent.logs()[:0]
    assert types((first + second).to_frame()) == LOG_TYPES
    assert types(pickle.loads(pickle.dumps(agent.logs()[:0])).to_frame()) == LOG_TYPES
    nothing = client.workspaces("name:nothing")
    assert list(nothing.to_frame()) == list(client.workspaces().to_frame())
    assert "lifecycle_state" in client.agents("name:nothing").to_frame()
    assert "template" in nothing[:].to_frame()
    assert "key" in agent.metadata()[:0].to_frame()
    assert "port" in agent.listening_ports()[:0].to_frame()
    assert "pid" in agent.jobs().to_frame()
    with agent.watch_listening_ports() as stream:
        assert "port" in next(stream)[:0].to_frame()
