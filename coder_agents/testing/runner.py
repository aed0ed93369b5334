"""
The threads and processes of one agent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from coder_agents.testing.metadata import Metadata
from coder_agents.testing.scripts import (
    PIPE_SECONDS,
    LineSplitter,
    ReceiveOutput,
    Script,
    ScriptOutcome,
    ScriptRun,
)

StoreLines = Callable[[str, list[str]], None]
StoreValue = Callable[[str, str, str], None]


class ScriptRunner:
    """
    Runs scripts in threads, and stops all of them together.

    *name* is part of the threads' names.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._spawning = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._runs: set[ScriptRun] = set()

    @property
    def stopped(self) -> bool:
        """
        Whether the runner was stopped.
        """
        return self._stopped.is_set()

    def spawn(self, work: Callable[[], None]) -> threading.Thread:
        """
        Run *work* in a new thread, and return the thread.
        """
        thread = threading.Thread(target=work, name=f"deployment-{self._name}", daemon=True)
        with self._spawning:  # so that `stop`, in another thread, joins no thread before its start
            self._threads.append(thread)
            thread.start()
        return thread

    def pause(self, seconds: float) -> bool:
        """
        Wait *seconds*, or until the runner is stopped.

        Returns:
            Whether to continue: False after a stop.
        """
        return not self._stopped.wait(seconds)

    def stop(self) -> None:
        """
        Kill every process, background processes included, and join every thread.
        """
        with self._lock:
            self._stopped.set()
            runs = list(self._runs)
        for run in runs:
            run.kill()
        with self._spawning:
            threads = list(self._threads)
        for thread in threads:
            thread.join()
        for run in runs:
            run.close()

    def run_script(self, script: Script, store: StoreLines) -> ScriptOutcome | None:
        """
        Run *script* to its end.

        Arguments:
            script: the script.
            store: called with ``stdout`` or ``stderr`` and lines of output.

            Returns:
                The outcome; None where the script did not run because of a stop.
        """
        splitters = {"stdout": LineSplitter(), "stderr": LineSplitter()}

        def receive(name: str, data: bytes) -> None:
            store(name, splitters[name].feed(data))

        run = self._begin(script.script, receive, script.timeout, script._pipe_seconds)
        if run is None:
            return None
        outcome = run.wait()
        for name, splitter in splitters.items():
            store(name, splitter.flush())
        return outcome

    def collect(self, item: Metadata, store: StoreValue) -> None:
        """
        Collect an item of metadata repeatedly until the runner is stopped.

        Arguments:
            item: the item.
            store: called with its key, its value and its error.
        """
        while not self._stopped.is_set():
            began = time.monotonic()
            self.collect_once(item, store)
            left = item.interval - (time.monotonic() - began)
            self._stopped.wait(max(0.0, left) if item.interval else None)

    def collect_once(self, item: Metadata, store: StoreValue) -> None:
        """
        Collect an item of metadata once.
        """
        output = bytearray()

        def receive(name: str, data: bytes) -> None:
            if name == "stdout":
                output.extend(data)

        run = self._begin(item.script, receive, item.timeout)
        if run is None:
            return
        error = run.wait().error
        run.close()
        with self._lock:
            self._runs.discard(run)
        # The output of a run that was killed by a stop is no value.
        if not self._stopped.is_set():
            value = output.decode(errors="replace")
            store(item.key, value, f"run cmd: {error}" if error else "")

    def _begin(
        self,
        script: str,
        receive: ReceiveOutput,
        timeout: float,
        pipe_seconds: float = PIPE_SECONDS,
    ) -> ScriptRun | None:
        with self._lock:
            if self._stopped.is_set():
                return None
            run = ScriptRun(script, receive, timeout=timeout, pipe_seconds=pipe_seconds)
            self._runs.add(run)
            return run
