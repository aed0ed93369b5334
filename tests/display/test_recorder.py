"""
The recorder, over an embedded deployment.
"""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas
import pytest
from driving import interrupt_starts, reached, signalled_when_waiting

from coder_agents import Agent, Client, CoderError, NotFoundError, Reconnect, StreamOptions, export
from coder_agents.display import MetadataRecorder
from coder_agents.display.recorder import Recording
from coder_agents.display.watch import MetadataWatch
from coder_agents.testing import Deployment, EmbeddedAgent

from .conftest import unread_agent

JSON = {"Content-Type": "application/json"}
SHORT = StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.05, give_up_after=0.2))


@pytest.fixture(autouse=True)
def nothing_is_left(deployment: Deployment) -> Iterator[None]:
    """
    After each test no thread of a recorder runs, and no connection but kept ones is open.
    """
    yield
    reached(lambda: not [e for e in threading.enumerate() if "coder-agents-watch" in e.name])
    reached(lambda: deployment.connections.open == deployment.connections.idle)


def values(recorder: MetadataRecorder, key: str = "cpu") -> list[str]:
    """
    Return the values of the readings of *key*.
    """
    return [each.metadata.result.value for each in recorder.readings if each.key == key]


def break_down(deployment: Deployment) -> None:
    """
    Drop each stream of metadata from now on.
    """
    for _ in range(200):
        deployment.faults.add("html", route="watch_metadata", status=502)
    deployment.restart()


def test_each_reading_is_recorded_once(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    The deployment sends every item each time; only those that were collected since are readings.
    """
    with agent.record_metadata() as recorder:
        reached(lambda: values(recorder) == ["28%\n"])
        for value in ("29%", "30%"):
            embedded.set_metadata("cpu", value)
            reached(lambda value=value: values(recorder)[-1] == value)  # type: ignore[misc]
        embedded.set_metadata("disk", "full", error="exit 1")
        reached(lambda: values(recorder, "disk"))
        assert repr(recorder) == "<MetadataRecorder of dev.main, 4 readings, running>"
    assert values(recorder) == ["28%\n", "29%", "30%"]
    times = [each.collected_at for each in recorder.readings]
    assert len(set(times)) == 4
    assert recorder.readings[-1].number is None
    assert repr(recorder) == "<MetadataRecorder of dev.main, 4 readings, ended>"


def test_equal_values_that_were_collected_again_are_readings(
    agent: Agent, embedded: EmbeddedAgent
) -> None:
    """
    A reading is a time, not a value.
    """
    with agent.record_metadata() as recorder:
        for count in range(1, 4):
            reached(lambda count=count: len(values(recorder)) == count)  # type: ignore[misc]
            embedded.set_metadata("cpu", "28%\n")


def test_a_recording_continues_after_a_drop(
    agent: Agent, embedded: EmbeddedAgent, deployment: Deployment
) -> None:
    """
    What is sent again over the next connection is not recorded again.
    """
    with agent.record_metadata(options=SHORT) as recorder:
        reached(lambda: values(recorder))
        deployment.restart()
        embedded.set_metadata("cpu", "29%")
        reached(lambda: len(values(recorder)) == 2)
    assert values(recorder) == ["28%\n", "29%"]


def test_seconds_record_in_the_foreground(agent: Agent) -> None:
    """
    The recorder that is returned has ended.
    """
    recorder = agent.record_metadata(seconds=1)
    assert repr(recorder).endswith("ended>")


def test_ctrl_c_ends_a_recording_in_the_foreground(agent: Agent) -> None:
    """
    What is recorded until then is returned.
    """
    with signalled_when_waiting():
        recorder = agent.record_metadata(seconds=3600)
    assert repr(recorder).endswith("ended>")


def test_ctrl_c_as_the_thread_starts_ends_a_recording(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A thread that does not run yet cannot be waited for.
    """
    with monkeypatch.context() as patched:
        interrupt_starts(patched, "coder-agents-watch")
        recorder = agent.record_metadata(seconds=3600)
    assert repr(recorder).endswith("ended>")


def test_an_interrupt_of_the_body_passes_through(agent: Agent) -> None:
    """
    The recording ends with the block, and the recorder has its readings.
    """
    with pytest.raises(KeyboardInterrupt), agent.record_metadata() as recorder:
        reached(lambda: values(recorder))
        raise KeyboardInterrupt
    assert values(recorder)


def test_ctrl_c_while_a_recording_in_the_background_connects_passes_through(
    agent: Agent, deployment: Deployment
) -> None:
    """
    There is nothing recorded to be returned, and no connection is left.
    """
    deployment.faults.add("silence", route="watch_metadata", at="request")
    with pytest.raises(KeyboardInterrupt), signalled_when_waiting():
        agent.record_metadata()


def test_the_first_error_is_raised_where_the_recording_begins(client: Client) -> None:
    """
    An agent that is not there is reported as by its stream.
    """
    with pytest.raises(NotFoundError):
        unread_agent(client).record_metadata()


def test_an_error_in_the_background_is_raised_at_the_end(
    agent: Agent, deployment: Deployment
) -> None:
    """
    A stream that gave up is not forgotten, and neither are the readings before.
    """
    recorder = agent.record_metadata(options=SHORT)
    reached(lambda: values(recorder))
    break_down(deployment)
    reached(lambda: len(recorder.failures) == 1)
    with pytest.raises(CoderError), recorder:
        pass
    assert values(recorder)
    with pytest.raises(ZeroDivisionError), recorder:
        _ = 1 / 0


def test_an_error_of_the_users_own_function_is_raised_at_the_end(
    agent: Agent, deployment: Deployment
) -> None:
    """
    A thread has nobody to raise it to.
    """

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    options = StreamOptions(reconnect=SHORT.reconnect, on_reconnect=fail)
    with pytest.raises(ZeroDivisionError), agent.record_metadata(options=options) as recorder:
        break_down(deployment)
        reached(lambda: len(recorder.failures) == 1)


def test_several_agents_are_recorded_together(
    client: Client, deployment: Deployment, agent: Agent
) -> None:
    """
    The error of one agent is among the failures, and does not affect the other agents.
    """
    deployment.add_agent(workspace="shop").set_metadata("load", "0.5")
    with client.record_metadata() as recorder:
        reached(
            lambda: {each.agent.label for each in recorder.readings} == {"dev.main", "shop.main"}
        )
    missing = unread_agent(client)
    with client.record_metadata([agent, missing, agent]) as second:
        reached(lambda: list(second.failures) == [missing])
        reached(lambda: values(second))
    assert "2 agents" in repr(second)
    assert "dev.main · CPU" in str(recorder)


def test_a_recording_of_nothing_but_failures_raises(client: Client) -> None:
    """
    In the foreground it ends at once, not after its seconds.
    """
    with pytest.raises(NotFoundError):
        client.record_metadata([unread_agent(client), unread_agent(client)], seconds=3600)


@pytest.mark.parametrize("seconds", [-1, float("nan"), "60"])
def test_impossible_seconds_are_refused(
    agent: Agent, deployment: Deployment, seconds: float
) -> None:
    """
    The error is raised before anything is sent.
    """
    before = len(deployment.requests)
    with pytest.raises((TypeError, ValueError), match="seconds"):
        agent.record_metadata(seconds=seconds)
    assert len(deployment.requests) == before


def test_who_records_in_the_background_can_wait(
    client: Client, agent: Agent, deployment: Deployment
) -> None:
    """
    The wait lasts as long as requested, and ends early where no stream is left.
    """
    with agent.record_metadata() as recorder:
        assert recorder.wait(0.01)
        with pytest.raises(ValueError, match="0 or more seconds"):
            recorder.wait(-1)
    unread = [unread_agent(client), agent]
    for _ in unread:
        deployment.faults.add("refuse", route="watch_metadata", status=403, headers=JSON, body="{}")
    failing = client.record_metadata(unread)
    assert not failing.wait(None)
    assert len(failing.failures) == len(unread)
    failing.close()


def test_no_agents_cannot_be_recorded(client: Client) -> None:
    """
    A recording that could never have a reading is an error.
    """
    with pytest.raises(ValueError, match="no agents to record"):
        client.record_metadata([])


def test_a_recorder_that_is_forgotten_ends_with_a_warning(agent: Agent) -> None:
    """
    Its thread does not keep it alive.
    """

    def record() -> None:
        recorder = agent.record_metadata()
        reached(lambda: values(recorder))

    with pytest.warns(ResourceWarning, match="left open"):
        record()
        gc.collect()


def test_a_closed_recorder_is_forgotten_silently(agent: Agent) -> None:
    """
    Closing twice is closing once.
    """
    recorder = agent.record_metadata(seconds=0)
    recorder.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del recorder
        gc.collect()


def test_a_recording_becomes_a_data_frame(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    Each reading is a row with the agent, the key, the number, its unit and the time.
    """
    embedded.set_metadata("disk", "3/16 GiB")
    with agent.record_metadata() as recorder:
        reached(lambda: len(recorder.readings) == 2)
        embedded.set_metadata("cpu", "30%", error="exit 1")
        reached(lambda: len(recorder.readings) == 3)
    frame = recorder.to_frame().set_index(["key", "collected_at"]).sort_index()
    assert list(frame.loc["cpu"]["number"].dropna()) == [28.0]
    assert list(frame.loc["disk"]["unit"]) == ["GiB"]
    assert list(frame.loc["cpu"]["error"])[-1] == "exit 1"


def test_a_recording_is_exported_as_what_the_client_returns(agent: Agent, tmp_path: Path) -> None:
    """
    It has records, is a table of Arrow and a file; without readings it has all columns.
    """
    with agent.record_metadata() as running:
        reached(lambda: len(running.readings) == 1)
        [record] = export.records(running)
    assert (record["agent"], record["key"], record["number"]) == (agent.label, "cpu", 28.0)
    assert running.to_arrow().column_names == list(record)
    path = tmp_path / "load.parquet"
    assert export.write([running], path) == 1
    assert list(pandas.read_parquet(path)["number"]) == [28.0]
    nothing = MetadataRecorder(Recording([agent]), MetadataWatch(on_items=print, on_failure=print))
    nothing.close()
    assert list(nothing.to_frame()) == list(record)


def test_the_summary_has_a_line_for_each_item(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    It counts readings and errors, and has the figures of the numbers.
    """
    embedded.set_metadata("disk", "full")
    with agent.record_metadata() as recorder:
        reached(lambda: len(recorder.readings) == 2)
        embedded.set_metadata("cpu", "30%")
        reached(lambda: len(recorder.readings) == 3)
    _, head, _, cpu, disk = str(recorder).splitlines()
    assert head.split()[:5] == ["Item", "Unit", "Readings", "Errors", "Gaps"]
    assert cpu.split() == ["CPU", "%", "2", "0", "0", "28.0", "29.0", "30.0", "30.0"]
    assert disk.split() == ["Disk", "1", "0", "0"]
    assert "<td" in recorder._repr_html_()
