"""
The settings of Coder's command, read from the environment and from its files as the command does.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from coder_agents.config import is_field_name
from coder_agents.errors import ConfigError
from coder_agents.errors.advice import Advice
from coder_agents.render.line import counted

_CSV_FIELD = r'(?:"((?:[^"]|"")*)"|([^",\n]*))'
_CSV_RECORD = re.compile(rf"{_CSV_FIELD}(?:,{_CSV_FIELD})*")
_CSV_NEXT_FIELD = re.compile(rf"(?:^|,){_CSV_FIELD}")


@attrs.frozen
class Environment:
    """
    The settings in the environment, each read by its own method.

    No error shows a token or the value of a header.

    Attributes:
        variables: the environment's variables.
        command_timeout: seconds that ``CODER_HEADER_COMMAND`` may run.
    """

    variables: Mapping[str, str] = attrs.field(repr=False)
    command_timeout: float = 60.0

    def url(self) -> str:
        """
        Return the deployment's URL, from ``CODER_URL`` or the file ``url``.

        Raises *ConfigError* where neither has one, or the file cannot be read.
        """
        return self._find("URL", "CODER_URL", "url")

    def token(self) -> str:
        """
        Return the token, from ``CODER_SESSION_TOKEN`` or the file ``session``.

        Raises *ConfigError* where neither has one, or the file cannot be read.
        """
        return self._find("token", "CODER_SESSION_TOKEN", "session")

    def headers(self, url: str) -> dict[str, str]:
        """
        Return the headers of ``CODER_HEADER`` and those that ``CODER_HEADER_COMMAND`` prints.

        The command runs with *url* as its ``CODER_URL``. A header that is set twice gets both
        values, joined as RFC 9110 (section 5.3) and, for cookies, RFC 6265 define it.

        Raises *ConfigError* where a text is no list of headers, or the command fails.
        """
        entries: list[tuple[str, str]] = []
        if listed := self.variables.get("CODER_HEADER"):
            entries += _numbered("entry {} of CODER_HEADER", _csv_fields(listed))
        if command := self.variables.get("CODER_HEADER_COMMAND", "").strip():
            lines = self._run(command, url).replace("\r\n", "\n").split("\n")
            entries += _numbered("line {} of the output of CODER_HEADER_COMMAND", lines)
        return _joined(entry for entry in entries if entry[1].strip())

    def verify(self) -> str | None:
        """
        Return the file of certificate authorities that ``CODER_CLIENT_TLS_CA_FILE`` names.
        """
        return self.variables.get("CODER_CLIENT_TLS_CA_FILE") or None

    def cert(self) -> tuple[str, str] | None:
        """
        Return the files of a client certificate and its key, as ``CODER_CLIENT_TLS_CERT_FILE`` and
        ``CODER_CLIENT_TLS_KEY_FILE`` name them.

        Raises *ConfigError* where only one of the two is set.
        """
        certificate = self.variables.get("CODER_CLIENT_TLS_CERT_FILE")
        key = self.variables.get("CODER_CLIENT_TLS_KEY_FILE")
        if bool(certificate) != bool(key):
            raise ConfigError(
                "CODER_CLIENT_TLS_CERT_FILE and CODER_CLIENT_TLS_KEY_FILE go together:"
                " set both or neither"
            )
        return (certificate, key) if certificate and key else None

    def _find(self, what: str, variable: str, file_name: str) -> str:
        if found := self.variables.get(variable, "").strip():
            return found
        file = config_folder(self.variables) / file_name
        if found := _file_text(file):
            return found
        raise ConfigError(
            f"no {what} of a Coder deployment: {Advice.NO_ARGUMENT},"
            f" the environment variable {variable} is not set,"
            f" and the file {file} (written by `coder login`) is missing or empty"
        )

    def _run(self, command: str, url: str) -> str:
        """
        Return the output of *command*.

        Raises *ConfigError* where it fails, takes too long, or prints something that is no text.
        """
        import subprocess

        try:
            ended = subprocess.run(
                command,
                shell=True,
                env={**self.variables, "CODER_URL": url},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self.command_timeout,
                check=False,
            )
            problem = f"ended with the status {ended.returncode}" if ended.returncode else ""
            text = ended.stdout.decode("utf-8")
        except subprocess.TimeoutExpired:
            problem = f"ran longer than {counted(self.command_timeout, 'second')}"
        except UnicodeDecodeError:
            problem = problem or "printed something that is not text in UTF-8"
        if problem:  # raised here, as the exception that was caught has the command and its output
            raise ConfigError(
                f"the command in CODER_HEADER_COMMAND {problem}: run it in a shell to see why"
            )
        return text


def config_folder(variables: Mapping[str, str]) -> Path:
    """
    Return the folder in which Coder's command keeps its URL and token.
    """
    if named := variables.get("CODER_CONFIG_DIR"):
        return Path(named)
    if sys.platform == "win32":  # pragma: no cover (only on Windows)
        return Path(variables.get("APPDATA", "~")).expanduser() / "coderv2"
    if sys.platform == "darwin":  # pragma: no cover (only on macOS)
        return Path("~/Library/Application Support/coderv2").expanduser()
    base = variables.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "coderv2"


def _file_text(file: Path) -> str:
    """
    Return the text of *file* without white space around it; empty where there is no such file.
    """
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(f"the file {file} cannot be read: {error.strerror}") from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data:
        raise ConfigError(
            f"the file {file} is text in UTF-16, as some editors and PowerShell write it, and"
            " must be in UTF-8: run `coder login` to write it again"
        )
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        pass
    # Raised here, as the exception that was caught has the content of the file.
    raise ConfigError(f"the file {file} is not text in UTF-8: run `coder login` to write it again")


def _csv_fields(text: str) -> list[str]:
    """
    Return the fields of *text*, one record of CSV, as Go's encoding/csv reads it.
    """
    text = text.replace("\r\n", "\n").strip("\r\n")
    if not _CSV_RECORD.fullmatch(text):
        raise ConfigError(
            "CODER_HEADER must be one line of headers, name=value,other=value; a header that"
            ' contains a comma or a quote is quoted as in CSV: "name=a,b",other=c'
        )
    fields = _CSV_NEXT_FIELD.findall(text)
    return [quoted.replace('""', '"') or plain for quoted, plain in fields]


def _numbered(place: str, entries: Iterable[str]) -> list[tuple[str, str]]:
    return [(place.format(number), entry) for number, entry in enumerate(entries, 1)]


def _joined(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    names: dict[str, str] = {}
    for place, entry in entries:
        name, equals, value = entry.partition("=")
        # The name is not shown: after a comma that was not quoted, it may be a part of a value.
        if not equals or not is_field_name(name):
            raise ConfigError(f"{place} must be name=value, with the name of an HTTP header")
        known = names.setdefault(name.lower(), name)
        separator = "; " if known.lower() == "cookie" else ", "
        before = headers[known] + separator if known in headers else ""
        headers[known] = before + value.strip(" \t")
    return headers
