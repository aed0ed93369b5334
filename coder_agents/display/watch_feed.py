"""
The changes that a watch of metadata brings to a view.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from coder_agents.agent import Agent
from coder_agents.display.canvas import Content
from coder_agents.display.live import connecting_again
from coder_agents.display.watch import Items, MetadataWatch
from coder_agents.streams import StreamOptions

_MAX_WAIT = 1.0  # seconds: on Windows, Ctrl-C does not wake a thread that waits


class WatchFeed:
    """
    A feed of changes from several threads.

    Attributes:
        is_over: False, as metadata never ends.
    """

    is_over = False

    def __init__(self) -> None:
        self._changed = threading.Event()
        self._failure: Exception | None = None

    def note(self) -> None:
        """
        Note that there are changes. Callable from any thread.
        """
        self._changed.set()

    def fail(self, _: Agent, error: Exception) -> None:
        """
        Let `wait` raise *error*. Callable from any thread.
        """
        self._failure = error
        self._changed.set()

    def wait(self, timeout: float) -> bool:
        """
        Wait for changes; see `Feed.wait`.
        """
        came = self._changed.wait(min(timeout, _MAX_WAIT))
        self._changed.clear()
        if self._failure is not None:
            raise self._failure
        return came


class MetadataFeed(WatchFeed):
    """
    The changes of one agent's metadata.

    Args:
        take: called with each list of metadata.
        content: shows that the stream connects again.
    """

    def __init__(
        self,
        agent: Agent,
        take: Callable[[Items], object],
        *,
        content: Content,
        options: StreamOptions,
    ) -> None:
        super().__init__()
        self._agent = agent
        self._content = content
        self._options = options
        self._watch = MetadataWatch(
            on_items=lambda _, items: self._pass(take, items), on_failure=self.fail
        )

    def open(self) -> None:
        """
        Connect; an error is raised here, as by the stream itself.
        """
        options = attrs.evolve(self._options, on_reconnect=self._show)
        self._watch.add(self._agent, self._agent.watch_metadata(options=options))

    def _pass(self, take: Callable[[Items], object], items: Items) -> None:
        take(items)
        self.note()

    def _show(self, reason: str, attempt: int, seconds: float) -> None:
        self._content.status = connecting_again(reason, attempt)
        self.note()
        if self._options.on_reconnect is not None:
            self._options.on_reconnect(reason, attempt, seconds)

    def close(self) -> None:
        """
        End the watch.
        """
        self._watch.close()
