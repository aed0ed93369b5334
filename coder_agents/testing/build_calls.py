"""
The handlers of calls about builds.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from coder_agents.schema import WorkspaceTransition
from coder_agents.testing import documents
from coder_agents.testing.build import EmbeddedBuild
from coder_agents.testing.documents import answer, compact, message
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.handshake import accept
from coder_agents.testing.http import ServerRequest, ServerResponse
from coder_agents.testing.message_streams import POLICY_VIOLATION, FragmentedStream, ServedStream
from coder_agents.testing.plans import finish_cancel
from coder_agents.testing.requirements import (
    NO_RESOURCE,
    Refusal,
    find_build,
    parse_count,
    parse_page,
    parse_uuid,
)
from coder_agents.testing.state import State
from coder_agents.testing.streaming import run_stream
from coder_agents.testing.workspace import BuildActiveError, EmbeddedWorkspace

ACTIVE = "A workspace build is already active."
CANCELED = "Job has been marked as canceled..."
CANCELED_BEFORE = "Job has already been marked as canceled!"
COMPLETED = "Job has already completed!"
NO_JSON = "Request body must be valid JSON."
INVALID = "Validation failed."


def builds(state: State, request: ServerRequest, workspace: str) -> ServerResponse:
    """
    GET /workspaces/{workspace}/builds: a page of its builds, newest first.
    """
    limit, offset = parse_page(request)
    found = _find_workspace(state, workspace).builds[::-1]
    page = found[offset : offset + limit] if limit else found[offset:]
    return answer([documents.build(each) for each in page])


def create_build(state: State, request: ServerRequest, workspace: str) -> ServerResponse:
    """
    POST /workspaces/{workspace}/builds.
    """
    found = _find_workspace(state, workspace)
    transition = _transition(request)
    try:
        build = found.request_build(transition)
    except BuildActiveError:
        return message(409, ACTIVE, detail=ACTIVE)
    return answer(documents.requested_build(build), 201)


def _find_workspace(state: State, text: str) -> EmbeddedWorkspace:
    wanted = parse_uuid(text)
    found = next((each for each in list(state.workspaces) if each.id == wanted), None)
    if found is None or found.deleted:
        raise Refusal(message(404, NO_RESOURCE))
    return found


def _transition(request: ServerRequest) -> str:
    try:
        document: Any = json.loads(request.body)
        transition = str(document.get("transition", ""))
    except (ValueError, AttributeError) as error:
        raise Refusal(message(400, NO_JSON, detail=str(error))) from None
    if not WorkspaceTransition(transition).known:
        problem = f'Validation failed for tag "oneof" with value: "{transition}"'
        raise Refusal(message(400, INVALID, field="transition", problem=problem))
    return transition


def build(state: State, request: ServerRequest, build: str) -> ServerResponse:
    """
    GET /workspacebuilds/{build}.
    """
    return answer(documents.build(find_build(state, build)))


def cancel_build(state: State, request: ServerRequest, build: str) -> ServerResponse:
    """
    PATCH /workspacebuilds/{build}/cancel.
    """
    found = find_build(state, build)
    try:
        found.cancel()
    except RuntimeError:
        return message(400, CANCELED_BEFORE if found.active else COMPLETED)
    finish_cancel(found, found.workspace.plans[found.transition], state.builds)
    return message(200, CANCELED)


def build_timings(state: State, request: ServerRequest, build: str) -> ServerResponse:
    """
    GET /workspacebuilds/{build}/timings.
    """
    return answer(documents.timings(find_build(state, build)))


def build_logs(state: State, request: ServerRequest, build: str) -> ServerResponse:
    """
    GET /workspacebuilds/{build}/logs.
    """
    found = find_build(state, build)
    return answer(found.log.after(parse_count(request, "after")))


def follow_build_logs(state: State, exchange: ServerExchange, build: str) -> None:
    """
    GET /workspacebuilds/{build}/logs?follow.
    """
    found = find_build(state, build)
    last_id = parse_count(exchange.request, "after")
    unexpected = (POLICY_VIOLATION, "unexpected data message")
    stream = accept(exchange, partial(FragmentedStream, unexpected=unexpected))
    with found.log.notices.subscribed(stream.wake):
        run_stream(stream, lambda: _send_lines(found, stream, last_id))


def _send_lines(build: EmbeddedBuild, stream: ServedStream, last_id: int) -> None:
    while True:
        # Checked before the lines are read, so that the end skips no line that came earlier.
        has_ended = not build.active
        for line in build.log.after(last_id):
            stream.send(compact(line) + "\n")
            last_id = line.id
        if has_ended:
            stream.finish()
            return
        stream.wait()
