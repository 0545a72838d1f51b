"""What the router costs: `python tests/bench/serving.py FOLDER`, with mlctl and its extra `serving` installed.

One scikit-learn model is served three ways: by the bare azureml-inference-server-http, by the same server behind the
router, and by `mlflow models serve`, each with one worker and from environments that are made in FOLDER. Behind the
router the server keeps connections (KEEPING), which it does not by itself. Measured in turns within this run,
throughput as the upper quartile of the rounds, latency as the lower quartile of their medians. Generator, router and
server share the machine's cores, as on a small edge box. Prints one line for each figure and fails on a missed target.

`direct` is the server that stands behind the router, asked without it: what keeping connections gives alone. The
router's own CPU time for each request is the figure that other work on the machine changes least.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from mlctl.serving.keys import new_keys, save_keys
from mlctl.serving.routes import Deployment, Routes, load_state, save_routes

ROUNDS = 16
CONNECTIONS = 4
SECONDS = 1.0
KEEPING = "--worker-class gthread --threads 1 --keep-alive 75"
"""What lets the scoring server keep the router's connections; one request at a time, as without."""
LOAD = Path(__file__).with_name("load.py")

_TRAIN = """
import mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
data = load_iris()
model = LogisticRegression(max_iter=500).fit(data.data, data.target)
mlflow.sklearn.save_model(model, "model")
import joblib
joblib.dump(model, "model.joblib")
"""
_SCORE = """
import json, os
import joblib, numpy
def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))
def run(raw):
    return model.predict(numpy.array(json.loads(raw)["data"])).tolist()
"""
_ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 4.7, 1.5]]


class Bench:
    """The three servers and what they have in common."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        (folder / "score.py").write_text(_SCORE)
        (folder / "score.json").write_text(json.dumps({"data": _ROWS}))
        (folder / "mlflow.json").write_text(json.dumps({"inputs": _ROWS}))

    def run(self) -> int:
        mlflow = self.environment("mlflow", "mlflow>=3,<4", "scikit-learn", "joblib")
        server = self.environment("server", "azureml-inference-server-http", "scikit-learn", "joblib")
        if not (self.folder / "model.joblib").exists():
            subprocess.run([mlflow, "-c", _TRAIN], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        bare, peer = self.scoring(server), self.mlflow(mlflow)
        kept = self.scoring(server, GUNICORN_CMD_ARGS=KEEPING)
        routed, header = self.router(kept)
        calls: dict[str, tuple[str, str, list[str]]] = {
            "bare": (bare + "/score", "score.json", []),
            "direct": (kept + "/score", "score.json", []),
            "router": (routed + "/score", "score.json", ["--header", header]),
            "mlflow": (peer + "/invocations", "mlflow.json", []),
        }
        return self.report(calls)

    def report(self, calls: dict[str, tuple[str, str, list[str]]]) -> int:
        rates: dict[str, list[float]] = {name: [] for name in calls}
        times: dict[str, list[float]] = {name: [] for name in calls}
        router = self.processes[-1].pid  # the last one that was started
        spent, asked = 0.0, 0
        for call in calls.values():  # warm up
            self.load(*call, "--connections", str(CONNECTIONS), "--seconds", "1")
        for _ in range(ROUNDS):
            for name, call in calls.items():
                words = ("--connections", str(CONNECTIONS), "--seconds", str(SECONDS))
                before = cpu_seconds(router)
                result = self.load(*call, *words)
                rates[name].append(result["per_second"])
                if name == "router":
                    spent += cpu_seconds(router) - before
                    asked += result["requests"]
            for name, call in calls.items():
                times[name].append(self.load(*call, "--connections", "1", "--count", "200")["median_ms"])
        for name in calls:
            print(f"{name}: {best(rates[name]):.0f} requests/s with {CONNECTIONS} connections, ", end="")
            print(f"{quick(times[name]):.2f} ms with one")
        print(f"router: {spent / asked * 1e6:.0f} microseconds of CPU for each request")
        print(f"router: median added latency {quick(times['router']) - quick(times['bare']):.2f} ms")
        ratio("router / the same server asked directly, throughput", rates["router"], rates["direct"], None)
        kept = ratio("router / bare server, throughput", rates["router"], rates["bare"], 0.9)
        peer = ratio("router / mlflow models serve, throughput", rates["router"], rates["mlflow"], 1.0)
        return int(not (kept and peer))

    def load(self, url: str, body: str, header: list[str], *words: str) -> dict[str, Any]:
        command = [sys.executable, LOAD, url, "--body", self.folder / body, *header, *words]
        result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert not result["failed"], result["statuses"]
        return dict(result)

    def environment(self, name: str, *packages: str) -> Path:
        """A virtual environment; its Python."""
        python = self.folder / name / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", self.folder / name], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        return python

    def scoring(self, python: Path, **environ: str) -> str:
        port = free_port()
        words = ["--entry_script", "score.py", "--model_dir", str(self.folder), "--port", str(port)]
        return self.start([python, "-m", "azureml_inference_server_http", *words], port, "/", **environ)

    def mlflow(self, python: Path) -> str:
        port = free_port()
        words = ["models", "serve", "-m", "model", "-p", str(port), "--env-manager", "local", "--workers", "1"]
        return self.start([python, "-m", "mlflow", *words], port, "/ping")

    def router(self, replica: str) -> tuple[str, str]:
        """The router's address and the header with its key."""
        folder, keys, port = self.folder / "endpoint", new_keys(), free_port()
        folder.mkdir(mode=0o700, exist_ok=True)
        save_keys(folder, keys)
        blue = Deployment("blue", (replica,), 100, max_concurrent_requests_per_instance=CONNECTIONS)
        save_routes(folder, Routes(endpoint="bench", port=port, deployments=(blue,)))
        address = self.start([sys.executable, "-m", "mlctl.serving.router", folder], port, "/")
        assert load_state(folder) is not None
        return address, f"Authorization: Bearer {keys.primary}"

    def start(self, command: list[Any], port: int, probe: str, **more: str) -> str:
        """Start a server and wait until it answers its probe; its address."""
        environ = {**os.environ, **more, "PATH": f"{Path(command[0]).parent}:{os.environ['PATH']}"}
        with (self.folder / f"{port}.log").open("wb") as log:
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env=environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        address = f"http://127.0.0.1:{port}"
        for _ in range(1200):
            assert process.poll() is None, (self.folder / f"{port}.log").read_text()[-2000:]
            try:
                urlopen(address + probe, timeout=5).close()
            except (URLError, OSError):
                time.sleep(0.05)
            else:
                return address
        raise TimeoutError(address)

    def close(self) -> None:
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def ratio(what: str, ours: list[float], theirs: list[float], target: float | None) -> bool:
    """Print how two throughputs compare."""
    found = best(ours) / best(theirs)
    print(f"{what}: {found:.2f}" + (f" (target >= {target})" if target else ""), flush=True)
    return target is None or found >= target


def cpu_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def best(rates: list[float]) -> float:
    """The upper quartile: other work on the machine is in the lower ones."""
    return statistics.quantiles(rates, n=4)[2]


def quick(times: list[float]) -> float:
    """The lower quartile of times, for the same reason."""
    return statistics.quantiles(times, n=4)[0]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main(folder: Path) -> int:
    bench = Bench(folder)
    try:
        return bench.run()
    finally:
        bench.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
