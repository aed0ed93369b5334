"""
Copies of requests and answers without secrets, for exceptions to refer to.
"""

from __future__ import annotations

import requests
from requests.structures import CaseInsensitiveDict

# Only the headers that requests itself always sends: any other header may hold a secret.
_HARMLESS = ("User-Agent", "Accept", "Content-Type", "Content-Length")


def redacted_response(response: requests.Response, token: str) -> requests.Response:
    """
    Return a copy of *response*, and of its request, without *token*.
    """
    answer = requests.Response()
    answer.status_code = response.status_code
    answer.reason = response.reason
    answer.url = response.url
    answer.encoding = response.encoding
    answer.elapsed = response.elapsed
    # A proxy's error page may show the request, and so the token.
    answer.headers = CaseInsensitiveDict(
        {name: value.replace(token, "[token]") for name, value in response.headers.items()}
    )
    answer._content = response.content.replace(token.encode(), b"[token]")
    answer.request = redacted_request(response.request)
    return answer


def redacted_request(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """
    Return a copy of *request* with only the headers that hold no secret.
    """
    bare = requests.PreparedRequest()
    bare.method = request.method
    bare.url = request.url
    bare.body = request.body
    bare.headers = CaseInsensitiveDict(
        {name: request.headers[name] for name in _HARMLESS if name in request.headers}
    )
    return bare
