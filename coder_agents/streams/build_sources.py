"""
The connections and requests of the stream of a build's log.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import attrs

from coder_agents import transport
from coder_agents.schema import WorkspaceBuild, from_json
from coder_agents.streams.sources import after
from coder_agents.transport import quoted

if TYPE_CHECKING:
    from coder_agents.streams.options import StreamOptions
    from coder_agents.transport import HTTP, DocumentSource, Params, WebSocketSource


@attrs.frozen(kw_only=True)
class BuildSources:
    """
    Makes the connections and requests of the stream of a build's log, unopened.

    Attributes:
        http: the deployment.
        build_id: the build.
        options: the options of the stream.
    """

    http: HTTP
    build_id: uuid.UUID
    options: StreamOptions

    @property
    def what(self) -> str:
        """
        The name of the log, for messages.
        """
        return f"the log of build {self.build_id}"

    @property
    def connect_timeout(self) -> float:
        """
        The most seconds that a dial may take.
        """
        return self.http.settings.connect_timeout

    def follow_log(self, floor: int) -> WebSocketSource:
        """
        Return a connection that follows the lines after the id *floor*.
        """
        return transport.WebSocketSource(
            self.http,
            self._path("logs"),
            [*after(floor), ("follow", "")],
            idle_timeout=self.options.idle_timeout,
            max_message_size=self.options.max_message_size,
        )

    def read_log(self, floor: int) -> DocumentSource:
        """
        Return a request for the lines after the id *floor*.
        """
        return self._document("logs", params=after(floor))

    def read_build(self) -> DocumentSource:
        """
        Return a request for the build.
        """
        return self._document()

    def build_of(self, document: bytes) -> WorkspaceBuild:
        """
        Return the build in *document*.

        Raises *DecodeError* where *document* has another build or none.
        """
        build = from_json(document, WorkspaceBuild)
        wanted, found = str(self.build_id), str(build.id)
        if wanted != found:
            url = self.http.url(self._path())
            raise transport.other_than_requested("GET", url, "$.id", wanted, found)
        return build

    def _document(self, *segments: str, params: Params = ()) -> DocumentSource:
        return transport.DocumentSource(
            self.http,
            self._path(*segments),
            params,
            idle_timeout=self.options.idle_timeout,
            max_message_size=self.options.max_message_size,
        )

    def _path(self, *segments: str) -> str:
        return quoted("workspacebuilds", self.build_id, *segments)
