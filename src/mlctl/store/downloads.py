"""Files from http(s) addresses, fetched once and asked for again by ETag or Last-Modified.

<key>.data    the file            <key>.json    its address, ETag, Last-Modified, size
<key>.part    what a broken download left, to go on from       <key>.lock    one process at a time
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlctl.errors import AuthError, MlctlError, NotFoundError, UnavailableError, UsageError
from mlctl.files import replace_file
from mlctl.store.database import translate_os_error
from mlctl.store.snapshot import CHUNK
from mlctl.store.web_requests import opener, request_of, split_credentials

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from ssl import SSLContext

TIMEOUT = 30.0
"""Seconds without a byte from the server."""

ATTEMPTS = 3
"""How often a download that breaks off is taken up again at once."""

_BLOB = re.compile(
    r"(?:wasbs?|abfss?)://(?P<container>[^@/]+)@(?P<account>[^./]+)\.(?:blob|dfs)\.(?P<suffix>[^/]+)/(?P<path>.*)"
)
_PUBLIC_QUERY = re.compile(r"(?:v|version|ref|raw|download|dl|format|path|filename)", re.IGNORECASE)
# Azure's shared access signatures and Amazon's pre-signed addresses.
SIGNATURE = re.compile(r"(?:sig|X-Amz-Signature)=", re.IGNORECASE)
SIGNED = re.compile(
    r"(?:sig|sv|ss|srt|sp|st|se|spr|sr|sip|si|skoid|sktid|skt|ske|sks|skv|X-Amz-[A-Za-z-]+)=", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched file: `path` is in the cache and read-only, `name` its last part in the address."""

    path: Path
    name: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A download in the cache, complete or begun. `last_used`: seconds since the epoch."""

    key: str
    address: str
    size: int
    last_used: float


class _BrokenOffError(Exception):
    """The connection ended before the file did."""


class _UselessPartError(_BrokenOffError):
    """What was fetched earlier cannot be gone on with."""


class HttpCache:
    """Downloads of this machine, in `folder` (made on first use). Any number of processes may use it at once."""

    def __init__(self, folder: Path, *, timeout: float = TIMEOUT, ca_bundle: Path | None = None) -> None:
        self._folder = folder
        self._timeout = timeout
        self._ca_bundle = ca_bundle

    def fetch(self, url: str) -> Fetched:
        """The file at an http(s) address (or one that `public_url` knows), as it is there now; with the user and
        the password (HTTP Basic) that stand in the address.

        A server that cannot be reached is a warning when the file was fetched before. Proxies come from the variables
        that urllib knows (HTTPS_PROXY, NO_PROXY …), certificates from `ca_bundle` and what OpenSSL knows
        (SSL_CERT_FILE). Raises NotFoundError (404, 410), AuthError (401, 403), UnavailableError (all else, a full
        disk too) and UsageError for an address that is none.
        """
        address = _checked(url)
        key = hashlib.sha256(_without_signature(address).encode()).hexdigest()
        name = unquote(urlsplit(address).path.rstrip("/").rpartition("/")[2]) or "download"
        name = name.replace("/", "_").replace("\0", "_")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _locked(self._folder / f"{key}.lock"):
                warnings = self._refresh(address, key)
                os.utime(self._folder / f"{key}.lock")  # when it was last used
        except OSError as error:
            raise translate_os_error(error, self._folder) from error
        return Fetched(self._folder / f"{key}.data", name, warnings)

    def cached(self) -> list[CachedFile]:
        """The downloads that are here, longest unused first."""
        found = []
        for key in sorted({path.name.partition(".")[0] for path in self._folder.glob("*.*")}):
            parts = self._parts(key)
            if parts:
                facts = _read_facts(self._folder / f"{key}.json")
                used = max(path.stat().st_mtime for path in (*parts, *self._folder.glob(f"{key}.lock")))
                size = sum(path.stat().st_size for path in parts)
                found.append(CachedFile(key, str(facts.get("address", "?")), size, used))
        return sorted(found, key=lambda file: file.last_used)

    def remove(self, key: str) -> None:
        """Remove a download; one that is being fetched is waited for. Raises OSError."""
        with _locked(self._folder / f"{key}.lock"):
            for path in self._parts(key):
                path.unlink()

    def _parts(self, key: str) -> list[Path]:
        return [path for path in sorted(self._folder.glob(f"{key}.*")) if path.suffix != ".lock"]

    def _refresh(self, address: str, key: str) -> tuple[str, ...]:
        data = self._folder / f"{key}.data"
        known = _read_facts(self._folder / f"{key}.json") if data.exists() else {}
        error: MlctlError | None = None
        for _ in range(ATTEMPTS):
            try:
                self._download(address, key, known)
            except _BrokenOffError as broken:
                if isinstance(broken, _UselessPartError):
                    (self._folder / f"{key}.part").unlink(missing_ok=True)
                error = UnavailableError(
                    f"the download of {printable_url(address)} broke off: {broken}",
                    hint="run the command again: it goes on where it stopped",
                )
            except UnavailableError as unreachable:
                error = unreachable
                break
            else:
                return ()
        if error is None or not known:
            raise error or AssertionError("no attempt was made")
        return (f"{error.message}; the copy fetched earlier was used",)

    def _download(self, address: str, key: str, known: dict[str, Any]) -> None:
        part = self._folder / f"{key}.part"
        started = _read_facts(self._folder / f"{key}.part.json")
        # Bytes of another version must not be put together: only a strong ETag names one version (RFC 9110, 13.1.5).
        validator = started.get("etag") or ""
        offset = part.stat().st_size if validator and part.exists() else 0
        headers = {"Accept-Encoding": "identity", "User-Agent": "mlctl"}
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
        elif known:
            headers |= _conditions(known)
        with self._opened(address, headers) as response:
            if response is None:
                return  # 304: what is here is what is there
            resumed = response.status == 206
            if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                raise _UselessPartError("the server sent another range than the one asked for")
            facts = {
                "address": printable_url(address),
                "etag": response.headers.get("ETag"),
                "last_modified": response.headers.get("Last-Modified"),
            }
            if not resumed:
                strong = facts["etag"] if not str(facts["etag"] or "W/").startswith("W/") else None
                part.unlink(missing_ok=True)
                _write_facts(self._folder / f"{key}.part.json", {"etag": strong})
            with part.open("ab" if resumed else "wb") as file:
                _receive(response, file)
        part.chmod(0o444)
        # The data first: facts of a newer version beside older data would hide the difference for ever.
        (self._folder / f"{key}.json").unlink(missing_ok=True)
        part.replace(self._folder / f"{key}.data")
        (self._folder / f"{key}.part.json").unlink(missing_ok=True)
        _write_facts(self._folder / f"{key}.json", facts)

    @contextmanager
    def _opened(self, address: str, headers: dict[str, str]) -> Iterator[HTTPResponse | None]:
        """The answer with the file or the rest of it, or None for "not modified"; every other one is an error."""
        from http.client import HTTPException
        from ssl import SSLError
        from urllib.error import HTTPError, URLError

        try:
            request = request_of(address, headers)
            response: HTTPResponse = opener(self._tls()).open(request, timeout=self._timeout)
        except HTTPError as error:
            with error:
                if error.code == 304:
                    yield None
                    return
                if error.code == 416:
                    raise _UselessPartError("the server has no more of it") from error
                raise _refused(address, error.code, error.reason) from error
        except URLError as error:
            reason = error.reason
            hint = "check the address, the network and the proxy variables (HTTPS_PROXY, NO_PROXY)"
            if isinstance(reason, SSLError):
                hint = "for a company's own certificates set SSL_CERT_FILE to its CA bundle"
            raise UnavailableError(f"cannot reach {printable_url(address)}: {_reason(reason)}", hint=hint) from error
        except (HTTPException, OSError) as error:
            raise UnavailableError(f"cannot reach {printable_url(address)}: {_reason(error)}") from error
        with response:
            yield response

    def _tls(self) -> SSLContext:
        from ssl import create_default_context

        context = create_default_context()
        if self._ca_bundle is not None:
            try:
                context.load_verify_locations(cafile=self._ca_bundle)
            except OSError as error:  # an SSLError is one
                raise UnavailableError(f"cannot use the CA bundle {self._ca_bundle}: {_reason(error)}") from error
        return context


def public_url(uri: str) -> str:
    """The https address of a public blob named `wasbs://container@account.blob…/path` or `abfss://…dfs…/path`.

    Any other text comes back as it is. Azure's Hadoop documentation defines these schemes.
    """
    match = _BLOB.fullmatch(uri)
    if match is None:
        return uri
    account, suffix = match["account"], match["suffix"]
    path = quote(unquote(match["path"]), safe="/~!$&'()*+,;=:@")
    return f"https://{account}.blob.{suffix}/{match['container']}/{path}"


def printable_url(url: str) -> str:
    """The address without what may be a secret: a user, a password, values of the query such as SAS `sig`."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] if parts.scheme.lower() in ("http", "https") else parts.netloc
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    shown = [
        f"{key}={value}" if _PUBLIC_QUERY.fullmatch(key) else f"{key}=…" if equals else key
        for key, equals, value in pairs
    ]
    return urlunsplit((parts.scheme, host, parts.path, "&".join(shown), ""))


def _without_signature(address: str) -> str:
    # A signature is made anew each time, and so are passwords; the file behind them is the same one. What a server
    # gives may depend on who asks.
    address, user, _ = split_credentials(address)
    parts = urlsplit(address)
    pairs = [pair for pair in parts.query.split("&") if pair]
    if any(SIGNATURE.match(pair) for pair in pairs):
        pairs = [pair for pair in pairs if not SIGNED.match(pair)]
    return urlunsplit(parts._replace(query="&".join(pairs), fragment="" if user is None else user))


def _conditions(known: dict[str, Any]) -> dict[str, str]:
    if known.get("etag"):
        return {"If-None-Match": known["etag"]}
    return {"If-Modified-Since": known["last_modified"]} if known.get("last_modified") else {}


def _checked(url: str) -> str:
    address = public_url(url)
    parts = urlsplit(address)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{printable_url(url)} is not an http or https address")
    # Spaces and letters such as ä are written as they are in many specs; a server is asked in ASCII.
    path = quote(parts.path, safe="/%~!$&'()*+,;=:@")
    return urlunsplit(parts._replace(path=path, query=quote(parts.query, safe="/%~!$&'()*+,;=:@?"), fragment=""))


def _receive(response: HTTPResponse, file: BinaryIO) -> None:
    from http.client import HTTPException

    expected = response.headers.get("Content-Length")
    received = 0
    while True:
        try:
            chunk = response.read(CHUNK)
        except (HTTPException, OSError) as error:
            raise _BrokenOffError(_reason(error)) from error
        if not chunk:
            break
        file.write(chunk)
        received += len(chunk)
    if expected is not None and received < int(expected):
        raise _BrokenOffError(f"{received} of {expected} bytes came")


def _refused(address: str, code: int, reason: str) -> MlctlError:
    shown = printable_url(address)
    if code in (404, 410):
        return NotFoundError(f"there is nothing at {shown} (HTTP {code})", hint="check the address")
    if code in (401, 403):
        return AuthError(
            f"not allowed to fetch {shown} (HTTP {code} {reason})", hint=_HINTS["@" in urlsplit(address).netloc]
        )
    return UnavailableError(f"{shown} cannot be fetched now (HTTP {code} {reason})", hint="try again later")


_HINTS = {False: "is the file public?", True: "are the user and the password in the address right?"}


def _reason(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _write_facts(path: Path, facts: dict[str, Any]) -> None:
    replace_file(path, json.dumps(facts).encode("ascii"))
