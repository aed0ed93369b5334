"""
The agent and the path on it that a path of the file system leads to.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from coder_agents.errors import OwnerNotFoundError, WorkspaceNotFoundError
from coder_agents.jobs.files import Files
from coder_agents.transport import fork

if TYPE_CHECKING:
    from coder_agents.client import Client


_FRESH = 5.0  # seconds in which a reference is not resolved again


@attrs.define
class _ResolvedPlace:
    """
    What a reference has been resolved to.

    Attributes:
        files: of the agent.
        resolved: when, by `time.monotonic`.
    """

    files: Files
    resolved: float = attrs.field(factory=time.monotonic)

    @property
    def is_current(self) -> bool:
        """
        Whether this is known to be the agent still: a restart of its workspace breaks the connection.
        """
        return time.monotonic() - self.resolved < _FRESH or self.files.shells.is_connected


class Places:
    """
    The agents of *client*, by what a path begins with.

    A reference is resolved again where a connection has to be dialled: after a restart of its
    workspace it leads to another agent.

    Attributes:
        known: the client; None until it is built from the environment.
    """

    def __init__(self, client: Client | None) -> None:
        self.known = client
        self._places: dict[str, _ResolvedPlace] = {}
        self._lock = fork.RenewedLock()

    @property
    def client(self) -> Client:
        """
        The client whose agents these are.
        """
        if self.known is None:
            from coder_agents.client import Client

            self.known = Client.from_env()
        return self.known

    def split(self, path: str) -> tuple[str, Files, str]:
        """
        Return the reference of the agent in *path*, its files, and the path on it.

        Raises *FileNotFoundError* for a path without a workspace, *CoderError* if the agent is not found.
        """
        first, _, rest = path.partition("/")
        second, _, further = rest.partition("/")
        with self._lock.current:
            for reference, inner in ((first, rest), (f"{first}/{second}", further)):
                if reference in self._places:
                    return self._known(reference, inner)
            if not first:
                raise FileNotFoundError(
                    f"no workspace in {path!r}: coder://workspace/absolute/path"
                )
            if first.startswith("@"):
                return self._found(f"{first}/{second}", further)
            try:
                return self._found(first, rest)
            except WorkspaceNotFoundError as error:
                if not second:
                    raise
                not_found = error
            try:
                return self._found(f"{first}/{second}", further)
            except OwnerNotFoundError:
                raise not_found from None

    def _known(self, reference: str, inner: str) -> tuple[str, Files, str]:
        place = self._places[reference]
        if not place.is_current:
            return self._found(reference, inner)
        return reference, place.files, f"/{inner}"

    def _found(self, reference: str, inner: str) -> tuple[str, Files, str]:
        # The same agent has the same control shells.
        files = Files(self.client.agent(reference)._shells(None, None), reference)
        self._places[reference] = _ResolvedPlace(files)
        return reference, files, f"/{inner}"
