"""
The policy of retries: which REST calls are sent again, and when.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import urllib3
from urllib3.exceptions import MaxRetryError

from coder_agents import transport
from coder_agents.config import Settings
from coder_agents.transport.pace import TOO_MANY_REQUESTS
from coder_agents.transport.request_log import log_retry, logs_requests

PASSING = frozenset({502, 503, 504})
"""
The statuses of a failure that may pass.
"""

BACKOFF = 0.2
"""
The seconds that double with each try, from the second try on; the first is made at once.
"""


class GetRetry(urllib3.Retry):
    """
    urllib3's `Retry`, for GET only, with a limit for all sleeps together: the read time-out.

    urllib3 itself retries any method where no connection came about, sleeps as long as a
    ``Retry-After`` requests, and retries where a certificate was refused.
    """

    max_sleep: float = 0.0
    slept: float = 0.0

    def new(self, **changes: Any) -> Self:
        """
        Return the policy after one more attempt, with the same limit.
        """
        policy = super().new(**changes)
        policy.max_sleep = self.max_sleep
        policy.slept = self.slept
        return policy

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """
        Return the policy for the next attempt. Raises *MaxRetryError* where no attempt is left.
        """
        if error is not None and (method != "GET" or transport.is_final(error)):
            raise MaxRetryError(_pool, url or "", error)
        policy = super().increment(method, url, response, error, _pool, _stacktrace)
        policy.slept += policy._next_sleep(response)
        if policy.slept > self.max_sleep:
            reason = error or urllib3.exceptions.ResponseError("no time is left to try again")
            raise MaxRetryError(_pool, url or "", reason)
        if logs_requests():
            why = str(error) if response is None else str(response.status)
            log_retry(method or "", _whole(url or "", _pool), why)
        return policy

    def parse_retry_after(self, retry_after: str) -> float:
        """
        Return the seconds in the header; 0 where it has no valid time.
        """
        try:
            return super().parse_retry_after(retry_after)
        except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            return 0.0

    def _next_sleep(self, response: urllib3.BaseHTTPResponse | None) -> float:
        requested = None if response is None else self.get_retry_after(response)
        return self.get_backoff_time() if requested is None else requested


class PacedRetry(GetRetry):
    """
    The policy beside a `Pace`, which repeats what was refused with the status 429.
    """

    RETRY_AFTER_STATUS_CODES = GetRetry.RETRY_AFTER_STATUS_CODES - {TOO_MANY_REQUESTS}


def _whole(url: str, pool: Any) -> str:
    """
    Return *url* with its host; *url* is a path unless it goes to a proxy.
    """
    return f"{pool.scheme}://{pool.host}:{pool.port}{url}" if url.startswith("/") else url


def retry_policy(settings: Settings, kind: type[GetRetry] = GetRetry) -> GetRetry:
    """
    Return the policy of *settings*, of the class *kind*.
    """
    policy = kind(
        total=settings.retries,
        allowed_methods={"GET"},
        status_forcelist=PASSING,
        backoff_factor=BACKOFF,
        backoff_jitter=0.1,
        # Otherwise the body of the last answer, which has the reason, would be dropped.
        raise_on_status=False,
    )
    policy.max_sleep = settings.read_timeout
    return policy
