"""
What can be passed to another process, and what cannot.
"""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from coder_agents.testing import Deployment


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_client_and_an_agent_work_in_a_new_process(method: str) -> None:
    """
    A client and an agent that are pickled for a new process can be used there.
    """
    with Deployment() as deployment, deployment.client() as client:
        agent = client.agent(deployment.add_agent().id)
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(client.me).result(50).username == "tester"
            assert pool.submit(agent.refresh).result(50).name == "main"


@pytest.mark.parametrize("kind", ["log", "metadata", "merged"])
def test_a_stream_is_neither_pickled_nor_copied(kind: str) -> None:
    """
    Whoever tries gets an error that says what to do, and the stream is as it was.
    """
    with Deployment() as deployment, deployment.client() as client:
        made = deployment.add_agent()
        made.push_logs("one")
        made.set_metadata("load", "1")
        agent = client.agent(made.id)
        opens: dict[str, Callable[[], Any]] = {
            "log": agent.follow_logs,
            "metadata": agent.watch_metadata,
            "merged": lambda: client.follow_logs([agent]),
        }
        with opens[kind]() as stream:
            for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="open another one where it is needed"):
                    attempt(stream)
            assert next(stream)
