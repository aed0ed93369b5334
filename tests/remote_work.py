"""
Functions that tests call in other processes, which import this module.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from coder_agents import Agent


def refuse() -> None:
    """
    Refuse to be unpickled.
    """
    raise LookupError("no")


class Stubborn:
    """
    An object that can be pickled, and not unpickled.
    """

    def __reduce__(self) -> Any:
        return refuse, ()


class OddError(Exception):
    """
    An error that can be pickled, and not unpickled.
    """

    def __init__(self) -> None:
        super().__init__("odd\x1b[2J")
        self.part = Stubborn()


class Unsent(Exception):
    """
    An error that cannot be pickled.
    """

    def __init__(self) -> None:
        super().__init__("a lock")
        self.lock = threading.Lock()


def name_and_process(agent: Agent) -> tuple[str, int]:
    """
    Return the agent's name, as the deployment has it now, and this process.
    """
    return agent.refresh().name, os.getpid()


def token_of(agent: Agent) -> str:
    """
    Return the token that the agent's client has.
    """
    return agent._http.settings.token


def itself(agent: Agent) -> dict[str, Any]:
    """
    Return the agent, read again, in the midst of plain values.
    """
    agent.refresh()
    return {"agents": [agent], "number": 1}


def fail_with(agent: Agent) -> str:
    """
    Fail as the name of the agent's workspace says.
    """
    assert agent.workspace is not None
    kind = agent.workspace.name
    if kind == "w0":
        raise ZeroDivisionError("mine")
    if kind == "w1":
        raise OddError
    if kind == "w2":
        raise Unsent
    if kind == "w3":
        raise SystemExit(3)
    if kind == "w4":
        agent._http.read(dict, "GET", "/nothing")
    return kind


def unsent(agent: Agent) -> Any:
    """
    Return what cannot be pickled, for one of the agents.
    """
    return threading.Lock() if agent.label == "w0.main" else agent.label


def die(agent: Agent) -> str:
    """
    Kill the process, for one of the agents.
    """
    if agent.label == "w1.main":
        os._exit(1)
    time.sleep(0.01)
    return agent.label
