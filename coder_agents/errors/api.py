"""
Refusals of a deployment: one class for each status.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from requests.exceptions import HTTPError

from coder_agents.errors.root import CoderError, UnsupportedError

if TYPE_CHECKING:
    import requests

E = TypeVar("E", bound="APIError")


class APIError(CoderError, HTTPError):
    """
    The deployment answered with a status other than success.

    The error is also a `requests.HTTPError`. Its text is that of Coder's Go client: ``METHOD URL:
    unexpected status code N: MESSAGE: HELPER``, a line for the detail, and a line for each
    validation.

    Attributes:
        status_code: the HTTP status.
        method: the request's method.
        url: the request's URL.
        message: the deployment's message.
        detail: more about the message, or an empty string.
        validations: pairs of a field's name and the reason why the field was refused.
        retry_after: seconds that the answer requests to wait; None where it names none.
        by_deployment: whether the body has the form of Coder's own errors; False for the page of
            a proxy in between.
        request: the request, without the token.
        response: the response; its request is without the token, too.
    """

    def __init__(
        self,
        text: str = "",
        *,
        status_code: int = 0,
        method: str = "",
        url: str = "",
        message: str = "",
        detail: str = "",
        validations: Sequence[tuple[str, str]] = (),
        retry_after: float | None = None,
        by_deployment: bool = True,
        request: requests.PreparedRequest | None = None,
        response: requests.Response | None = None,
    ) -> None:
        super().__init__(text, request=request, response=response)
        self.status_code = status_code
        self.method = method
        self.url = url
        self.message = message
        self.detail = detail
        self.validations = tuple(validations)
        self.retry_after = retry_after
        self.by_deployment = by_deployment


def as_kind(kind: type[E], error: APIError, text: str, **more: Any) -> E:
    """
    Return an error of the class *kind* for the answer of *error*.
    """
    request: Any = error.request  # the types of requests also permit another class
    return kind(
        text,
        status_code=error.status_code,
        method=error.method,
        url=error.url,
        message=error.message,
        detail=error.detail,
        validations=error.validations,
        retry_after=error.retry_after,
        by_deployment=error.by_deployment,
        request=request,
        response=error.response,
        **more,
    )


class BadRequestError(APIError):
    """
    400: the deployment does not accept the request; ``validations`` may have the reasons.
    """


class AgentNotConnectedError(BadRequestError):
    """
    400: the call needs a connected agent, and this agent is not connected.
    """


class AuthenticationError(APIError):
    """
    401: the token is missing, wrong or expired.
    """


class PermissionDeniedError(APIError):
    """
    403: the token's user may not do this.
    """


class NotFoundError(APIError):
    """
    404: there is no such object, or the token's user may not see it.
    """


class DevcontainersDisabledError(APIError):
    """
    The workspace's template does not switch dev containers on.

    The agent then lists no containers. The status is that of the answer: 403 to a call that lists
    or watches containers, 404 to a call that recreates or deletes a devcontainer.
    """


class ConflictError(APIError):
    """
    409: the object is in a state that does not allow this now.
    """


class RateLimitError(APIError):
    """
    429: too many requests; ``retry_after`` is the time to wait, in seconds.
    """


class ServerError(APIError):
    """
    500 to 599: the deployment, or a proxy in front of it, failed.
    """


class UnsupportedCallError(UnsupportedError, APIError):
    """
    This deployment, or this agent, does not have the call.

    The error is not a `NotFoundError`: no object is missing. The release is too old, too new, or
    built without the feature. A deployment without the call answers 404 ``Route not found.``. An
    agent has the release that its deployment had when the workspace was last started: the
    deployment passes the refusal of an old agent on.
    """

    def __init__(
        self,
        text: str = "",
        *,
        call: str = "",
        since: str = "",
        agent_version: str = "",
        **answer: Any,
    ) -> None:
        APIError.__init__(self, text, **answer)
        self.call = call
        self.since = since
        self.agent_version = agent_version
        self.found = ""

    @property
    def version(self) -> str:
        """
        The version that the deployment reports, such as ``v2.24.0``; ``unknown`` without a report.
        """
        headers = {} if self.response is None else self.response.headers
        return headers.get("X-Coder-Build-Version") or "unknown"
