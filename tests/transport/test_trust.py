"""
Which of the usual variables name the certificate authorities that a client trusts.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from coder_agents import Client, CoderError, LogStream, StreamOptions, TLSError
from coder_agents.testing import Deployment

pytestmark = pytest.mark.unmeasured

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
ONCE = StreamOptions(reconnect=None)


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """
    A deployment whose certificate only its own authority vouches for.
    """
    with Deployment(tls=True) as made:
        made.add_agent().push_logs("one")
        yield made


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Take away what this machine has set.
    """
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def is_trusted(deployment: Deployment, **settings: Any) -> bool:
    """
    Whether a client trusts the deployment, in its calls as in its streams.
    """
    with deployment.client() as other:
        agent = other.agent(deployment.agents[0].id)
    with Client(deployment.url, deployment.token, stream_options=ONCE, **settings) as client:
        agent._http = client._http
        call = _succeeds(client.me)
        assert _succeeds(lambda: agent.follow_logs().close()) is call
    return call


def _succeeds(call: Callable[[], object]) -> bool:
    try:
        call()
    except TLSError:
        return False
    return True


@pytest.mark.parametrize(
    ("variable", "applies"),
    [
        ("REQUESTS_CA_BUNDLE", True),
        ("CURL_CA_BUNDLE", True),
        ("SSL_CERT_FILE", False),
        ("SSL_CERT_DIR", False),
    ],
)
def test_the_variables_of_requests_apply_and_those_of_openssl_do_not(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, variable: str, applies: bool
) -> None:
    """
    REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE name the authorities; SSL_CERT_FILE and SSL_CERT_DIR do nothing.
    """
    assert deployment.ca_file is not None
    assert not is_trusted(deployment)
    named = deployment.ca_file.parent if variable == "SSL_CERT_DIR" else deployment.ca_file
    monkeypatch.setenv(variable, str(named))
    assert is_trusted(deployment) is applies
    assert is_trusted(deployment, verify=True) is applies


def test_the_first_variable_takes_precedence(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, authority_file: Path
) -> None:
    """
    REQUESTS_CA_BUNDLE is taken where both are set.
    """
    monkeypatch.setenv("CURL_CA_BUNDLE", str(deployment.ca_file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority_file))
    assert not is_trusted(deployment)


def test_verify_takes_precedence_over_every_variable(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, authority_file: Path
) -> None:
    """
    A path or False as verify= is taken whatever the variables name, and so is CODER_CLIENT_TLS_CA_FILE.
    """
    for name in VARIABLES:
        monkeypatch.setenv(name, str(authority_file))
    assert is_trusted(deployment, verify=deployment.ca_file)
    monkeypatch.setenv("CODER_CLIENT_TLS_CA_FILE", str(deployment.ca_file))
    with Client.from_env(deployment.url, deployment.token) as client:
        assert client.me().username == "tester"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_false_takes_precedence_over_every_variable(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, authority_file: Path
) -> None:
    """
    verify=False trusts whatever the variables name.
    """
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority_file))
    assert is_trusted(deployment, verify=False)


def test_a_session_reads_the_variables_unless_it_trusts_no_environment(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A session that was handed in reads the variables as requests does: not with trust_env=False.
    """
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(deployment.ca_file))
    with requests.Session() as session:
        assert is_trusted(deployment, session=session)
        session.trust_env = False
        assert not is_trusted(deployment, session=session)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_that_is_not_there_is_reported(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """
    The error names the path that the variable holds.
    """
    monkeypatch.setenv(variable, "no/such.pem")
    with Client(deployment.url, deployment.token) as client:
        with pytest.raises(CoderError, match=r"no/such\.pem"):
            client.me()


def test_a_bundle_that_was_replaced_is_read_again(
    deployment: Deployment, tmp_path: Path, authority_file: Path
) -> None:
    """
    New connections trust what the file holds now, although they share what was read of it.
    """
    assert deployment.ca_file is not None
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(deployment.ca_file.read_bytes())
    with Client(deployment.url, deployment.token, verify=bundle, stream_options=ONCE) as client:
        agent = client.agent(deployment.agents[0].id)
        agent.follow_logs().close()
        bundle.write_bytes(authority_file.read_bytes())
        with pytest.raises(TLSError):
            agent.follow_logs()
        bundle.write_bytes(deployment.ca_file.read_bytes())
        agent.follow_logs().close()


def context_of(stream: LogStream) -> Any:
    """
    Return the context of TLS of the connection of *stream*.
    """
    engine: Any = stream._core.engine
    return engine.feed._connection._source._connection._socket.context


def test_connections_share_one_context_of_tls(deployment: Deployment) -> None:
    """
    The authorities are read once, and kept once in memory, for calls and streams alike.
    """
    with deployment.client() as client:
        agent = client.agent(deployment.agents[0].id)
        with agent.follow_logs() as one, agent.follow_logs() as other:
            contexts = {id(context_of(stream)) for stream in (one, other)}
        request = client._http.prepare("/users/me", (), {})
        contexts.add(id(client._http.pool_for(request).conn_kw["ssl_context"]))
    assert len(contexts) == 1


def test_the_authorities_are_read_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Calls and streams that connect again do not parse the certificates again.
    """
    read: list[tuple[object, ...]] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, *files: Any) -> None:
        read.append(files)
        load(self, *files)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    with deployment.client() as client:
        agent = client.agent(deployment.agents[0].id)
        client._http.session.close()  # the connections alone
        agent.refresh()
        agent.follow_logs().close()
    assert len(read) == 1
