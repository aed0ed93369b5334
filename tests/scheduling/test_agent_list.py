"""
When the list of agents is read, because the deployment may be away.
"""

from __future__ import annotations

import threading
import uuid

import pytest

from coder_agents import CoderError, Reconnect, RequestTimeoutError, TransportError
from coder_agents.scheduling.agent_list import AgentList
from coder_agents.scheduling.schedule import Schedule

AGENT = uuid.UUID(int=1)


def listing(schedule: Schedule) -> AgentList:
    """
    Return a list that is read once an hour.
    """
    return AgentList(
        lambda: None,
        (schedule,),
        interval=3600.0,
        retry=Reconnect(),
        closing=threading.Event(),
        on_failure=lambda error, seconds: None,
    )


@pytest.mark.parametrize(
    ("error", "is_wanted"),
    [
        (TransportError("the connection was refused"), True),
        (RequestTimeoutError("no answer within 10 seconds"), False),
        (CoderError("a single agent"), False),
    ],
)
def test_the_list_is_read_where_the_deployment_may_be_away(
    error: CoderError, is_wanted: bool
) -> None:
    """
    One slow agent, whose read takes too long, is no reason to read the list again and again.
    """
    schedule = Schedule(interval=0.001, max_rate=1e9)
    schedule.keep([AGENT])
    agents = listing(schedule)

    def read(agent_id: uuid.UUID) -> None:
        raise error

    assert agents.read_one(schedule, read) == (AGENT, error)
    assert agents._wanted.is_set() is is_wanted
    assert schedule._turns[AGENT].failures == 1
