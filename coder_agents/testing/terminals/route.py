"""
A request for a terminal, and what it is answered with.
"""

from __future__ import annotations

import json
import secrets
from functools import partial
from uuid import UUID

from coder_agents.schema import Response as Message
from coder_agents.schema import ValidationError
from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.documents import answer
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.handshake import accept
from coder_agents.testing.http import ServerRequest, ServerResponse
from coder_agents.testing.requirements import Refusal, find_agent
from coder_agents.testing.state import State
from coder_agents.testing.streaming import run_stream
from coder_agents.testing.terminals.stream import TerminalStream
from coder_agents.testing.terminals.terminals import NotStarted
from coder_agents.testing.terminals.wanted import WantedTerminal

WORDS = ("command", "container", "container_user", "backend_type")
DEFAULT_SIZE = "80"
LARGEST_INTEGER = 2**64 - 1
WRAPS_AT = 65_536

TOKEN_COOKIE = "coder_signed_app_token"
PONG_REASON = "Ping failed"

# Sent without its length, like any page that is larger than the first buffer of Go's server.
OFFLINE = "<!doctype html>\n<title>502 - Application Unavailable</title>\n".ljust(4_096)


def open_terminal(state: State, exchange: ServerExchange, agent: str) -> None:
    """
    GET /workspaceagents/{agent}/pty.
    """
    found = _find_agent(state, agent)
    wanted = _parse(exchange.request)
    path = exchange.request.path
    cookie = f"{TOKEN_COOKIE}={secrets.token_urlsafe(48)}; Path={path}; HttpOnly; SameSite=Lax"
    exchange.headers = (*exchange.headers, ("Set-Cookie", cookie))
    # On this route every release checks the answers to its pings.
    exchange.liveness = (exchange.liveness[0], exchange.liveness[1] or PONG_REASON)
    stream = accept(
        exchange, partial(TerminalStream, agent=found, closes=state.release.closes_terminals)
    )
    with found.notices.subscribed(stream.wake):
        run_stream(stream, lambda: _serve(found, stream, wanted))


def _serve(agent: EmbeddedAgent, stream: TerminalStream, wanted: WantedTerminal) -> None:
    try:
        with agent.terminals.attached(wanted, stream.wake) as (process, attachment):
            stream.serve(process, attachment)
    except NotStarted:
        stream.end()


def _find_agent(state: State, text: str) -> EmbeddedAgent:
    agent = find_agent(state, text)
    if not agent.connected:
        headers = (("Content-Type", "text/html; charset=utf-8"),)
        raise Refusal(ServerResponse(502, OFFLINE.encode(), headers))
    return agent


def _parse(request: ServerRequest) -> WantedTerminal:
    problems: list[ValidationError] = []
    reconnect = _parse_id(request, problems)
    height, width = (_parse_size(request, name, problems) for name in ("height", "width"))
    if reconnect is None or problems:
        text = "Invalid query parameters."
        raise Refusal(answer(Message(message=text, validations=tuple(problems)), 400))
    words = {name: request.parameter(name) or "" for name in WORDS}
    return WantedTerminal(reconnect=reconnect, size=(height, width), **words)


def _parse_id(request: ServerRequest, problems: list[ValidationError]) -> UUID | None:
    text = request.parameter("reconnect") or ""
    if not text:
        detail = 'Query param "reconnect" is required and cannot be empty'
    else:
        try:
            return UUID(text)
        except ValueError:
            detail = 'Query param "reconnect" must be a valid uuid'
    problems.append(ValidationError(field="reconnect", detail=detail))
    return None


def _parse_size(request: ServerRequest, name: str, problems: list[ValidationError]) -> int:
    text = request.parameter(name) or DEFAULT_SIZE
    digits = text.isascii() and text.isdigit()
    if digits and int(text) <= LARGEST_INTEGER:
        return int(text) % WRAPS_AT
    problem = "value out of range" if digits else "invalid syntax"
    reason = f"strconv.ParseUint: parsing {json.dumps(text)}: {problem}"
    detail = f'Query param "{name}" must be a valid positive integer ({reason})'
    problems.append(ValidationError(field=name, detail=detail))
    return 0
