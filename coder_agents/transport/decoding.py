"""
Decoding an answer, and the error for an answer about another object than requested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from coder_agents.errors import DecodeError

JSON = "application/json"

T = TypeVar("T")


def decoded(content: bytes, read: Callable[[bytes], T], method: str, url: str) -> T:
    """
    Return the result of *read* for *content*, the answer to the request *method* *url*.

    Raises *DecodeError* that names the request.
    """
    try:
        return read(content)
    except DecodeError as error:
        failure = DecodeError(
            f"{method} {url}: {error}",
            path=error.path,
            wanted=error.wanted,
            found=error.found,
            method=method,
            url=url,
        )
    raise failure  # outside of the handler, so that it has no other exception as its context


def other_than_requested(method: str, url: str, path: str, wanted: str, found: str) -> DecodeError:
    """
    Return the exception for an answer that has *found* at *path*, where *wanted* was requested.
    """
    return DecodeError(
        f"{method} {url}: the answer is about another object: {path}: wanted {wanted}, found {found}",
        path=path,
        wanted=wanted,
        found=found,
        method=method,
        url=url,
    )
