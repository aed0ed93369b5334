"""
Information about a deployment, and its answers without data.
"""

from __future__ import annotations

from typing import Any

import attrs

from coder_agents.representation.objects import Represented
from coder_agents.schema.enumerations import ServerSentEventType
from coder_agents.schema.fields import identifying, maybe_absent


@attrs.frozen(kw_only=True, repr=False)
class BuildInfoResponse(Represented):
    """
    The build and the settings of a deployment.

    Attributes:
        external_url: the URL of this version's source or release notes.
        version: the release; every development build reports ``v0.0.0-devel``.
        dashboard_url: the URL of the deployment.
        telemetry: whether the deployment sends telemetry.
        workspace_proxy: whether the server is a workspace proxy.
        agent_api_version: the version of the agents' protocol.
        provisioner_api_version: the version of the provisioners' protocol.
        upgrade_message: the operator's message for outdated clients, or empty.
        deployment_id: a UUID, as text; empty on a workspace proxy.
        webpush_public_key: the key for browser notifications, or empty.
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


@attrs.frozen(kw_only=True, repr=False)
class ValidationError(Represented):
    """
    The reason why one parameter of a request was refused. It is not an exception.

    Attributes:
        field: the name of the parameter.
        detail: why it was refused.
    """

    field: str = ""
    detail: str = ""


@attrs.frozen(kw_only=True, repr=False)
class Response(Represented):
    """
    An answer that is a message: a request was accepted, or why it was refused.

    Attributes:
        message: the text for people.
        detail: more about the message, or empty.
        validations: the reason for each refused parameter.
    """

    message: str = ""
    detail: str = maybe_absent("")
    validations: tuple[ValidationError, ...] = maybe_absent(())


@attrs.frozen(kw_only=True, repr=False)
class ServerSentEvent(Represented):
    """
    An event of a stream, in the form of a WebSocket message.

    Attributes:
        type: the kind of its content.
        data: its decoded JSON: a list for metadata, the object of a `Response` for an error.
    """

    type: ServerSentEventType = ServerSentEventType("")
    data: Any = attrs.field(default=None, hash=False)
