"""
What a deployment says of itself, and its answers that are no data.
"""

from __future__ import annotations

from typing import Any

import attrs

from coder_agents.schema.enumerations import ServerSentEventType
from coder_agents.schema.fields import identifying, maybe_absent


@attrs.frozen(kw_only=True)
class BuildInfoResponse:
    """
    What a deployment runs.

    Attributes:
        external_url: where this version's source or release notes are.
        version: the release; development builds all say ``v0.0.0-devel``.
        dashboard_url: the deployment's own URL.
        telemetry: whether it reports home.
        workspace_proxy: whether this is a workspace proxy, not the deployment itself.
        agent_api_version: of the protocol agents speak.
        provisioner_api_version: of the protocol provisioners speak.
        upgrade_message: what the operator wants said to outdated clients, or empty.
        deployment_id: a UUID, as text; empty on a workspace proxy.
        webpush_public_key: for browser notifications, or empty.
    """

    external_url: str = ""
    version: str = identifying("")
    dashboard_url: str = ""
    telemetry: bool = False
    workspace_proxy: bool = False
    agent_api_version: str = ""
    provisioner_api_version: str = ""
    upgrade_message: str = ""
    deployment_id: str = ""
    webpush_public_key: str = maybe_absent("")


@attrs.frozen(kw_only=True)
class ValidationError:
    """
    One thing that is wrong with a request. Not an exception.

    Attributes:
        field: the parameter it is about.
        detail: what is wrong with it.
    """

    field: str = ""
    detail: str = ""


@attrs.frozen(kw_only=True)
class Response:
    """
    An answer in words: that something was accepted, or what is wrong.

    Attributes:
        message: for people.
        detail: more of it, or empty.
        validations: what is wrong with each parameter.
    """

    message: str = ""
    detail: str = maybe_absent("")
    validations: tuple[ValidationError, ...] = maybe_absent(())


@attrs.frozen(kw_only=True)
class ServerSentEvent:
    """
    An event of a stream, in the form it has as a WebSocket message.

    Attributes:
        type: what it carries.
        data: the decoded JSON of it: for metadata a list, for an error a `Response`'s object.
    """

    type: ServerSentEventType = ServerSentEventType("")
    data: Any = attrs.field(default=None, hash=False)
