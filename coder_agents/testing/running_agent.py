"""
An agent that runs what it was given: scripts, metadata, terminals.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from coder_agents.schema import LogLevel, WorkspaceAgentScriptStatus
from coder_agents.testing.containers import ContainerBoard
from coder_agents.testing.description import DescriptionFacts, InstalledScript
from coder_agents.testing.metadata import MetadataBoard
from coder_agents.testing.reported_agent import ReportedAgent
from coder_agents.testing.scripts import ScriptOutcome
from coder_agents.testing.terminals import Terminals
from coder_agents.testing.timings import ScriptTiming, TimingBoard

if TYPE_CHECKING:
    from coder_agents.testing.metadata import Metadata
    from coder_agents.testing.state import State

# An agent's state after a phase: all scripts succeeded, or the first failure timed out or failed.
LIFECYCLES_AFTER = {
    "start": ("ready", "start_timeout", "start_error"),
    "stop": ("off", "shutdown_timeout", "shutdown_error"),
}

LEVELS = {"stdout": LogLevel.INFO, "stderr": LogLevel.ERROR}

PIPES_WARNING = "WARNING: the script has ended, but a process it started still holds its output."


class RunningAgent(ReportedAgent):
    """
    The life of an agent, and what it runs meanwhile.

    Attributes:
        specification: the scripts and metadata it was made with.
        machine: what it runs on.
        containers: what it reports of containers.
        metadata: the newest value of each item.
        timings: the runs of its scripts that have ended.
        terminals: the processes of its terminals.
    """

    def __init__(
        self, state: State, facts: DescriptionFacts, metadata: tuple[Metadata, ...]
    ) -> None:
        super().__init__(state, facts)
        self.specification = (tuple(each.script for each in facts.scripts), metadata)
        self.machine = facts.machine
        self.containers = ContainerBoard(facts.release)
        self.metadata = MetadataBoard(metadata, now=state.now)
        self.timings = TimingBoard()
        self.terminals = Terminals(facts.machine, self.containers)
        self._failures: dict[str, ScriptOutcome] = {}
        self._shutting_down = False

    def start(self) -> None:
        """
        Connect, and run the scripts.
        """
        self.connect()
        self.set_lifecycle("starting")
        for installed in self._startup_scripts:
            self._runner.spawn(partial(self.run_script, installed))
        if not self._startup_scripts:
            self.set_lifecycle("ready")
        for item in self.specification[1]:
            if item.script:
                self._runner.spawn(partial(self._runner.collect, item, self.metadata.set))

    def start_after(self, seconds: float) -> None:
        """
        Start after *seconds*; until then the agent is connecting.
        """
        if seconds <= 0:
            self.start()
            return

        def start() -> None:
            if self._runner.pause(seconds):
                self.start()

        self._runner.spawn(start)

    def stop(self) -> None:
        """
        Shut down: run the stop scripts, kill all other processes, and disconnect; repeatable.

        The agent is ``shutting_down`` meanwhile, and then ``off``, ``shutdown_timeout`` or
        ``shutdown_error``.
        """
        with self._changed:
            again = self._shutting_down or self._runner.stopped
            self._shutting_down = True
        if again:
            return
        self.set_lifecycle("shutting_down")
        scripts = [each for each in self._facts.scripts if each.script.run_on_stop]
        work = [partial(self.run_script, each, "stop") for each in scripts]
        for thread in [self._runner.spawn(each) for each in work]:
            thread.join()
        self.set_lifecycle(self._lifecycle_after("stop"))
        self.kill()

    def kill(self) -> None:
        """
        Kill its processes and disconnect, as when its machine is switched off; repeatable.
        """
        if not self._runner.stopped:
            self._runner.stop()
            self.terminals.close()
            self.containers.close()
            self.disconnect()

    @property
    def _startup_scripts(self) -> list[InstalledScript]:
        return [each for each in self._facts.scripts if each.script.run_on_start]

    def run_script(self, installed: InstalledScript, phase: str = "start") -> None:
        """
        Run a script in the phase ``start`` or ``stop``; the end of the last start script ends the
        start.
        """
        store = partial(self._store, installed.source_id)
        began = self._state.now()
        outcome = self._runner.run_script(installed.script, store)
        if outcome is None:
            return
        if outcome.status == WorkspaceAgentScriptStatus.PIPES_LEFT_OPEN:
            store("stderr", [PIPES_WARNING])
        name, ended = installed.script.display_name, self._state.now()
        self.timings.add(ScriptTiming(name, phase, began, ended, outcome))
        self._finish(installed, outcome, phase)

    def _store(self, source_id: UUID, stream: str, lines: list[str]) -> None:
        if lines:
            batch = [(LEVELS[stream], line) for line in lines]
            self._state.logs.append(self.id, source_id, batch)

    def _finish(self, installed: InstalledScript, outcome: ScriptOutcome, phase: str) -> None:
        with self._changed:
            installed.outcome = outcome
            if outcome.error:
                self._failures.setdefault(phase, outcome)
            over = all(each.outcome for each in self._startup_scripts)
            ended = self._shutting_down or self._runner.stopped
        if over and not ended:
            self.set_lifecycle(self._lifecycle_after("start"))

    def _lifecycle_after(self, phase: str) -> str:
        well, late, badly = LIFECYCLES_AFTER[phase]
        outcome = self._failures.get(phase)
        if outcome is None:
            return well
        return late if outcome.status == WorkspaceAgentScriptStatus.TIMED_OUT else badly
