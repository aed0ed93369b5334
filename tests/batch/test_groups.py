"""
Agents in groups, whose logs several workers follow and replaced workers continue.
"""

from __future__ import annotations

import collections
import itertools
import json
import os
import pickle
import random
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driving import reached
from effort import times
from forked import Child
from local_clusters import local_cluster
from writing import WritingToTheEnd

from coder_agents import (
    Agent,
    AgentGroup,
    Client,
    ConfigError,
    FileBookmarks,
    Reconnect,
    StreamOptions,
    export,
)
from coder_agents.testing import Deployment, EmbeddedAgent

OPTIONS = StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.1), settle=0)


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Deployment]:
    """
    A deployment that the environment does not name.
    """
    for name in os.environ:
        if name.startswith("CODER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CODER_CONFIG_DIR", str(tmp_path / "settings"))
    with Deployment() as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> list[EmbeddedAgent]:
    """
    Five agents with one line each, the number of the agent.
    """
    made = [deployment.add_agent(workspace=f"w{number}") for number in range(5)]
    for number, each in enumerate(made):
        each.push_logs([str(number)])
    return made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client that checks nothing.
    """
    with deployment.client(stream_options=OPTIONS) as made:
        yield made


@pytest.fixture
def agents(client: Client, embedded: list[EmbeddedAgent]) -> list[Agent]:
    """
    The five agents.
    """
    return list(client.agents())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """
    The folder of bookmarks, which does not exist yet.
    """
    return tmp_path / "bookmarks"


def ids(groups: list[AgentGroup]) -> list[list[uuid.UUID]]:
    """
    Return the ids of each group's agents.
    """
    return [[agent.id for agent in group.agents] for group in groups]


def outputs(group: AgentGroup, count: int) -> list[str]:
    """
    Return the next *count* lines of a group.
    """
    with group.follow_logs() as stream:
        return [next(stream).log.output for _ in range(count)]


@pytest.mark.parametrize(("n", "sizes"), [(1, [5]), (2, [3, 2]), (4, [2, 1, 1, 1]), (9, [1] * 5)])
def test_groups_are_balanced_and_stable(
    client: Client, agents: list[Agent], folder: Path, n: int, sizes: list[int]
) -> None:
    """
    The order of the agents does not matter, each agent is in one group, and no group is empty.
    """
    groups = client.split(agents, n, bookmarks=folder)
    assert [len(group) for group in groups] == sizes
    assert [(group.number, group.count) for group in groups] == [
        (number, len(sizes)) for number in range(len(sizes))
    ]
    again = client.split(reversed(agents), n, bookmarks=folder)
    assert ids(again) == ids(groups)
    assert {each for group in ids(groups) for each in group} == {agent.id for agent in agents}


def test_no_agents_are_no_groups(client: Client, folder: Path) -> None:
    """
    There is nothing to follow.
    """
    assert client.split([], 4, bookmarks=folder) == []


def test_impossible_arguments_are_refused(
    client: Client, agents: list[Agent], folder: Path
) -> None:
    """
    The call raises before it creates the folder.
    """
    everything: Any = client
    for n, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n must be"):
            everything.split(agents, n, bookmarks=folder)
    with pytest.raises(ValueError, match="is listed twice"):
        client.split(agents[:1] * 2, 1, bookmarks=folder)
    with Client("https://coder.example.com", "x" * 10) as other:
        with pytest.raises(ValueError, match="belongs to another deployment"):
            other.split(agents, 2, bookmarks=folder)
    with pytest.raises(TypeError, match=r"bookmarks must be a folder, or a function .*, not int"):
        everything.split(agents, 2, bookmarks=3)
    assert not folder.exists()


def test_a_group_continues_where_its_worker_has_stopped(
    client: Client, agents: list[Agent], embedded: list[EmbeddedAgent], folder: Path
) -> None:
    """
    The same call in another process gives the same groups, with the same bookmarks.
    """
    assert sorted(outputs(client.split(agents, 1, bookmarks=folder)[0], 3)) == ["0", "1", "2"]
    [group] = client.split(agents, 1, bookmarks=folder)
    assert repr(group) == "<AgentGroup 0 of 1, 5 agents>"
    assert outputs(group, 2) == ["3", "4"]
    embedded[1].push_logs(["new"])
    assert outputs(group, 1) == ["new"]


def test_agents_that_move_to_another_group_continue(
    client: Client, agents: list[Agent], embedded: list[EmbeddedAgent], folder: Path
) -> None:
    """
    Another number of groups, or one more agent, loses and repeats nothing.
    """
    first = [
        line
        for group in client.split(agents[:4], 2, bookmarks=folder)
        for line in [outputs(group, 2)]
    ]
    for each in embedded[:4]:
        each.push_logs(["new"])
    groups = client.split(agents, 3, bookmarks=folder)
    second = [outputs(group, len(group)) for group in groups]
    assert sorted(itertools.chain(*first)) == ["0", "1", "2", "3"]
    assert sorted(itertools.chain(*second)) == ["4", *["new"] * 4]
    for group in groups:
        with group.follow_logs() as stream:
            assert stream.poll(0.1) is None
    (folder / "notes.txt").write_text("no bookmarks")
    assert client.split(agents, 5, bookmarks=folder)[0].bookmarks.load() != {}


def test_a_store_of_a_group_that_is_pickled_reads_the_whole_folder(
    client: Client, agents: list[Agent], folder: Path
) -> None:
    """
    A worker may get the store in place of the group.
    """
    first, second = client.split(agents, 2, bookmarks=folder)
    outputs(first, len(first))
    arrived = pickle.loads(pickle.dumps(second.bookmarks))
    assert arrived.load().keys() == {agent.id for agent in first.agents}


def test_a_function_that_returns_no_store_is_refused(
    client: Client, agents: list[Agent], deployment: Deployment
) -> None:
    """
    The logs would be followed without bookmarks, and each line come again after a restart.
    """
    no_store: Any = {}.get
    [group] = client.split(agents, 1, bookmarks=no_store)
    before = len(deployment.requests)
    with pytest.raises(TypeError, match="not NoneType"):
        group.follow_logs()
    assert len(deployment.requests) == before


def test_a_group_travels_without_the_function_that_its_streams_call(
    deployment: Deployment, embedded: list[EmbeddedAgent], folder: Path
) -> None:
    """
    A function of this program, which cannot be pickled, does not keep the group here.
    """
    options = StreamOptions(idle_timeout=50, on_reconnect=lambda *_: None)
    with deployment.client(stream_options=options) as client:
        [group] = client.split(client.agents(), 1, bookmarks=folder, send_token=True)
        [arrived] = pickle.loads(pickle.dumps([group]))
    travelled = arrived.agents[0]._stream_options
    assert travelled == StreamOptions(idle_timeout=50)


def test_a_group_travels_without_the_token(
    client: Client,
    agents: list[Agent],
    deployment: Deployment,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Its agents get the settings of the process in which they arrive.
    """
    token = client._http.settings.token
    pickled = pickle.dumps(client.split(agents, 1, bookmarks=folder))
    assert token.encode() not in pickled
    [group] = pickle.loads(pickled)
    assert len(group) == 5
    with pytest.raises(ConfigError):
        group.follow_logs()
    monkeypatch.setenv("CODER_URL", deployment.url)
    monkeypatch.setenv("CODER_SESSION_TOKEN", token)
    assert sorted(outputs(group, 5)) == ["0", "1", "2", "3", "4"]


def test_a_group_travels_with_the_token_where_that_is_wanted(
    client: Client, agents: list[Agent], folder: Path
) -> None:
    """
    The other process needs no settings; neither text shows the token.
    """
    token = client._http.settings.token
    [group] = pickle.loads(pickle.dumps(client.split(agents, 1, bookmarks=folder, send_token=True)))
    assert sorted(outputs(group, 5)) == ["0", "1", "2", "3", "4"]
    assert token not in repr(group) + repr(group.agents) + repr(group._members)


def store_of(number: int) -> FileBookmarks:
    """
    Return the store of a group, as a user's function does.
    """
    return FileBookmarks(os.path.join(os.environ["FOLDER_OF_THIS_TEST"], f"{number}.json"))


def test_a_function_returns_the_store_of_each_group(
    client: Client, agents: list[Agent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It is called in the process in which the group arrives.
    """
    pickled = pickle.dumps(client.split(agents, 2, bookmarks=store_of, send_token=True))
    monkeypatch.setenv("FOLDER_OF_THIS_TEST", str(tmp_path))
    for group in pickle.loads(pickled):
        outputs(group, len(group))
    assert sorted(each.name for each in tmp_path.glob("*.json")) == ["0.json", "1.json"]


# Workers that die.


def ids_in(folder: Path) -> list[int]:
    """
    Return the ids of the lines in the files of all groups.
    """
    return [
        json.loads(line)["id"]
        for path in folder.glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]


@pytest.mark.unmeasured
@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.timeout(900)
def test_workers_that_are_killed_and_replaced_write_each_line_once(
    client: Client,
    agents: list[Agent],
    embedded: list[EmbeddedAgent],
    folder: Path,
    tmp_path: Path,
) -> None:
    """
    The bookmarks say where a worker continues, and the position beside its file which lines it has.
    """
    groups = [
        pickle.dumps(group) for group in client.split(agents, 2, bookmarks=folder, send_token=True)
    ]

    def ship(number: int) -> int:
        group: AgentGroup = pickle.loads(groups[number])
        with group.follow_logs() as stream:
            return export.write(stream, tmp_path / f"{group.number}.jsonl", append=True)

    chance = random.Random(1)
    with WritingToTheEnd(embedded) as written:
        workers = [Child(lambda: ship(0)), Child(lambda: ship(1))]
        for _ in range(times(8, 200)):
            killed = chance.randrange(2)
            path = tmp_path / f"{killed}.jsonl"
            before = path.stat().st_size if path.exists() else 0
            if chance.random() < 0.8:
                reached(lambda: path.exists() and path.stat().st_size > before)  # noqa: B023
            time.sleep(chance.uniform(0, 0.1))
            workers[killed].kill()
            workers[killed] = Child(lambda: ship(killed))  # noqa: B023
    for worker in workers:
        worker.result()
    counts = collections.Counter(ids_in(tmp_path))
    assert counts.keys() >= set(written.ids)
    assert set(counts.values()) == {1}


@pytest.mark.unmeasured
@pytest.mark.once
@pytest.mark.timeout(600)
def test_dask_replaces_a_worker_that_was_killed(
    client: Client,
    agents: list[Agent],
    embedded: list[EmbeddedAgent],
    folder: Path,
    tmp_path: Path,
) -> None:
    """
    The scheduler runs the group of the dead worker again, on another one: no line is lost or
    repeated.
    """

    def ship(group: AgentGroup) -> int:
        with group.follow_logs() as stream:
            export.write(stream, tmp_path / f"{group.number}.jsonl", append=True)
        return os.getpid()

    with local_cluster(n_workers=2, threads_per_worker=2, processes=True) as dask:
        processes = list(dask.run(os.getpid).values())
        with WritingToTheEnd(embedded) as written:
            shipped = [
                dask.submit(ship, group, pure=False)
                for group in client.split(agents, 2, bookmarks=folder, send_token=True)
            ]
            for number in range(2):
                path = tmp_path / f"{number}.jsonl"
                reached(lambda: path.exists() and path.stat().st_size > 0)  # noqa: B023
            size = sum(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
            os.kill(processes[0], 9)
            reached(lambda: sum(p.stat().st_size for p in tmp_path.glob("*.jsonl")) > 2 * size)
        ended_in = dask.gather(shipped)
    assert processes[0] not in ended_in
    counts = collections.Counter(ids_in(tmp_path))
    assert counts.keys() >= set(written.ids)
    assert set(counts.values()) == {1}
