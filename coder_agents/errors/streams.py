"""
Errors of streams that broke.
"""

from __future__ import annotations

from coder_agents.errors.root import CoderError


class StreamError(CoderError):
    """
    A stream broke, or could not continue.

    Attributes:
        code: the WebSocket close code; None where none was received.
        reason: the peer's reason for the close, or an empty string.
        last_id: the newest id that the stream yielded; None on a stream without ids.
        bookmark: the value to pass as ``after=`` to continue; None on a stream without ids.
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
        message: the deployment's message.
        detail: more about the message, or an empty string.
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


class BookmarkConflictError(CoderError):
    """
    Another program saves the bookmarks of the same agents to the same store.
    """
