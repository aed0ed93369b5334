"""
When the list of agents is read, because the deployment may be away.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

import pytest

from coder_agents import CoderError, Reconnect, RequestTimeoutError, TransportError
from coder_agents.scheduling.agent_list import AgentList
from coder_agents.scheduling.schedule import Schedule

AGENT = uuid.UUID(int=1)
PAUSE = 0.05


def listing(schedule: Schedule, read: Callable[[], object] = lambda: None) -> AgentList:
    """
    Return a list that *read* reads once an hour.
    """
    return AgentList(
        read,
        (schedule,),
        interval=3600.0,
        retry=Reconnect(initial=PAUSE),
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


def test_reads_that_fail_together_read_the_list_once() -> None:
    """
    After a read that was wanted, a pause follows: many threads want the list at the same time.
    """

    def read() -> None:
        agents.refresh()

    agents = listing(Schedule(interval=1.0, max_rate=1.0), read)
    began = time.monotonic()
    agents.step()
    assert time.monotonic() - began >= PAUSE
