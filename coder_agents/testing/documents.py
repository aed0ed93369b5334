"""
The JSON documents that a deployment sends.
"""

from __future__ import annotations

import json
from typing import Any

from coder_agents.schema import (
    BuildInfoResponse,
    ProvisionerJobStatus,
    ValidationError,
    WorkspaceAgentListContainersResponse,
    WorkspaceBuildTimings,
    WorkspaceStatus,
    to_json,
)
from coder_agents.schema import Response as Message
from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.build import EmbeddedBuild
from coder_agents.testing.http import ServerResponse
from coder_agents.testing.releases import Release
from coder_agents.testing.state import Person, State
from coder_agents.testing.timings import connection_timings
from coder_agents.testing.workspace import EmbeddedWorkspace

JSON_HEADERS = (("Content-Type", "application/json; charset=utf-8"),)

TEMPLATE_NAME = "embedded"

NIL_ID = "00000000-0000-0000-0000-000000000000"

# Go's encoder escapes these in strings, and they occur nowhere else in JSON.
GO_ESCAPES = str.maketrans(
    {char: f"\\u{ord(char):04x}" for char in ("<", ">", "&", "\u2028", "\u2029")}
)


def answer(document: object, status: int = 200) -> ServerResponse:
    """
    Return a response with *document*, a schema object or plain data, as its body.
    """
    plain = json.loads(to_json(document))
    text = json.dumps(plain, ensure_ascii=False, indent="\t") + "\n"
    return ServerResponse(status, text.translate(GO_ESCAPES).encode(), JSON_HEADERS)


def compact(document: object) -> str:
    """
    Return *document* as a stream sends it.
    """
    return to_json(document).translate(GO_ESCAPES)


def message(
    status: int, text: str, *, detail: str = "", field: str = "", problem: str = ""
) -> ServerResponse:
    """
    Return a response with a message; *problem* says what is wrong with the parameter *field*.
    """
    validations = (ValidationError(field=field, detail=problem),) if field else ()
    return answer(Message(message=text, detail=detail, validations=validations), status)


def build_info(state: State) -> BuildInfoResponse:
    """
    Return the deployment's description of itself.
    """
    return BuildInfoResponse(
        external_url=f"https://github.com/coder/coder/releases/tag/{state.release.version}",
        version=state.release.version,
        dashboard_url=state.url,
        agent_api_version="1.0",
        provisioner_api_version=state.release.provisioner_api,
        deployment_id=str(state.id),
        webpush_public_key="",
    )


def user(state: State, found: Person) -> dict[str, Any]:
    """
    Return the description of a user.
    """
    document = {
        "id": found.id,
        "username": found.name,
        "name": found.name.capitalize(),
        "email": f"{found.name}@example.com",
        "created_at": found.created_at,
        "updated_at": found.created_at,
        "last_seen_at": state.now(),
        "status": "active",
        "login_type": "password",
        "organization_ids": [state.organization_id],
        "roles": [{"name": "owner", "display_name": "Owner"}] if found == state.me else [],
    }
    if state.release.number >= (2, 35):
        document["has_ai_seat"] = False
    return document


def containers(state: WorkspaceAgentListContainersResponse, release: Release) -> dict[str, Any]:
    """
    Return the containers without the fields that *release* does not have yet.
    """
    document: dict[str, Any] = json.loads(to_json(state))
    if release.number < (2, 31):
        for devcontainer in document["devcontainers"]:
            for field in ("subagent_id", "error"):
                devcontainer.pop(field, None)
    return document


def workspace(found: EmbeddedWorkspace) -> dict[str, Any]:
    """
    Return the description of a workspace with its latest build.
    """
    state, latest = found.state, found.latest_build
    document = {
        "id": found.id,
        "created_at": found.created_at,
        "updated_at": latest.created_at,
        "owner_id": found.owner.id,
        "owner_name": found.owner.name,
        "owner_avatar_url": "",
        "organization_id": state.organization_id,
        "organization_name": "coder",
        **_template(state),
        "latest_build": build(latest),
        "latest_app_status": None,
        "outdated": False,
        "name": found.name,
        "last_used_at": latest.created_at,
        "deleting_at": None,
        "dormant_at": None,
        "health": _health(latest.agents if latest.listed else []),
        "automatic_updates": "never",
        "allow_renames": False,
        "favorite": False,
        "next_start_at": None,
    }
    if state.release.number >= (2, 31):
        document |= {"is_prebuild": False, "task_id": None}
    return document


def _template(state: State) -> dict[str, Any]:
    return {
        "template_id": state.template_id,
        "template_name": TEMPLATE_NAME,
        "template_display_name": "Embedded",
        "template_icon": "",
        "template_allow_user_cancel_workspace_jobs": False,
        "template_active_version_id": state.template_version_id,
        "template_require_active_version": False,
        "template_use_classic_parameter_flow": False,
    }


def _health(agents: list[EmbeddedAgent]) -> dict[str, Any]:
    failing = [agent.id for agent in agents if not agent.data.health.healthy]
    return {"healthy": not failing, "failing_agents": failing}


def build(found: EmbeddedBuild) -> dict[str, Any]:
    """
    Return the description of a build with its job and, where they are listed, its resources.
    """
    state = found.workspace.state
    return {
        "id": found.id,
        "created_at": found.created_at,
        "updated_at": found.completed_at or found.created_at,
        "workspace_id": found.workspace.id,
        "workspace_name": found.workspace.name,
        "workspace_owner_id": found.workspace.owner.id,
        "workspace_owner_name": found.workspace.owner.name,
        "template_version_id": state.template_version_id,
        "template_version_name": "embedded",
        "build_number": found.number,
        "transition": found.transition,
        "initiator_id": found.workspace.owner.id,
        "initiator_name": found.workspace.owner.name,
        "job": job(found),
        "reason": "initiator",
        "resources": [resource(found)] if found.listed else [],
        "deadline": None,
        "max_deadline": None,
        "status": found.status,
        "daily_cost": 0,
        "matched_provisioners": {"count": 0, "available": 0, "most_recently_seen": None},
        "template_version_preset_id": None,
    }


def requested_build(found: EmbeddedBuild) -> dict[str, Any]:
    """
    Return the description of a build as the answer to its request has it: just requested.
    """
    state = found.workspace.state
    pending = {"status": ProvisionerJobStatus.PENDING}
    started = {"started_at", "completed_at", "canceled_at", "worker_id", "error", "error_code"}
    return {
        **build(found),
        "updated_at": found.created_at,
        "template_version_name": "",
        "job": {key: each for key, each in (job(found) | pending).items() if key not in started},
        "resources": [],
        "status": WorkspaceStatus.PENDING,
        "matched_provisioners": {"count": 1, "available": 1, "most_recently_seen": state.now()},
    }


def timings(found: EmbeddedBuild) -> WorkspaceBuildTimings:
    """
    Return how long the steps of a build took, how long its agents took to connect, and how long
    their scripts ran.
    """
    scripts, connections = [], []
    for agent in found.agents:
        scripts += agent.timings.scripts(agent.id, agent.name)
        connections += connection_timings(agent.data)
    return WorkspaceBuildTimings(
        provisioner_timings=found.timings,
        agent_script_timings=tuple(scripts),
        agent_connection_timings=tuple(connections),
    )


def resource(found: EmbeddedBuild) -> dict[str, Any]:
    """
    Return the resource of a build: the machine of its agents.
    """
    document = {
        "id": found.resource_id,
        "created_at": found.created_at,
        "job_id": found.job_id,
        "workspace_transition": found.transition,
        "type": "null_resource",
        "name": "machine",
        "hide": False,
        "icon": "",
        "daily_cost": 0,
    }
    if found.agents:
        document["agents"] = [agent.document for agent in found.agents]
    return document


def job(found: EmbeddedBuild) -> dict[str, Any]:
    """
    Return the job of a build.
    """
    state = found.workspace.state
    position, size = found.queue if found.job_status == ProvisionerJobStatus.PENDING else (0, 0)
    document: dict[str, Any] = {
        "id": found.job_id,
        "created_at": found.created_at,
        "status": found.job_status,
        "file_id": state.template_version_id,
        "tags": {},
        "queue_position": position,
        "queue_size": size,
        "organization_id": state.organization_id,
        "input": {"workspace_build_id": found.id},
        "type": "workspace_build",
        "metadata": {
            "template_version_name": "",
            "template_id": NIL_ID,
            "template_name": "",
            "template_display_name": "",
            "template_icon": "",
        },
    }
    document |= {
        name: value
        for name, value in (
            ("started_at", found.started_at),
            ("completed_at", found.completed_at),
            ("canceled_at", found.canceled_at),
            ("worker_id", state.id if found.started_at else None),
            ("error", found.error),
            ("error_code", str(found.error_code)),
        )
        if value
    }
    if state.release.number >= (2, 31):
        document |= {"initiator_id": found.workspace.owner.id, "logs_overflowed": False}
    return document
