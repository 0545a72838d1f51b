"""Ratios of what users wait for: `python tests/bench/bench.py FOLDER_WITH_WHEEL`.

Every figure is a ratio of lower quartiles measured in turns within this run, on a wheel installed without extras and
with compiled bytecode, so that machines and moments can be compared. Prints one line for each figure and fails on a
missed target.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROUNDS = 25
JOB = "command: 'true'\nenvironment:\n  image: python:3.11\n"


def main(wheels: Path) -> int:
    folder = Path(tempfile.mkdtemp(prefix="mlctl-bench-"))
    try:
        return Bench(folder, next(wheels.glob("*.whl"))).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Bench:
    """One installation, one home, a few measurements."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self.environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
        self.environ["MLCTL_HOME"] = str(folder / "home")
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.python = folder / "venv/bin/python"
        subprocess.run([self.python, "-m", "pip", "install", "-q", wheel], check=True)
        subprocess.run([self.python, "-m", "compileall", "-q", folder / "venv/lib"], check=False)
        self.mlctl = [str(folder / "venv/bin/mlctl")]
        (folder / "job.yml").write_text(JOB)

    def run(self) -> int:
        bare = self.timed([str(self.python), "-c", "import typer"])
        help_ = self.timed([*self.mlctl, "--help"])
        figures = [self.ratio("mlctl --help / import typer", help_, bare, 1.15)]
        self.call("job", "create", "-f", str(self.folder / "job.yml"), "--name", "first", "--stream", "-o", "none")
        create = self.timed([*self.mlctl, "job", "create", "-f", str(self.folder / "job.yml"), "-o", "none"])
        figures.append(self.ratio("mlctl job create / mlctl --help", create, help_, 3.0))
        few, many = self.filled("few", 10), self.filled("many", 100_000)
        figures.append(self.ratio("job list: 100,000 jobs / 10 jobs", self.listed(many), self.listed(few), 1.3))
        figures.append(self.overhead())
        return int(not all(figures))

    def timed(self, command: list[str]) -> Callable[[], float]:
        """A measurement of one call, in seconds of CPU time: what waits for other work on the machine is not in it."""

        def once() -> float:
            child = subprocess.Popen(command, env=self.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            assert child.returncode == 0, command
            return used.ru_utime + used.ru_stime

        return once

    def ratio(self, what: str, ours: Callable[[], float], theirs: Callable[[], float], target: float) -> bool:
        """Measure both in turns and print the ratio of the lower quartiles."""
        ours(), theirs()
        pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
        # the lower quartile: what other work on the machine adds is in the upper ones
        mine, other = (statistics.quantiles(column, n=4)[0] for column in zip(*pairs, strict=True))
        found = mine / other
        print(f"{what}: {found:.2f} (target <= {target}; {mine * 1000:.0f} ms / {other * 1000:.0f} ms)", flush=True)
        return found <= target

    def filled(self, workspace: str, count: int) -> str:
        """A workspace with that many finished jobs: one real job's row, copied."""
        self.call("workspace", "create", "--name", workspace, "-o", "none")
        spec = str(self.folder / "job.yml")
        self.call("job", "create", "-f", spec, "-w", workspace, "--name", "seed", "--stream", "-o", "none")
        database = sqlite3.connect(self.folder / "home/workspaces" / workspace / "mlctl.db")
        names = [row[1] for row in database.execute("PRAGMA table_info(jobs)") if row[1] not in ("sequence", "name")]
        columns = ", ".join(names)
        with database:
            database.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
                f"INSERT INTO jobs (name, {columns}) "
                f"SELECT 'job_' || n.i, {columns} FROM n, jobs WHERE jobs.name = 'seed'"
            )
        database.close()
        return workspace

    def listed(self, workspace: str) -> Callable[[], float]:
        return self.timed([*self.mlctl, "job", "list", "-w", workspace])

    def overhead(self, count: int = 10) -> bool:
        """CPU time of everything that one job costs beside its command `true`, the submit itself left out."""
        self.call("workspace", "create", "--name", "cpu-time", "-o", "none")
        create = [*self.mlctl, "job", "create", "-w", "cpu-time", "-f", str(self.folder / "job.yml"), "-o", "none"]
        used = []
        for _ in range(count):
            script = (
                "import ctypes, os, resource, subprocess\n"
                "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"  # the detached supervisor comes to this process
                f"subprocess.run({create!r}, check=True)\n"
                "submit = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
                "while True:\n"
                "    try: os.wait()\n"
                "    except ChildProcessError: break\n"
                "total = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
                "print(total.ru_utime + total.ru_stime - submit.ru_utime - submit.ru_stime)\n"
            )
            answer = subprocess.run(
                [self.python, "-c", script], env=self.environ, check=True, capture_output=True, text=True
            )
            used.append(float(answer.stdout.split()[-1]))
        found = statistics.median(used)
        print(f"CPU per job beside its command: {found * 1000:.0f} ms (target <= 150 ms)", flush=True)
        return found <= 0.150

    def call(self, *words: str) -> None:
        subprocess.run([*self.mlctl, *words], env=self.environ, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
