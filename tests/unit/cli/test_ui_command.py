"""mlctl ui, with a small web server in the place of MLflow's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.cli.calls import Call

from mlctl.cli.ui import _choose_port
from mlctl.errors import UnavailableError

SERVER = """
import http.server, os, sys
words = sys.argv[1:]
open(os.environ["SEEN"], "w").write("\\n".join([*words, os.environ["MLFLOW_ALLOW_FILE_STORE"]]))
port = int(words[words.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def fake_mlflow(tmp_path: Path) -> Path:
    """A folder with a module `mlflow` that listens where it is told."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "mlflow.py").write_text(SERVER)
    return folder


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runs_until_it_is_interrupted(tmp_path: Path, fake_mlflow: Path, number: signal.Signals) -> None:
    start = (
        "import sys; from pathlib import Path; from mlctl.cli import ui, main\n"
        "ui._environment = lambda context: Path(sys.executable)\n"
        "sys.exit(main(['ui', '--no-browser']))\n"
    )
    variables = {"MLCTL_HOME": str(tmp_path / "home"), "PYTHONPATH": str(fake_mlflow), "SEEN": str(tmp_path / "seen")}
    process = subprocess.Popen(
        [sys.executable, "-c", start], env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "MLflow UI of workspace 'default': http://127.0.0.1:" in line
        process.send_signal(number)
        assert process.wait(20) == 0
    words = (tmp_path / "seen").read_text().splitlines()
    assert words[:3] == ["ui", "--backend-store-uri", f"file://{tmp_path}/home/workspaces/default/mlruns"]
    assert words[-1] == "true"
    port = int(words[words.index("--port") + 1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_that_ends_at_once_is_an_error(call: Call, fake_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fake_mlflow / "mlflow.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr("mlctl.cli.ui._environment", lambda _: Path(sys.executable))
    answer = call("ui", "--no-browser", PYTHONPATH=str(fake_mlflow))
    assert answer.code == 7
    assert "exit code 3" in answer.err


def test_remote_tracking_needs_no_server(call: Call) -> None:
    answer = call("ui", "--no-browser", MLCTL_TRACKING_URI="https://tracking.example")
    assert (answer.code, answer.err) == (0, "runs are tracked at https://tracking.example\n")


def test_port_that_is_taken(taken: int) -> None:
    with pytest.raises(UnavailableError, match=str(taken)) as caught:
        _choose_port("127.0.0.1", taken)
    assert caught.value.hint == "choose another with --port"
