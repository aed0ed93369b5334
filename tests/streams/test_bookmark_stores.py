"""
Bookmarks that a followed log saves to a store, and where another stream continues with them.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import pickle
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from driving import InThread, reached
from forked import Child, held_by_another_thread

from coder_agents import (
    Agent,
    BookmarkConflictError,
    Client,
    FileBookmarks,
    StreamEnd,
    StreamError,
    StreamOptions,
    replacing,
)
from coder_agents.streams.core import Core
from coder_agents.testing import Deployment, EmbeddedAgent

from .playing import LONG, QUICK, add_agents, found, no_collection, streams_gone

RAISING = StreamOptions(reconnect=None, settle=0)
A, B = uuid.UUID(int=1), uuid.UUID(int=2)


def text(agent_id: uuid.UUID, floor: int) -> str:
    """
    Return the bookmark of an agent that covers all ids up to *floor*.
    """
    return f"1:{agent_id}:{floor}:."


class Kept:
    """
    A store in memory, which raises *error* where it is set.
    """

    def __init__(self, interval: float = 1000.0) -> None:
        self.interval = interval
        self.saves: list[dict[uuid.UUID, str]] = []
        self.threads: set[int] = set()
        self.error: Exception | None = None
        self.saved = threading.Event()

    def load(self) -> dict[uuid.UUID, str]:
        """
        Return all that was saved.
        """
        return {each: found for save in self.saves for each, found in save.items()}

    def save(self, bookmarks: Mapping[uuid.UUID, str]) -> None:
        """
        Keep *bookmarks*.
        """
        self.threads.add(threading.get_ident())
        if self.error is not None:
            raise self.error
        self.saves.append(dict(bookmarks))
        self.saved.set()


class Transactional(Kept):
    """
    The same, with what the caller does in one transaction.
    """

    transactional = True


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment.
    """
    with Deployment() as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent with the lines 0 to 4.
    """
    made = deployment.add_agent(workspace="w0")
    for number in range(5):
        made.push_logs([str(number)])
    return made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client whose streams come back quickly and check nothing.
    """
    with deployment.client(stream_options=QUICK) as made:
        yield made


@pytest.fixture
def agent(client: Client, embedded: EmbeddedAgent) -> Agent:
    """
    The agent with the five lines.
    """
    return client.agent(f"{embedded.build.workspace.name}.{embedded.name}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    A file that does not exist yet.
    """
    return tmp_path / "bookmarks.json"


def outputs(agent: Agent, store: Any, count: int, **options: Any) -> list[str]:
    """
    Return the first *count* lines of a stream that continues with *store*.
    """
    with agent.follow_logs(bookmarks=store, **options) as stream:
        return [next(stream).output for _ in range(count)]


def rest(agent: Agent, store: Any) -> list[str]:
    """
    Return the lines that a stream with *store* still yields, and save nothing.
    """
    return [log.output for log in agent.logs(store.load().get(agent.id, 0))]


# The file.


def test_a_file_of_bookmarks_returns_what_was_saved(path: Path) -> None:
    """
    Each save changes the bookmarks that it names, and keeps the others.
    """
    store = FileBookmarks(path)
    assert store.load() == {}
    store.save({A: text(A, 1), B: text(B, 1)})
    store.save({A: text(A, 2)})
    assert FileBookmarks(path).load() == {A: text(A, 2), B: text(B, 1)}
    assert sorted(path.parent.iterdir()) == [path]


def test_a_relative_path_is_resolved_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A program that changes its folder later saves to the same file.
    """
    monkeypatch.chdir(tmp_path)
    store = FileBookmarks("x.json", interval=1)
    monkeypatch.chdir("/")
    assert store.path == tmp_path / "x.json"
    assert repr(store) == f"FileBookmarks('{tmp_path}/x.json', interval=1)"


def test_a_store_that_is_pickled_opens_the_same_file(path: Path) -> None:
    """
    It has the same interval, and reads what was saved meanwhile.
    """
    store = FileBookmarks(path, interval=2.5)
    sent = pickle.dumps(store)
    store.save({A: text(A, 1)})
    arrived = pickle.loads(sent)
    assert arrived.load() == {A: text(A, 1)}
    assert arrived.interval == 2.5
    arrived.save({A: text(A, 2)})
    assert store.load() == {A: text(A, 2)}


DAMAGED = [
    "",
    "[]",
    "null",
    "{}",
    '{"version": 0, "bookmarks": {}}',
    '{"name": "another-file", "version": "2.0"}',
    '{"version": 1, "bookmarks": []}',
    '{"version": 1, "bookmarks": {"x": 1}}',
    '{"version": 1, "bookmarks": {"x": "1:y"}}',
    "\xff",
    "[" * 100_000,
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_named(path: Path, content: str) -> None:
    """
    The error names the file and says what to do; the path may be that of another file of the user.
    """
    path.write_bytes(content.encode("latin-1"))
    match = (
        r"bookmarks\.json is damaged, or no file of bookmarks .*: pass another path, or delete it"
    )
    with pytest.raises(ValueError, match=match) as raised:
        FileBookmarks(path).load()
    assert "object" not in str(raised.value)  # such as "'NoneType' object is not subscriptable"


def test_a_file_of_a_newer_release_is_not_called_damaged(path: Path) -> None:
    """
    Nobody is advised to delete it.
    """
    path.write_text('{"version": 2, "bookmarks": {"x": "2:y"}}')
    with pytest.raises(
        ValueError, match=r"bookmarks\.json was written by a newer release"
    ) as raised:
        FileBookmarks(path).load()
    assert "delete" not in str(raised.value)


def test_what_a_killed_program_has_left_is_removed_after_an_hour(path: Path) -> None:
    """
    The new file that it was about to put in place stays while another program may still write it,
    and new files of other names are none of the store's business.
    """

    def left_by_a_killed_program(target: Path) -> Path:
        before = set(target.parent.iterdir())

        def die_in_a_save() -> None:
            with replacing.replaced(target):
                os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(AssertionError, match="the child hung or died"):
            Child(die_in_a_save).result()
        (left,) = set(target.parent.iterdir()) - before
        return left

    mine, new, other = (
        left_by_a_killed_program(each) for each in (path, path, path.with_name("other.json"))
    )
    for each in (mine, other):
        os.utime(each, (1, 1))
    FileBookmarks(path).load()
    assert sorted(path.parent.iterdir()) == sorted([new, other])


def test_a_folder_that_takes_no_file_is_found_before_the_log_is_requested(
    agent: Agent, deployment: Deployment, tmp_path: Path
) -> None:
    """
    The error comes from the call, not five seconds later from the first save.
    """
    before = len(deployment.requests)
    path = tmp_path / "missing" / "x.json"
    with pytest.raises(FileNotFoundError, match=f"{path}'$"):
        agent.follow_logs(bookmarks=FileBookmarks(path))
    assert len(deployment.requests) == before


def test_two_programs_that_save_the_same_agent_are_noticed(path: Path) -> None:
    """
    The one that saves second gets an error, each time, and leaves the file as it is.
    """
    first, second = FileBookmarks(path), FileBookmarks(path)
    first.load()
    second.load()
    first.save({A: text(A, 1)})
    for _ in range(2):
        with pytest.raises(BookmarkConflictError, match=f"agent {A} to .*bookmarks.json: stop"):
            second.save({A: text(A, 2)})
    assert second.load() == {A: text(A, 1)}
    second.save({A: text(A, 3)})
    with pytest.raises(BookmarkConflictError):
        first.save({B: text(B, 1)})


def test_two_programs_may_save_different_agents(path: Path) -> None:
    """
    Each keeps the bookmarks of the other.
    """
    first, second = FileBookmarks(path), FileBookmarks(path)
    first.save({A: text(A, 1)})
    second.save({B: text(B, 1)})
    first.save({A: text(A, 2)})
    second.save({B: text(B, 2)})
    assert first.load() == second.load() == {A: text(A, 2), B: text(B, 2)}


def test_two_programs_that_save_at_the_same_time_lose_nothing(path: Path) -> None:
    """
    No save falls between the moment at which the other one reads the file and that at which it
    replaces the file.
    """

    def save_often(store: FileBookmarks, agent_id: uuid.UUID) -> None:
        for floor in range(1, 101):
            store.save({agent_id: text(agent_id, floor)})

    child = Child(lambda: save_often(FileBookmarks(path), A))
    save_often(FileBookmarks(path), B)
    child.result()
    assert FileBookmarks(path).load() == {A: text(A, 100), B: text(B, 100)}


def test_a_program_that_was_stopped_in_a_save_keeps_nobody_waiting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Another program saves after a short wait, and a folder that cannot be locked is no error.
    """
    monkeypatch.setattr(replacing, "_MAX_WAIT", 0.05)
    held, store = threading.Event(), FileBookmarks(path)
    release = threading.Event()

    def hold() -> None:
        with replacing.locked(path.parent), replacing.locked(path.parent):
            held.set()
            release.wait(LONG)

    holder = InThread(hold)
    try:
        assert held.wait(LONG)
        store.save({A: text(A, 1)})
    finally:
        release.set()
    assert holder.ended() is None
    with replacing.locked(path.parent / "missing"):
        assert store.load() == {A: text(A, 1)}


def test_a_file_that_was_deleted_is_written_again(path: Path) -> None:
    """
    A save does not depend on the file that it replaces.
    """
    store = FileBookmarks(path)
    store.save({A: text(A, 1)})
    path.unlink()
    store.save({B: text(B, 1)})
    assert store.load() == {A: text(A, 1), B: text(B, 1)}


@pytest.mark.parametrize(
    ("interval", "error"), [(-1, ValueError), ("5", TypeError), (None, TypeError)]
)
def test_an_impossible_interval_is_refused(path: Path, interval: Any, error: type) -> None:
    """
    The constructor raises, and so does a stream where a class of the user has the interval.
    """
    with pytest.raises(error, match="interval"):
        FileBookmarks(path, interval=interval)


@pytest.mark.parametrize(
    ("store", "match"),
    [
        ("x.json", r"such as FileBookmarks\('x.json'\), not str"),
        ({A: "1"}, r"methods load and save, such as FileBookmarks\('bookmarks.json'\), not dict"),
        (
            FileBookmarks,
            r"methods load and save, such as FileBookmarks\('bookmarks.json'\), not type",
        ),
    ],
)
def test_what_is_no_store_is_refused(agent: Agent, client: Client, store: Any, match: str) -> None:
    """
    The error names what to pass, for one agent and for several.
    """
    with pytest.raises(TypeError, match=match):
        agent.follow_logs(bookmarks=store)
    with pytest.raises(TypeError, match=match):
        client.follow_logs([agent], bookmarks=store)


def test_a_stored_bookmark_of_another_agent_is_refused(agent: Agent) -> None:
    """
    The store has the bookmark under the wrong agent.
    """
    store = Kept()
    store.saves = [{agent.id: text(A, 1)}]
    with pytest.raises(ValueError, match="the bookmark belongs to agent"):
        agent.follow_logs(bookmarks=store)


@pytest.mark.parametrize(
    ("loaded", "match"),
    [
        (
            None,
            r"Loading\.load must return a mapping .* empty where nothing is saved, not NoneType",
        ),
        ([], r"Loading\.load must return a mapping .* not list"),
        ({str(A): text(A, 1)}, r"what Loading\.load returns must be ids of agents, .* not str"),
    ],
)
def test_a_store_that_loads_no_bookmarks_by_ids_is_refused(
    agent: Agent, deployment: Deployment, loaded: Any, match: str
) -> None:
    """
    Keys of another class would find no agent, and each start would read all lines again.
    """

    class Loading(Kept):
        def load(self) -> Any:
            return loaded

    before = len(deployment.requests)
    with pytest.raises(TypeError, match=match):
        agent.follow_logs(bookmarks=Loading())
    assert len(deployment.requests) == before


def test_a_store_whose_bookmarks_are_no_texts_is_refused(agent: Agent) -> None:
    """
    The bytes of a database are not decoded by the stream.
    """
    store = Kept()
    store.saves = [{agent.id: text(agent.id, 1).encode()}]  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="a bookmark must be text, not bytes"):
        agent.follow_logs(bookmarks=store)


# Where a stream continues.


def test_a_stream_continues_after_the_stored_bookmark(agent: Agent, path: Path) -> None:
    """
    Nothing is lost or repeated where the first program ended as it should.
    """
    assert outputs(agent, FileBookmarks(path), 2) == ["0", "1"]
    assert outputs(agent, FileBookmarks(path), 2) == ["2", "3"]
    assert json.loads(path.read_text())["bookmarks"].keys() == {str(agent.id)}


@pytest.mark.parametrize("options", [{"after": 2**62}, {"tail": 1}, {"tail": 1, "level": "trace"}])
def test_the_stored_bookmark_wins_over_after_and_tail(agent: Agent, options: Any) -> None:
    """
    They say where an agent begins that has no bookmark.
    """
    store = Kept()
    assert outputs(agent, store, 2) == ["0", "1"]
    assert outputs(agent, store, 3, **options) == ["2", "3", "4"]
    if "tail" in options:
        assert outputs(agent, Kept(), 1, **options) == ["4"]


def test_a_stream_of_several_agents_continues_each(client: Client, deployment: Deployment) -> None:
    """
    An agent without a bookmark begins where *tail* says.
    """
    embedded = add_agents(deployment, 3)
    for each in embedded:
        each.push_logs(["0", "1", "2"])
    agents = found(client, embedded)
    store = Kept()
    with client.follow_logs(agents[:2], bookmarks=store) as stream:
        assert [next(stream).log.output for _ in range(4)] == ["0", "1", "2", "0"]
    with client.follow_logs(agents, bookmarks=store, tail=1) as stream:
        came = [str(next(stream)) for _ in range(3)]
    assert came == ["w1.main | 1", "w1.main | 2", "w2.main | 2"]


def test_only_changed_bookmarks_are_saved(client: Client, deployment: Deployment) -> None:
    """
    A save of a thousand agents costs what the agents cost that have written.
    """
    embedded = add_agents(deployment, 3)
    agents = found(client, embedded)
    store = Kept(interval=0)
    with client.follow_logs(agents, bookmarks=store) as stream:
        for each in (0, 2, 2):
            embedded[each].push_logs(["line"])
            assert stream.poll(LONG)
        assert [list(save) for save in store.saves] == [[agents[0].id], [agents[2].id]]
    assert [list(save) for save in store.saves][2:] == [[agents[2].id]]


def test_lines_that_a_filter_skips_are_saved(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    The next stream does not request them again.
    """
    store = Kept(interval=0)
    with agent.follow_logs(bookmarks=store, grep="no such line") as stream:
        while not store.saves:
            assert stream.poll(0.05) is None
    assert rest(agent, store) == []


# Which lines count.


def leave(agent: Agent, store: Any) -> None:
    """
    Leave the loop at line 2.
    """
    with agent.follow_logs(bookmarks=store) as stream:
        for log in stream:
            if log.output == "2":
                break


def fail(agent: Agent, store: Any, error: type[BaseException] = KeyError) -> None:
    """
    Let the body raise *error* at line 2.
    """
    with pytest.raises(error), agent.follow_logs(bookmarks=store) as stream:
        for log in stream:
            if log.output == "2":
                raise error
    assert next(stream, None) is None  # asking a closed stream changes nothing


def interrupt(agent: Agent, store: Any) -> None:
    """
    Interrupt the body at line 2.
    """
    fail(agent, store, KeyboardInterrupt)


def read(agent: Agent, store: Any) -> Any:
    """
    Return a stream of which three lines were read.
    """
    stream = agent.follow_logs(bookmarks=store)
    assert [next(stream).output for _ in range(3)] == ["0", "1", "2"]
    return stream


def close(agent: Agent, store: Any) -> None:
    """
    Close a stream outside of a ``with`` statement.
    """
    read(agent, store).close()


def close_while_failing(agent: Agent, store: Any) -> None:
    """
    Close it while an exception passes.
    """
    with pytest.raises(KeyError), contextlib.closing(read(agent, store)):
        raise KeyError


def close_in_another_thread(agent: Agent, store: Any) -> None:
    """
    Close it in a thread that does not read.
    """
    stream = read(agent, store)
    assert InThread(stream.close).ended() is None
    assert store.saves == []
    assert next(stream, None) is None


def close_after_the_reader_has_ended(agent: Agent, store: Any) -> None:
    """
    Close it once the thread that read is gone.
    """
    reader = InThread(lambda: read(agent, store))
    assert reader.ended() is None
    stream: Any = reader.result
    stream.close()


def close_in_a_signal_handler(agent: Agent, store: Any) -> None:
    """
    Close it in a signal handler, in the middle of the body.
    """
    with agent.follow_logs(bookmarks=store) as stream:
        old = signal.signal(signal.SIGUSR1, lambda *_: stream.close())
        for log in stream:
            if log.output == "2":
                signal.raise_signal(signal.SIGUSR1)
                assert store.saves == []  # the body is not done with the line
        signal.signal(signal.SIGUSR1, old)


def throw(agent: Agent, store: Any) -> None:
    """
    Throw an exception into it, as into a generator.
    """
    with pytest.raises(KeyError):
        read(agent, store).throw(KeyError)


def forget(agent: Agent, store: Any) -> None:
    """
    Drop the last reference.
    """
    stream = read(agent, store)
    with no_collection(), pytest.warns(ResourceWarning):
        del stream


def forget_closed(agent: Agent, store: Any) -> None:
    """
    Drop the last reference after another thread has closed it.
    """
    stream = read(agent, store)
    assert InThread(stream.close).ended() is None
    del stream
    gc.collect()


def poll(agent: Agent, store: Any) -> None:
    """
    Confirm by `poll`, and fail with the line that it returned.
    """
    stream = read(agent, store)
    assert stream.poll(LONG).output == "3"
    with pytest.raises(KeyError), stream:
        raise KeyError


def batches(agent: Agent, store: Any) -> None:
    """
    Fail with a batch.
    """
    with pytest.raises(KeyError), agent.follow_logs(bookmarks=store) as stream:
        assert [next(stream).output for _ in range(3)] == ["0", "1", "2"]
        assert [log.output for log in next(stream.batches())] == ["3", "4"]
        raise KeyError


ENDS: dict[Callable[[Agent, Any], None], str] = {
    leave: "34",
    fail: "234",
    interrupt: "234",
    close: "34",
    close_while_failing: "234",
    close_in_another_thread: "34",
    close_after_the_reader_has_ended: "34",
    close_in_a_signal_handler: "34",
    throw: "234",
    forget: "234",
    forget_closed: "234",
    poll: "34",
    batches: "34",
}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_line_counts_once_the_caller_is_done_with_it(
    agent: Agent, deployment: Deployment, end: Callable[[Agent, Any], None]
) -> None:
    """
    The last line comes again where an exception has ended what the caller did with it.
    """
    store = Kept()
    end(agent, store)
    assert streams_gone(deployment)
    assert "".join(rest(agent, store)) == ENDS[end]


def test_each_line_of_several_agents_counts_alone(client: Client, deployment: Deployment) -> None:
    """
    The lines before the last yielded one count, also where all of them arrived together.
    """
    embedded = add_agents(deployment, 2)
    for number in range(3):
        for each in embedded:
            each.push_logs([str(number)])
    agents = found(client, embedded)
    store = Kept()
    with pytest.raises(KeyError), client.follow_logs(agents, bookmarks=store) as stream:
        for _ in range(4):
            next(stream)
        raise KeyError
    assert ["".join(rest(agent, store)) for agent in agents] == ["2", "12"]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_transaction_is_committed_only_for_whole_lines(
    agent: Agent, end: Callable[[Agent, Any], None]
) -> None:
    """
    Where the last line may be half done, nothing is saved.
    """
    store = Transactional()
    end(agent, store)
    is_whole = ENDS[end] == "34" and end not in (poll, batches)
    assert "".join(rest(agent, store)) == ("34" if is_whole else "01234")


def test_the_end_of_the_log_counts_the_last_line(
    agent: Agent, embedded: EmbeddedAgent, path: Path
) -> None:
    """
    The caller has asked for another one.
    """
    store = FileBookmarks(path)
    with agent.follow_logs(bookmarks=store) as stream:
        for log in stream:
            if log.output == "4":
                embedded.new_build()
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD
    assert store.load() == {agent.id: stream.bookmark}


def test_an_error_that_ends_the_stream_counts_the_last_line(
    agent: Agent, deployment: Deployment
) -> None:
    """
    The error has the bookmark that is saved.
    """
    store = Kept()
    deployment.faults.add("drop", route="logs_follow", after=1)
    stream = agent.follow_logs(bookmarks=store, options=RAISING)
    for _ in range(5):
        next(stream)
    with pytest.raises(StreamError) as raised:
        next(stream)
    assert store.load() == {agent.id: raised.value.bookmark}
    assert rest(agent, store) == []


# When.


def test_bookmarks_are_saved_while_no_line_comes(agent: Agent) -> None:
    """
    The thread that waits for the next line saves the lines before it, once.
    """
    store = Kept(interval=0.3)
    stream = agent.follow_logs(bookmarks=store)
    for _ in range(5):
        next(stream)
    waiting = InThread(lambda: next(stream, None))
    assert store.saved.wait(LONG)
    assert store.threads == {waiting.thread.ident}
    assert rest(agent, store) == []
    stream.close()
    assert waiting.ended() is None
    assert len(store.saves) == 1


def test_an_interval_of_zero_saves_before_each_line(agent: Agent) -> None:
    """
    A line that the caller has not finished is the only one that can come again.
    """
    store = Kept(interval=0)
    with agent.follow_logs(bookmarks=store) as stream:
        for number, log in enumerate(stream):
            assert "".join(rest(agent, store)) == "01234"[number:]
            if log.output == "4":
                break
    assert rest(agent, store) == []


def test_a_stream_without_a_line_saves_nothing(deployment: Deployment, client: Client) -> None:
    """
    The store stays as it was.
    """
    agent = client.agent(deployment.add_agent().id)
    store = Kept(interval=0)
    with agent.follow_logs(bookmarks=store) as stream:
        assert stream.poll(0.1) is None
    assert store.saves == []


# A store that fails.


def test_a_failing_save_raises_before_a_line_is_taken(agent: Agent) -> None:
    """
    The stream is whole, and continues where it was once the store works.
    """
    store = Kept(interval=0)
    with agent.follow_logs(bookmarks=store) as stream:
        assert next(stream).output == "0"
        store.error = OSError("the disk is full")
        for step in (lambda: next(stream), lambda: stream.poll(1), lambda: next(stream.batches())):
            with pytest.raises(OSError, match="the disk is full"):
                step()
        assert stream.end is None
        store.error = None
        assert next(stream).output == "1"
    assert "".join(rest(agent, store)) == "234"


def test_a_failing_save_while_no_line_comes_leaves_the_stream_whole(
    agent: Agent, embedded: EmbeddedAgent
) -> None:
    """
    The next call waits on, and gets the next line.
    """
    store = Kept(interval=0.3)
    with agent.follow_logs(bookmarks=store) as stream:
        for _ in range(5):
            next(stream)
        store.error = OSError("the disk is full")
        with pytest.raises(OSError, match="the disk is full"):
            next(stream)
        store.error = None
        embedded.push_logs(["5"])
        assert next(stream).output == "5"


def test_a_failing_save_at_the_end_raises_until_it_succeeds(
    agent: Agent, embedded: EmbeddedAgent
) -> None:
    """
    Whoever asks for another line saves once more.
    """
    store = Kept()
    stream = agent.follow_logs(bookmarks=store)
    for _ in range(5):
        next(stream)
    embedded.new_build()
    store.error = OSError("the disk is full")
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is full"):
            next(stream)
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD
    store.error = None
    assert next(stream, None) is None
    assert rest(agent, store) == []


def test_a_failing_save_at_a_close_raises_and_the_stream_is_closed(
    agent: Agent, deployment: Deployment
) -> None:
    """
    Both `close` and the end of a ``with`` statement raise the store's error.
    """
    store = Kept()
    store.error = OSError("the disk is full")
    stream = read(agent, store)
    with pytest.raises(OSError, match="the disk is full"):
        stream.close()
    with (
        pytest.raises(OSError, match="the disk is full"),
        agent.follow_logs(bookmarks=store) as stream,
    ):
        next(stream)
    assert streams_gone(deployment)


def test_a_failing_save_does_not_hide_the_error_of_the_body(agent: Agent) -> None:
    """
    It is a note of that error.
    """
    store = Kept()
    store.error = OSError("the disk is full")
    with pytest.raises(KeyError) as raised, agent.follow_logs(bookmarks=store) as stream:
        next(stream)
        next(stream)
        raise KeyError
    assert raised.value.__notes__ == ["The bookmarks were not saved: OSError: the disk is full"]


def test_a_failing_save_of_a_forgotten_stream_is_logged(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A finaliser cannot raise.
    """
    store = Kept()
    store.error = OSError("the disk is full")
    with caplog.at_level(logging.WARNING, "coder_agents"):
        forget(agent, store)
    assert "bookmarks of a stream were not saved: OSError: the disk is full" in caplog.text


def test_a_store_that_is_interrupted_ends_the_stream(agent: Agent) -> None:
    """
    Ctrl-C during a save passes through, and the bookmark is saved after all.
    """

    class Interrupted(Kept):
        def save(self, bookmarks: Mapping[uuid.UUID, str]) -> None:
            if not self.threads:
                self.threads.add(1)
                raise KeyboardInterrupt
            super().save(bookmarks)

    store = Interrupted(interval=0)
    stream = agent.follow_logs(bookmarks=store)
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert stream.end is StreamEnd.INTERRUPTED
    assert "".join(rest(agent, store)) == "1234"


def test_a_second_reader_leaves_the_store_to_the_first(agent: Agent) -> None:
    """
    It gets the error that any generator raises, and the first reader saves.
    """
    store = Kept()
    stream = agent.follow_logs(bookmarks=store)
    for _ in range(5):
        next(stream)
    reader = InThread(lambda: next(stream, None))
    reached(lambda: stream._core.owner)
    with pytest.raises(ValueError, match="another thread is reading"):
        stream.poll(0)
    assert store.saves == []
    stream.close()
    assert reader.ended() is None
    assert rest(agent, store) == []


# Processes.


def test_a_quiet_stream_sleeps_however_short_the_interval_is(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A store that saves before each line has nothing to save while no line comes.
    """
    advanced: list[float] = []
    advance = Core.advance

    def counted(self: Core[Any], deadline: float) -> bool:
        advanced.append(deadline)
        return advance(self, deadline)

    monkeypatch.setattr(Core, "advance", counted)
    with agent.follow_logs(bookmarks=Kept(interval=0)) as stream:
        for _ in range(5):
            next(stream)
        advanced.clear()
        assert stream.poll(0.3) is None
    assert len(advanced) <= 2


def test_a_forked_process_saves_nothing(agent: Agent) -> None:
    """
    The stream belongs to the parent process, and so does its store.
    """
    store = Kept(interval=0)
    with agent.follow_logs(bookmarks=store) as stream:
        next(stream)

        def work() -> int:
            with contextlib.suppress(Exception):
                next(stream)
            stream.close()
            return len(store.saves)

        assert Child(work).result() == 0
        next(stream)
    assert "".join(rest(agent, store)) == "234"


def test_a_forked_process_can_save_while_a_thread_of_its_parent_saves(path: Path) -> None:
    """
    The lock of the store that the other thread held is free in the child.
    """
    store = FileBookmarks(path)

    def work() -> int:
        store.save({A: text(A, 1)})
        return len(store.load())

    with held_by_another_thread(store._lock.current):
        assert Child(work).result() == 1


def test_a_forked_process_that_continues_a_read_saves_nothing(agent: Agent) -> None:
    """
    A save that was about to begin at the fork does nothing in the child.
    """
    store = Kept()
    stream = agent.follow_logs(bookmarks=store)
    next(stream)
    saver = stream._core.saver
    assert saver is not None
    stream._core.saver = None  # as after a fork
    saver.save_at_exit(stream._core, None)
    assert store.saves == []
    stream.close()


def test_a_store_that_forks_saves_once(agent: Agent) -> None:
    """
    The child of a save does not continue to save.
    """
    reader, writer = os.pipe()

    class Forking(Kept):
        def save(self, bookmarks: Mapping[uuid.UUID, str]) -> None:
            super().save(bookmarks)
            if len(self.saves) == 1:
                child = Child(lambda: os.write(writer, b"x"))
                child.result()

    store = Forking(interval=0)
    with agent.follow_logs(bookmarks=store) as stream:
        for _ in range(3):
            next(stream)
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    os.close(writer)
    assert "".join(rest(agent, store)) == "34"
