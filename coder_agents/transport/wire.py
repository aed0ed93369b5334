"""
What the libraries below a source raise and read, as errors and responses of the client.
"""

from __future__ import annotations

from http.client import HTTPException
from typing import TYPE_CHECKING

import h11
import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from coder_agents.errors import CoderError, ConfigError
from coder_agents.transport.exchange import Head, headers_of
from coder_agents.transport.waiting import DroppedError

if TYPE_CHECKING:
    from coder_agents.transport.http import HTTP

WIRE_ERRORS = (
    DroppedError,
    OSError,
    h11.LocalProtocolError,
    HTTPException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)
"""
The errors of the libraries below a source.
"""


def wire_failure(http: HTTP, url: str, error: Exception, *, advice: str = "") -> CoderError:
    """
    Return the exception for *error*, one of `WIRE_ERRORS`, with which a GET of *url* ended.
    """
    if isinstance(error, h11.LocalProtocolError):
        return ConfigError("a header of the session or the settings cannot be sent")
    return http.failure("GET", url, error, advice=advice)


def response_of(head: Head, body: bytes, request: requests.PreparedRequest) -> requests.Response:
    """
    Return the answer to *request* as a response of requests.
    """
    answer = requests.Response()
    answer.status_code = head.status_code
    answer.reason = bytes(head.reason).decode("latin-1")
    answer.url = request.url or ""
    answer.headers = CaseInsensitiveDict(headers_of(head))
    answer.request = request
    answer._content = body
    return answer
