"""
REST calls that can be woken, and are sent again as other calls are.
"""

from __future__ import annotations

import uuid
from collections.abc import Hashable

from coder_agents.errors import APIError, CoderError, TLSError, TransportError
from coder_agents.transport.http import Params
from coder_agents.transport.retry import BACKOFF, PASSING
from coder_agents.transport.wakeable import WakeableHTTP


class RepeatingHTTP(WakeableHTTP):
    """
    One deployment's REST calls and streams, which all end when it is closed.

    A GET is sent again where `HTTP` would send it again, as often as the settings allow. What was
    refused because of too many requests is the business of the pace.
    """

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        body: str | None = None,
        expect: int = 200,
    ) -> bytes:
        """
        Return the body of the answer; see `WakeableHTTP.call`.
        """
        slept = 0.0
        for tried in range(self.settings.retries if method == "GET" else 0):
            try:
                return super().call(method, path, params=params, body=body, expect=expect)
            except (APIError, TransportError) as error:
                pause = _pause_after(error, tried)
                if pause is None or slept + pause > self.settings.read_timeout:
                    raise
            self.pause(pause)
            slept += pause
        return super().call(method, path, params=params, body=body, expect=expect)

    def release(self) -> None:
        """
        Close the connections that are kept for the next call, which dials again.
        """
        self._release(list(self.held))
        if self.owns_session:
            self.session.close()

    def release_agent(self, agent_id: uuid.UUID) -> None:
        """
        Close the connections that are kept for the commands of an agent.
        """
        self._release(
            [key for key in list(self.held) if isinstance(key, tuple) and agent_id in key]
        )

    def _release(self, keys: list[Hashable]) -> None:
        for key in keys:
            held = self.held.pop(key, None)
            if held is not None:
                held.close()


def _pause_after(error: CoderError, tried: int) -> float | None:
    """
    Return the seconds after which a GET is sent again; None where that would be of no use.
    """
    if isinstance(error, TLSError) and error.certificate_refused:
        return None
    if isinstance(error, APIError):
        if error.status_code not in PASSING:
            return None
        if error.retry_after is not None:
            return error.retry_after
    return BACKOFF * 2**tried if tried else 0.0
