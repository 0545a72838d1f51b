"""Files behind a URL, such as a container of Azure Blob Storage or a bucket, through fsspec.

Credentials are found by the driver of the scheme, from its usual variables; none are kept here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from mlctl.errors import AuthError, MlctlError, NotFoundError, UnavailableError, UnsupportedError
from mlctl.registry.files import check_digest

_DRIVERS = {"abfs": "adlfs", "abfss": "adlfs", "az": "adlfs", "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "memory": ""}
"""Schemes of stores where a file appears whole or not at all, and the package that each needs beside fsspec."""


class RemoteFiles:
    """Files below a URL. What is put there appears when it is complete: that is how object stores work."""

    def __init__(self, url: str) -> None:
        scheme = url.partition("://")[0]
        if scheme not in _DRIVERS:
            known = ", ".join(name for name, driver in _DRIVERS.items() if driver)
            raise UnsupportedError(
                f"a registry cannot be at a {scheme}: URL, where a file may be seen half-written",
                hint=f"mount it and give the folder, or use one of {known}",
            )
        self._url = url

    @property
    def address(self) -> str:
        """The URL."""
        return self._url

    def read(self, path: str) -> bytes | None:
        """As `Files.read`."""
        with self._translated():
            try:
                return bytes(self._system.cat_file(self._place(path)))
            except FileNotFoundError:
                return None

    def open(self, path: str) -> BinaryIO:
        """As `Files.open`."""
        with self._translated():
            try:
                return cast(BinaryIO, self._system.open(self._place(path), "rb"))
            except FileNotFoundError as error:
                raise NotFoundError(f"there is no {path} in {self._url}") from error

    def size(self, path: str) -> int | None:
        """As `Files.size`."""
        with self._translated():
            try:
                # drivers keep listings; what others write must be seen
                self._system.invalidate_cache()
                facts = self._system.info(self._place(path))
            except FileNotFoundError:
                return None
            return int(facts["size"] or 0) if facts["type"] == "file" else None

    def names(self, folder: str) -> list[str]:
        """As `Files.names`."""
        with self._translated():
            try:
                self._system.invalidate_cache()
                found = self._system.ls(self._place(folder), detail=False)
            except FileNotFoundError:
                return []
            return [name.rstrip("/").rpartition("/")[2] for name in found]

    def create(self, path: str, data: bytes) -> bool:
        """As `Files.create`: the server decides, by `If-None-Match: *`."""
        with self._translated():
            try:
                self._system.pipe_file(self._place(path), data, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                # s3fs has no error of its own for the answer 412 Precondition Failed
                if "PreconditionFailed" not in repr(error.__cause__ or error) and "pre-condition" not in str(error):
                    raise
                return False
            return True

    def put(self, path: str, data: bytes) -> None:
        """As `Files.put`."""
        with self._translated():
            self._system.pipe_file(self._place(path), data)

    def receive(self, path: str, chunks: Iterable[bytes], digest: str) -> None:
        """As `Files.receive`; what is not right is taken away again."""
        with self._translated():
            target = self._system.open(self._place(path), "wb")
        try:
            for chunk in chunks:  # errors of where they come from are not ours to translate
                with self._translated():
                    target.write(chunk)
        except BaseException:
            _abandon(target)
            raise
        with self._translated():
            target.close()
        try:
            with self.open(path) as written, self._translated():
                check_digest(written, digest, f"{path} in {self._url}")
        except UnavailableError:
            self.remove(path)
            raise

    def settle(self, paths: Iterable[str]) -> None:
        """Nothing: what the server has confirmed is kept."""

    def remove(self, path: str) -> None:
        """As `Files.remove`."""
        with self._translated():
            self._system.invalidate_cache()
            if self._system.exists(self._place(path)):
                self._system.rm(self._place(path), recursive=True)

    @functools.cached_property
    def _system(self) -> Any:
        return self._opened[0]

    @functools.cached_property
    def _root(self) -> str:
        return str(self._opened[1]).rstrip("/")

    @functools.cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs

            system, root = url_to_fs(self._url, use_listings_cache=False)
        except ImportError as error:
            needed = f"fsspec and {_DRIVERS[self._url.partition('://')[0]]}"
            raise UnavailableError(f"{self._url} needs {needed}", hint="pip install 'mlctl[storage]'") from error
        except ValueError as error:
            raise UnavailableError(
                f"cannot use {self._url}: {error}", hint="check the URL and its variables"
            ) from error
        return system, root

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except MlctlError:
            raise
        except Exception as error:  # each driver has exceptions of its own
            kind = type(error).__name__
            if isinstance(error, PermissionError) or "Auth" in kind or "Credential" in kind:
                hint = "check the variables from which the driver takes its credentials"
                raise AuthError(f"not allowed to use {self._url} ({kind})", hint=hint) from error
            # the rest of the text may be pages, and a query may hold a signature
            reason = re.sub(r"\?\S+", "?…", str(error).partition("\n")[0])[:200]
            hint = "check the address and the network"
            raise UnavailableError(f"cannot use {self._url}: {reason or kind}", hint=hint) from error


def _abandon(target: Any) -> None:
    """End an upload so that nothing appears: to close the file would complete it."""
    with suppress(Exception):
        target.discard()
    with suppress(AttributeError):
        target.closed = True
