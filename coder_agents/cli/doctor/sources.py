"""
Where the settings come from, without their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from coder_agents.cli.doctor.result import Result, failed, ok
from coder_agents.cli.failures import one_line
from coder_agents.cli.settings import CommandSettings
from coder_agents.config import deployment_url, with_scheme
from coder_agents.environment import Environment, config_folder
from coder_agents.errors import ConfigError

_NO_URL = "set CODER_URL, or run `coder login`"
_NO_TOKEN = "set CODER_SESSION_TOKEN to what `coder tokens create` prints, or run `coder login`"


def check_sources(settings: CommandSettings, variables: Mapping[str, str]) -> Iterator[Result]:
    """
    Yield which URL and which source of the token apply, and which other settings are set.
    """
    environment = Environment(variables)
    place = source(settings.url, "--url", variables, "CODER_URL", "url")
    try:
        url = deployment_url(settings.url or environment.url())
        yield ok("url", f"{url}, from {place}")
    except ConfigError as error:
        yield failed("url", one_line(error), _NO_URL)
    place = source(settings.token_file, "--token-file", variables, "CODER_SESSION_TOKEN", "session")
    try:
        settings.token() or environment.token()
        yield ok("token", f"from {place}")
    except ConfigError as error:
        yield failed("token", one_line(error), _NO_TOKEN)
    names = [name for name in ("CODER_HEADER", "CODER_HEADER_COMMAND") if variables.get(name)]
    if names:
        yield ok("headers", f"from {' and '.join(names)}")


def source(
    option: str | None, name: str, variables: Mapping[str, str], variable: str, file: str
) -> str:
    """
    Return the place from which a setting comes: the option *name*, *variable*, or *file*.
    """
    if option is not None:
        return name
    if variables.get(variable, "").strip():
        return variable
    return f"the file {config_folder(variables) / file}"


def without_password(proxy: str) -> str:
    """
    Return the URL of a proxy without the user and the password in it.
    """
    parts = urlsplit(with_scheme(proxy))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
