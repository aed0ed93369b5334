"""
What errors advise to do in a shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from coder_agents.cli.root import NAME
from coder_agents.errors.advice import Advice

IN_SHELL: Mapping[Advice, str] = {
    Advice.START: f"{NAME} wait --start",
    Advice.NO_ARGUMENT: "no option was given",
    Advice.TOKEN: "set CODER_SESSION_TOKEN, or run `coder login`",
    Advice.HEADERS: "set CODER_HEADER to the header that it accepts from programs, as NAME=VALUE",
    Advice.AUTHORITY: "in the environment variable",
    Advice.CERTIFICATE: "in",
    Advice.PROXY: "in the environment variable of the proxy",
    Advice.PROXY_URL: "from an environment variable",
    Advice.PROXY_OF_SESSION: "such as HTTPS_PROXY",
    Advice.HEADERS_OF_SESSION: "a header of CODER_HEADER or CODER_HEADER_COMMAND",
    Advice.VERIFY_FILE: "CODER_CLIENT_TLS_CA_FILE names a file",
    Advice.CERT_FILE: "CODER_CLIENT_TLS_CERT_FILE or CODER_CLIENT_TLS_KEY_FILE names a file",
    Advice.FORMAT: "use --format",
    Advice.BY_NAME: "name it as workspace.agent",
    Advice.ACROSS_BUILDS: "--across-builds needs",
    Advice.END_JOB: f"end it with {NAME} jobs AGENT --kill ID, or wait until it has ended",
    Advice.WITHOUT_WEBSOCKET: f"{NAME} logs, metadata, containers and ports",
    Advice.METADATA: f"{NAME} metadata",
    Advice.WATCH_METADATA: f"{NAME} metadata --watch",
    Advice.WATCH_CONTAINERS: f"{NAME} containers --watch",
}
"""
The words for each advice that is for Python.
"""

# The longest first, as some contain others.
_ADVICE = re.compile("|".join(map(re.escape, sorted(IN_SHELL, key=len, reverse=True))))


def in_shell(text: str) -> str:
    """
    Return *text*, the text of an error, with the options and commands of a shell in its advice.
    """
    return _ADVICE.sub(lambda found: IN_SHELL[Advice(found[0])], text)
