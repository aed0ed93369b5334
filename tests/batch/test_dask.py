"""
Dask as the executor: a cluster of one worker process on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import remote_work
from local_clusters import local_cluster

from coder_agents import Agent, Client, TravelError
from coder_agents.testing import Deployment


@pytest.fixture
def cluster(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Any]:
    """
    A client of Dask, whose worker finds the deployment in its environment.
    """
    monkeypatch.setenv("CODER_URL", deployment.url)
    monkeypatch.setenv("CODER_SESSION_TOKEN", deployment.token)
    with local_cluster(n_workers=1, threads_per_worker=2, local_directory=str(tmp_path)) as made:
        yield made


def test_dask_does_the_work(client: Client, agents: list[Agent], cluster: Any) -> None:
    """
    The function runs in a worker, also one that is written in a notebook; what cannot come back is a
    failure of its agent, and a second call is no repetition of the first.
    """
    with cluster.get_executor() as executor:
        results = client.each(agents, remote_work.name_and_process, executor=executor)
        [(name, process)] = set(results.results.values())
        assert (name, process == os.getpid()) == ("main", False)
        failures = client.each(agents, remote_work.fail_with, executor=executor).failures
        assert [type(error) for error in list(failures.values())[:3]] == [
            ZeroDivisionError,
            TravelError,
            TravelError,
        ]
        local = client.each(agents, lambda agent: agent.label, executor=executor)
        assert sorted(local.results.values()) == [agent.label for agent in agents]
        first = client.each(agents[:1], _time, executor=executor)[agents[0]]
        assert client.each(agents[:1], _time, executor=executor)[agents[0]] != first


def _time(agent: Agent) -> float:
    import time

    return time.time()
