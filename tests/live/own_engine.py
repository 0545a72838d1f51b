"""A second engine for tests that stop and kill one."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.live.docker_jobs import IMAGE, settings_in

from mlctl.backends.docker.client import open_engine
from mlctl.errors import UnavailableError

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


class OwnEngine:
    """A dockerd with everything of its own below a folder, so that it touches nothing of the host.

    It gets a network namespace without anything in it; with `bridge` it stays in the one it is started in
    (`network_of_its_own`), and its containers' ports can be reached there.
    """

    def __init__(self, folder: Path, *, bridge: bool = False) -> None:
        self.folder = folder
        # a network namespace of its own: at its start an engine without a bridge removes the host's docker0
        self._network = [] if bridge else ["unshare", "--net"]
        self._bridge = [] if bridge else ["--bridge", "none"]
        kind = subprocess.run(["stat", "-f", "-c", "%T", folder], check=True, capture_output=True, text=True).stdout
        self._storage = "vfs" if kind.strip() in ("overlayfs", "tmpfs") else "overlay2"
        self.host = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        # unix sockets have short paths: pytest's own folders are too deep for the containers' shims
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._network, "dockerd", "--host", self.host, "--data-root", f"{self.folder}/data",
                    "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid",
                    *self._bridge, "--iptables=false", "--ip6tables=false", "--storage-driver", self._storage,
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, (self.folder / "dockerd.log").read_text()[-2000:]
            try:
                open_engine(settings_in(self.folder, docker__host=self.host)).close()
            except UnavailableError:
                assert time.monotonic() < until, "dockerd does not answer"
                time.sleep(0.2)
            else:
                return

    @property
    def runs(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def stop(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end of the daemon; with KILL its containerd lives on, as in a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None
            for stale in ("pid", "exec/containerd/containerd.pid", "exec/libcontainerd/containerd.pid"):
                (self.folder / stale).unlink(missing_ok=True)

    def end(self) -> None:
        """Stop it with all that it started."""
        self.stop(signal.SIGTERM)
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.folder) in line and int(entry.name) != os.getpid():
                os.kill(int(entry.name), signal.SIGKILL)
        for mount in [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()][::-1]:
            if mount.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def second_engine(*, bridge: bool = False) -> Iterator[OwnEngine]:
    """An engine with the test image in it; skips or fails the test where there can be none."""
    if os.getuid() != 0 or shutil.which("dockerd") is None:
        if "docker" in os.environ.get("MLCTL_TEST_REQUIRE", "").split(","):
            pytest.fail("a second engine needs root and dockerd")
        pytest.skip("a second engine needs root and dockerd")
    # unix sockets have short paths: pytest's own folders are too deep for the containers' shims
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="mlctl-dockerd-")), bridge=bridge)
    try:
        with subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as saved:
            engine.start()
            subprocess.run(
                ["docker", "-H", engine.host, "load"], stdin=saved.stdout, check=True, stdout=subprocess.DEVNULL
            )
        yield engine
    finally:
        engine.end()


@contextmanager
def network_of_its_own() -> Iterator[None]:
    """This thread, and what it starts, in a network namespace with nothing in it but loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_CLONE_NEWNET) != 0:
            pytest.skip("a network namespace needs root")
        with socket.socket() as one:
            fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
        yield
    finally:
        assert libc.setns(before, _CLONE_NEWNET) == 0
        os.close(before)
