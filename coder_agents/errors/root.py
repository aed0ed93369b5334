"""
The base class of all errors, and three errors without a family of their own.
"""

from __future__ import annotations

from typing import Any


class CoderError(Exception):
    """
    The base class of all errors of this package.

    Attributes:
        last_id: the newest id that the stream yielded; None where the error ended no stream of log
            lines.
        bookmark: the stream's bookmark; None where the error ended no stream of log lines. Another
            stream takes it as ``after=``, and continues with no line lost or repeated. For the logs
            of several agents, it is a mapping.
    """

    last_id: int | None = None
    bookmark: Any = None


class ConfigError(CoderError, ValueError):
    """
    A setting is missing or malformed; nothing was sent.

    The setting is a URL, a token, a time-out, a header or a TLS setting. For a setting that was
    found nowhere, the text names each place that was read.
    """


class DecodeError(CoderError, ValueError):
    """
    A document does not have the form that the API promises.

    Attributes:
        path: the place in the document, such as ``$.apps[3].health``.
        wanted: the type that belongs in that place.
        found: the beginning of the value that is there.
        by_deployment: False for the page of a server in between, such as a login page.
        method: the request's method; empty where the document was no answer.
        url: the request's URL; empty where the document was no answer.
    """

    def __init__(
        self,
        text: str = "",
        *,
        path: str = "$",
        wanted: str = "",
        found: str = "",
        by_deployment: bool = True,
        method: str = "",
        url: str = "",
    ) -> None:
        super().__init__(text)
        self.by_deployment = by_deployment
        self.method = method
        self.url = url
        self.path = path
        self.wanted = wanted
        self.found = found


class UnsupportedError(CoderError):
    """
    The deployment, or the agent, cannot do what the method needs.

    Where an answer of the deployment reports that, the error is an `UnsupportedCallError` and has the status. Otherwise
    the agent was reached and lacks something: it has no POSIX shell, or its containers are switched off. Nothing was
    run then.

    Attributes:
        call: the method, such as ``agent.delete_devcontainer()``.
        since: the first release of Coder with the call, such as ``2.30``; empty where the method does
            not depend on the release.
        agent_version: the version of the agent's program, where the agent does not have the call;
            empty otherwise.
        found: what the agent has in place of what the method needs, such as ``windows``; empty where the call is
            missing.
    """

    def __init__(
        self,
        text: str = "",
        *,
        call: str = "",
        since: str = "",
        agent_version: str = "",
        found: str = "",
    ) -> None:
        super().__init__(text)
        self.call = call
        self.since = since
        self.agent_version = agent_version
        self.found = found

    @property
    def version(self) -> str:
        """
        The version that the deployment reports; ``unknown`` where no answer of it is the reason.
        """
        return "unknown"
