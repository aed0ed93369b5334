"""
Control shells: kept, closed when idle, replaced, and given up in time.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path

import pytest

from coder_agents import Agent
from coder_agents.jobs.loan import Loan
from coder_agents.jobs.requests import Nop, Remove
from coder_agents.jobs.shell import ControlShell, LateError, Place, Waits
from coder_agents.jobs.shells import Shells, UnreachableError
from coder_agents.schema import WorkspaceAgentContainer
from coder_agents.testing import Deployment, EmbeddedAgent
from coder_agents.transport import ClosedError, DroppedError

from .test_run import LIMIT, until


def made(agent: Agent, *, give_up_after: float = 10, waits: Waits | None = None) -> Shells:
    """
    Return control shells of *agent*.
    """
    place = Place(http=agent._http, agent_id=agent.id, what="the agent")
    return Shells(place, give_up_after=give_up_after, waits=waits or Waits())


def test_an_idle_control_shell_is_closed(agent: Agent) -> None:
    """
    After some idle seconds it is closed, its thread ends, and the next call opens another one.
    """
    shells = made(agent, waits=Waits(idle=0.3))
    shells.call(Nop())
    until(lambda: not shells._kept)
    until(lambda: shells._closer is None)
    shells.call(Nop())
    assert len(shells._kept) == 1
    shells.close()


def test_one_that_is_used_again_and_again_stays(agent: Agent) -> None:
    """
    Only what is idle is closed: with each request the time begins again.
    """
    shells = made(agent, waits=Waits(idle=600))
    shells.call(Nop())
    [first] = shells._kept
    first.idle_since -= 1000
    shells.call(Nop())
    assert shells.close_idle()
    assert shells._kept == [first]
    first.idle_since -= 1000
    assert not shells.close_idle()
    assert shells._kept == []
    shells.close()


def test_control_shells_that_nobody_refers_to_are_closed(agent: Agent) -> None:
    """
    The end of the last reference, and of the interpreter, closes what is kept.
    """
    shells = made(agent)
    shells.call(Nop())
    [kept] = shells._kept
    del shells
    gc.collect()
    assert not kept.is_usable


def test_one_that_broke_while_it_was_kept_is_replaced(deployment: Deployment, agent: Agent) -> None:
    """
    A dead connection is noticed before it is used, and costs no try.
    """
    shells = made(agent)
    shells.call(Nop())
    [first] = shells._kept
    for connection in deployment.connections.snapshot().values():
        connection.abort()
    until(lambda: not first.is_usable)
    assert shells._kept == [first]
    shells.call(Nop())
    assert shells._kept != [first]
    shells.close()


def test_one_that_was_woken_while_it_was_kept_is_replaced(agent: Agent) -> None:
    """
    A wake that comes when its caller is done with a control shell does not stop the next caller.
    """
    shells = made(agent)
    shells.call(Nop())
    [first] = shells._kept
    first.wake()
    shells.call(Nop())
    assert shells._kept != [first]
    shells.close()


def test_a_call_that_returns_after_close_keeps_nothing(agent: Agent) -> None:
    """
    What is in use at close is closed afterwards.
    """
    shells = made(agent)
    shells.call(Nop())
    [shell] = shells._kept
    shells._kept.clear()
    shells.close()
    shells._keep(shell)
    assert shells._kept == []
    assert not shell.is_usable


def test_it_gives_up_and_says_whether_the_request_was_sent(
    deployment: Deployment, embedded: EmbeddedAgent, agent: Agent
) -> None:
    """
    The failure that came last is the reason.
    """
    embedded.disconnect()
    with pytest.raises(UnreachableError) as caught:
        made(agent, give_up_after=1).call(Nop())
    assert not caught.value.was_sent
    embedded.connect()
    deployment.faults.add("drop", route="pty", after_bytes=70, times=None)
    with pytest.raises(UnreachableError) as also:
        made(agent, give_up_after=1).call(Nop())
    assert also.value.was_sent in (True, False)


def test_a_loan_is_late_and_continues(embedded: EmbeddedAgent, agent: Agent) -> None:
    """
    A call that is late leaves its tries in the loan, and the next one continues with them.
    """
    shells = made(agent)
    loan = Loan()
    embedded.disconnect()
    for _ in range(2):
        with pytest.raises(LateError):
            shells.call(Nop(), loan=loan, deadline=time.monotonic() + 0.2)
    assert loan.outage is not None
    assert loan.outage.attempts >= 2
    embedded.connect()
    shells.call(Nop(), loan=loan)
    assert vars(loan)["outage"] is None
    shells.close()


def test_a_loan_that_was_woken_is_of_no_use(agent: Agent) -> None:
    """
    It stops before it sends, and in a pause.
    """
    shells = made(agent)
    loan = Loan()
    loan.wake()
    for _ in range(2):
        with pytest.raises(ClosedError):
            shells.call(Nop(), loan=loan)
    with pytest.raises(ClosedError):
        loan.pause(time.monotonic() + LIMIT)
    pausing = Loan()
    timer = threading.Timer(0.2, pausing.wake)
    timer.start()
    with pytest.raises(ClosedError):
        pausing.pause(time.monotonic() + LIMIT)
    timer.join()
    shells.close()


def test_an_interrupt_before_there_is_a_control_shell_passes(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    There is nothing to close yet, and the interrupt is what the caller sees.
    """
    shells = made(agent)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("coder_agents.jobs.shells.ControlShell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shells.call(Nop())
    shells.close()


def test_a_child_process_begins_with_no_control_shell(agent: Agent) -> None:
    """
    What the parent keeps is not the child's; whether it is closed stays.
    """
    shells = made(agent)
    shells.call(Nop())
    [kept] = shells._kept
    shells.after_fork_in_child()
    assert shells._kept == []
    shells.call(Nop())
    shells.close()
    shells.after_fork_in_child()
    assert shells._is_over.is_set()
    kept.close()


def test_the_machine_of_a_container_may_be_away(
    deployment: Deployment, embedded: EmbeddedAgent, agent: Agent
) -> None:
    """
    Where nobody can say whether this is the container, the request is not sent.
    """
    container = WorkspaceAgentContainer(
        id="abcdef0123456789", name="web", running=True, status="running"
    )
    embedded.set_containers([container])
    place = Place(http=agent._http, agent_id=agent.id, what="the agent", container="web")
    shells = Shells(place, give_up_after=1)
    deployment.faults.add("drop", route="pty", containing="READY", after=0, times=None, kept=False)
    with pytest.raises(UnreachableError) as caught:
        shells.call(Nop())
    assert not caught.value.was_sent
    deployment.faults.clear()
    shells._machine = None

    class Away:
        def call(self, request: object) -> None:
            raise UnreachableError(DroppedError("away"), was_sent=True)

        def close(self) -> None:
            pass

    shells._machine = Away()  # type: ignore[assignment]
    with pytest.raises(UnreachableError, match="away") as also:
        shells.call(Nop())
    assert not also.value.was_sent
    shells.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_keeps_whether_it_is_closed(agent: Agent) -> None:
    """
    A child has no control shell of its parent, and closed ones stay closed.
    """
    shells = made(agent)
    shells.call(Nop())
    shells.close()
    child = os.fork()
    if child == 0:
        os._exit(0 if shells._is_over.is_set() and not shells._kept else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_waits_are_well_within_the_read_timeout() -> None:
    """
    A short read time-out shortens each wait, and a long one none.
    """
    assert Waits().within(1000) == Waits()
    short = Waits().within(6)
    assert (short.begin, short.byte, short.answer) == (2, 2, 2)


@pytest.mark.parametrize("is_sent_before", [False, True], ids=["not sent", "no answer"])
def test_what_was_posted_is_sent_again(
    deployment: Deployment,
    embedded: EmbeddedAgent,
    agent: Agent,
    spool: Path,
    *,
    is_sent_before: bool,
) -> None:
    """
    A removal whose connection breaks before its answer, or before it is sent, raises nothing, and is sent
    over the next connection.
    """
    job = agent.start_job("true")
    job.wait()
    shells = agent._shells(None, None)
    embedded.disconnect()
    if is_sent_before:
        shells.post(Remove(job.id))
    deployment.restart()
    until(lambda: not all(each.is_usable for each in shells._kept))
    if not is_sent_before:
        shells.post(Remove(job.id))
        assert (spool / job.id).is_dir()
    embedded.connect()
    agent.run("true")
    until(lambda: not (spool / job.id).exists())


def test_a_control_shell_with_an_answer_too_many_is_not_used(agent: Agent) -> None:
    """
    Where something came that nobody requested, the control shell is no longer usable.
    """
    shells = made(agent)
    shells.call(Nop())
    [kept] = shells._kept
    kept._attachment.write(Nop().encode(99).decode("ascii"), bytes)
    until(lambda: not kept.is_usable)
    shells.close()


def test_a_control_shell_that_was_woken_is_not_used(agent: Agent) -> None:
    """
    Whoever had it before was woken just when the request was over: that ends no other request.
    """
    shells = made(agent)
    shells.call(Nop())
    [kept] = shells._kept
    kept.wake()
    shells.post(Remove("j"))
    assert shells._kept == []
    shells.call(Nop())
    assert shells._kept[0].unanswered == [Remove("j")]
    shells.close()


def test_a_connection_that_breaks_with_what_is_posted_costs_nothing(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The control shell is not kept, and the request is sent over the next one.
    """

    def broken(shell: ControlShell, request: object) -> None:
        raise DroppedError("broken")

    shells = made(agent)
    shells.call(Nop())
    with monkeypatch.context() as patched:
        patched.setattr(ControlShell, "post", broken)
        shells.post(Remove("j"))
    assert shells._kept == []
    shells.call(Nop())
    assert shells._kept[0].unanswered == [Remove("j")]
    shells.close()
