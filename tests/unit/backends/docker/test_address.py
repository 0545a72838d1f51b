"""Where an engine is looked for."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest

from mlctl.backends.docker.address import Candidate, candidates, refuse_remote
from mlctl.backends.docker.client import open_engine
from mlctl.errors import UnavailableError, UnsupportedError, UsageError
from mlctl.settings import Settings, load


def _settings(home: Path, **environ: str) -> Settings:
    return load(environ={"HOME": str(home), "MLCTL_HOME": str(home), **environ}, cwd=home)


def _context(home: Path, name: str, host: str) -> None:
    folder = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_usual_sockets_in_order(tmp_path: Path) -> None:
    found = candidates(None, "default", {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/7"})
    assert [candidate.address for candidate in found] == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        f"unix://{tmp_path}/.docker/run/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]


def test_a_chosen_address_is_the_only_one(tmp_path: Path) -> None:
    _context(tmp_path, "desk", "unix:///desk.sock")
    environ = {"HOME": str(tmp_path)}
    assert candidates("/x.sock", "DOCKER_HOST", environ) == [Candidate("unix:///x.sock", "DOCKER_HOST")]
    assert candidates(None, "default", {**environ, "DOCKER_CONTEXT": "desk"}) == [
        Candidate("unix:///desk.sock", "docker context desk")
    ]


def test_the_current_context_counts(tmp_path: Path) -> None:
    _context(tmp_path, "desk", "unix:///desk.sock")
    config = tmp_path / ".docker" / "config.json"
    config.write_text('{"currentContext": "desk"}')
    environ = {"HOME": str(tmp_path)}
    assert candidates(None, "default", environ)[0].address == "unix:///desk.sock"
    config.write_text('{"currentContext": "gone"}')
    with pytest.raises(UsageError, match="docker context 'gone'"):
        candidates(None, "default", environ)
    for text in ('{"currentContext": "default"}', "no json", "[]"):
        config.write_text(text)
        assert len(candidates(None, "default", environ)) == 5


@pytest.mark.parametrize("host", ["x", "ftp://x", "unix://", "tcp:"])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="is not the address of an engine"):
        candidates(host, "docker.host", {})


@pytest.mark.parametrize("address", ["tcp://10.1.2.3:2375", "ssh://me@build", "ssh://localhost", "https://example.org"])
def test_engines_of_other_machines_are_refused(address: str) -> None:
    with pytest.raises(UnsupportedError, match="on another machine"):
        refuse_remote(Candidate(address, "DOCKER_HOST"))


@pytest.mark.parametrize(
    "address",
    ["unix:///x", "tcp://127.0.0.1:2375", "tcp://localhost:1", "tcp://[::1]:1", f"tcp://{socket.gethostname()}:1"],
)
def test_engines_of_this_machine_are_not(address: str) -> None:
    refuse_remote(Candidate(address, "DOCKER_HOST"))


def test_a_remote_docker_host_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"tcp://192\.0\.2\.1:2375 \(DOCKER_HOST\)"):
        open_engine(_settings(tmp_path, DOCKER_HOST="tcp://192.0.2.1:2375"))


def test_everything_that_was_tried_is_told(tmp_path: Path) -> None:
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(dead))
    with pytest.raises(UnavailableError, match="connection refused") as caught:
        open_engine(_settings(tmp_path, DOCKER_HOST=f"unix://{dead}"))
    assert "start the engine" in (caught.value.hint or "")
    assert caught.value.exit_code == 7
    with pytest.raises(UnavailableError, match="no such socket") as caught:
        open_engine(_settings(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/none.sock"))
    assert caught.value.details["tried"] == [
        {"address": f"unix://{tmp_path}/none.sock", "source": "DOCKER_HOST", "reason": "no such socket"}
    ]


def test_podman_s_socket_is_found_when_docker_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that answers as Podman does; Docker's own place is moved away for the test."""
    from mlctl.backends.docker import address, client

    monkeypatch.setattr(
        address, "_usual_sockets",
        lambda _environ: [(f"{tmp_path}/docker.sock", "Docker's socket"), (f"{tmp_path}/p.sock", "Podman's socket")],
    )  # fmt: skip
    with _answering(tmp_path / "p.sock"):
        engine = client.open_engine(_settings(tmp_path))
        assert engine.candidate == Candidate(f"unix://{tmp_path}/p.sock", "Podman's socket")
        engine.close()


def _answering(path: Path):
    """A server on a socket that says which API version it has, as often as it is asked."""
    import contextlib
    import threading

    @contextlib.contextmanager
    def serve():
        body = b'{"ApiVersion": "1.41", "Version": "4.9.3"}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken, _ = server.accept()
                    with taken:
                        if taken.recv(65536):
                            taken.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join(5)

    return serve()
