"""
The TLS of a deployment: a certificate of its own, or the context of a user.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path


class OwnCertificate:
    """
    A new certificate, and its authority in a folder of its own.

    Attributes:
        context: the server's context.
        ca_file: the certificate authority to trust.

    Raises:
        ImportError: the package cryptography is not installed.
    """

    def __init__(self) -> None:
        try:
            from coder_agents.testing.certificates import make_context
        except ModuleNotFoundError as error:
            raise ImportError(
                "tls=True creates a certificate and needs cryptography:"
                " pip install 'coder-agents[testing]', or pass an SSL context of your own"
            ) from error
        self._folder = tempfile.TemporaryDirectory(prefix="coder-agents-")
        self.context: ssl.SSLContext
        self.ca_file: Path
        self.context, self.ca_file = make_context(Path(self._folder.name))

    def remove(self) -> None:
        """
        Remove the folder; a second call does nothing.
        """
        self._folder.cleanup()
