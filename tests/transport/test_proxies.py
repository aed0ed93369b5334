"""
Which proxy a client uses: the one of ``proxies=``, else the one of the environment.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from peer import Conversation, serving

from coder_agents import Client, ConfigError, ProxyError
from coder_agents.testing import Deployment
from coder_agents.transport import SSESource

URL = "http://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
PASSWORD = "hunter2"
FORM = "write the URL of a proxy like http://proxy.example.com:3128"
Call = Callable[[Client], object]


def rest(client: Client) -> object:
    """
    Send a REST call.
    """
    return client.me()


def stream(client: Client) -> None:
    """
    Send the request of a stream.
    """
    source = SSESource(client._http, "/users/me", idle_timeout=30.0, max_message_size=1000)
    try:
        source.send_request(20)
    finally:
        source.free()


CALLS = pytest.mark.parametrize("call", [rest, stream])


def refusing(conversation: Conversation) -> None:
    """
    Want a login.
    """
    conversation.read_head()
    conversation.send(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Take away what this machine has set.
    """
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@CALLS
@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_proxies_take_precedence_over_the_variables(
    monkeypatch: pytest.MonkeyPatch, call: Call, variable: str
) -> None:
    """
    Requests itself lets the environment override the proxies of a session.
    """
    with serving(refusing) as given, serving(refusing) as other:
        monkeypatch.setenv(variable, other.url)
        with pytest.raises(ProxyError, match=given.url):
            call(Client(URL, TOKEN, proxies={"http": given.url}, retries=0))
        with pytest.raises(ProxyError, match=other.url):
            call(Client(URL, TOKEN, retries=0))
        assert (given.accepted, other.accepted) == (1, 1)


@CALLS
def test_a_deployment_over_tls_is_reached_through_its_proxy(call: Call) -> None:
    """
    The connections of a session share their context of TLS only where there is no proxy.
    """
    with serving(refusing) as proxy:
        client = Client("https://coder.example.com", TOKEN, proxies={"https": proxy.url}, retries=0)
        with pytest.raises(ProxyError, match=proxy.url):
            call(client)
        assert proxy.accepted == 1


@pytest.mark.parametrize("proxies", [{}, {"https": "http://p:1"}, {"http": ""}, {"no_proxy": "x"}])
def test_where_proxies_name_none_for_the_deployment_it_is_reached_without(
    monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str]
) -> None:
    """
    The variables of the environment do not apply then, for a call as for a stream.
    """
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Deployment() as deployment:
        agent_id = deployment.add_agent().id
        with Client(deployment.url, deployment.token, proxies=proxies, retries=0) as client:
            agent = client.agent(agent_id)
            agent.follow_logs().close()
            agent.watch_metadata().close()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("own_session", [False, True])
def test_the_client_of_an_embedded_deployment_uses_no_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tls: bool, own_session: bool
) -> None:
    """
    A proxy does not reach loopback; a session of the test's own keeps its own settings.
    """
    with Deployment(tls=tls) as deployment:
        session = None
        if own_session:
            session = requests.Session()
            session.trust_env = False
            session.verify = str(deployment.ca_file) if tls else True
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
        assert deployment.client(session=session, timeout=20).me().username == "tester"


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{PASSWORD}@p:port",
        f"http://me:{PASSWORD}@",
        f"ftp://me:{PASSWORD}@p:1",
        f"http://me:{PASSWORD}@p q:1",
        f"http://me:{PASSWORD}@[::1",
        f"http://me:{PASSWORD}@p:99999",
        f"://me:{PASSWORD}@p",
    ],
)
@CALLS
def test_a_proxy_whose_url_cannot_be_used_is_a_config_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch, call: Call, url: str
) -> None:
    """
    An argument is refused when the client is made, a variable before the first request is sent.
    """
    with pytest.raises(ConfigError, match=f"^proxies has a URL for 'https' .*{FORM}$") as given:
        Client(URL, TOKEN, proxies={"https": url})
    monkeypatch.setenv("http_proxy", url)
    with pytest.raises(ConfigError, match=f"such as HTTPS_PROXY .*{FORM}$") as other:
        call(Client(URL, TOKEN, retries=0))
    assert PASSWORD not in f"{given.value} {other.value}"


@CALLS
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_proxy_without_a_scheme_is_one_of_http(call: Call, host: str) -> None:
    """
    Such a URL is taken as curl takes it, and the error names it with its scheme.
    """
    with serving(refusing) as proxy:
        with pytest.raises(
            ProxyError, match=f"the proxy http://{host}:{proxy.port} requires a login"
        ):
            call(Client(URL, TOKEN, proxies={"http": f"{host}:{proxy.port}"}, retries=0))


@CALLS
def test_a_proxy_of_the_environment_without_a_scheme_is_named_as_one_of_http(
    monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    """
    Requests takes the one of an IP address, and the error names it with its scheme.
    """
    with serving(refusing) as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        with pytest.raises(ProxyError, match=f"the proxy {proxy.url} requires a login"):
            call(Client(URL, TOKEN, retries=0))
