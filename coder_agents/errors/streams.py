"""
Streams that broke off.
"""

from __future__ import annotations

from coder_agents.errors.root import CoderError


class StreamError(CoderError):
    """
    A stream broke off, or could not go on.

    Attributes:
        code: the WebSocket close code; None where none was received.
        reason: what the peer gave as its reason, or an empty string.
        last_id: the newest id that was yielded; None on a stream without ids.
        bookmark: what to pass as ``after=`` to go on; None on a stream without ids.
    """

    def __init__(
        self,
        text: str = "",
        *,
        code: int | None = None,
        reason: str = "",
        last_id: int | None = None,
        bookmark: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.last_id = last_id
        self.bookmark = bookmark


class MessageTooLargeError(StreamError):
    """
    One message is larger than `StreamOptions.max_message_size`.
    """


class ServerEventError(StreamError):
    """
    The deployment sent an error event and ended the stream.

    Attributes:
        message: what the deployment says went wrong.
        detail: more of it, or an empty string.
    """

    def __init__(
        self,
        text: str = "",
        *,
        message: str = "",
        detail: str = "",
        last_id: int | None = None,
    ) -> None:
        super().__init__(text, last_id=last_id)
        self.message = message
        self.detail = detail
