"""
The use of control shells by one caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.streams.poller import Poller, single_selector
from coder_agents.streams.reconnect import Outage
from coder_agents.transport import ClosedError

if TYPE_CHECKING:
    from coder_agents.jobs.shell import ControlShell


class Loan:
    """
    What one caller uses, and how its request has fared so far.

    One thread at a time may use it; any thread or signal handler may wake it.

    Attributes:
        shell: the control shell in use; after a *LateError*, the one that owes an answer.
        outage: the tries since the last answer; None where nothing is broken.
        was_sent: whether the request was sent since the last answer.
        nonsense: answers since then that made no sense.
    """

    def __init__(self) -> None:
        self.shell: ControlShell | None = None
        self.outage: Outage | None = None
        self.was_sent = False
        self.nonsense = 0
        self._is_woken = False
        self._poller: Poller[int] | None = None

    def take(self, shell: ControlShell) -> None:
        """
        Use *shell* from now on. Raises *ClosedError* when woken.
        """
        self.shell = shell
        self.check()

    def take_from(self, kept: list[ControlShell]) -> ControlShell | None:
        """
        Use the last one of *kept*, where there is one, from now on; return it.

        It is taken before it is removed, so that an interrupt in between does not leave it without an
        owner. Raises *ClosedError* when woken.
        """
        if kept:
            self.shell = kept[-1]
            kept.pop()
            self.check()
        return self.shell

    def drop(self) -> None:
        """
        Close the control shell in use, if there is one: what comes over it is of no use any more.
        """
        held = self.shell
        if held is not None:
            if self.outage is not None:
                self.outage.since += held.waited
            held.close()
        self.shell = None

    def check(self) -> None:
        """
        Raise *ClosedError* when woken.
        """
        if self._is_woken:
            raise ClosedError

    def answered(self) -> None:
        """
        Note that an answer has come.
        """
        self.outage, self.was_sent, self.nonsense = None, False, 0

    def broken(self, since: float) -> Outage:
        """
        Return the outage that lasts, or one that began at *since*, by `time.monotonic`.
        """
        self.outage = self.outage or Outage(since=since)
        return self.outage

    def pause(self, until: float) -> None:
        """
        Wait until *until*, by `time.monotonic`. Raises *ClosedError* when woken.
        """
        poller: Poller[int] = Poller(single_selector())
        try:
            self._poller = poller
            if not self._is_woken:
                poller.wait(until)
        finally:
            self._poller = None
            poller.close()
        self.check()

    def wake(self) -> None:
        """
        Make whoever uses it stop with *ClosedError*, now or at the next use.
        """
        self._is_woken = True
        shell, poller = self.shell, self._poller
        if shell is not None:
            shell.wake()
        if poller is not None:
            poller.alarm.ring()
