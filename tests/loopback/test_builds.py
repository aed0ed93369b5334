"""
A log that is followed across the builds of a workspace, against the embedded deployment.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator

import attrs
import pytest
from effort import times
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paced import PacedOptions, paced

from coder_agents import (
    Agent,
    AuthenticationError,
    Client,
    NotFoundError,
    Reconnect,
    ServerError,
    StreamEnd,
    StreamError,
)
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams import Stream
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.pauses import Pauses
from coder_agents.testing import Deployment, EmbeddedBuild, PendingLogs, Script

SOON = functools.partial(
    PacedOptions,
    pauses=Pauses(
        second_try=0.02,
        build_read=0.02,
        max_build_read=0.05,
        max_stable_read=0.05,
        stopped_for=0.5,
    ),
)
OPTIONS = SOON(reconnect=Reconnect(initial=0.01, maximum=0.05, give_up_after=60), settle=0.1)
LONGEST = 60.0  # seconds that nothing here may take


@pytest.fixture(params=["2.24", "2.31", "2.35"])
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """
    A deployment of each release in turn.
    """
    with Deployment(release=request.param) as made:
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it whose streams come back soon.
    """
    with deployment.client(stream_options=OPTIONS) as made:
        yield made


def output(stream: Stream[WorkspaceAgentLog]) -> str:
    """
    Return the text of the next line, which has to come.
    """
    log = stream.poll(LONGEST)
    assert log is not None, stream.end
    return log.output


def reads(deployment: Deployment) -> int:
    """
    Return how often a workspace was read by its id.
    """
    return sum(request.route == "workspace" for request in list(deployment.requests))


def until_read_again(deployment: Deployment, stream: Stream[WorkspaceAgentLog]) -> None:
    """
    Read until the stream has read for the next build some more times, and nothing came.
    """
    before = reads(deployment)
    while reads(deployment) < before + 4:
        assert stream.poll(0.02) is None
        assert stream.end is None


def test_the_log_goes_on_with_the_next_builds_agent(deployment: Deployment, client: Client) -> None:
    """
    It continues from the first line, and whoever asks is told of it before that.
    """
    old = deployment.add_agent()
    old.push_logs(["one", "two"])
    seen: list[Agent] = []
    with client.agent("dev").follow_logs(across_builds=True, on_build=seen.append) as stream:
        assert [output(stream), output(stream)] == ["one", "two"]
        last = stream.last_id
        new = old.new_build()
        assert stream.poll(0.3) is None or seen
        while not seen:
            assert stream.poll(0.05) is None
        assert stream.last_id == last
        new.push_logs(["three"])
        assert output(stream) == "three"
        (agent,) = seen
        assert (agent.id, agent.data.name) == (new.id, "main")
        assert agent.workspace is not None
        assert agent.logs()[0].output == "three"
        assert Bookmark.read(stream.bookmark, new.id).agent_id == new.id
        assert stream.stats.items == 3
        newer = new.new_build()
        newer.push_logs(["four"])
        assert output(stream) == "four"
        assert [each.id for each in seen] == [new.id, newer.id]
        assert stream.stats.late == 0
    assert stream.end is StreamEnd.CLOSED


def test_nobody_need_be_told(deployment: Deployment, client: Client) -> None:
    """
    The stream goes on without a word.
    """
    old = deployment.add_agent()
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        old.new_build().push_logs("one")
        assert output(stream) == "one"


def test_what_the_old_agent_still_says_comes_while_the_build_is_under_way(
    deployment: Deployment, client: Client
) -> None:
    """
    A build that is pending has ended the log, not the agent: its lines are read, each once.
    """
    old = deployment.add_agent()
    old.push_logs("one")
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        assert output(stream) == "one"
        build = deployment.workspace().start_build()
        until_read_again(deployment, stream)
        old.push_logs("two")
        assert output(stream) == "two"
        build.begin()
        slow = old.begin_logs("three")
        old.push_logs("four")
        assert output(stream) == "four"
        slow.commit()
        assert output(stream) == "three"
        assert stream.stats.late == 1
        until_read_again(deployment, stream)
        build.complete()
        build.agents[0].push_logs("five")
        assert output(stream) == "five"


def test_what_stop_scripts_print_comes_before_the_next_build(
    deployment: Deployment, client: Client
) -> None:
    """
    All of it where the deployment tells it till the end, else what there was in time.
    """
    script = "echo saving; sleep 0.3; echo saved"
    save = Script(script, "Save", run_on_start=False, run_on_stop=True)
    old = deployment.add_agent(scripts=["echo hello", save])
    old.wait_started()
    outputs: list[str] = []
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        thread = threading.Thread(target=old.new_build)
        thread.start()
        while outputs.count("hello") < 2:
            outputs.append(output(stream))
        thread.join()
    whole = ["hello", "saving", "saved", "hello"]
    forgets = "2.35" in repr(deployment)
    assert outputs == whole or (forgets and outputs == [*whole[:2], whole[3]])


def test_a_restart_by_stop_and_start_is_gone_through(
    deployment: Deployment, client: Client
) -> None:
    """
    A stopped workspace is waited for a little: somebody may ask for the start.
    """
    old = deployment.add_agent()
    old.push_logs("one")
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        assert output(stream) == "one"
        deployment.workspace().start_build("stop").complete()
        before = reads(deployment)
        while reads(deployment) < before + 2:
            assert stream.poll(0.01) is None
        build = deployment.workspace().start_build()
        build.complete()
        build.agents[0].push_logs("two")
        assert output(stream) == "two"


@pytest.mark.parametrize(
    ("transition", "end"),
    [("stop", StreamEnd.WORKSPACE_STOPPED), ("delete", StreamEnd.WORKSPACE_DELETED)],
)
def test_a_workspace_that_is_stopped_or_deleted_ends_the_stream(
    deployment: Deployment, client: Client, transition: str, end: StreamEnd
) -> None:
    """
    When the build is through, not while it is under way; with the last line, and no error.
    """
    old = deployment.add_agent()
    old.push_logs("one")
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        build = deployment.workspace().start_build(transition)
        assert output(stream) == "one"
        build.begin()
        until_read_again(deployment, stream)
        old.push_logs("two")
        assert output(stream) == "two"
        build.complete()
        assert list(stream) == []
    assert stream.end is end


@pytest.mark.parametrize("how", ["fail", "cancel"])
def test_a_build_that_comes_to_nothing_ends_nothing(
    deployment: Deployment, client: Client, how: str
) -> None:
    """
    The old agent goes on and is read; the next build is waited for.
    """
    old = deployment.add_agent()
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        build = deployment.workspace().start_build()
        getattr(build, how)()
        until_read_again(deployment, stream)
        old.push_logs("one")
        assert output(stream) == "one"
        old.new_build().push_logs("two")
        assert output(stream) == "two"


def test_a_failed_build_that_made_the_agent_is_gone_on_with(
    deployment: Deployment, client: Client
) -> None:
    """
    It is there and writes.
    """
    deployment.add_agent()
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        build = deployment.workspace().start_build()
        new = build.add_agent("main")
        build.make_agents()
        build.fail()
        new.push_logs("why")
        assert output(stream) == "why"


def test_a_build_without_such_an_agent_ends_the_stream(
    deployment: Deployment, client: Client
) -> None:
    """
    The template has another agent now, so nothing more can come.
    """
    deployment.add_agent("old")
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        build = deployment.workspace().start_build()
        deployment.workspace().builds[0].agents.clear()
        build.add_agent("new")
        build.complete()
        assert list(stream) == []
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD


def test_a_sub_agent_is_waited_for(deployment: Deployment, client: Client) -> None:
    """
    Its parent makes it anew some time after the build, or never.
    """
    parent = deployment.add_agent("main")
    parent.add_subagent("web").push_logs("one")
    with client.agent("dev.web").follow_logs(across_builds=True) as stream:
        assert output(stream) == "one"
        new = parent.new_build()
        until_read_again(deployment, stream)
        new.add_subagent("web").push_logs("two")
        assert output(stream) == "two"


def test_filters_hold_for_every_build_and_the_tail_for_the_first(
    deployment: Deployment, client: Client
) -> None:
    """
    The next build's log is new from its first line on; its sources are its own, by name.
    """
    save = Script("echo saving", "Save", run_on_start=False, run_on_stop=True)
    hello = Script("echo hello; echo bye", "Greet")
    old = deployment.add_agent(scripts=[hello, save])
    old.wait_started()
    agent = client.agent("dev")
    with agent.follow_logs(across_builds=True, tail=1, source="Greet") as stream:
        assert output(stream) == "bye"
        new = old.new_build()
        assert [output(stream), output(stream)] == ["hello", "bye"]
        assert [log.output for log in client.agent(new.id).logs(source="Greet")] == ["hello", "bye"]


def test_drops_are_gone_through_at_every_step(deployment: Deployment, client: Client) -> None:
    """
    There are drops of the log, of what is read of it when it is over, and of the workspace.
    """
    old = deployment.add_agent()
    old.push_logs("one")
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        assert output(stream) == "one"
        build = deployment.workspace().start_build()
        for route in ("logs", "workspace", "logs_follow"):
            deployment.faults.add("refuse", route=route, status=503, times=2)
            deployment.faults.add("drop", route=route, at="request", times=1)
        old.push_logs("two")
        assert output(stream) == "two"
        for route in ("logs", "workspace"):
            deployment.faults.add("refuse", route=route, status=502, times=2)
        old.push_logs("three")
        assert output(stream) == "three"
        build.complete()
        deployment.faults.add("drop", route="logs_follow", after=1, times=2)
        build.agents[0].push_logs("four")
        assert output(stream) == "four"
        deployment.restart()
        build.agents[0].push_logs("five")
        assert output(stream) == "five"


def test_an_agent_that_is_gone_when_the_log_broke_off_has_a_successor(
    deployment: Deployment, client: Client
) -> None:
    """
    Nothing said 1000 before, as a newer deployment has the old agent no more.
    """
    old = deployment.add_agent()
    old.push_logs("one")
    deployment.faults.add("drop", route="logs_follow", after=1)
    with client.agent("dev").follow_logs(across_builds=True) as stream:
        old.new_build().push_logs("two")
        assert [output(stream), output(stream)] == ["one", "two"]


@pytest.mark.parametrize("status", [404, 401])
def test_an_agent_that_is_gone_and_listed_is_an_error(
    deployment: Deployment, client: Client, status: int
) -> None:
    """
    It is an error as for any stream, and so is any other refusal.
    """
    deployment.add_agent().push_logs("one")
    deployment.faults.add("drop", route="logs_follow", after=1)
    stream = client.agent("dev").follow_logs(across_builds=True)
    json, body = {"Content-Type": "application/json"}, '{"message": "Gone."}'
    deployment.faults.add(
        "refuse", route="logs_follow", status=status, times=None, headers=json, body=body
    )
    assert output(stream) == "one"
    with pytest.raises((NotFoundError, AuthenticationError), match=r"Gone\."):
        stream.poll(LONGEST)
    assert stream.end is StreamEnd.FAILED


def test_without_reconnecting_the_first_1000_is_checked(
    deployment: Deployment, client: Client
) -> None:
    """
    It is a drop where there is no newer build; what cannot be read then is raised.
    """
    options = SOON(reconnect=None, settle=0)
    agents = [deployment.add_agent()]
    agents[0].push_logs("one")

    def follow() -> Stream[WorkspaceAgentLog]:
        return client.agent("dev").follow_logs(across_builds=True, options=options)

    deployment.faults.add("close", route="logs_follow", after=1, code=1000)
    stream = follow()
    assert output(stream) == "one"
    with pytest.raises(StreamError, match="close code 1000"):
        next(stream)
    assert stream.end is StreamEnd.FAILED
    with follow() as stream:
        assert output(stream) == "one"
        agents[0].new_build().push_logs("two")
        assert output(stream) == "two"
    with follow() as stream:
        assert output(stream) == "two"
        deployment.faults.add("refuse", route="workspace", status=503)
        deployment.workspace().start_build()
        with pytest.raises(StreamError, match="close code 1000"):
            stream.poll(LONGEST)
    assert stream.end is StreamEnd.FAILED


def test_a_workspace_that_cannot_be_read_for_long_is_given_up(
    deployment: Deployment, client: Client
) -> None:
    """
    The error is raised as by any stream that gives up.
    """
    deployment.add_agent()
    options = SOON(reconnect=Reconnect(initial=0.01, maximum=0.05, give_up_after=0.5), settle=0)
    stream = client.agent("dev").follow_logs(across_builds=True, options=options)
    deployment.workspace().start_build()
    until_read_again(deployment, stream)
    deployment.faults.add("refuse", route="workspace", status=503, times=None)
    with pytest.raises(ServerError):
        stream.poll(LONGEST)
    assert stream.end is StreamEnd.GAVE_UP


@pytest.mark.parametrize("readable", [True, False])
def test_the_next_build_is_not_kept_waiting_for_long(
    deployment: Deployment, client: Client, readable: bool
) -> None:
    """
    It waits neither long for lines that might yet come, nor for a log that cannot be read just now.
    """
    old = deployment.add_agent()
    old.push_logs("one")
    options = paced(attrs.evolve(OPTIONS, settle=3600), max_settling=0.3)
    with client.agent("dev").follow_logs(across_builds=True, options=options) as stream:
        assert output(stream) == "one"
        if not readable:
            deployment.faults.add("refuse", route="logs", status=503, times=None)
        old.new_build().push_logs("two")
        assert output(stream) == "two"


def test_a_sub_agent_that_is_made_anew_is_gone_on_with(
    deployment: Deployment, client: Client
) -> None:
    """
    The stream continues with it though it is of the same build: a dev container was recreated.
    """
    if "2.24" in repr(deployment):
        pytest.skip("this release does not end the log of a sub-agent that is deleted")
    parent = deployment.add_agent("main")
    child = parent.add_subagent("web")
    child.push_logs("one")
    with client.agent("dev.web").follow_logs(across_builds=True) as stream:
        assert output(stream) == "one"
        child.delete()
        until_read_again(deployment, stream)
        parent.add_subagent("web").push_logs("two")
        assert output(stream) == "two"


def test_a_stream_that_went_on_says_of_which_log_it_is(
    deployment: Deployment, client: Client
) -> None:
    """
    Its text and the errors it raises name the agent that it follows now.
    """
    old = deployment.add_agent()
    options = SOON(reconnect=None, settle=0)
    with client.agent("dev").follow_logs(across_builds=True, options=options) as stream:
        new = old.new_build()
        new.push_logs("one")
        deployment.faults.add("close", route="logs_follow", after=1, code=1001)
        assert output(stream) == "one"
        assert str(new.id) in repr(stream)
        with pytest.raises(StreamError, match=f"the log of agent {new.id}") as raised:
            stream.poll(LONGEST)
        assert raised.value.bookmark == stream.bookmark
        assert stream.stats.reconnects == 0


def test_the_workspace_has_to_be_known(deployment: Deployment, client: Client) -> None:
    """
    An agent that was found by its own UUID is refused, before anything is asked.
    """
    embedded = deployment.add_agent()
    agent = client.agent(embedded.id)
    before = len(deployment.requests)
    with pytest.raises(ValueError, match=r"find it by name, as client\.agent\('workspace"):
        agent.follow_logs(across_builds=True)
    named = client.agent("dev")
    with pytest.raises(TypeError, match="on_build must be a function or None, not int"):
        named.follow_logs(across_builds=True, on_build=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="add across_builds=True"):
        named.follow_logs(on_build=print)
    with pytest.raises(ValueError, match="bookmark"):
        named.follow_logs("1:nonsense", across_builds=True)
    assert len(deployment.requests) == before + 1


def test_closing_wakes_a_reader_that_waits_for_a_build(
    deployment: Deployment, client: Client
) -> None:
    """
    Another thread ends the iteration, without an error and long before the next read.
    """
    deployment.add_agent()
    seldom = paced(OPTIONS, build_read=3600.0, max_build_read=3600.0)
    stream = client.agent("dev").follow_logs(across_builds=True, options=seldom)
    deployment.workspace().start_build()
    before = reads(deployment)
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    while reads(deployment) < before + 2:
        threading.Event().wait(0.01)
    stream.close()
    reader.join(LONGEST)
    assert not reader.is_alive()
    assert stream.end is StreamEnd.CLOSED


@pytest.mark.parametrize("route", ["logs", "workspace"])
def test_closing_wakes_a_reader_that_is_not_answered(
    deployment: Deployment, client: Client, route: str
) -> None:
    """
    A request beside the stream that hangs is woken as well.
    """
    deployment.add_agent()
    stream = client.agent("dev").follow_logs(across_builds=True)
    deployment.workspace().start_build()
    until_read_again(deployment, stream)
    fault = deployment.faults.add("silence", route=route, at="request")
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    while not fault.struck:
        threading.Event().wait(0.01)
    stream.close()
    reader.join(LONGEST)
    assert not reader.is_alive()
    assert stream.end is StreamEnd.CLOSED


def test_a_poll_waits_no_longer_than_it_is_told(deployment: Deployment, client: Client) -> None:
    """
    Between two looks, too; and after the end it returns at once.
    """
    deployment.add_agent()
    seldom = paced(OPTIONS, build_read=3600.0, max_build_read=3600.0)
    stream = client.agent("dev").follow_logs(across_builds=True, options=seldom)
    deployment.workspace().start_build()
    before = reads(deployment)
    while reads(deployment) < before + 2:
        assert stream.poll(0.02) is None
    for timeout in (0, 0.01, 0.05):
        assert stream.poll(timeout) is None
    stream.close()
    assert stream.poll(None) is None


def test_who_is_told_of_a_build_may_close_the_stream(
    deployment: Deployment, client: Client
) -> None:
    """
    The callback may also raise, which ends the stream as in any loop.
    """
    embedded = deployment.add_agent()
    stream = client.agent("dev").follow_logs(
        across_builds=True, on_build=lambda agent: stream.close()
    )
    embedded = embedded.new_build()
    embedded.push_logs("one")
    assert list(stream) == []
    assert stream.end is StreamEnd.CLOSED

    def fail(_: Agent) -> None:
        raise KeyError("mine")

    stream = client.agent("dev").follow_logs(across_builds=True, on_build=fail)
    assert output(stream) == "one"
    embedded.new_build()
    with pytest.raises(KeyError, match="mine"):
        stream.poll(LONGEST)
    assert stream.end is StreamEnd.FAILED


STEPS = st.lists(
    st.sampled_from(["push", "slow", "commit", "ask", "fail", "complete", "read", "drop", "cut"]),
    max_size=20,
)


@settings(
    max_examples=times(5, 40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, grep=st.sampled_from([None, "1"]))
def test_each_line_of_each_build_comes_once_whatever_happens(
    steps: list[str], grep: str | None
) -> None:
    """
    Where deployments tell the old log till the end: writers, builds that fail, and drops.
    """
    with (
        Deployment(release="2.31") as deployment,
        deployment.client(stream_options=OPTIONS) as client,
    ):
        deployment.add_agent()
        seen = client.agent("dev")
        builds = Builds(deployment)
        with seen.follow_logs(across_builds=True, on_build=builds.told, grep=grep) as stream:
            yielded = list(builds.run(stream, steps))
        agents = [client.agent(each.id) for each in deployment.agents]
        there = [log.id for agent in agents for log in agent.logs(grep=grep)]
    assert sorted(yielded) == sorted(there)


class Builds:
    """
    Carries steps out against one workspace, with a stream beside it.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.newest = deployment.agents[-1].id
        self.builds: list[EmbeddedBuild] = []
        self.slow: list[PendingLogs] = []

    def told(self, agent: Agent) -> None:
        self.newest = agent.id

    def run(self, stream: Stream[WorkspaceAgentLog], steps: list[str]) -> Iterator[int]:
        """
        Yield the ids of the lines that come, to the last one, which the last build's agent says.
        """
        for step in [*steps, "ask", "complete"]:
            self.take(step)
            yield from self.read(stream, 0.01 if step == "read" else 0.0)
            while self.deployment.agents[-1].id != self.newest:
                assert stream.end is None
                yield from self.read(stream, 0.05)
        self.deployment.agents[-1].push_logs("last 1")
        while log := stream.poll(LONGEST):
            yield log.id
            if log.output == "last 1":
                return

    def read(self, stream: Stream[WorkspaceAgentLog], seconds: float) -> Iterator[int]:
        while log := stream.poll(seconds):
            yield log.id

    def take(self, step: str) -> None:
        agent = self.deployment.agents[-1]
        if step == "push":
            agent.push_logs([f"line {number}" for number in range(3)])
        elif step == "slow":
            self.slow.append(agent.begin_logs(["slow 0", "slow 1"]))
        elif step in ("commit", "complete"):  # a build ends the agent, which writes no more
            for pending in self.slow:
                pending.commit()
            self.slow.clear()
        if step == "ask":
            self.builds.append(self.deployment.workspace().start_build())
        elif step in ("fail", "complete") and self.builds:
            getattr(self.builds.pop(), step)()
            self.builds.clear()
        elif step in ("drop", "cut"):
            self.deployment.faults.add(step, route="logs_follow", after=1)
