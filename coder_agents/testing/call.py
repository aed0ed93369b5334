"""
The call of a request, and the deployment's answer to it.
"""

from __future__ import annotations

import secrets
from typing import Self

import attrs

from coder_agents.testing.documents import message
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.http import ServerRequest, ServerResponse
from coder_agents.testing.requirements import NO_RESOURCE, Refusal
from coder_agents.testing.routes import PREFIX, Route, matching
from coder_agents.testing.state import State

ROUTE_NOT_FOUND = "Route not found."
SIGNED_TOKEN = "coder_signed_app_token_23db1dde"
NO_KEY = "API key or external proxy authentication required, but none provided"
NO_SESSION = "You are signed out or your session has expired. Please sign in again to continue."

# The answer of a deployment outside its API: the dashboard.
DASHBOARD = ServerResponse(
    200,
    b"<!doctype html>\n<title>Coder</title>\n",
    (("Content-Type", "text/html; charset=utf-8"),),
)


@attrs.frozen
class Call:
    """
    The route of a request, with the parameters in its path.

    Attributes:
        route: the route; None where the deployment has no route of that path and method.
        parameters: the arguments for the route's handler.
        known: whether the path belongs to a route, with any method.
    """

    route: Route | None
    parameters: dict[str, str]
    known: bool

    @classmethod
    def of(cls, request: ServerRequest, state: State) -> Self:
        """
        Return the call of *request*.
        """
        found = matching(request, state)
        for route, parameters in found:
            if route.method == request.method:
                return cls(route, parameters, known=True)
        return cls(None, {}, known=bool(found))

    @property
    def name(self) -> str:
        """
        The name of the route; empty where there is none.
        """
        return "" if self.route is None else self.route.name

    def run(self, exchange: ServerExchange, state: State, token: str) -> ServerResponse | None:
        """
        Run the call.

        Returns:
            The response; None after a stream, which is over then.
        """
        request = exchange.request
        if self.route is None:
            return self._without_route(request)
        if not (self._admits(request, state) or _is_authentic(request, token)):
            return _unauthenticated(request, hidden=self.route.hidden)
        subject = request if self.route.protocol == "rest" else exchange
        try:
            response: ServerResponse | None = self.route.handler(state, subject, **self.parameters)
        except Refusal as refusal:
            response = refusal.response
        return response

    def _admits(self, request: ServerRequest, state: State) -> bool:
        """
        Whether the route admits the request without the token of a session.
        """
        if self.route is None or not self.route.hidden:
            return self.route is not None and self.route.public
        # As on a workspace proxy, where nobody has a session.
        signed = request.parameter(SIGNED_TOKEN) or ""
        return state.signed_tokens.get(signed) == self.parameters["agent"]

    def _without_route(self, request: ServerRequest) -> ServerResponse:
        if self.known:
            return ServerResponse(405)
        return message(404, ROUTE_NOT_FOUND) if request.path.startswith(PREFIX) else DASHBOARD


def _is_authentic(request: ServerRequest, token: str) -> bool:
    given = request.headers.get("coder-session-token", "")
    return secrets.compare_digest(given.encode(), token.encode())


def _unauthenticated(request: ServerRequest, *, hidden: bool) -> ServerResponse:
    if hidden:
        return message(404, NO_RESOURCE)
    if request.path.startswith(f"{PREFIX}/workspaceagents/"):
        return message(401, NO_KEY)
    return message(401, NO_SESSION, detail="API key is invalid.")
