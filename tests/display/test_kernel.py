"""
Live views in a real kernel of Jupyter, which the stop button interrupts.
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from coder_agents.testing import Deployment, EmbeddedAgent, Metadata

pytestmark = [
    pytest.mark.unmeasured,
    # Of the kernel's own libraries.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

LIMIT = 60.0  # seconds
Message = dict[str, Any]


class Kernel:
    """
    A kernel, and what a notebook does with it.
    """

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    def run(
        self, code: str, *, stop_at: Callable[[list[Message]], bool] = lambda _: False
    ) -> list[Message]:
        """
        Run a cell, and return its messages; press the stop button when *stop_at* them is true.
        """
        request = self._client.execute(code)
        messages: list[Message] = []
        is_stopped = False
        until = time.monotonic() + LIMIT
        while not (messages and messages[-1]["content"].get("execution_state") == "idle"):
            assert time.monotonic() < until, messages
            with contextlib.suppress(queue.Empty):
                message = self._client.get_iopub_msg(timeout=0.1)
                if message["parent_header"].get("msg_id") == request:
                    messages.append(message)
            if not is_stopped and stop_at(messages):
                is_stopped = True
                self._manager.interrupt_kernel()
        return messages

    def printed(self, code: str) -> str:
        """
        Run a cell, and return what it printed.
        """
        messages = self.run(code)
        assert not of_type(messages, "error"), messages
        return "".join(each["text"] for each in of_type(messages, "stream"))


def of_type(messages: list[Message], *types: str) -> list[Message]:
    """
    Return the contents of the *messages* of these types.
    """
    return [each["content"] for each in messages if each["msg_type"] in types]


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """
    A deployment with one agent.
    """
    with Deployment(metadata_interval=0.05) as made:
        agent = made.add_agent(metadata=[Metadata("CPU", "cpu")])
        agent.set_metadata("cpu", "28%")
        agent.push_logs(["hello"])
        yield made


@pytest.fixture(scope="module")
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    The agent.
    """
    return deployment.agents[0]


@pytest.fixture(scope="module")
def kernel(deployment: Deployment) -> Iterator[Kernel]:
    """
    A kernel with a client of the deployment.
    """
    # A port that was free a moment ago may be taken on a busy machine; a path of a socket has to be short.
    folder = tempfile.TemporaryDirectory(prefix="kernel-")
    manager = KernelManager(transport="ipc", ip=f"{folder.name}/kernel")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=LIMIT)
        made = Kernel(manager, client)
        made.printed(
            f"from coder_agents import Client\n"
            f"client = Client({deployment.url!r}, {deployment.token!r}, proxies={{}})\n"
            f"agent = client.agent('dev')"
        )
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        folder.cleanup()


LEFT = """
import threading
print([t.name for t in threading.enumerate() if "coder-agents" in t.name], view.end)
"""


@pytest.mark.parametrize(
    ("call", "first", "second"),
    [
        ("agent.metadata_view()", "28%", "30%"),
        ("agent.logs_view()", "hello", "again"),
        ("client.top()", "28%", "30%"),
    ],
)
def test_the_stop_button_ends_a_view(
    kernel: Kernel,
    deployment: Deployment,
    embedded: EmbeddedAgent,
    call: str,
    first: str,
    second: str,
) -> None:
    """
    The cell's output is updated in place until then. After it there is no traceback, no thread and no
    connection, and the kernel runs the next cell.
    """
    embedded.set_metadata("cpu", "28%")
    is_changed = False

    def change_then_stop(messages: list[Message]) -> bool:
        nonlocal is_changed
        shown = str(of_type(messages, "display_data", "update_display_data"))
        if first in shown and not is_changed:
            is_changed = True
            embedded.set_metadata("cpu", "30%")
            embedded.push_logs(["again"])
        return is_changed and second in shown

    messages = kernel.run(f"view = {call}\nview", stop_at=change_then_stop)
    assert of_type(messages, "error", "stream", "execute_result") == []
    [display] = of_type(messages, "display_data")
    updates = of_type(messages, "update_display_data")
    assert {each["transient"]["display_id"] for each in updates} == {
        display["transient"]["display_id"]
    }
    assert "stopped" in updates[-1]["data"]["text/html"]
    assert kernel.printed(LEFT) == "[] stopped\n"
    until = time.monotonic() + LIMIT
    while deployment.connections.open != deployment.connections.idle:
        assert time.monotonic() < until
        time.sleep(0.01)
    [shown] = of_type(kernel.run("view"), "display_data")
    assert second in shown["data"]["text/html"]


def test_the_stop_button_keeps_what_was_recorded(kernel: Kernel, deployment: Deployment) -> None:
    """
    The recorder is the cell's result.
    """
    before = watches(deployment)
    messages = kernel.run(
        "view = agent.record_metadata(seconds=3600)",
        stop_at=lambda _: watches(deployment) > before,
    )
    assert of_type(messages, "error", "stream") == []
    assert kernel.printed("print(repr(view))").endswith(" ended>\n")


def watches(deployment: Deployment) -> int:
    """
    Return how many streams of metadata were requested so far.
    """
    return sum(request.route == "watch_metadata" for request in deployment.requests)


def test_each_plot_is_shown_and_so_is_one_of_the_user(kernel: Kernel) -> None:
    """
    The first plot of a session, which loads the backend, leaves matplotlib as another plot would.
    """
    kernel.printed("recorder = agent.record_metadata(seconds=0)")
    for code in (
        "recorder.plot()",
        "recorder.plot()",
        "from matplotlib import pyplot; pyplot.plot([1, 2])",
    ):
        shown = of_type(kernel.run(code), "display_data")
        assert ["image/png" in each["data"] for each in shown] == [True], code
