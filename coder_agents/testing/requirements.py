"""
The requirements of a request: an existing and connected agent, valid numbers and ids.

A function here raises `Refusal` where its requirement is not met.
"""

from __future__ import annotations

import re
from uuid import UUID

from coder_agents.schema import Response as Message
from coder_agents.schema import ValidationError
from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.build import EmbeddedBuild
from coder_agents.testing.documents import answer, message
from coder_agents.testing.http import ServerRequest, ServerResponse
from coder_agents.testing.state import State

MAX_INTEGER = 2**63 - 1
MAX_SHORT_INTEGER = 2**31 - 1
UUID_LENGTHS = frozenset({32, 36, 38, 45})

WATCH_SINCE = (2, 25)  # the first release with the watch of containers

NO_AGENT = "Agent doesn't exist with that id, or you do not have access to it."
NO_PAGE = "404 page not found\n"  # an agent's answer for a path that it does not have
NO_JSON = 'unexpected non-JSON response "text/plain; charset=utf-8"'
NO_DEVCONTAINERS = "Dev Container feature not enabled."
HOW_TO_ENABLE = (
    "To enable this feature, set CODER_AGENT_DEVCONTAINERS_ENABLE=true in your template."
)
NO_RESOURCE = "Resource not found or you do not have access to this resource"


class Refusal(Exception):
    """
    The request is answered with *response*, an error.
    """

    def __init__(self, response: ServerResponse) -> None:
        super().__init__(response.status)
        self.response = response


def parse_uuid(text: str) -> UUID:
    """
    Return the UUID in a path.
    """
    try:
        return UUID(text.removeprefix("urn:uuid:"))
    except ValueError:
        length = len(text.encode())
        known = length in UUID_LENGTHS
        detail = "invalid UUID format" if known else f"invalid UUID length: {length}"
        raise Refusal(message(400, f'Invalid UUID "{text}".', detail=detail)) from None


def find_agent(state: State, text: str) -> EmbeddedAgent:
    """
    Return the agent whose UUID is *text*.
    """
    agent = state.agents.get(parse_uuid(text))
    if agent is None or agent.deleted or _is_forgotten(agent, state):
        raise Refusal(message(404, NO_AGENT))
    return agent


def find_build(state: State, text: str) -> EmbeddedBuild:
    """
    Return the build whose UUID is *text*.
    """
    wanted = parse_uuid(text)
    builds = (each for found in list(state.workspaces) for each in found.builds)
    build = next((each for each in builds if each.id == wanted), None)
    if build is None:
        raise Refusal(message(404, NO_RESOURCE))
    return build


def _is_forgotten(agent: EmbeddedAgent, state: State) -> bool:
    return state.release.forgets_superseded and agent.build.replaced


def find_connected_agent(state: State, text: str) -> EmbeddedAgent:
    """
    Return the agent whose UUID is *text*, which has to be connected.
    """
    agent = find_agent(state, text)
    status = agent.data.status
    if status != "connected":
        problem = f'Agent state is "{status}", it must be in the "connected" state.'
        raise Refusal(message(400, problem))
    return agent


def find_listing_agent(state: State, text: str) -> EmbeddedAgent:
    """
    Return the agent whose UUID is *text*, which has to be connected and to list containers.
    """
    agent = find_connected_agent(state, text)
    if not agent.containers.enabled:
        raise Refusal(message(403, NO_DEVCONTAINERS, detail=HOW_TO_ENABLE))
    return agent


def find_watched_agent(state: State, text: str) -> EmbeddedAgent:
    """
    Return the agent whose UUID is *text*, which has to be connected and to have a watch of
    containers.
    """
    agent = find_connected_agent(state, text)
    if not agent.containers.has_call(WATCH_SINCE):
        detail = (
            "GET http://[fd7a:115c:a1e0::1]:4/api/v0/containers/watch: unexpected status code 404:"
            f" {NO_JSON}\n\tError: {NO_PAGE}"
        )
        raise Refusal(message(500, "Internal error watching agent's containers.", detail=detail))
    return agent


def find_changing_agent(state: State, text: str, *, since: tuple[int, int]) -> EmbeddedAgent:
    """
    Return the agent whose UUID is *text*, which has to be connected and to have a call that changes
    dev containers and exists from the release *since* on.
    """
    agent = find_connected_agent(state, text)
    if not agent.containers.has_call(since):
        raise Refusal(message(404, NO_JSON, detail=NO_PAGE))
    return agent


def parse_count(request: ServerRequest, name: str) -> int:
    """
    Return the query parameter *name*, a whole number; 0 where it is missing or empty.
    """
    text = request.parameter(name) or "0"
    if re.fullmatch(r"[0-9]+", text) is None or int(text) > MAX_INTEGER:
        raise Refusal(
            message(
                400,
                f'Query param "{name}" must be an integer greater than or equal to zero.',
                field=name,
                problem="Must be an integer greater than or equal to zero",
            )
        )
    return int(text)


def parse_page(request: ServerRequest) -> tuple[int, int]:
    """
    Return the query's limit of items (0 for all), and how many items to skip before them.
    """
    values, problems = [], []
    for name in ("limit", "offset"):
        text = request.parameter(name) or "0"
        # The numbers have to fit the integers of the server's database.
        if re.fullmatch(r"[0-9]+", text) and int(text) <= MAX_SHORT_INTEGER:
            values.append(int(text))
        else:
            detail = f'Query param "{name}" must be a valid positive integer: "{text}"'
            problems.append(ValidationError(field=name, detail=detail))
    if problems:
        text = "Query parameters have invalid values."
        raise Refusal(answer(Message(message=text, validations=tuple(problems)), 400))
    return values[0], values[1]


def parse_labels(request: ServerRequest) -> dict[str, str]:
    """
    Return the labels in the query.
    """
    pairs = [text.split("=") for text in request.parameters("label")]
    if any(len(pair) != 2 for pair in pairs):
        problem = "Labels must be in the format key=value"
        raise Refusal(message(400, "Invalid label format", detail=problem))
    return dict(pairs)
