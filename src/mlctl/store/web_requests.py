"""Requests with the user and the password that stand in an address: told to the host they were given for, only."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from ssl import SSLContext
    from urllib.request import OpenerDirector, Request

_HEADER = "Authorization"


def split_credentials(address: str) -> tuple[str, str | None, str | None]:
    """The address without user and password, the user, and what the server is told of both (HTTP Basic, RFC 7617)."""
    parts = urlsplit(address)
    given, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, None, None
    user, _, password = given.partition(":")
    told = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")
    return urlunsplit(parts._replace(netloc=host)), unquote(user), f"Basic {told}"


def request_of(address: str, headers: dict[str, str]) -> Request:
    """A request for an address with or without user and password; they are not among the headers that are passed on."""
    from urllib.request import Request

    plain, _, authorization = split_credentials(address)
    request = Request(plain, headers=headers)
    if authorization is not None:
        request.add_unredirected_header(_HEADER, authorization)
    return request


def opener(tls: SSLContext) -> OpenerDirector:
    """What opens such requests. A redirect to another host, port or scheme does not get the password."""
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener

    class Redirects(HTTPRedirectHandler):
        def redirect_request(self, req: Request, *answer: Any) -> Request | None:
            request = super().redirect_request(req, *answer)
            authorization = req.unredirected_hdrs.get(_HEADER)
            if request and authorization is not None and _origin(request.full_url) == _origin(req.full_url):
                request.add_unredirected_header(_HEADER, authorization)
            return request

    return build_opener(HTTPSHandler(context=tls), Redirects())


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port
