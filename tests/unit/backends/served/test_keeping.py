"""Who keeps an endpoint, and what is left when nobody does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlctl.backends.served.keeping import LockHeldError, hold_lock, keeper_of, stop_endpoint
from mlctl.backends.served.layout import EndpointFolder, open_log, read_json, write_json
from mlctl.backends.supervised.processes import ENDPOINT_MARK, current, identify, is_alive
from mlctl.entities.job import ProcessId


@pytest.fixture
def folder(tmp_path: Path) -> EndpointFolder:
    return EndpointFolder(tmp_path)


def sleeper(**environ: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], env={**os.environ, **environ}, start_new_session=True)


def facts(process: subprocess.Popen[bytes]) -> dict[str, object]:
    found = identify(process.pid)
    assert found is not None
    return {"pid": found.pid, "started": found.started}


def test_the_keeper_is_who_holds_the_lock(folder: EndpointFolder) -> None:
    assert keeper_of(folder) is None
    with hold_lock(folder, patience=0):
        assert keeper_of(folder) == current()
        with pytest.raises(LockHeldError), hold_lock(folder, patience=0):
            pass
        folder.lock.write_text("")  # a keeper that has not said yet who it is
        assert keeper_of(folder) == ProcessId(0, "starting")
    assert keeper_of(folder) is None


def test_who_only_asks_keeps_no_keeper_from_starting(folder: EndpointFolder) -> None:
    folder.lock.touch()
    ending = threading.Event()

    def ask() -> None:
        while not ending.is_set():
            keeper_of(folder)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(20):
            with hold_lock(folder, patience=5):
                pass
    finally:
        ending.set()
        for asker in askers:
            asker.join()


def test_stop_ends_what_a_killed_keeper_left_and_nobody_else(folder: EndpointFolder) -> None:
    replica, router, forgotten, stranger = sleeper(), sleeper(), sleeper(**{ENDPOINT_MARK: str(folder.root)}), sleeper()
    stale = {"pid": stranger.pid, "started": f"1@earlier-boot@{os.uname().nodename}"}
    write_json(folder.state, {"replicas": [facts(replica), stale], "router": facts(router), "preparations": [stale]})
    try:
        # children of this process stay zombies until they are waited for, and those count as gone
        assert stop_endpoint(folder, patience=10)
        assert [replica.wait(5), router.wait(5), forgotten.wait(5)] == [-15, -15, -9]
        assert stranger.poll() is None
        assert read_json(folder.state) == {"replicas": [], "preparations": [], "router": None}
        assert stop_endpoint(folder, patience=10)  # nothing runs any more
    finally:
        for process in (replica, router, forgotten, stranger):
            process.kill()
            process.wait()


def test_stop_waits_for_the_keeper(folder: EndpointFolder) -> None:
    code = (
        "import sys, signal, time\n"
        "from pathlib import Path\n"
        "from mlctl.backends.served.keeping import hold_lock\n"
        "from mlctl.backends.served.layout import EndpointFolder\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "with hold_lock(EndpointFolder(Path(sys.argv[1])), patience=5):\n"
        "    signal.sigwait([signal.SIGTERM])\n"
        "    time.sleep(0.3)\n"
    )
    keeper = subprocess.Popen([sys.executable, "-c", code, str(folder.root)])
    give_up = time.monotonic() + 10
    while keeper_of(folder) is None or keeper_of(folder) == ProcessId(0, "starting"):
        assert time.monotonic() < give_up
    process = keeper_of(folder)
    assert process is not None
    assert stop_endpoint(folder, patience=10)
    keeper.wait(10)
    assert not is_alive(process)


def test_files_are_the_owners_alone(folder: EndpointFolder) -> None:
    write_json(folder.state, {})
    open_log(folder.log).close()
    assert {oct(path.stat().st_mode & 0o777) for path in folder.root.iterdir()} == {"0o600"}


def test_half_a_file_is_no_file(folder: EndpointFolder) -> None:
    folder.state.write_text('{"replicas": [')
    assert read_json(folder.state) is None


def test_folders_of_generations(folder: EndpointFolder) -> None:
    for name, number in (("blue", 1), ("blue", 2), ("green", 7)):
        folder.generation(name, number).root.mkdir(parents=True)
    (folder.root / "deployments/blue/notes").mkdir()
    assert sorted(folder.generations()) == [("blue", 1), ("blue", 2), ("green", 7)]
    folder.remove_generation("green", 7)
    assert not (folder.root / "deployments/green").exists()
    folder.remove_generation("blue", 1)
    assert sorted(folder.generations()) == [("blue", 2)]
