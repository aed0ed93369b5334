"""
Which of what runs here is measured for coverage.

On the oldest Python that is supported, whatever runs while coverage is measured takes twice as long.
So what no line needs is not measured: the process that hands the tests out, collecting them in more
than one process, and tests that are marked ``unmeasured``. These repeat with chance, at length or
under many circumstances what others show step by step. A module is marked as a whole, and the few of
its tests that alone reach some line are marked ``measured``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import coverage
import pytest

FIRST = "gw0"
"""
The process that measures what runs while tests are collected.
"""

OF_CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""
The variable by which coverage has processes measured that are started here.
"""


@contextlib.contextmanager
def unmeasured(holds: bool = True) -> Iterator[None]:
    """
    Measure nothing in the body, where *holds* and something is measured at all.
    """
    measured = coverage.Coverage.current() if holds else None
    if measured is None:
        yield
        return
    measured.stop()
    settings = os.environ.pop(OF_CHILDREN, None)
    try:
        yield
    finally:
        if settings is not None:
            os.environ[OF_CHILDREN] = settings
        measured.start()


def pytest_configure(config: pytest.Config) -> None:
    """
    Measure nothing in the process that hands the tests out.
    """
    hands_out = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
    measured = coverage.Coverage.current()
    if hands_out and measured is not None:
        measured.stop()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """
    Let one process measure what importing the tests runs.
    """
    with unmeasured(os.environ.get("PYTEST_XDIST_WORKER", FIRST) != FIRST):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """
    Measure no test that is marked so.
    """
    marks = {mark.name for mark in item.iter_markers()}
    with unmeasured("unmeasured" in marks and "measured" not in marks):
        return (yield)
