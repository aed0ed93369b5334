"""
The records of a stream's requests, against the embedded deployment.
"""

from __future__ import annotations

import logging
import re

import pytest

from coder_agents import Agent, Reconnect, StreamOptions
from coder_agents.testing import Deployment, EmbeddedAgent

QUICK = StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.05), settle=0.05)


@pytest.fixture(params=["2.31"])
def release(request: pytest.FixtureRequest) -> str:
    """
    One release: what is logged depends on none.
    """
    return str(request.param)


def test_each_request_of_a_stream_is_logged(
    deployment: Deployment,
    embedded: EmbeddedAgent,
    agent: Agent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    Its connection, those that it makes again, and the checks beside it, never with the token.
    """
    with caplog.at_level(logging.DEBUG, logger="coder_agents"):
        with agent.follow_logs(options=QUICK) as stream:
            embedded.push_logs("one")
            assert stream.poll(60) is not None
            while stream.stats.checks == 0:
                stream.poll(0.05)
            deployment.faults.add("refuse", route="logs_follow", status=503)
            deployment.restart()
            while stream.stats.reconnects == 0:
                stream.poll(0.05)
    messages = [record.getMessage() for record in caplog.records]
    logged = [message for message in messages if message.startswith("GET ")]
    answered = [re.search(r": (\d{3}) in \d", message) for message in logged]
    statuses = [found[1] for found in answered if found]
    assert statuses.count("101") == 2
    assert statuses.count("503") == 1
    assert statuses.count("200") >= 1
    assert deployment.token not in repr([vars(record) for record in caplog.records])
