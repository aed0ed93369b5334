"""
Descriptions of pages that are not Coder's: what arrived, and the likely cause.

Examples are a login page, a proxy's page, and the dashboard in place of the API. No text here
advises to use an address that the token must not go to.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import requests

from coder_agents.errors.advice import Advice
from coder_agents.transport.decoding import JSON

_MAX_TITLE = 80
_MAX_READ = 262_144  # bytes of a page in which its title and its tags are searched
# All parts are bounded: a page may be anything, and the search must not take quadratic time.
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,1000})</title", re.IGNORECASE)
_TAG = re.compile(r"<(input|meta)\b([^<>]{0,1000})", re.IGNORECASE)
_PASSWORD = re.compile(r"\btype\s*=\s*[\"']?password", re.IGNORECASE)
# Whole words only: "author" does not contain "auth".
_LOGIN = re.compile(
    r"(?<![a-z])(log[ _-]?[io]n|sign[ _-]?in|sso|saml2?|oauth2?|openid|adfs|cas|idp|auth"
    r"|authenticat(e|ion)|authoriz(e|ation)|cloudflareaccess)(?![a-z])",
    re.IGNORECASE,
)
# The dashboard is one page, which the deployment serves at every path outside its API.
_NAME = re.compile(r"\bname\s*=\s*[\"']?application-name\b", re.IGNORECASE)
_CODER = re.compile(r"\bcontent\s*=\s*[\"']?coder\b", re.IGNORECASE)

_LOGIN_CAUSE = (
    "it looks like a login page: a gateway in front of the deployment requires a login;"
    f" {Advice.HEADERS}"
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
    Whether *response* is something else than the requested JSON.

    Where the type is not JSON, the first character decides: every answer is an object or a list.
    """
    return kind_of(response) != JSON and response.content.lstrip()[:1] not in (b"{", b"[")


def title_of(text: str) -> str:
    """
    Return the title of the HTML *text* in one line; empty where it has none.
    """
    import html  # not at the top: most programs meet no page

    found = _TITLE.search(text)
    title = " ".join(html.unescape(found[1]).split()) if found else ""
    return title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 3] + "..."


def described(response: requests.Response) -> str:
    """
    Return the kind of page that *response* is, its title if any, and the likely cause; unescaped.
    """
    text = _text_of(response)
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
    Whether *response* is the dashboard or looks like a login page: the page itself is then the
    cause.
    """
    text = _text_of(response)
    title = title_of(text)
    return _is_dashboard(text, title) or _is_login(text, title)


def _text_of(response: requests.Response) -> str:
    return response.content[:_MAX_READ].decode("utf-8", "replace")


def _is_dashboard(text: str, title: str) -> bool:
    tags = _attributes(text, "meta")
    return title == "Coder" or any(_NAME.search(each) and _CODER.search(each) for each in tags)


def _is_login(text: str, title: str) -> bool:
    tags = _attributes(text, "input")
    return _LOGIN.search(title) is not None or any(_PASSWORD.search(each) for each in tags)


def _attributes(text: str, tag: str) -> list[str]:
    """
    Return the attributes of each *tag* in the HTML *text*.
    """
    return [found[2] for found in _TAG.finditer(text) if found[1].lower() == tag]


def _cause(response: requests.Response, text: str, title: str) -> str:
    if _is_dashboard(text, title):
        return f"it is Coder's dashboard, not its API; {_prefix_cause(response.url)}"
    if _is_login(text, title):
        return _LOGIN_CAUSE
    if response.status_code < 300 or response.status_code == 404:
        return f"no Coder deployment answers at this URL; {_prefix_cause(response.url)}"
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
        f"the path {prefix} of the deployment's URL may be wrong, for instance copied from the browser:"
        f" without it the URL is {parts.scheme}://{parts.netloc}"
    )


def redirect_described(response: requests.Response) -> str:
    """
    Return the target of the redirect *response*, without its query, and the likely cause;
    unescaped.

    A URL is recommended only for a redirect to the same path on another host, and not from https to
    http. Any other target may be a login page, and a recommended URL gets the token.
    """
    begin = urlsplit(response.url)
    try:
        target = urlsplit(urljoin(response.url, response.headers["Location"]))
        _ = target.port  # raises for an invalid port
    except ValueError:
        return "redirected to an invalid URL"
    host = (target.hostname or "") + ("" if target.port is None else f":{target.port}")
    shown = urlunsplit((target.scheme, host, target.path, "", ""))
    text = f"redirected to {shown}; a redirect is never followed, because it would get the token"
    if _is_elsewhere(begin, target):
        prefix = target.path.partition("/api/v2/")[0].rstrip("/")
        use = urlunsplit((target.scheme, target.netloc, prefix, "", ""))
        return f"{text}: use {use} as the deployment's URL"
    if _LOGIN.search(f"{target.hostname} {target.path} {target.query}"):
        return f"{text}: {_LOGIN_CAUSE}"
    return (
        f"{text}: either the deployment has another URL, which a browser shows on its dashboard,"
        " or the redirect leads to a login page"
    )


def _is_elsewhere(begin: SplitResult, target: SplitResult) -> bool:
    """
    Whether *target* is the same call on another host.
    """
    return (
        target.path == begin.path
        and (target.scheme, target.netloc.lower()) != (begin.scheme, begin.netloc)
        and target.scheme in ({"https"} if begin.scheme == "https" else {"http", "https"})
        and "@" not in target.netloc
    )
