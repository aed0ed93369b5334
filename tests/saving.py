"""
What keeps pytest itself cheap, with six thousand tests in several processes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from _pytest.runner import runtestprotocol

SHOWN_WITH = ("durations", "xmlpath", "setupshow", "debug")
"""
The options under which each step of a test is shown.
"""


def pytest_sessionstart(session: pytest.Session) -> None:
    """
    Save what the options permit.
    """
    config = session.config
    config.pluginmanager.register(CollectWithoutGarbage(), "collect-without-garbage")
    shows_all = config.get_verbosity() > 0 or any(
        config.getoption(each, None) for each in SHOWN_WITH
    )
    if hasattr(config, "workerinput") and not shows_all:
        config.pluginmanager.register(SendFewReports(), "send-few-reports")


class CollectWithoutGarbage:
    """
    Lets the garbage collector pass by what lives as long as the session: modules and collected tests.

    Walking through all of that takes a tenth of a second. It would be done several times while tests
    are collected, which makes no garbage, and by each test that collects garbage before it counts
    what is left.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[None]:
        gc.disable()
        try:
            return (yield)
        finally:
            gc.enable()

    def pytest_collection_finish(self) -> None:
        gc.collect()
        gc.freeze()


class SendFewReports:
    """
    Runs a test as pytest does, and reports its call, its end, and whatever did not pass.

    With pytest-xdist each report is a message to the process that hands the tests out. A set-up or a
    teardown that passes shows nothing, and neither does the begin of a test.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        for report in runtestprotocol(item, log=False, nextitem=nextitem):
            if report.when == "call" or not report.passed:
                item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True
