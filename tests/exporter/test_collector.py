"""
A collector of an embedded deployment.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from typing import Any

import attrs
import pytest
import requests
from driving import LIMIT, reached
from prometheus_client import CollectorRegistry

from coder_agents import AuthenticationError, BadRequestError, Client
from coder_agents.exporter import AgentCollector
from coder_agents.exporter.server import serving, url_of
from coder_agents.testing import Deployment, EmbeddedAgent, Metadata

from .conftest import QUICK, Running, scraped

HOUR = 3600.0


def count_from_now(collector: AgentCollector, *agents: EmbeddedAgent) -> None:
    """
    Wait until new lines of the logs of *agents*, which were there at the start, are counted.
    """
    for agent in agents:
        reached(
            lambda: (
                agent.push_logs(["."], level="trace")  # noqa: B023 (waits for it)
                and sum(
                    scraped(collector).of(
                        "coder_agent_log_lines_total",
                        level="trace",
                        workspace=agent.build.workspace.name,  # noqa: B023
                    )
                )
            )
        )


def test_no_agent_is_read_more_rarely_than_the_others(
    deployment: Deployment, running: Running
) -> None:
    """
    Where the agents are too many for the interval, each has its turn at the same pace.
    """
    agent = deployment.add_agent()
    with running(attrs.evolve(QUICK, max_metadata_rate=0.01), logs=False) as collector:
        assert collector._feeds is not None
        assert collector._feeds._metadata._pause(agent.id, 0) == QUICK.interval


def test_everything_about_an_agent_is_exported(deployment: Deployment, running: Running) -> None:
    """
    States, numbers, counts and the deployment are on the page, and stay up to date; nothing is open
    afterwards.
    """
    agent = deployment.add_agent(metadata=[Metadata("CPU", "cpu", interval=1)])
    agent.set_metadata("cpu", "5%")
    agent.push_logs(["before"])
    with running() as collector:
        reached(lambda: scraped(collector).of("coder_agent_metadata_value") == [0.05])
        count_from_now(collector, agent)
        agent.set_metadata("cpu", "7%")
        agent.push_logs(["one", "two"], level="warn")
        reached(lambda: scraped(collector).of("coder_agent_metadata_value") == [0.07])
        warnings = {"workspace": "dev", "owner": "tester", "agent": "main", "level": "warn"}
        reached(lambda: scraped(collector).of("coder_agent_log_lines_total", **warnings) == [2.0])
        page = scraped(collector)
        assert page.of("coder_agent_status", coder_agent_status="connected") == [1.0]
        assert page.of("coder_agent_lifecycle", coder_agent_lifecycle="ready") == [1.0]
        assert page.of("coder_agent_info", id=str(agent.id), os="linux") == [1.0]
        assert len(page.of("coder_agent_time_to_ready_seconds")) == 1
        # The line that was there before is not counted.
        assert page.of("coder_agent_log_lines_total", level="info") == [0.0]
        assert page.of("coder_exporter_followed_logs") == [1.0]
        assert page.of("coder_exporter_log_lag_seconds_count") > [2.0]
        assert page.of("coder_deployment_up") == [1.0]
        assert page.of("coder_exporter_errors_total") == []
        agent.disconnect()
        reached(
            lambda: (
                scraped(collector).of("coder_agent_status", coder_agent_status="disconnected")
                == [1.0]
            )
        )
        assert deployment.token not in page.page + repr(collector)
    reached(lambda: deployment.connections.open == 0)
    assert scraped(collector).page == scraped(AgentCollector(deployment.client())).page


def test_agents_come_and_go(deployment: Deployment, running: Running) -> None:
    """
    The series of a gone agent disappear. A restarted workspace continues its series with a new
    agent, whose log is counted from its first line.
    """
    first = deployment.add_agent(workspace="one")
    with running() as collector:
        reached(lambda: scraped(collector).of("coder_exporter_followed_logs") == [1.0])
        second = deployment.add_agent(workspace="two")
        second.push_logs(["a", "b", "c"])
        counted = {"workspace": "two", "level": "info"}
        reached(lambda: scraped(collector).of("coder_agent_log_lines_total", **counted) == [3.0])
        newer = first.new_build()
        newer.push_logs(["d"])
        reached(lambda: scraped(collector).of("coder_agent_info", id=str(newer.id)) == [1.0])
        counted = {"workspace": "one", "level": "info"}
        reached(lambda: scraped(collector).of("coder_agent_log_lines_total", **counted) == [1.0])
        assert scraped(collector).of("coder_agent_info", id=str(first.id)) == []
        deployment.workspace("two").start_build("stop").complete()
        reached(lambda: scraped(collector).labels("coder_agent_info", "workspace") == {"one"})
        assert "two" not in scraped(collector).page


def test_a_deployment_that_is_away_is_not_up(deployment: Deployment, running: Running) -> None:
    """
    The page reports it, keeps what was known, and continues by itself.
    """
    agent = deployment.add_agent()
    with running() as collector:
        count_from_now(collector, agent)
        outage = threading.Thread(target=lambda: deployment.restart(down=0.5))
        outage.start()
        reached(lambda: scraped(collector).of("coder_deployment_up") == [0.0])
        page = scraped(collector)
        assert page.of("coder_agent_info", id=str(agent.id)) == [1.0]
        assert page.of("coder_exporter_errors_total", operation="list") != []
        outage.join()
        reached(lambda: scraped(collector).of("coder_deployment_up") == [1.0])
        agent.push_logs(["later"])
        reached(lambda: scraped(collector).of("coder_agent_log_lines_total", level="info") == [1.0])
        assert scraped(collector).of("coder_exporter_log_reconnects_total") != [0.0]


def test_a_deployment_that_is_away_at_the_start_is_awaited(
    deployment: Deployment, running: Running
) -> None:
    """
    The exporter starts before its deployment, and exports it once it answers.
    """
    agent = deployment.add_agent()
    deployment.faults.add("refuse", route="workspaces", times=3, status=502)
    with running() as collector:
        reached(lambda: scraped(collector).of("coder_agent_info", id=str(agent.id)) == [1.0])
        page = scraped(collector)
        assert page.of("coder_deployment_up") == [1.0]
        assert page.of("coder_exporter_errors_total", operation="list") == [3.0]


def test_an_outage_is_logged_once(
    deployment: Deployment, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Further failures for the same reason are not logged, and the end of the outage is.
    """
    caplog.set_level(logging.INFO, "coder_agents")
    with running(logs=False) as collector:
        deployment.faults.add("refuse", route="workspaces", times=4, status=502)
        reached(lambda: scraped(collector).of("coder_exporter_errors_total") == [4.0])
        reached(lambda: "works again" in caplog.text)
    logged = [each for each in caplog.records if each.getMessage().startswith("exporter: ")]
    assert [each.levelname for each in logged] == ["WARNING", "INFO"]


def test_a_collector_that_starts_again_in_an_outage_has_no_old_agents(
    deployment: Deployment, running: Running
) -> None:
    """
    What an earlier run has read is not exported as if it held now.
    """
    deployment.add_agent()
    collector = running(logs=False)
    with collector:
        assert scraped(collector).of("coder_exporter_agents") == [1.0]
    deployment.faults.add("refuse", route="workspaces", times=None, status=502)
    with collector:
        assert scraped(collector).of("coder_exporter_agents") == [0.0]
        assert scraped(collector).of("coder_deployment_up") == [0.0]


def test_what_cannot_succeed_is_raised_at_the_start(deployment: Deployment, client: Client) -> None:
    """
    A wrong token and a wrong query are errors of the start, which leave no thread.
    """
    with Client(deployment.url, "0" * 10 + "-" + "a" * 22) as stranger:
        with pytest.raises(AuthenticationError):
            AgentCollector(stranger).start()
    collector = AgentCollector(client, query="nonsense:yes")
    with pytest.raises(BadRequestError):
        collector.start()
    collector.close()
    assert scraped(collector).of("coder_deployment_up") == []


def test_a_deployment_that_limits_requests_is_no_error() -> None:
    """
    What is refused because of too many requests waits, and counts as no failure; the end does not
    wait for it.
    """
    with Deployment(rate_limit=5) as limited, limited.client() as client:
        agent = limited.add_agent()
        collector = AgentCollector(client)
        collector._pace = QUICK
        with collector:
            # Any of its requests: after one that is refused, all wait.
            reached(lambda: sum(limited.rate_limited.values()) >= 1)
            page = scraped(collector)
            assert page.of("coder_deployment_up") == [1.0]
            assert page.of("coder_agent_info", id=str(agent.id)) == [1.0]
            assert page.of("coder_exporter_errors_total", operation="list") == []


@pytest.mark.parametrize(
    ("route", "operation"), [("watch_metadata", "metadata"), ("logs_follow", "logs")]
)
def test_an_agent_that_fails_is_counted_and_tried_again(
    route: str, operation: str, deployment: Deployment, running: Running
) -> None:
    """
    The other agent is read as before.
    """
    bad, good = (deployment.add_agent(workspace=name) for name in ("bad", "good"))
    deployment.faults.add("refuse", route=route, times=None, status=403, containing=str(bad.id))
    with running() as collector:
        kind = {"operation": operation, "kind": "PermissionDeniedError"}
        reached(lambda: sum(scraped(collector).of("coder_exporter_errors_total", **kind)) >= 2)
        value = "coder_agent_metadata_value"
        good.set_metadata("cpu", "1")
        reached(lambda: scraped(collector).of(value, workspace="good") == [1.0])
        count_from_now(collector, good)
        deployment.faults.clear()
        bad.set_metadata("cpu", "1")
        reached(lambda: scraped(collector).of(value, workspace="bad") == [1.0])
        count_from_now(collector, bad)


def test_a_scrape_sends_nothing(deployment: Deployment, running: Running) -> None:
    """
    Any number of scrapes sends no request, and takes nothing from the threads.
    """
    deployment.add_agent().set_metadata("cpu", "1")
    pace = attrs.evolve(QUICK, interval=HOUR)
    with running(pace) as collector:
        reached(lambda: scraped(collector).of("coder_agent_metadata_value") == [1.0])
        reached(lambda: scraped(collector).of("coder_exporter_followed_logs") == [1.0])
        before = len(deployment.requests)
        for _ in range(20):
            scraped(collector)
        assert len(deployment.requests) == before


def test_an_agent_that_is_gone_since_it_was_due_is_not_read(
    deployment: Deployment, running: Running
) -> None:
    """
    Nothing is requested of an agent that the list does not have any more.
    """
    with running(attrs.evolve(QUICK, interval=HOUR)) as collector:
        assert collector._feeds is not None
        collector._feeds._read_metadata(uuid.uuid4())
    assert "watch_metadata" not in {each.route for each in deployment.requests}


def test_logs_are_not_followed_where_they_are_not_wanted(
    deployment: Deployment, running: Running
) -> None:
    """
    Without logs, the page has no series of them, and no connection is opened.
    """
    deployment.add_agent().set_metadata("cpu", "1")
    with running(logs=False) as collector:
        reached(lambda: scraped(collector).of("coder_agent_metadata_value") == [1.0])
        assert not [name for name in scraped(collector).families if "log" in name]
    assert "logs_follow" not in {each.route for each in deployment.requests}


def test_the_keys_and_the_query_choose(deployment: Deployment, running: Running) -> None:
    """
    Agents that the query does not find, and keys that match no glob, have no series.
    """
    for name in ("one", "two"):
        agent = deployment.add_agent(workspace=name)
        for key in ("cpu_host", "cpu_x", "CPU", "mem"):
            agent.set_metadata(key, "1")
    with running(query="name:two", keys=["cpu*", "m?m"]) as collector:
        reached(lambda: len(scraped(collector).of("coder_agent_metadata_value")) == 3)
        page = scraped(collector)
        assert page.labels("coder_agent_metadata_value", "key") == {"cpu_host", "cpu_x", "mem"}
        assert page.labels("coder_agent_info", "workspace") == {"two"}
        assert repr(collector) == "<AgentCollector of query 'name:two', running>"


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"keys": "cpu*"}, TypeError, "keys must be globs such as"),
        ({"keys": 5}, TypeError, "keys must be globs such as"),
        ({"keys": [5]}, TypeError, "a glob in keys must be text, not int"),
        ({"keys": []}, ValueError, "keys must have one glob at least"),
        ({"keys": ["cpu*", ""]}, ValueError, "a glob in keys must not be empty"),
        ({"query": 5}, TypeError, "query must be text"),
        ({"interval": 0}, ValueError, "interval"),
        ({"interval": "1"}, TypeError, "interval"),
        ({"max_series": 0}, ValueError, "max_series"),
        ({"max_series": 1.5}, TypeError, "max_series"),
    ],
)
def test_wrong_arguments_are_refused(
    options: dict[str, Any], error: type[Exception], text: str, client: Client
) -> None:
    """
    An error before any request names what would be right.
    """
    with pytest.raises(error, match=text):
        AgentCollector(client, **options)


def test_a_collector_is_made_of_a_client() -> None:
    """
    A URL in place of a client is refused.
    """
    with pytest.raises(TypeError, match="client must be a Client, not str"):
        AgentCollector("https://coder.example.com")  # type: ignore[arg-type]


def test_a_collector_starts_once_and_again_after_its_end(
    deployment: Deployment, running: Running
) -> None:
    """
    A second start is refused while the threads run; a second end does nothing.
    """
    deployment.add_agent()
    collector = running()
    assert repr(collector) == "<AgentCollector of your own workspaces, not running>"
    for _ in range(2):
        with collector:
            assert scraped(collector).of("coder_exporter_agents") == [1.0]
            with pytest.raises(ValueError, match="is running"):
                collector.start()
        collector.close()
    assert scraped(collector).of("coder_exporter_agents") == []


def test_a_registry_knows_the_names_before_the_start(client: Client) -> None:
    """
    Two collectors in one registry are refused, as their series would be the same.
    """
    registry = CollectorRegistry()
    registry.register(AgentCollector(client))
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(AgentCollector(client))


def test_a_forked_process_exports_nothing(deployment: Deployment, running: Running) -> None:
    """
    The threads are not there, and what they read last would be exported as the present.
    """
    deployment.add_agent()
    with running() as collector:
        assert scraped(collector).of("coder_deployment_up") == [1.0]
        child = os.fork()
        if child == 0:  # pragma: no cover (another process)
            os._exit(0 if scraped(collector).of("coder_deployment_up") == [] else 1)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_the_page_is_served_over_ipv6(host: str, client: Client) -> None:
    """
    An address may have the brackets that it has in a URL.
    """
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:  # pragma: no cover (a machine without IPv6)
        pytest.skip("this machine has no IPv6")
    with serving(AgentCollector(client), host, 0) as url:
        assert url.startswith("http://[::1]:")
        assert "coder_deployment_up" in requests.get(url, timeout=LIMIT).text


def test_the_page_is_served(deployment: Deployment, running: Running) -> None:
    """
    Any free port serves both formats and the metrics of the process; a port in use is an error that
    names it.
    """
    deployment.add_agent()
    with running() as collector, serving(collector, "127.0.0.1", 0) as url:
        text = requests.get(url, timeout=LIMIT).text
        assert "coder_deployment_up 1.0" in text
        assert "process_resident_memory_bytes" in text
        accepted = {"Accept": "application/openmetrics-text"}
        assert requests.get(url, headers=accepted, timeout=LIMIT).text.endswith("# EOF\n")
        port = int(url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
            with serving(collector, "127.0.0.1", port):
                pass
        with pytest.raises(OSError, match=r"no name of a machine: 'a\.\.b'"):
            with serving(collector, "a..b", 0):
                pass
    assert url_of("::1", 9464) == "http://[::1]:9464/metrics"
