"""`mlctl validate` beside azure-ai-ml: `python tests/bench/validation.py MLCTL REFERENCE [SPECS]`.

MLCTL and REFERENCE are the interpreters of two virtual environments, one with mlctl, one with azure-ai-ml. SPECS is a
folder of Azure ML specs; without it, the repository's own. Both check the same files on the same machine in turns, in
CPU time; the last figures are wall time. Prints one line for each figure and fails on a missed target.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROUNDS = 3
MANY = 10_000

REFERENCE = """
import json, logging, sys, warnings
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
import azure.ai.ml as ml
for loader, path in json.load(open(sys.argv[1])):
    try:
        getattr(ml, loader)(path)
    except BaseException:
        pass
"""
LOADERS = {
    "job": "load_job", "component": "load_component", "environment": "load_environment", "model": "load_model",
    "data": "load_data", "datastore": "load_datastore", "compute": "load_compute", "schedule": "load_schedule",
    "online-endpoint": "load_online_endpoint", "online-deployment": "load_online_deployment",
    "batch-endpoint": "load_batch_endpoint", "batch-deployment": "load_batch_deployment",
    "workspace": "load_workspace", "registry": "load_registry", "connection": "load_connection",
    "serverless-endpoint": "load_serverless_endpoint",
}  # fmt: skip


def main(mlctl: str, reference: str, specs: str) -> int:
    folder = Path(tempfile.mkdtemp(prefix="mlctl-bench-"))
    try:
        return Bench(folder, mlctl, reference, Path(specs)).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Bench:
    """Two interpreters, one folder of specs."""

    def __init__(self, folder: Path, mlctl: str, reference: str, specs: Path) -> None:
        self.folder = folder
        self.specs = specs
        self.environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
        self.environ["MLCTL_HOME"] = str(folder / "home")
        self.mlctl = [str(Path(mlctl).with_name("mlctl")), "validate", "--only-show-errors"]
        self.reference = [reference, "-c", REFERENCE]
        for python in (mlctl, reference):
            subprocess.run([python, "-m", "compileall", "-q", Path(python).parents[1] / "lib"], check=False)

    def run(self) -> int:
        files = self.checked()
        print(f"{len(files)} specs in {self.specs.name}/")
        figures = []
        for kind in ("commandJob", "pipelineJob"):
            single = next((loader, file) for loader, file in files if self.kinds[file] == kind)
            theirs = [*self.reference, self.listed(kind, [single])]
            figures.append(self.faster(f"one {kind}, whole process", [*self.mlctl, single[1]], theirs, 10))
        every = [*self.reference, self.listed("all", files)]
        figures.append(self.faster("all files", [*self.mlctl, "-j", "1", str(self.specs)], every, 20))
        few, many = self.copies(files, MANY // 10), self.copies(files, MANY)
        small, large = (self.used([*self.mlctl, "-j", "1", str(place)]) for place in (few, many))
        figures.append(_line(f"CPU per file, {MANY} files / {MANY // 10} files", large / small / 10, at_most=1.2))
        alone, both = (self.waited([*self.mlctl, "-j", str(jobs), str(many)]) for jobs in (1, 2))
        figures.append(_line(f"{MANY} files, wall time with -j 2 / -j 1", both / alone, at_most=0.7))
        return int(not all(figures))

    def checked(self) -> list[tuple[str, str]]:
        """Every file that both can check, with the loader of azure-ai-ml."""
        done = subprocess.run(
            [*self.mlctl, "-o", "json", self.specs], env=self.environ, capture_output=True, check=False
        )
        report: dict[str, Any] = json.loads(done.stdout)
        kinds = subprocess.run([self.mlctl[0], "schema", "list"], env=self.environ, capture_output=True, check=True)
        families = {kind["name"]: kind["group"] for kind in json.loads(kinds.stdout)}
        self.kinds = {str(Path(file["file"]).absolute()): file["kind"] for file in report["files"]}
        return [
            (LOADERS[families[file["kind"]]], str(Path(file["file"]).absolute()))
            for file in report["files"]
            if file["kind"] and families[file["kind"]] in LOADERS
        ]

    def listed(self, name: str, files: list[tuple[str, str]]) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(files))
        return str(path)

    def copies(self, files: list[tuple[str, str]], count: int) -> Path:
        """A folder with that many files: the specs' texts over and over, without what lies beside them."""
        target = self.folder / f"copies-{count}"
        for number in range(count):
            place = target / f"{number // 100:04}"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(files[number % len(files)][1], place / f"{number:05}.yml")
        return target

    def faster(self, what: str, ours: list[str], theirs: list[str], target: float) -> bool:
        mine = min(self.used(ours) for _ in range(ROUNDS))
        other = min(self.used(theirs) for _ in range(ROUNDS))
        print(f"  mlctl {mine:.2f} s, azure-ai-ml {other:.2f} s of CPU time")
        return _line(f"{what}: times faster than azure-ai-ml", other / mine, at_least=target)

    def used(self, command: list[str]) -> float:
        child = subprocess.Popen(command, env=self.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
        return used.ru_utime + used.ru_stime

    def waited(self, command: list[str]) -> float:
        started = time.monotonic()
        self.used(command)
        return time.monotonic() - started


def _line(what: str, found: float, *, at_least: float | None = None, at_most: float | None = None) -> bool:
    target = f">= {at_least}" if at_least is not None else f"<= {at_most}"
    print(f"{what}: {found:.2f} (target {target})", flush=True)
    return (at_least is None or found >= at_least) and (at_most is None or found <= at_most)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3], sys.argv[3] if len(sys.argv) > 3 else str(ROOT)))
