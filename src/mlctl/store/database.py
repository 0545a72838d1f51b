"""One sqlite file that many processes use at once.

The file is in WAL mode: readers never wait for writers. Every write is one `BEGIN IMMEDIATE` transaction, tried again
with jitter while another process holds the write lock, so "database is locked" reaches nobody. Connections are opened
on first use, one for each thread, and never carried over a fork.
"""

from __future__ import annotations

import errno
import functools
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from mlctl.errors import AuthError, MlctlError, UnavailableError
from mlctl.store.durable import bring_to_disk

PATIENCE = 60.0
"""Seconds to go on trying while other processes hold the lock."""

_MIGRATIONS = Path(__file__).with_name("migrations")
_BUSY = ("locked", "busy")
_LONGEST_PAUSE = 0.05
_ROWS_AT_ONCE = 500

T = TypeVar("T")
Row = sqlite3.Row


class Database:
    """A database file. `path` is made on the first use (its folder must exist) and migrated when it is older.

    Every method raises AuthError when the file may not be read or written, and UnavailableError when the disk is full,
    the file is damaged or newer than this program, or other processes hold the lock for more than `patience` seconds.
    """

    def __init__(self, path: Path, *, patience: float = PATIENCE, migrations: Path = _MIGRATIONS) -> None:
        self.path = path
        self._patience = patience
        self._migrations = migrations
        self._mine = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._owner = os.getpid()

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of one SELECT, as of one moment. Works for who may not write too."""
        return self._patiently(lambda: self._read(sql, parameters))

    def each(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of one SELECT one by one, as of one moment: for more than should be in memory."""
        try:
            cursor = self._patiently(lambda: self._connection().execute(sql, parameters))
        except AuthError:
            yield from self.read(sql, parameters)
            return
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows

    def bring_to_disk(self) -> None:
        """Make every commit so far survive a power cut; by itself sqlite does so now and then only, in WAL mode."""
        log = self.path.with_name(self.path.name + "-wal")
        try:
            for path in (log, self.path):
                with suppress(FileNotFoundError):  # who closes the last connection takes the log away
                    bring_to_disk([path])
        except OSError as error:
            raise translate_os_error(error, self.path.parent) from error

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed at the end of the block, rolled back when the block raises.

        Whoever is in the block is alone: what it reads there stays true until the commit.
        """
        connection = self._patiently(self._begin)
        try:
            yield connection
            connection.commit()
        except sqlite3.IntegrityError:
            connection.rollback()
            raise
        except (sqlite3.Error, OSError) as error:
            _roll_back(connection)
            raise self._translate(error) from error
        except BaseException:
            _roll_back(connection)
            raise

    def close(self) -> None:
        """Close the connections of all threads. The next use opens them again."""
        if self._owner == os.getpid():
            for connection in self._open:
                connection.close()
        self._open = []
        self._mine = threading.local()

    def __del__(self) -> None:
        self.close()

    def _read(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        try:
            return self._connection().execute(sql, parameters).fetchall()
        except sqlite3.OperationalError:
            if not self.path.exists() or not _may_not_write(self.path):
                raise
        with read_only_copy(self.path) as connection:
            return connection.execute(sql, parameters).fetchall()

    def _begin(self) -> sqlite3.Connection:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def _connection(self) -> sqlite3.Connection:
        if self._owner != os.getpid():
            self._forget_the_parents()
        connection: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._connect()
            self._open.append(connection)
            self._mine.connection = connection
        return connection

    def _forget_the_parents(self) -> None:
        # A connection that came over a fork may be neither used nor closed (sqlite.org/howtocorrupt.html, 2.6): it is
        # kept where nobody finds it until the process ends.
        _INHERITED.extend(self._open)
        self._open = []
        self._mine = threading.local()
        self._owner = os.getpid()

    def _connect(self) -> sqlite3.Connection:
        # isolation_level=None: transactions are begun and ended here and nowhere else.
        connection = sqlite3.connect(self.path, timeout=0.01, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        scripts = _scripts(self._migrations)
        if self._version(connection) == len(scripts):
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            for number in range(self._version(connection), len(scripts)):
                for statement in _statements(scripts[number].read_text(encoding="utf-8")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.commit()
        except BaseException:
            _roll_back(connection)
            raise

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        newest = len(_scripts(self._migrations))
        if version > newest:
            raise UnavailableError(
                f"{self.path} was written by a newer mlctl (format {version}, this mlctl knows {newest})",
                hint="update mlctl: pip install --upgrade mlctl",
            )
        return version

    def _patiently(self, action: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._patience
        pause = 0.001
        while True:
            try:
                return action()
            except (sqlite3.Error, OSError) as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise self._translate(error) from error
            import random

            # Jitter, or processes that were turned away together come back together.
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _translate(self, error: sqlite3.Error | OSError) -> MlctlError:
        folder = self.path.parent
        if isinstance(error, OSError):
            return translate_os_error(error, folder)
        text = str(error)
        if _is_busy(error):
            return UnavailableError(
                f"other processes kept {self.path} locked for {self._patience:.0f} seconds",
                hint="look for a mlctl process that hangs, then try again",
            )
        failed = "unable to open" in text or "I/O error" in text
        if "full" in text or (failed and _is_full(folder)):
            return _full(folder)
        if "readonly" in text or (failed and _may_not_write(self.path)):
            return _not_allowed(self.path)
        if "malformed" in text or "not a database" in text:
            return UnavailableError(
                f"{self.path} is damaged ({text})", hint="restore the workspace folder from a backup"
            )
        if failed:
            return UnavailableError(f"cannot use {self.path}: {text}", hint=f"check the disk that holds {folder}")
        raise error  # wrong SQL is a bug of ours: the crash report must show it


@contextmanager
def read_only_copy(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one look at a database that may not be written.

    A reader of a WAL database has to write beside it. Without that right the file is read as it stands when nothing is
    left in the log, else together with the log from a copy.
    """
    import shutil
    import tempfile

    log = path.with_name(path.name + "-wal")
    with tempfile.TemporaryDirectory(prefix="mlctl-") as folder:
        place, words = path, "mode=ro&immutable=1"
        if log.exists() and log.stat().st_size > 0:
            place, words = Path(folder) / path.name, "mode=rw"
            shutil.copyfile(path, place)
            shutil.copyfile(log, place.with_name(log.name))
        connection = sqlite3.connect(f"{place.absolute().as_uri()}?{words}", uri=True, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            yield connection
        finally:
            connection.close()


_INHERITED: list[sqlite3.Connection] = []


def translate_os_error(error: OSError, folder: Path, *, writing: bool = True, whole: bool = True) -> MlctlError:
    """The clear error for a file operation that failed in or below `folder`.

    `writing`: False when it only read. `whole`: False when something half-written may be left in `folder`.
    """
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(folder, whole=whole)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            _not_allowed(path)
            if writing
            else AuthError(f"no permission to read {path}", hint="check its owner and mode")
        )
    return UnavailableError(f"cannot use {path}: {error.strerror or error}", hint=f"check the disk that holds {folder}")


def _full(folder: Path, *, whole: bool = True) -> UnavailableError:
    return UnavailableError(
        f"the disk that holds {folder} is full" + ("; nothing was half-written" if whole else ""),
        hint="make room there, or keep the state elsewhere with MLCTL_HOME, then run the command again",
    )


def _not_allowed(path: Path) -> AuthError:
    return AuthError(
        f"no permission to write {path}",
        hint="make the folder writable for you, or name another place with MLCTL_HOME",
    )


def _may_not_write(path: Path) -> bool:
    # access(2) knows a read-only file system; mode bits alone do not tell
    return any(place.exists() and not os.access(place, os.W_OK) for place in (path, path.parent))


def _is_full(folder: Path) -> bool:
    # The shared-memory file of the WAL fails as "disk I/O error" when there is no room for its 32 KiB.
    try:
        facts = os.statvfs(folder)
    except OSError:
        return False
    return facts.f_bavail * facts.f_frsize < 64 * 1024


def _is_busy(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in _BUSY)


def _roll_back(connection: sqlite3.Connection) -> None:
    # After a full disk sqlite has rolled back by itself already.
    if connection.in_transaction:
        connection.rollback()


@functools.cache
def _scripts(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.sql"))


def _statements(script: str) -> Iterator[str]:
    # Connection.executescript would commit first, and so end the transaction that keeps a migration whole.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
