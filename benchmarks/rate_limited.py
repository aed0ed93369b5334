"""
Call every agent of a deployment that limits requests, and count what is refused.

``python benchmarks/rate_limited.py`` prints, for each call over 200 agents of a deployment that accepts
60 requests a minute: agents that failed, requests, refused requests and seconds. Each call takes some
four minutes, most of which it waits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import attrs

from coder_agents import Agent, Client
from coder_agents.testing import Deployment, Metadata, RateLimit

Call = Callable[[Client, list[Agent]], int]


@attrs.frozen
class Plan:
    """
    The number of agents and of workers, and the limit of the deployment.
    """

    agents: int
    workers: int
    limit: RateLimit

    @property
    def shortest(self) -> float:
        """
        The seconds that the limit makes a call take that sends a request for each agent.
        """
        more = self.agents - self.limit.requests
        return max(0.0, more / self.limit.requests * self.limit.window)


def calls(workers: int) -> dict[str, Call]:
    """
    Return the calls by name; each returns how many agents failed.
    """

    def follow_logs(client: Client, agents: list[Agent]) -> int:
        found: set[object] = set()
        with client.follow_logs(agents, tail=1) as stream:
            while len(found) + len(stream.failures) < len(agents):
                found.add(next(stream).agent.id)
            return len(stream.failures)

    return {
        "metadata": lambda client, agents: len(
            client.metadata(agents, max_workers=workers, progress=False).failures
        ),
        "logs": lambda client, agents: len(
            client.logs(agents, max_workers=workers, progress=False).failures
        ),
        "ports": lambda client, agents: len(
            client.ports(agents, max_workers=workers, progress=False).failures
        ),
        "run": lambda client, agents: len(
            client.run(agents, "true", max_workers=workers, progress=False).failures
        ),
        "wait_ready": lambda client, agents: len(
            client.wait_ready(agents, max_workers=workers, progress=False).failures
        ),
        "follow_logs": follow_logs,
    }


def measure(name: str, call: Call, plan: Plan) -> str:
    """
    Return a line with the counts of *call* over the agents of a new deployment.
    """
    with Deployment(rate_limit=plan.limit) as deployment, deployment.client() as client:
        for number in range(plan.agents):
            agent = deployment.add_agent(
                workspace=f"dev{number}", metadata=[Metadata("CPU", "cpu")]
            )
            agent.wait_started()
            agent.push_logs(["a line"])
        agents = list(client.agents())
        deployment.requests.clear()
        began = time.perf_counter()
        failures = call(client, agents)
        took = time.perf_counter() - began
        requests, refused = len(deployment.requests), sum(deployment.rate_limited.values())
    return f"{name:12}{failures:9}{requests:9}{refused:8}{took:8.0f} s{plan.shortest:8.0f} s"


def main() -> None:
    """
    Measure as the command line says.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="*", help="which ones; all by default")
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--limit", type=int, default=60, help="requests in a window")
    parser.add_argument("--window", type=float, default=60.0, help="its seconds")
    parser.add_argument("--without-retry-after", action="store_true")
    parser.add_argument("--workers", type=int, default=16)
    options = parser.parse_args()
    limit = RateLimit(
        options.limit, window=options.window, retry_after=not options.without_retry_after
    )
    plan = Plan(options.agents, options.workers, limit)
    known = calls(plan.workers)
    print(f"{'call':12} failures requests refused      took  shortest", flush=True)
    for name in options.calls or known:
        print(measure(name, known[name], plan), flush=True)


if __name__ == "__main__":
    main()
