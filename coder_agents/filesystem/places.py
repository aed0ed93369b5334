"""
The agent and the path on it that a path of the file system leads to.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from coder_agents.errors import OwnerNotFoundError, WorkspaceNotFoundError
from coder_agents.jobs.files import Files

if TYPE_CHECKING:
    from coder_agents.client import Client


class Places:
    """
    The agents of *client*, by what a path begins with. Each is resolved once.

    Attributes:
        known: the client; None until it is built from the environment.
    """

    def __init__(self, client: Client | None) -> None:
        self.known = client
        self._files: dict[str, Files] = {}
        self._lock = threading.Lock()

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
        with self._lock:
            for reference, inner in ((first, rest), (f"{first}/{second}", further)):
                if reference in self._files:
                    return reference, self._files[reference], f"/{inner}"
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

    def _found(self, reference: str, inner: str) -> tuple[str, Files, str]:
        files = Files(self.client.agent(reference)._shells(None, None), reference)
        self._files[reference] = files
        return reference, files, f"/{inner}"
