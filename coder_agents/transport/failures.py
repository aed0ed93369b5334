"""
The exceptions for refusals, and for answers that are not the requested JSON.

No exception that is built here holds the token: neither its text nor the request and the response
that it refers to.
"""

from __future__ import annotations

import re

import requests

from coder_agents import schema
from coder_agents.errors import (
    AgentNotConnectedError,
    APIError,
    AuthenticationError,
    BadRequestError,
    CoderError,
    ConflictError,
    DecodeError,
    DevcontainersDisabledError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnsupportedCallError,
)
from coder_agents.render import escape_controls
from coder_agents.transport.decoding import JSON
from coder_agents.transport.pages import (
    described,
    is_html,
    kind_of,
    redirect_described,
    title_of,
)
from coder_agents.transport.redacted import redacted_request, redacted_response
from coder_agents.transport.retry_after import retry_after
from coder_agents.transport.unreached import PROXY_LOGIN, proxy_error

_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
}
_NOT_CONNECTED = re.compile(r'Agent state is ".*", it must be in the "connected" state\.')
_GONE = 410  # a deployment's status for a deleted workspace
_ROUTE_NOT_FOUND = "Route not found."
_DISABLED = "Dev Container feature not enabled."
# An agent's answer for a path that it does not have. The deployment quotes it in an answer of its
# own, with the status 404, or 500 for a watch.
_NO_PAGE = "404 page not found"
_LOGIN = "Try logging in using 'coder login'."
_MAX_DETAIL = 2048  # characters of a body that is not JSON, as Coder's Go client cuts it


def refusal(
    response: requests.Response, *, token: str, proxy: str = "", advice: str = ""
) -> CoderError:
    """
    Return the exception for *response*, whose status is not success.

    *proxy* is the URL of the request's proxy, empty without one: the status 407 comes from the
    proxy. *advice* is text that says what to do.
    """
    if response.status_code != PROXY_LOGIN:
        return api_error(response, token=token, advice=advice)
    reason = escape_controls(f"{PROXY_LOGIN} {response.reason or ''}".strip())
    failure = proxy_error(f"{response.request.method} {response.url}", reason, proxy)
    failure.request = redacted_request(response.request)
    return failure


def page_error(response: requests.Response, *, token: str, wanted: str = JSON) -> DecodeError:
    """
    Return the exception for *response*, which has the status of success but not the type *wanted*.
    """
    answer = redacted_response(response, token)
    method, url = answer.request.method or "", answer.url
    text = f"{method} {url}: wanted {wanted}, found {described(answer)}"
    return DecodeError(
        escape_controls(text),
        wanted=wanted,
        found=answer.headers.get("Content-Type", ""),
        by_deployment=False,
        method=method,
        url=url,
    )


def api_error(response: requests.Response, *, token: str, advice: str = "") -> APIError:
    """
    Return the exception for *response*, whose status is not success.

    The text is that of Coder's Go client. For an HTML page, a line with the page's title and the
    likely cause replaces the page's source. A line with *advice* follows.
    """
    answer = redacted_response(response, token)
    reported, by_deployment = _reported(answer)
    status, method, url = answer.status_code, answer.request.method or "", answer.url
    helper = f": {_LOGIN}" if status == 401 and by_deployment else ""
    lines = [f"{method} {url}: unexpected status code {status}: {reported.message}{helper}"]
    is_a_page = not by_deployment and is_html(answer) and not answer.is_redirect
    if is_a_page and answer.content:
        lines.append(f"It is {described(answer)}")
    if reported.detail and not (is_a_page and title_of(reported.detail)):
        lines.append(f"Error: {reported.detail.strip()}")
    lines += [f"{v.field}: {v.detail}" for v in reported.validations]
    lines += [advice] if advice else []
    return _class_for(status, reported.message)(
        "\n\t".join(escape_controls(line) for line in lines),
        status_code=status,
        method=method,
        url=url,
        message=reported.message,
        detail=reported.detail,
        validations=[(v.field, v.detail) for v in reported.validations],
        retry_after=retry_after(answer.headers),
        by_deployment=by_deployment,
        request=answer.request,
        response=answer,
    )


def is_gone(error: BaseException) -> bool:
    """
    Whether the deployment itself reports that the object does not exist, or no longer exists.
    """
    if not isinstance(error, APIError) or not error.by_deployment:
        return False
    return isinstance(error, NotFoundError) or error.status_code == _GONE


def lacks_call(error: BaseException) -> bool:
    """
    Whether the deployment reports that the agent lacks the call: the agent is too old, or its
    template does not enable the feature.
    """
    if not isinstance(error, APIError) or not error.by_deployment:
        return False
    return error.status_code in (404, 500) and error.detail.strip().endswith(_NO_PAGE)


def _class_for(status: int, message: str) -> type[APIError]:
    if status == 404 and message == _ROUTE_NOT_FOUND:
        return UnsupportedCallError
    if status == 400 and _NOT_CONNECTED.fullmatch(message):
        return AgentNotConnectedError
    if status == 403 and message == _DISABLED:
        return DevcontainersDisabledError
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, APIError)


def _reported(answer: requests.Response) -> tuple[schema.Response, bool]:
    if answer.is_redirect:
        return schema.Response(message=redirect_described(answer)), False
    kind = kind_of(answer)
    text = answer.content.decode("utf-8", "replace")
    if not text:
        return schema.Response(message="empty response body"), False
    if kind != JSON:
        message = f'unexpected non-JSON response "{kind}"'
        return schema.Response(message=message, detail=_cut(text)), False
    try:
        reported = schema.from_json(text, schema.Response)
    except DecodeError as error:
        message = f"the response cannot be read: {error}"
        return schema.Response(message=message, detail=_cut(text)), False
    if not reported.message:
        return schema.Response(message="no message", detail=_cut(text)), False
    return reported, True


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL else text[:_MAX_DETAIL] + "..."
