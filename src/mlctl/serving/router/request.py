"""One request as it came in: its head, what of it is refused, and its body as it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

from mlctl.serving.router.answers import Fields, RefusalError
from mlctl.serving.router.flow import Content

if TYPE_CHECKING:
    from mlctl.serving.router.caller import Caller

HEAD_BYTES = 64 * 1024
"""The head of a request may be as large, and so may what is between the pieces of its body and after them."""


class Request:
    """One request. `target` is path and query as they were sent, `fields` the headers with their names as sent."""

    __slots__ = (
        "_known",
        "caller",
        "chunked",
        "content",
        "fields",
        "keeps",
        "length",
        "method",
        "path",
        "target",
        "version",
    )

    def __init__(self, caller: Caller, method: str, url: bytes, fields: Fields, known: dict[bytes, bytes]) -> None:
        self.caller = caller
        self.method = method
        self.target = _origin(url)
        self.path = self.target.partition(b"?")[0].decode("utf-8", "surrogateescape")
        self.fields = fields
        self._known = known
        length = known.get(b"content-length")
        self.length = int(length) if length is not None else None
        self.chunked = b"transfer-encoding" in known
        self.version = "1.1"
        self.keeps = False
        """Whether the caller can send another request on the connection."""
        self.content: Content

    @property
    def client(self) -> str:
        """The caller's address."""
        return self.caller.address

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head."""
        return self.chunked or bool(self.length)

    def header(self, name: bytes) -> str | None:
        """The first header with this name, in small letters."""
        value = self._known.get(name)
        return None if value is None else value.decode("utf-8", "surrogateescape")

    def check(self) -> None:
        """Raises RefusalError for what is HTTP to the parser and is not answered here."""
        if self.version not in ("1.1", "1.0"):
            message = f"HTTP/{self.version} is not spoken on this port, HTTP/1.1 and 1.0 are"
            raise RefusalError(505, "VersionNotSupported", message, close=True)
        repeated = len(self._known) != len(self.fields)
        if self.chunked:
            coded = [value for lower, _, value in self.fields if lower == b"transfer-encoding"]
            if len(coded) > 1 or coded[0].strip().lower() != b"chunked":
                message = "of the transfer encodings, only chunked is taken"
                raise RefusalError(501, "NotImplemented", message, close=True)
        if self.version == "1.1" and b"host" not in self._known:
            raise RefusalError(400, "BadRequest", "the request has no header Host", close=True)
        if repeated and sum(lower == b"host" for lower, _, _ in self.fields) > 1:
            raise RefusalError(400, "BadRequest", "the request has more than one header Host", close=True)

    def rest(self) -> bytes:
        """A head for another parser, which reads what follows this one's: the body and the next requests."""
        lines = [b"POST / HTTP/" + self.version.encode()]
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
        elif self.length:
            lines.append(b"Content-Length: %d" % self.length)
        lines.append(b"Connection: keep-alive" if self.keeps else b"Connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"


def head_bytes(url: bytes, fields: Fields) -> int:
    """The size of a head, without its method and version."""
    return len(url) + sum(len(name) + len(value) + 4 for _, name, value in fields)


def too_much() -> RefusalError:
    """The refusal of a head without end, or of what is no body in the midst of one."""
    message = f"the head of the request is larger than {HEAD_BYTES} bytes"
    return RefusalError(431, "HeadTooLarge", message, close=True)


def _origin(url: bytes) -> bytes:
    """Path and query; a caller that takes this for a proxy sends the address as well."""
    if not url.startswith(b"/") and b"://" in url:
        parts = httptools.parse_url(url)
        url = (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
    return url.partition(b"#")[0]
