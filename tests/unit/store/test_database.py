from __future__ import annotations

import gc
import multiprocessing
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.errors import AuthError, UnavailableError
from mlctl.store.database import Database


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_initial.sql").write_text(
        "-- one; two\nCREATE TABLE t (\n  x TEXT\n);\nINSERT INTO t VALUES ('a;b');\n"
    )
    return folder


def test_a_new_file_is_made_in_wal_mode(tmp_path: Path, migrations: Path) -> None:
    database = Database(tmp_path / "d.db", migrations=migrations)
    assert not database.path.exists()
    assert database.read("SELECT x FROM t")[0]["x"] == "a;b"
    assert database.read("PRAGMA journal_mode")[0][0] == "wal"
    assert database.read("PRAGMA user_version")[0][0] == 1
    assert database.read("PRAGMA foreign_keys")[0][0] == 1


def test_migrations_are_applied_once_and_in_order(tmp_path: Path, migrations: Path) -> None:
    Database(tmp_path / "d.db", migrations=migrations).read("SELECT 1")
    newer = migrations.with_name("newer")
    migrations.rename(newer)
    (newer / "0002_more.sql").write_text("INSERT INTO t VALUES ('two');")
    (newer / "0003_most.sql").write_text("INSERT INTO t SELECT x || '!' FROM t;")
    for _ in range(2):
        rows = Database(tmp_path / "d.db", migrations=newer).read("SELECT x FROM t")
        assert [row["x"] for row in rows] == ["a;b", "two", "a;b!", "two!"]


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, migrations: Path) -> None:
    (migrations / "0002_bad.sql").write_text("CREATE TABLE u (x);\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        Database(tmp_path / "d.db", migrations=migrations).read("SELECT 1")
    with sqlite3.connect(tmp_path / "d.db") as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()


def test_a_newer_database_is_refused(tmp_path: Path, migrations: Path) -> None:
    database = Database(tmp_path / "d.db", migrations=migrations)
    database.read("PRAGMA user_version = 7")
    with pytest.raises(UnavailableError, match=r"newer mlctl \(format 7, this mlctl knows 1\)"):
        Database(tmp_path / "d.db", migrations=migrations).read("SELECT 1")


def test_a_block_that_raises_changes_nothing(tmp_path: Path, migrations: Path) -> None:
    database = Database(tmp_path / "d.db", migrations=migrations)
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        _delete_and_raise(connection)
    assert len(database.read("SELECT * FROM t")) == 1


def test_a_writer_waits_for_the_lock(tmp_path: Path, migrations: Path) -> None:
    database = Database(tmp_path / "d.db", migrations=migrations)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write() as connection:
            connection.execute("INSERT INTO t VALUES ('first')")
            inside.set()
            leave.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(5)
    assert len(database.read("SELECT * FROM t")) == 1  # a reader does not wait
    impatient = Database(database.path, migrations=migrations, patience=0.05)
    with pytest.raises(UnavailableError, match=r"kept .* locked"), impatient.write():
        pass
    threading.Timer(0.05, leave.set).start()
    with database.write() as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone()[0] == 2
    holder.join()


def test_a_child_process_opens_its_own_connection(tmp_path: Path, migrations: Path) -> None:
    database = Database(tmp_path / "d.db", migrations=migrations)
    mine = database.read("SELECT 1")

    def child() -> None:
        with database.write() as connection:
            connection.execute("INSERT INTO t VALUES (?)", (str(os.getpid()),))
        database.close()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert mine
    assert database.read("SELECT x FROM t")[-1]["x"] == str(process.pid)


def test_processes_that_open_a_new_file_at_once_all_can(tmp_path: Path, migrations: Path) -> None:
    def child() -> None:
        with Database(tmp_path / "d.db", migrations=migrations).write() as connection:
            connection.execute("INSERT INTO t VALUES ('x')")

    processes = [multiprocessing.get_context("fork").Process(target=child) for _ in range(12)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 12
    assert Database(tmp_path / "d.db", migrations=migrations).read("SELECT count(*) FROM t")[0][0] == 13


def test_what_is_not_closed_is_closed_without_a_warning(tmp_path: Path, migrations: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Database(tmp_path / "d.db", migrations=migrations).read("SELECT 1")
        gc.collect()
    assert not (tmp_path / "d.db-wal").exists()


def test_a_full_disk_says_so_and_keeps_what_was(tmp_path: Path, migrations: Path) -> None:
    database = Database(tmp_path / "d.db", migrations=migrations)
    pages = database.read("PRAGMA page_count")[0][0]
    database.read(f"PRAGMA max_page_count = {pages + 1}")
    full = f"{tmp_path} is full; nothing was half-written"
    with pytest.raises(UnavailableError, match=full), database.write() as connection:
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 100_000,))
    assert len(database.read("SELECT * FROM t")) == 1


def test_a_damaged_file_says_so(tmp_path: Path, migrations: Path) -> None:
    (tmp_path / "d.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(UnavailableError, match=r"d\.db is damaged"):
        Database(tmp_path / "d.db", migrations=migrations).read("SELECT 1")


def test_a_folder_that_is_gone_is_named(tmp_path: Path, migrations: Path) -> None:
    with pytest.raises(UnavailableError, match="gone"):
        Database(tmp_path / "gone/d.db", migrations=migrations).read("SELECT 1")


def test_a_folder_that_may_not_be_written_is_named(
    tmp_path: Path, migrations: Path, run_unprivileged: Callable[..., object]
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    Database(folder / "d.db", migrations=migrations).read("SELECT 1")
    gc.collect()
    folder.chmod(0o555)
    (folder / "d.db").chmod(0o444)

    def write(path: Path) -> None:
        with Database(path, migrations=migrations).write() as connection:
            connection.execute("INSERT INTO t VALUES ('x')")

    for path in (folder / "d.db", folder / "new.db"):
        assert run_unprivileged(tmp_path, write, path) == (AuthError.code, f"no permission to write {path}")
    folder.chmod(0o755)


def test_opening_an_up_to_date_file_is_cheap(tmp_path: Path) -> None:
    Database(tmp_path / "d.db").read("SELECT 1")
    took = []
    for _ in range(5):
        start = time.perf_counter()
        Database(tmp_path / "d.db").read("SELECT 1")
        took.append(time.perf_counter() - start)
    assert min(took) < 0.01  # about 0.3 ms; the margin is for busy machines


def _delete_and_raise(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM t")
    raise ZeroDivisionError


def test_many_rows_come_one_by_one_as_of_one_moment(tmp_path: Path) -> None:
    database = Database(tmp_path / "mlctl.db")
    with database.write() as connection:
        connection.executemany("INSERT INTO links VALUES (?, 'a', 'b')", [(f"{n:05}",) for n in range(1200)])
    seen = 0
    for row in database.each("SELECT downstream FROM links WHERE downstream < ? ORDER BY downstream", ("01000",)):
        assert row["downstream"] == f"{seen:05}"
        if seen == 0:
            with Database(tmp_path / "mlctl.db").write() as connection:
                connection.execute("DELETE FROM links")
        seen += 1
    assert seen == 1000
