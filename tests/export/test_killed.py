"""
Programs that are killed while they append a log to a file.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from effort import times
from forked import Child

from coder_agents import Client, export
from coder_agents.testing import Deployment, EmbeddedAgent

pytestmark = [
    pytest.mark.unmeasured,
    pytest.mark.once,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
]


@contextlib.contextmanager
def writing(embedded: EmbeddedAgent) -> Iterator[None]:
    """
    Let scripts of *embedded* print lines, three at a time, all through the block.
    """
    stop = threading.Event()
    numbers = itertools.count()

    def write() -> None:
        while not stop.wait(0.001):
            embedded.push_logs([f"line {next(numbers)}" for _ in range(3)])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_a_program_that_is_killed_loses_and_repeats_no_line(
    name: str,
    client: Client,
    deployment: Deployment,
    embedded: EmbeddedAgent,
    ending: Callable[[], None],
    tmp_path: Path,
) -> None:
    """
    Whenever the program is killed, the next one continues the file exactly.
    """
    path = tmp_path / name

    def follow() -> None:
        with deployment.client() as own, own.agent("dev").follow_logs() as stream:
            export.write(stream, path, append=True)

    chance = random.Random(name)
    with writing(embedded):
        for _ in range(times(10, 300)):
            child = Child(follow)
            time.sleep(chance.uniform(0.01, 0.15))
            child.kill()
    ending()
    agent = client.agent("dev")
    with agent.follow_logs() as stream:
        export.write(stream, path, append=True)
    content = path.read_bytes()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    rows = [json.loads(line) for line in text.splitlines()]
    expected = [(log.id, log.output) for log in agent.logs()]
    assert [(row["id"], row["output"]) for row in rows] == expected
