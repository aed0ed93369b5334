"""
The handlers of calls that are answered with one response.
"""

from __future__ import annotations

import json
import secrets
from urllib.parse import urlsplit
from uuid import UUID

from coder_agents.schema import (
    IssueReconnectingPTYSignedTokenResponse,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListeningPortsResponse,
)
from coder_agents.testing import documents
from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.containers import FOLDER_LABEL, TRANSITIONING
from coder_agents.testing.documents import JSON_HEADERS, answer, message
from coder_agents.testing.http import ServerRequest, ServerResponse
from coder_agents.testing.requirements import (
    NO_RESOURCE,
    Refusal,
    find_agent,
    find_changing_agent,
    find_connected_agent,
    find_listing_agent,
    parse_count,
    parse_labels,
    parse_page,
    parse_uuid,
)
from coder_agents.testing.search import search
from coder_agents.testing.state import Person, State
from coder_agents.testing.workspace import EmbeddedWorkspace

TEXT_HEADERS = (("Content-Type", "text/plain; charset=utf-8"),)
GONE = (
    'Workspace "{}" was deleted, you can view this workspace by specifying '
    "'?deleted=true' and trying again."
)
NO_USER = '"user" must be an existing uuid or username.'
INITIATED = "Devcontainer recreation initiated"


def build_info(state: State, request: ServerRequest) -> ServerResponse:
    """
    GET /buildinfo.
    """
    return answer(documents.build_info(state))


def user(state: State, request: ServerRequest, user: str) -> ServerResponse:
    """
    GET /users/{user}.
    """
    return answer(documents.user(state, _find_person(state, user)))


def workspace_by_name(
    state: State, request: ServerRequest, user: str, workspace: str
) -> ServerResponse:
    """
    GET /users/{user}/workspace/{workspace}.
    """
    return _workspace(state.find_workspace(workspace, _find_person(state, user)))


def workspace(state: State, request: ServerRequest, workspace: str) -> ServerResponse:
    """
    GET /workspaces/{workspace}.
    """
    wanted = parse_uuid(workspace)
    found = next((each for each in list(state.workspaces) if each.id == wanted), None)
    if found is not None and found.deleted and request.parameter("include_deleted") != "true":
        return message(410, GONE.format(found.id))
    return _workspace(found)


def workspaces(state: State, request: ServerRequest) -> ServerResponse:
    """
    GET /workspaces: a page of the workspaces that the query finds.
    """
    limit, offset = parse_page(request)
    found = search(state, request.parameter("q") or "")
    page = found[offset : offset + limit] if limit else found[offset:]
    shown = [documents.workspace(each) for each in page]
    return answer({"workspaces": shown, "count": len(found)})


def _find_person(state: State, user: str) -> Person:
    found = state.find_person(user)
    if found is None:
        raise Refusal(message(400, NO_USER, detail=f'queried user="{user}"'))
    return found


def _workspace(found: EmbeddedWorkspace | None) -> ServerResponse:
    return message(404, NO_RESOURCE) if found is None else answer(documents.workspace(found))


def agent(state: State, request: ServerRequest, agent: str) -> ServerResponse:
    """
    GET /workspaceagents/{agent}.
    """
    return answer(find_agent(state, agent).document)


def logs(state: State, request: ServerRequest, agent: str) -> ServerResponse:
    """
    GET /workspaceagents/{agent}/logs.
    """
    found = find_agent(state, agent)
    lines = state.logs.after(found.id, parse_count(request, "after"))
    if request.parameter("format") != "text" or state.release.number < (2, 31):
        return answer(lines)
    names = {source.id: source.display_name for source in found.data.log_sources}
    text = "".join(
        line.text(found.name, names.get(line.source_id, ""), raw=True) + "\n" for line in lines
    )
    return ServerResponse(200, text.encode(), TEXT_HEADERS)


def listening_ports(state: State, request: ServerRequest, agent: str) -> ServerResponse:
    """
    GET /workspaceagents/{agent}/listening-ports.
    """
    found = find_connected_agent(state, agent)
    return answer(WorkspaceAgentListeningPortsResponse(ports=tuple(found.ports)))


def containers(state: State, request: ServerRequest, agent: str) -> ServerResponse:
    """
    GET /workspaceagents/{agent}/containers.
    """
    find_agent(state, agent)
    labels = parse_labels(request)
    found = find_listing_agent(state, agent)
    return answer(documents.containers(found.containers.state(labels), state.release))


def recreate_container(
    state: State, request: ServerRequest, agent: str, container: str
) -> ServerResponse:
    """
    POST …/devcontainers/container/{container}/recreate, of old releases.
    """
    found = find_changing_agent(state, agent, since=(0, 0))
    target = found.containers.find_container(container)
    if target is None:
        detail = "Container ID or name not found in the list of containers."
        return message(404, "Container not found", detail=detail)
    folder = target.labels.get(FOLDER_LABEL, "")
    devcontainer = found.containers.find_folder(folder) if folder else None
    if devcontainer is None:
        detail = f'Container "{container}" belongs to no dev container.'
        return message(400, "Missing workspace folder label", detail=detail)
    if devcontainer.status in TRANSITIONING:
        detail = f'Recreation for workspace folder "{folder}" is under way.'
        return message(409, "Devcontainer recreation already in progress", detail=detail)
    found.containers.recreate(devcontainer)
    detail = f'Recreation process for workspace folder "{folder}" has started.'
    return message(202, INITIATED, detail=detail)


def recreate_devcontainer(
    state: State, request: ServerRequest, agent: str, devcontainer: str
) -> ServerResponse:
    """
    POST …/devcontainers/{devcontainer}/recreate.
    """
    found, target = _find_devcontainer(state, agent, devcontainer, verb="recreate", since=(2, 25))
    found.containers.recreate(target)
    detail = f'Recreation process for devcontainer "{target.name}" has started.'
    return message(202, INITIATED, detail=detail)


def delete_devcontainer(
    state: State, request: ServerRequest, agent: str, devcontainer: str
) -> ServerResponse:
    """
    DELETE …/devcontainers/{devcontainer}; its sub-agent is deleted, too.
    """
    found, target = _find_devcontainer(state, agent, devcontainer, verb="delete", since=(2, 30))
    children = [each for each in found.build.agents if each.parent is found]
    for child in children:
        if target.agent is not None and target.agent.id == child.id:
            child.delete()
    found.containers.delete(target)
    return ServerResponse(204, b"", JSON_HEADERS)


def _find_devcontainer(
    state: State, agent: str, devcontainer: str, *, verb: str, since: tuple[int, int]
) -> tuple[EmbeddedAgent, WorkspaceAgentDevcontainer]:
    found = find_changing_agent(state, agent, since=since)
    target = found.containers.find(parse_uuid(devcontainer))
    if target is None:
        detail = f'Could not find devcontainer with ID: "{devcontainer}"'
        raise Refusal(message(404, "Devcontainer not found.", detail=detail))
    if target.status in TRANSITIONING:
        detail = f'Devcontainer "{target.name}" is {target.status}.'
        raise Refusal(message(409, f"Unable to {verb} transitioning devcontainer", detail=detail))
    return found, target


def pty_signed_token(state: State, request: ServerRequest) -> ServerResponse:
    """
    POST /applications/reconnecting-pty-signed-token, of licensed deployments.
    """
    try:
        document = json.loads(request.body)
        url, agent_id = urlsplit(document["url"]), UUID(document["agentID"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return message(400, "Request body must be valid JSON.", detail=repr(error))
    path = f"/api/v2/workspaceagents/{agent_id}/pty"
    if url.scheme not in ("ws", "wss", "http", "https") or url.path != path:
        return message(400, "Invalid URL.", detail=f"The URL must be of {path}.")
    find_agent(state, str(agent_id))
    token = secrets.token_urlsafe(48)
    state.signed_tokens[token] = str(agent_id)
    return answer(IssueReconnectingPTYSignedTokenResponse(signed_token=token))
