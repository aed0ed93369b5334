"""
Pages that are not Coder's: what arrived, and the likely cause.

A login page, a proxy's page, the dashboard in place of the API. No text that is made here advises to
use an address that the token should not go to.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import requests

JSON = "application/json"

_MAX_TITLE = 80
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_PASSWORD = re.compile(r"<input[^>]*\btype\s*=\s*[\"']?password", re.IGNORECASE)
# As whole words: "author" is no "auth".
_LOGIN = re.compile(
    r"(?<![a-z])(log[ _-]?[io]n|sign[ _-]?in|sso|saml2?|oauth2?|openid|adfs|cas|idp|auth"
    r"|authenticat(e|ion)|authoriz(e|ation)|cloudflareaccess)(?![a-z])",
    re.IGNORECASE,
)
# The dashboard is one page, which the deployment serves at every path outside of its API.
_DASHBOARD = re.compile(
    r"<meta[^>]*\bname\s*=\s*[\"']?application-name[\"']?[^>]*\bcontent\s*=\s*[\"']?coder\b",
    re.IGNORECASE,
)

_LOGIN_CAUSE = (
    "it looks like a login page: something between here and the deployment wants a login before it"
    " lets requests through; pass what it accepts from programs as headers="
)


def kind_of(response: requests.Response) -> str:
    """
    Return the media type of *response*, in lower case and without parameters; may be empty.
    """
    return media_type(response.headers.get("Content-Type", ""))


def media_type(value: str) -> str:
    """
    Return the media type of a Content-Type header, in lower case and without parameters.
    """
    return value.partition(";")[0].strip().lower()


def is_page(response: requests.Response) -> bool:
    """
    Whether *response* is something else than the JSON that was requested.

    Where its type says so, its first character decides: all answers are objects or lists.
    """
    return kind_of(response) != JSON and response.content.lstrip()[:1] not in (b"{", b"[")


def title_of(text: str) -> str:
    """
    Return the title of the HTML *text* in one line; empty where it has none.
    """
    import html  # which nobody needs who meets no page

    found = _TITLE.search(text)
    title = " ".join(html.unescape(found[1]).split()) if found else ""
    return title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 3] + "..."


def described(response: requests.Response) -> str:
    """
    Return what *response* is, its title where it has one, and the likely cause; unescaped.
    """
    text = response.content.decode("utf-8", "replace")
    kind, title = kind_of(response), title_of(text)
    what = "an empty page" if not text.strip() else "an HTML page" if _is_html(kind, text) else kind
    named = f" titled {title!r}" if title else ""
    cause = _cause(response, text, title)
    return f"{what}{named}" + (f": {cause}" if cause else "")


def is_html(response: requests.Response) -> bool:
    """
    Whether *response* is an HTML page.
    """
    return _is_html(kind_of(response), response.content[:64].decode("utf-8", "replace"))


def _is_html(kind: str, text: str) -> bool:
    return kind in ("text/html", "application/xhtml+xml") or (
        not kind and text.lstrip().startswith("<")
    )


def is_known_page(response: requests.Response) -> bool:
    """
    Whether *response* is the dashboard or looks like a login page, which is the cause by itself.
    """
    text = response.content.decode("utf-8", "replace")
    return _is_dashboard(text, title_of(text)) or _is_login(text, title_of(text))


def _is_dashboard(text: str, title: str) -> bool:
    return title == "Coder" or _DASHBOARD.search(text) is not None


def _is_login(text: str, title: str) -> bool:
    return _PASSWORD.search(text) is not None or _LOGIN.search(title) is not None


def _cause(response: requests.Response, text: str, title: str) -> str:
    if _is_dashboard(text, title):
        return f"it is the dashboard of Coder, not its API; {_prefix_cause(response.url)}"
    if _is_login(text, title):
        return _LOGIN_CAUSE
    if response.status_code < 300 or response.status_code == 404:
        return f"no deployment of Coder answers there; {_prefix_cause(response.url)}"
    return ""


def _prefix_cause(url: str) -> str:
    parts = urlsplit(url)
    prefix = parts.path.partition("/api/v2/")[0].rstrip("/")
    if not prefix:
        return (
            "check the deployment's URL: the deployment may be behind a path prefix, such as"
            f" {parts.scheme}://{parts.netloc}/coder, or on another host"
        )
    return (
        f"the deployment's URL has a path, {prefix}, that may be wrong, as of an address copied from the"
        f" browser: without it the URL is {parts.scheme}://{parts.netloc}"
    )


def redirect_described(response: requests.Response) -> str:
    """
    Return where the redirect *response* leads, without its query, and the likely cause; unescaped.

    Only one to the same path on another host, not from https to http, recommends a URL: anything
    else may be a login page, and what is recommended gets the token.
    """
    begin = urlsplit(response.url)
    try:
        target = urlsplit(urljoin(response.url, response.headers["Location"]))
        _ = target.port  # raises for a port that is no number
    except ValueError:
        return "redirected to an address that is no URL"
    host = (target.hostname or "") + ("" if target.port is None else f":{target.port}")
    shown = urlunsplit((target.scheme, host, target.path, "", ""))
    text = f"redirected to {shown}; a redirect is never followed, as the token would go along"
    if _is_elsewhere(begin, target):
        prefix = target.path.partition("/api/v2/")[0].rstrip("/")
        use = urlunsplit((target.scheme, target.netloc, prefix, "", ""))
        return f"{text}: use {use} as the deployment's URL"
    if _LOGIN.search(f"{target.hostname} {target.path} {target.query}"):
        return f"{text}: {_LOGIN_CAUSE}"
    return (
        f"{text}: either the deployment is known by another URL, which its dashboard shows in a"
        " browser, or this is the way to a login page"
    )


def _is_elsewhere(begin: SplitResult, target: SplitResult) -> bool:
    """
    Whether *target* is the same call on another host.
    """
    return (
        target.path == begin.path
        and (target.scheme, target.netloc) != (begin.scheme, begin.netloc)
        and target.scheme in ({"https"} if begin.scheme == "https" else {"http", "https"})
        and "@" not in target.netloc
    )
