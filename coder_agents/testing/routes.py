"""
The routes of a deployment, with their names and releases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote

import attrs

from coder_agents.testing import build_calls, rest, streaming
from coder_agents.testing.http import ServerRequest
from coder_agents.testing.state import State
from coder_agents.testing.terminals.route import open_terminal

PREFIX = "/api/v2"
BUILD = "/workspacebuilds/{build}"
AGENT = "/workspaceagents/{agent}"
DEVCONTAINERS = AGENT + "/containers/devcontainers"


@attrs.frozen
class Route:
    """
    One call of the API.

    Attributes:
        name: its name for faults and recorded requests.
        protocol: ``rest``, ``events`` or ``websocket``.
        method: the HTTP method.
        path: the path below `PREFIX`, with the names of its parameters in braces.
        handler: returns the response for ``rest``, otherwise runs the stream.
        since: the first release that has it.
        before: the first release that no longer has it.
        flag: a query parameter that must be present.
        public: whether it needs no token.
        licensed: whether only a licensed deployment has it.
        hidden: whether it is not found by who has no token.
    """

    name: str
    protocol: str
    method: str
    path: str
    handler: Callable[..., Any]
    since: tuple[int, int] = (0, 0)
    before: tuple[int, int] = (99, 0)
    flag: str = ""
    public: bool = False
    licensed: bool = False
    hidden: bool = False

    def exists(self, state: State) -> bool:
        """
        Whether the deployment has the route.
        """
        in_time = self.since <= state.release.number < self.before
        return in_time and (state.licensed or not self.licensed)

    def match(self, request: ServerRequest) -> dict[str, str] | None:
        """
        Return the parameters in the path of *request*; None where *request* does not match the
        route.
        """
        if self.flag and request.parameter(self.flag) is None:
            return None
        found = _pattern(self.path).fullmatch(request.path)
        return None if found is None else {k: unquote(v) for k, v in found.groupdict().items()}


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", PREFIX + path))


ROUTES = (
    Route("buildinfo", "rest", "GET", "/buildinfo", rest.build_info, public=True),
    Route("me", "rest", "GET", "/users/{user}", rest.user),
    Route(
        "workspace_by_name",
        "rest",
        "GET",
        "/users/{user}/workspace/{workspace}",
        rest.workspace_by_name,
    ),
    Route("workspaces", "rest", "GET", "/workspaces", rest.workspaces),
    Route("workspace", "rest", "GET", "/workspaces/{workspace}", rest.workspace),
    Route("builds", "rest", "GET", "/workspaces/{workspace}/builds", build_calls.builds),
    Route(
        "create_build",
        "rest",
        "POST",
        "/workspaces/{workspace}/builds",
        build_calls.create_build,
    ),
    Route("build", "rest", "GET", BUILD, build_calls.build),
    Route("cancel_build", "rest", "PATCH", BUILD + "/cancel", build_calls.cancel_build),
    Route(
        "build_logs_follow",
        "websocket",
        "GET",
        BUILD + "/logs",
        build_calls.follow_build_logs,
        flag="follow",
    ),
    Route("build_logs", "rest", "GET", BUILD + "/logs", build_calls.build_logs),
    Route("build_timings", "rest", "GET", BUILD + "/timings", build_calls.build_timings),
    Route("agent", "rest", "GET", AGENT, rest.agent),
    Route("logs_follow", "websocket", "GET", AGENT + "/logs", streaming.follow_logs, flag="follow"),
    Route("logs", "rest", "GET", AGENT + "/logs", rest.logs),
    Route("watch_metadata", "events", "GET", AGENT + "/watch-metadata", streaming.watch_metadata),
    Route(
        "watch_metadata_ws",
        "websocket",
        "GET",
        AGENT + "/watch-metadata-ws",
        streaming.watch_metadata_ws,
        since=(2, 22),
    ),
    Route("listening_ports", "rest", "GET", AGENT + "/listening-ports", rest.listening_ports),
    Route("containers", "rest", "GET", AGENT + "/containers", rest.containers),
    Route(
        "containers_watch",
        "websocket",
        "GET",
        AGENT + "/containers/watch",
        streaming.watch_containers,
        since=(2, 25),
    ),
    Route("pty", "websocket", "GET", AGENT + "/pty", open_terminal, hidden=True),
    Route(
        "recreate_container",
        "rest",
        "POST",
        DEVCONTAINERS + "/container/{container}/recreate",
        rest.recreate_container,
        before=(2, 25),
    ),
    Route(
        "recreate_devcontainer",
        "rest",
        "POST",
        DEVCONTAINERS + "/{devcontainer}/recreate",
        rest.recreate_devcontainer,
        since=(2, 25),
    ),
    Route(
        "delete_devcontainer",
        "rest",
        "DELETE",
        DEVCONTAINERS + "/{devcontainer}",
        rest.delete_devcontainer,
        since=(2, 30),
    ),
    Route(
        "pty_signed_token",
        "rest",
        "POST",
        "/applications/reconnecting-pty-signed-token",
        rest.pty_signed_token,
        licensed=True,
    ),
)

PROTOCOLS: Mapping[str, str] = {route.name: route.protocol for route in ROUTES}


def matching(request: ServerRequest, state: State) -> list[tuple[Route, dict[str, str]]]:
    """
    Return the routes of the path of *request*, of any method, with the path's parameters.
    """
    found = [(route, route.match(request)) for route in ROUTES if route.exists(state)]
    return [(route, parameters) for route, parameters in found if parameters is not None]
