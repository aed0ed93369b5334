"""
A client and its agents in a process that was started anew.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from coder_agents.testing import Deployment

pytestmark = pytest.mark.unmeasured


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_client_and_an_agent_work_in_a_new_process(method: str) -> None:
    """
    A client and an agent that are pickled for a new process can be used there.
    """
    with Deployment() as deployment, deployment.client() as client:
        agent = client.agent(deployment.add_agent().id)
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(client.me).result(200).username == "tester"
            assert pool.submit(agent.refresh).result(200).name == "main"
