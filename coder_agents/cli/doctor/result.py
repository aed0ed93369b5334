"""
The result of a check.
"""

from __future__ import annotations

from typing import Literal

import attrs

State = Literal["ok", "failed", "skipped"]


@attrs.frozen
class Result:
    """
    The result of one check.

    Attributes:
        state: ``ok``, ``failed``, or ``skipped`` where it could not be checked.
        name: the subject, such as ``token``.
        text: what was found, or why it failed.
        advice: what to do; empty where nothing is to be done.
    """

    state: State
    name: str
    text: str
    advice: str = ""


def ok(name: str, text: str) -> Result:
    """
    Return the result that *name* is as it should be.
    """
    return Result("ok", name, text)


def failed(name: str, text: str, advice: str = "") -> Result:
    """
    Return the result that *name* is not as it should be.
    """
    return Result("failed", name, text, advice)


def skipped(name: str, text: str) -> Result:
    """
    Return the result that *name* was not checked.
    """
    return Result("skipped", name, text)
