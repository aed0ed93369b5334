"""
Programs that follow logs with a store of bookmarks, and that are killed or interrupted.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from effort import times
from forked import Child
from writing import Writing

from coder_agents import FileBookmarks
from coder_agents.testing import Deployment

from .playing import LONG, QUICK, add_agents, found, no_collection

pytestmark = [
    pytest.mark.unmeasured,
    pytest.mark.once,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
]

KILLS = times(8, 300)
Follow = Callable[[Path, Any, Any], None]


class Database:
    """
    A store of bookmarks in the database that also has the lines: both are committed together.
    """

    interval = 0.05
    transactional = True

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path)
        self.connection.executescript(
            "CREATE TABLE IF NOT EXISTS bookmarks (agent TEXT PRIMARY KEY, bookmark TEXT);"
            "CREATE TABLE IF NOT EXISTS lines (id INTEGER)"
        )

    def load(self) -> dict[uuid.UUID, str]:
        """
        Return the committed bookmarks.
        """
        rows = self.connection.execute("SELECT agent, bookmark FROM bookmarks")
        return {uuid.UUID(agent): bookmark for agent, bookmark in rows}

    def save(self, bookmarks: Mapping[uuid.UUID, str]) -> None:
        """
        Commit *bookmarks* together with the lines before them.
        """
        rows = [(str(agent_id), bookmark) for agent_id, bookmark in bookmarks.items()]
        self.connection.executemany("INSERT OR REPLACE INTO bookmarks VALUES (?, ?)", rows)
        self.connection.commit()


def into_file(path: Path, client: Any, agents: Any) -> None:
    """
    Append the id of each line to a file; the bookmarks are in another file.
    """
    store = FileBookmarks(path / "bookmarks.json", interval=0.02)
    with (
        (path / "lines").open("ab", buffering=0) as file,
        client.follow_logs(agents, bookmarks=store) as stream,
    ):
        for line in stream:
            file.write(b"%d\n" % line.log.id)


def ids_of_file(path: Path) -> list[int]:
    """
    Return the ids in that file.
    """
    return [int(line) for line in (path / "lines").read_bytes().split()]


def into_database(path: Path, client: Any, agents: Any) -> None:
    """
    Insert each line into a database.
    """
    store = Database(path / "lines.sqlite")
    with (
        contextlib.closing(store.connection),
        client.follow_logs(agents, bookmarks=store) as stream,
    ):
        for line in stream:
            store.connection.execute("INSERT INTO lines VALUES (?)", (line.log.id,))


def ids_of_database(path: Path) -> list[int]:
    """
    Return the ids in that database.
    """
    with contextlib.closing(sqlite3.connect(path / "lines.sqlite")) as connection:
        return [number for (number,) in connection.execute("SELECT id FROM lines")]


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment.
    """
    with Deployment() as made:
        yield made


def has_all(ids: Callable[[Path], list[int]], path: Path, wanted: list[int]) -> bool:
    """
    Return whether the program has written all lines.
    """
    with contextlib.suppress(FileNotFoundError, sqlite3.Error):
        return set(ids(path)) >= set(wanted)
    return False


def size_of_file(path: Path) -> int:
    """
    Return how long the file is.
    """
    return (path / "lines").stat().st_size


def size_of_database(path: Path) -> int:
    """
    Return how many lines the database has.
    """
    with contextlib.closing(sqlite3.connect(path / "lines.sqlite")) as connection:
        [count] = connection.execute("SELECT count(*) FROM lines").fetchone()
    return int(count)


def continued(size: Callable[[Path], int], path: Path) -> None:
    """
    Wait until the program that was just started has written lines.
    """
    before: int | None = None
    until = time.monotonic() + LONG
    while True:
        with contextlib.suppress(FileNotFoundError, sqlite3.Error):
            now = size(path)
            if now > (now if before is None else before):
                return
            before = now
        assert time.monotonic() < until, "no line came"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("follow", "ids", "size"),
    [(into_file, ids_of_file, size_of_file), (into_database, ids_of_database, size_of_database)],
    ids=["file", "database"],
)
@pytest.mark.timeout(900)
def test_a_program_that_is_killed_loses_no_line(
    deployment: Deployment,
    tmp_path: Path,
    follow: Follow,
    ids: Callable[[Path], list[int]],
    size: Callable[[Path], int],
) -> None:
    """
    A file of bookmarks repeats the lines since the last save; a database that commits the lines
    together with the bookmarks repeats none.
    """
    agents = add_agents(deployment, 3)

    def work() -> None:
        with deployment.client(stream_options=QUICK) as client:
            follow(tmp_path, client, found(client, agents))

    chance = random.Random(follow.__name__)
    with Writing(agents) as written:
        for _ in range(KILLS):
            child = Child(work)
            if chance.random() < 0.8:
                continued(size, tmp_path)
            time.sleep(chance.uniform(0, 0.1))
            child.kill()
    child = Child(work)
    until = time.monotonic() + LONG
    while not has_all(ids, tmp_path, written.ids):
        assert time.monotonic() < until, "lines were lost"
        time.sleep(0.05)
    child.kill()
    found_ids = ids(tmp_path)
    repeated = len(found_ids) - len(written.ids)
    assert set(found_ids) == set(written.ids)
    if follow is into_database:
        assert repeated == 0
    else:
        # A program repeats at most what an earlier one has handled in one run.
        assert max(collections.Counter(found_ids).values()) <= KILLS + 1


@pytest.fixture
def interrupts() -> Iterator[None]:
    """
    Let SIGALRM raise KeyboardInterrupt, and none be swallowed by the garbage collector.
    """
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    with no_collection():
        yield
    signal.signal(signal.SIGALRM, old)


@pytest.mark.parametrize("kind", ["file", "database"])
@pytest.mark.timeout(900)
# Ctrl-C may come when Python has opened a file, and no statement has it yet, or just before a database
# is closed.
@pytest.mark.filterwarnings("ignore:unclosed (file|database):ResourceWarning")
def test_a_program_that_is_interrupted_repeats_one_line_at_most(
    deployment: Deployment, tmp_path: Path, interrupts: None, kind: str
) -> None:
    """
    It saves at its end. The last line comes again where the interrupt has ended the body; the
    database rolls back what the body has done.
    """
    [embedded] = add_agents(deployment, 1)
    chance = random.Random(kind)
    rounds = times(10, 200)
    path = tmp_path / "lines.sqlite"
    database = Database(path)
    with (
        contextlib.closing(database.connection),
        deployment.client(stream_options=QUICK) as client,
    ):
        agents = found(client, [embedded])

        def follow() -> None:
            store = Database(path)
            file_store: Any = FileBookmarks(tmp_path / "x.json", interval=0.02)
            with (
                contextlib.closing(store.connection),
                client.follow_logs(
                    agents, bookmarks=store if kind == "database" else file_store
                ) as stream,
            ):
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.001, 0.03))
                for line in stream:
                    store.connection.execute("INSERT INTO lines VALUES (?)", (line.log.id,))
                    if kind == "file":
                        store.connection.commit()

        with Writing([embedded]) as written:
            for _ in range(rounds):
                with contextlib.suppress(KeyboardInterrupt):
                    follow()
        stored: Any = database if kind == "database" else FileBookmarks(tmp_path / "x.json")
        rest = [log.id for log in agents[0].logs(stored.load().get(agents[0].id, 0))]
    ids = ids_of_database(tmp_path)
    assert ids
    assert set(ids) | set(rest) == set(written.ids)
    repeated = len(ids) + len(rest) - len(written.ids)
    assert 0 <= repeated <= (0 if kind == "database" else rounds)
