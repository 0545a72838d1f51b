from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlctl.errors import AuthError, NotFoundError, UnavailableError, UsageError
from mlctl.store import downloads
from mlctl.store.downloads import HttpCache, printable_url, public_url


@dataclass
class Site:
    """What the server gives, and what it was asked."""

    url: str = ""
    body: bytes = b"one"
    etag: str | None = '"1"'
    last_modified: str | None = None
    status: int = 200
    password: str = ""
    redirects: dict[str, str] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        headers = {key.lower(): value for key, value in self.headers.items()}
        site.asked.append(headers)
        if self.path in site.redirects:
            return self._answer(302, b"")
        if site.status != 200 or (site.password and headers.get("authorization") != site.password):
            return self._answer(site.status if site.status != 200 else 401, b"an error page with sig=SECRET")
        conditions = (headers.get("if-none-match"), headers.get("if-modified-since"))
        if (site.etag and conditions[0] == site.etag) or (site.last_modified and conditions[1] == site.last_modified):
            return self._answer(304, b"")
        start = headers.get("range", "bytes=0-")[6:-1]
        if "range" in headers and headers.get("if-range") == site.etag:
            if int(start) >= len(site.body):
                return self._answer(416, b"")
            return self._answer(206, site.body[int(start) :], int(start))
        return self._answer(200, site.body)

    def _answer(self, status: int, body: bytes, start: int = 0) -> None:
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.site.redirects[self.path])
        self.send_header("Content-Length", str(len(body)))
        for name, value in (("ETag", self.site.etag), ("Last-Modified", self.site.last_modified)):
            if value:
                self.send_header(name, value)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{start + len(body)}")
        self.end_headers()
        self.wfile.write(body[: self.site.break_after.pop(0)] if self.site.break_after else body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}/data/iris%20set.csv"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> HttpCache:
    return HttpCache(tmp_path / "http", timeout=5)


def test_a_file_is_fetched_once_and_asked_for_again(site: Site, cache: HttpCache) -> None:
    first = cache.fetch(site.url)
    assert (first.path.read_bytes(), first.name, first.warnings) == (b"one", "iris set.csv", ())
    assert cache.fetch(site.url).path == first.path
    assert "if-none-match" not in site.asked[0]
    assert site.asked[1]["if-none-match"] == '"1"'
    assert first.path.stat().st_mode & 0o222 == 0


def test_a_changed_file_is_fetched_anew(site: Site, cache: HttpCache) -> None:
    cache.fetch(site.url)
    site.body, site.etag = b"two", '"2"'
    assert cache.fetch(site.url).path.read_bytes() == b"two"
    assert cache.fetch(site.url).path.read_bytes() == b"two"
    assert site.asked[2]["if-none-match"] == '"2"'


def test_without_an_etag_the_date_counts(site: Site, cache: HttpCache) -> None:
    site.etag, site.last_modified = None, "Wed, 21 Oct 2015 07:28:00 GMT"
    cache.fetch(site.url)
    cache.fetch(site.url)
    assert site.asked[1]["if-modified-since"] == site.last_modified


def test_a_broken_download_goes_on_where_it_stopped(site: Site, cache: HttpCache) -> None:
    site.body = bytes(range(256)) * 400
    site.break_after = [60_000]
    assert cache.fetch(site.url).path.read_bytes() == site.body
    assert site.asked[1]["range"] == "bytes=60000-"


def test_a_download_that_goes_on_breaking_says_so_and_goes_on_later(site: Site, cache: HttpCache) -> None:
    site.body = b"x" * 1000
    site.break_after = [100, 100, 100]
    with pytest.raises(UnavailableError, match="100 of 800 bytes"):
        cache.fetch(site.url)
    assert cache.fetch(site.url).path.read_bytes() == site.body
    assert site.asked[-1]["range"] == "bytes=300-"


def test_parts_of_two_versions_are_never_put_together(site: Site, cache: HttpCache) -> None:
    site.body, site.break_after = b"a" * 1000, [500, 0, 0]
    with pytest.raises(UnavailableError):
        cache.fetch(site.url)
    site.body, site.etag = b"b" * 1000, '"2"'
    assert cache.fetch(site.url).path.read_bytes() == site.body


def test_a_part_that_is_whole_already_is_fetched_anew(site: Site, cache: HttpCache, tmp_path: Path) -> None:
    fetched = cache.fetch(site.url).path
    fetched.rename(fetched.with_suffix(".part"))
    fetched.with_suffix(".part.json").write_text('{"etag": "\\"1\\""}')
    assert cache.fetch(site.url).path.read_bytes() == b"one"


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, NotFoundError), (410, NotFoundError), (401, AuthError), (403, AuthError), (500, UnavailableError)],
)
def test_errors_name_the_address_without_secrets(
    site: Site, cache: HttpCache, status: int, error: type[Exception]
) -> None:
    site.status = status
    with pytest.raises(error, match=f"iris%20set.csv.*HTTP {status}") as caught:
        cache.fetch(f"{site.url}?sv=2024&sig=SECRET")
    assert "SECRET" not in str(caught.value)


def test_without_a_network_the_earlier_copy_is_used_with_a_warning(cache: HttpCache, site: Site) -> None:
    path = cache.fetch(site.url).path
    site.status = 503
    fetched = cache.fetch(site.url)
    assert fetched.path == path
    assert "HTTP 503" in fetched.warnings[0]
    assert fetched.warnings[0].endswith("the copy fetched earlier was used")


def test_a_server_that_is_not_there_is_named(cache: HttpCache, site: Site) -> None:
    with pytest.raises(UnavailableError, match=r"cannot reach http://127\.0\.0\.1:9/x"):
        cache.fetch("http://127.0.0.1:9/x")


def test_a_new_signature_is_the_same_file_and_is_not_kept(site: Site, cache: HttpCache, tmp_path: Path) -> None:
    first = cache.fetch(f"{site.url}?version=3&se=1&sig=SECRET1")
    assert cache.fetch(f"{site.url}?version=3&se=2&sig=SECRET2").path == first.path
    assert cache.fetch(f"{site.url}?version=4&se=2&sig=SECRET2").path != first.path
    kept = b"".join(path.read_bytes() for path in (tmp_path / "http").iterdir())
    assert b"SECRET" not in kept


def test_those_who_fetch_at_once_fetch_once(site: Site, cache: HttpCache) -> None:
    site.body = b"z" * 300_000
    with ThreadPoolExecutor(4) as pool:  # the lock is one of open files, so threads stand for processes
        paths = {fetched.path for fetched in pool.map(cache.fetch, [site.url] * 4)}
    assert [path.stat().st_size for path in paths] == [300_000]
    assert sum("if-none-match" not in asked for asked in site.asked) == 1


def test_a_full_disk_says_so(site: Site, cache: HttpCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads, "_receive", full)
    with pytest.raises(UnavailableError, match="is full"):
        cache.fetch(site.url)


@pytest.mark.parametrize("url", ["ftp://host/x", "not an address", "https:///x", "https://user:SECRET@/x"])
def test_what_is_no_public_web_address_is_refused(cache: HttpCache, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        cache.fetch(url)
    assert "SECRET" not in caught.value.message


PASSWORD = "Basic bWU6cHcvQMOkOng="
"""`me` and `pw/@ä:x`, as RFC 7617 has it."""


def test_user_and_password_of_an_address_are_told_to_its_host(site: Site, cache: HttpCache, tmp_path: Path) -> None:
    site.password = PASSWORD
    address = site.url.replace("://", "://me:pw%2F%40%C3%A4:x@")
    assert cache.fetch(address).path.read_bytes() == b"one"
    assert cache.fetch(address).warnings == ()
    assert len(site.asked) == 2
    for wrong in (site.url, site.url.replace("://", "://me:SECRET@"), site.url.replace("://", "://SECRET@")):
        with pytest.raises(AuthError) as caught:
            cache.fetch(wrong)
        assert "SECRET" not in f"{caught.value.message} {caught.value.hint}"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "http").iterdir())
    assert b"pw" not in kept
    assert b"bWU6" not in kept


def test_another_user_gets_a_file_of_his_own(site: Site, cache: HttpCache) -> None:
    site.etag = None
    one = cache.fetch(site.url.replace("://", "://one:pw@"))
    site.body = b"two"
    assert cache.fetch(site.url.replace("://", "://two:pw@")).path != one.path
    assert one.path.read_bytes() == b"one"


def test_a_redirect_to_another_host_does_not_get_the_password(site: Site, cache: HttpCache) -> None:
    site.password = PASSWORD
    host = site.url.partition("://")[2].partition("/")[0]
    address = f"http://me:pw%2F%40%C3%A4:x@{host}"
    site.redirects = {"/near": site.url, "/away": site.url.replace("127.0.0.1", "localhost")}
    assert cache.fetch(f"{address}/near").path.read_bytes() == b"one"
    assert [asked.get("authorization") for asked in site.asked] == [PASSWORD, PASSWORD]
    with pytest.raises(AuthError):
        cache.fetch(f"{address}/away")
    assert [asked.get("authorization") for asked in site.asked[2:]] == [PASSWORD, None]


def test_blob_addresses_become_web_addresses() -> None:
    web = "https://acc.blob.core.windows.net/con/a%20b/c.csv"
    assert public_url("wasbs://con@acc.blob.core.windows.net/a b/c.csv") == web
    assert public_url("abfss://con@acc.dfs.core.windows.net/a%20b/c.csv") == web
    assert public_url("https://x/y") == "https://x/y"


def test_addresses_are_shown_without_secrets() -> None:
    shown = printable_url("https://me:pw@h:8/p?sv=1&sig=abc&version=2&flag#frag")
    assert shown == "https://h:8/p?sv=…&sig=…&version=2&flag"
