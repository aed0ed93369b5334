"""
Log lines as records of Python's logging.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from driving import signalled_when_waiting

from coder_agents import AgentLog, Client, StreamEnd, StreamOptions, schema, to_logging
from coder_agents.testing import Deployment

MOMENT = datetime(2026, 11, 28, 12, 30, 15, 678_901, tzinfo=UTC)


class Kept(logging.Handler):
    """
    A handler that keeps the records.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """
        Keep *record*.
        """
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        """
        The messages of the records.
        """
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept() -> Kept:
    """
    The handler of the logger.
    """
    return Kept()


@pytest.fixture
def logger(kept: Kept) -> Iterator[logging.Logger]:
    """
    A logger that keeps all records.
    """
    # A logger that pytest does not see: it could not report a record that has no UTF-8.
    logger = logging.Logger("workspaces", logging.DEBUG)  # noqa: LOG001
    logger.addHandler(kept)
    yield logger
    logger.removeHandler(kept)


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment without agents.
    """
    with Deployment() as made:
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client(stream_options=StreamOptions(settle=0)) as made:
        yield made


def line(output: str = "x", level: str = "info", **fields: Any) -> schema.WorkspaceAgentLog:
    """
    Return a line.
    """
    return schema.WorkspaceAgentLog(
        output=output, level=schema.LogLevel(level), **{"id": 7, "created_at": MOMENT, **fields}
    )


def names_of(record: logging.LogRecord) -> tuple[str, str, str, str]:
    """
    Return the names that *record* has.
    """
    found: Any = record
    return found.owner, found.workspace, found.agent, found.source


@pytest.mark.parametrize(
    ("level", "number"),
    [("trace", 10), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40), ("fatal", 20)],
)
def test_each_level_has_its_level(
    level: str, number: int, logger: logging.Logger, kept: Kept
) -> None:
    """
    A level that this package does not know is no reason to hide a line.
    """
    assert to_logging([line(level=level)], logger) == 1
    assert kept.records[0].levelno == number


def test_a_record_has_the_time_of_its_line(logger: logging.Logger, kept: Kept) -> None:
    """
    Every form of the time is that at which the deployment stored the line.
    """
    earlier = MOMENT - timedelta(seconds=1)
    to_logging([line(), line(created_at=earlier), line(created_at=None)], logger)
    first, second, now = kept.records
    assert first.created == MOMENT.timestamp()
    assert first.msecs == 678.0
    assert math.isclose(first.relativeCreated - second.relativeCreated, 1000, abs_tol=50)
    formatter = logging.Formatter("%(asctime)s", "%H:%M:%S")
    formatter.converter = lambda seconds: datetime.fromtimestamp(seconds or 0, UTC).timetuple()
    assert formatter.format(first) == "12:30:15"
    assert now.created > MOMENT.timestamp() - 1e9
    assert abs(now.created - datetime.now(UTC).timestamp()) < 3600


def test_a_message_is_one_line_unless_it_is_raw(logger: logging.Logger, kept: Kept) -> None:
    """
    Colours are removed and controls shown by their codes; a percent sign is itself.
    """
    hostile = "10%\r\x1b[31m50 %s %d\x1b[0m\x1b]0;x\x07\n\u202e\ud800"
    to_logging([line(hostile)], logger)
    to_logging([line(hostile)], logger, raw=True)
    safe, raw = kept.messages
    assert safe == "50 %s %d\\x1b]0;x\\x07\\x0a\\u202e\\ud800"
    assert raw == hostile


def test_lines_below_the_level_are_counted_and_not_logged(
    logger: logging.Logger, kept: Kept
) -> None:
    """
    The result is the number of lines, not of records.
    """
    logger.setLevel(logging.WARNING)
    assert to_logging([line(), line(level="warn"), line()], logger) == 2 + 1
    assert len(kept.records) == 1


def test_a_filter_of_the_logger_applies(logger: logging.Logger, kept: Kept) -> None:
    """
    The logger handles each record as its own.
    """
    logger.addFilter(lambda record: record.getMessage() != "no")
    assert to_logging([line("yes"), line("no")], logger) == 2
    assert kept.messages == ["yes"]


def test_a_stream_names_its_agent(
    deployment: Deployment, client: Client, logger: logging.Logger, kept: Kept
) -> None:
    """
    A record of a stream of one agent has the names and the id, and the stream ends as it would.
    """
    agent = deployment.add_agent(scripts=["echo hello"], owner="alice", workspace="api")
    found = client.wait_ready("alice/api")
    deployment.workspace("api", owner="alice").start_build("stop").complete()
    with found.follow_logs() as stream:
        assert to_logging(stream, logger) == len(kept.records) == 1
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD
    assert kept.messages == ["hello"]
    owner, workspace, name, source = names_of(kept.records[0])
    assert (owner, workspace, name) == ("alice", "api", agent.name)
    assert source
    assert kept.records[0].id == found.logs()[0].id  # type: ignore[attr-defined]


def test_a_stream_of_several_agents_names_each(
    deployment: Deployment, client: Client, logger: logging.Logger, kept: Kept
) -> None:
    """
    Each record has the agent of its line; the lines of a list have none.
    """
    found = {}
    for name in ("one", "two"):
        deployment.add_agent(workspace=name).push_logs([f"from {name}"])
        found[name] = client.agent(name)
        deployment.workspace(name).start_build("stop").complete()
    agents = deployment.agents
    names = ("one", "two")
    with client.follow_logs([found[name] for name in names]) as stream:
        assert to_logging(stream, logger) == 2
    assert sorted(kept.messages) == ["from one", "from two"]
    kept.records.clear()
    to_logging([AgentLog(client.agent(agents[0].id), line())], logger)
    to_logging(client.agent(agents[0].id).logs(), logger)
    assert [names_of(record)[:3] for record in kept.records] == [("", "", "main"), ("", "", "")]


def test_names_are_escaped_unless_they_are_raw(logger: logging.Logger, kept: Kept) -> None:
    """
    A workspace whose name breaks the line breaks only a raw record.
    """
    stage = "a\nb"
    build = schema.ProvisionerJobLog(stage=stage, id=3, created_at=MOMENT)
    for raw in (False, True):
        assert to_logging([build], logger, raw=raw) == 1
    assert [names_of(record)[3] for record in kept.records] == ["a\\x0ab", "a\nb"]
    assert kept.messages == ["==> a\\x0ab", "==> a\nb"]


def test_a_factory_of_records_may_set_the_same_attributes(
    logger: logging.Logger, kept: Kept
) -> None:
    """
    A program whose records have a source of their own gets that of the line.
    """

    class Sourced(logging.LogRecord):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.source = "program"

    logging.setLogRecordFactory(Sourced)
    try:
        to_logging([line()], logger)
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert isinstance(kept.records[0], Sourced)
    assert kept.records[0].source != "program"


def test_the_log_of_a_build_is_logged(
    deployment: Deployment, client: Client, logger: logging.Logger, kept: Kept
) -> None:
    """
    The source of a line is the stage of the build.
    """
    deployment.add_agent()
    with client.follow_build_logs("dev") as stream:
        count = to_logging(stream, logger)
    assert count == len(kept.records) > 0
    assert all(record.levelno == logging.INFO for record in kept.records)
    assert names_of(kept.records[-1])[3] != ""


def test_ctrl_c_passes(
    deployment: Deployment, client: Client, logger: logging.Logger, kept: Kept
) -> None:
    """
    An interrupt ends the wait for the next line, and the stream with it.
    """
    deployment.add_agent().push_logs(["one"])
    stream = client.agent("dev").follow_logs()
    with pytest.raises(KeyboardInterrupt), signalled_when_waiting():
        to_logging(stream, logger)
    assert kept.messages == ["one"]
    assert stream.end is StreamEnd.INTERRUPTED


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("a line", "lines must be log lines, such as agent.follow_logs.. yields, not str"),
        (5, "lines must be log lines, such as agent.follow_logs.. yields, not int"),
        (["a line"], "one of them is a str"),
    ],
)
def test_what_is_no_line_is_refused(lines: Any, text: str, logger: logging.Logger) -> None:
    """
    The error names what to pass instead.
    """
    with pytest.raises(TypeError, match=text):
        to_logging(lines, logger)


def test_what_is_no_logger_is_refused() -> None:
    """
    The name of a logger is no logger.
    """
    with pytest.raises(TypeError, match=r"logging.getLogger\('workspaces'\) returns, not str"):
        to_logging([], "workspaces")  # type: ignore[arg-type]


def test_a_standard_formatter_writes_the_names(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The attributes can be used in the format of any handler.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(levelname)s [%(agent)s %(id)d] %(message)s"))
    logger.addHandler(handler)
    to_logging([line("hello")], logger)
    assert capsys.readouterr().out == "INFO [ 7] hello\n"
