"""
One log record at debug level for each request of a client.
"""

from __future__ import annotations

import logging
import time

from coder_agents.render import escape_controls

logger = logging.getLogger("coder_agents")


def log_answer(method: str, url: str, status: int, sent: float) -> None:
    """
    Log that the request was answered; *sent* is the time of sending, by `time.monotonic`.
    """
    logger.debug("%s %s: %s in %.3f s", method, url, status, time.monotonic() - sent)


def log_failure(method: str, url: str, failure: BaseException, sent: float) -> None:
    """
    Log that the request was not answered, and why.
    """
    # Text: a log record that is kept must not keep the exception.
    reason = str(failure).removeprefix(f"{method} {url}: ") or type(failure).__name__
    logger.debug("%s %s: %s after %.3f s", method, url, reason, time.monotonic() - sent)


def log_retry(method: str, url: str, reason: str) -> None:
    """
    Log that the request is sent again, and why.
    """
    logger.debug("%s %s: %s; the request is sent again", method, url, escape_controls(reason))


def logs_requests() -> bool:
    """
    Whether a logger takes these records; otherwise costly texts are skipped.
    """
    return logger.isEnabledFor(logging.DEBUG)
