"""
The page of metrics, served over HTTP.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from coder_agents.exporter.collector import AgentCollector


@contextmanager
def serving(collector: AgentCollector, host: str, port: int) -> Iterator[str]:
    """
    Serve the metrics of *collector*, and of this process, in the ``with`` block; return their URL.

    Port 0 means any free port. An address of IPv6 may have brackets, as in a URL. Raises *OSError*, which names host and port, where they cannot be
    listened on.
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    except UnicodeError as error:  # an empty part of the name, or one of more than 63 characters
        raise OSError(errno.EINVAL, "no name of a machine", host) from error
    try:
        yield url_of(host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def url_of(host: str, port: int) -> str:
    """
    Return the URL of the metrics at *host* and *port*.
    """
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/metrics"
