"""
From what went wrong on the wire to the exception that reports it.

Nothing that is built here holds the token: neither the texts nor the request
and the response that hang on an exception.
"""

from __future__ import annotations

import re
import ssl
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from coder_agents import schema
from coder_agents.errors import (
    AgentNotConnectedError,
    APIError,
    AuthenticationError,
    BadRequestError,
    CoderError,
    ConfigError,
    ConflictError,
    DecodeError,
    DevcontainersDisabledError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TLSError,
    TransportError,
    UnsupportedError,
)
from coder_agents.render import escape_controls

_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
}
_NOT_CONNECTED = re.compile(r'Agent state is ".*", it must be in the "connected" state\.')
_GONE = 410  # what a deployment answers for a workspace that was deleted
_ROUTE_NOT_FOUND = "Route not found."
_DISABLED = "Dev Container feature not enabled."
# What an agent answers for a path that it does not have; the deployment passes it on inside its
# own answer, with status 404, or with 500 where the call is a watch.
_NO_PAGE = "404 page not found"
_LOGIN = "Try logging in using 'coder login'."
_MAX_DETAIL = 2048  # characters of a body that is not JSON, as Coder's Go client cuts it


def api_error(response: requests.Response, *, token: str) -> APIError:
    """
    Return the exception for *response*, whose status is not success.

    The text is the one of Coder's Go client.
    """
    answer = _without_token(response, token)
    reported, by_deployment = _reported(answer)
    status, method, url = answer.status_code, answer.request.method or "", answer.url
    helper = f": {_LOGIN}" if status == 401 else ""
    lines = [f"{method} {url}: unexpected status code {status}: {reported.message}{helper}"]
    if reported.detail:
        lines.append(f"Error: {reported.detail}")
    lines += [f"{v.field}: {v.detail}" for v in reported.validations]
    return _class_for(status, reported.message)(
        "\n\t".join(escape_controls(line) for line in lines),
        status_code=status,
        method=method,
        url=url,
        message=reported.message,
        detail=reported.detail,
        validations=[(v.field, v.detail) for v in reported.validations],
        retry_after=_retry_after(answer),
        by_deployment=by_deployment,
        request=answer.request,
        response=answer,
    )


def is_gone(error: BaseException) -> bool:
    """
    Whether the deployment itself reports that it has no such thing, or no longer has it.
    """
    if not isinstance(error, APIError) or not error.by_deployment:
        return False
    return isinstance(error, NotFoundError) or error.status_code == _GONE


def lacks_call(error: BaseException) -> bool:
    """
    Whether the deployment reports that the agent does not have the call: it is too old, or its
    template does not switch on what the call needs.
    """
    if not isinstance(error, APIError) or not error.by_deployment:
        return False
    return error.status_code in (404, 500) and error.detail.strip().endswith(_NO_PAGE)


def transport_error(what: str, error: BaseException) -> CoderError:
    """
    Return the exception for *error*, which a library raised while it did *what*.

    *what* is the method and the URL.
    """
    chain = _chain(error)
    text = f"{what}: {escape_controls(str(chain[-1])) or type(chain[-1]).__name__}"
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)):
        return ConfigError(text)
    if any(isinstance(e, (ssl.SSLError, urllib3.exceptions.SSLError)) for e in chain):
        return TLSError(text)
    if any(_is_timeout(e) for e in chain):
        return RequestTimeoutError(text)
    return TransportError(text)


def _is_timeout(error: BaseException) -> bool:
    # urllib3 counts a refused connection and an unknown host among its time-outs.
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    return isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError)) and not refused


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    return chain


def _class_for(status: int, message: str) -> type[APIError]:
    if status == 404 and message == _ROUTE_NOT_FOUND:
        return UnsupportedError
    if status == 400 and _NOT_CONNECTED.fullmatch(message):
        return AgentNotConnectedError
    if status == 403 and message == _DISABLED:
        return DevcontainersDisabledError
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, APIError)


def _reported(answer: requests.Response) -> tuple[schema.Response, bool]:
    if answer.is_redirect:
        return _redirect(answer), False
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    text = answer.content.decode("utf-8", "replace")
    if not text:
        return schema.Response(message="empty response body"), False
    if kind != "application/json":
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


def _redirect(answer: requests.Response) -> schema.Response:
    try:
        target = urlsplit(urljoin(answer.url, answer.headers["Location"]))
    except ValueError:
        return schema.Response(message="redirected to an address that is no URL")
    prefix = target.path.partition("/api/v2/")[0].rstrip("/")
    use = urlunsplit((target.scheme, target.netloc, prefix, "", ""))
    return schema.Response(
        message=f"redirected to {target.geturl()}; a redirect is never followed, as the token"
        f" would go along: use {use} as the deployment's URL"
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL else text[:_MAX_DETAIL] + "..."


def _retry_after(answer: requests.Response) -> float | None:
    value = answer.headers.get("Retry-After")
    if value is None:
        return None
    try:
        return urllib3.Retry().parse_retry_after(value)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None


def _without_token(response: requests.Response, token: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code = response.status_code
    answer.reason = response.reason
    answer.url = response.url
    answer.encoding = response.encoding
    answer.elapsed = response.elapsed
    # A proxy's error page may show the request that it was sent.
    answer.headers = CaseInsensitiveDict(
        {name: value.replace(token, "[token]") for name, value in response.headers.items()}
    )
    answer._content = response.content.replace(token.encode(), b"[token]")
    answer.request = _request_without_secrets(response.request)
    return answer


def _request_without_secrets(request: requests.PreparedRequest) -> requests.PreparedRequest:
    bare = requests.PreparedRequest()
    bare.method = request.method
    bare.url = request.url
    bare.body = request.body
    # Only what requests itself always sends: any other header may hold a secret.
    harmless = ("User-Agent", "Accept", "Content-Type", "Content-Length")
    bare.headers = CaseInsensitiveDict(
        {name: request.headers[name] for name in harmless if name in request.headers}
    )
    return bare
