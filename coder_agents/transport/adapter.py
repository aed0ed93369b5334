"""
The adapter of the client's own session, whose connections share one context of TLS.

requests and urllib3 make a context for each connection, and each parses the certificates of all
authorities: with those that requests trusts, that takes milliseconds and hundreds of kilobytes.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from typing import Any

import requests
import requests.adapters
import requests.utils
from urllib3.util.ssl_ import create_urllib3_context

Verify = bool | str | None
Certificate = str | tuple[str, str] | None

_Key = tuple[object, ...]


class SharingAdapter(requests.adapters.HTTPAdapter):
    """
    An adapter whose connections to a deployment share one context of TLS.

    A file of certificates that has changed since is read again. Connections through a proxy, and
    those without verification, have their own contexts, as in requests.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """
        Prepare the pools; called by the constructor, and where an adapter is unpickled.
        """
        self._shared: tuple[_Key, ssl.SSLContext] | None = None
        super().init_poolmanager(*args, **kwargs)

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: Verify,
        proxies: Any = None,
        cert: Any = None,
    ) -> Any:
        """
        Return the pool for *request*; see requests.
        """
        url = request.url or ""
        is_direct = not requests.utils.select_proxy(url, proxies)
        if is_direct and verify and url.lower().startswith("https:"):
            host, options = self.build_connection_pool_key_attributes(request, verify, cert)
            context = self._context(verify, cert)
            if context is not None:
                options = {"cert_reqs": options["cert_reqs"], "ssl_context": context}
                return self.poolmanager.connection_from_host(**host, pool_kwargs=options)
        return super().get_connection_with_tls_context(request, verify, proxies, cert)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """
        Set the files of certificates of a pool; see requests. The shared context has read them.
        """
        if "ssl_context" not in conn.conn_kw:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def _context(self, verify: Verify, cert: Certificate) -> ssl.SSLContext | None:
        """
        Return the context; None where a file cannot be read: requests then reports the reason.
        """
        authorities = verify if isinstance(verify, str) else requests.utils.DEFAULT_CA_BUNDLE_PATH
        files = [authorities, *([cert] if isinstance(cert, str) else cert or ())]
        try:
            key = tuple(_states(files))
            if self._shared is None or self._shared[0] != key:
                self._shared = key, _new_context(authorities, cert)
            return self._shared[1]
        except (OSError, ValueError):
            return None


def _states(files: list[str]) -> Iterator[object]:
    """
    Yield what changes where one of *files* is replaced or written.
    """
    for file in files:
        state = os.stat(file)
        yield file, state.st_ino, state.st_mtime_ns, state.st_size


def _new_context(authorities: str, cert: Certificate) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    is_folder = os.path.isdir(authorities)
    context.load_verify_locations(
        None if is_folder else authorities, authorities if is_folder else None
    )
    if cert is not None:
        # Without this, OpenSSL would request the password of an encrypted key at the terminal.
        certificate, key = (cert, None) if isinstance(cert, str) else cert
        context.load_cert_chain(certificate, key, password="")
    return context
