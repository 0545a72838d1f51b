"""What assets cost: `python tests/bench/assets.py PYTHON [GIGABYTES]`, with an interpreter that has mlctl.

A folder asset is created, and created again: bytes read and written, memory, time. Then names with 10 and with 10,000
versions: what `list` and `show` take. Prints one line for each figure and fails on a missed target.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FILES = 20
ROUNDS = 15
MEMORY = 200 * 1024**2
RATIO = 1.3
_TOLD = """
import atexit, resource, sys
def tell():
    facts = dict(line.split(": ") for line in open("/proc/self/io").read().splitlines())
    print(facts["rchar"], facts["wchar"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
atexit.register(tell)
from mlctl.cli import main
sys.exit(main())
"""
_FILL = """
import sys
from pathlib import Path
from mlctl.entities.asset import Asset
from mlctl.entities.clock import Clock
from mlctl.store.workspaces import Workspaces
store = Workspaces(Path(sys.argv[1]), Clock()).open("default")
for number in range(int(sys.argv[2])):
    store.assets.add(Asset("model", "net", "", type="custom_model", path="azureml://datastores/x/paths/y",
                           fingerprint=str(number), created_at=1.0 + number))
"""


def main(python: str, gigabytes: float) -> int:
    folder = Path(tempfile.mkdtemp(prefix="mlctl-assets-"))
    try:
        return int(not all([*transfers(python, folder, gigabytes), *ratios(python, folder)]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def transfers(python: str, folder: Path, gigabytes: float) -> list[bool]:
    """One read for each file, bounded memory, and nothing at all the second time."""
    data = folder / "data"
    data.mkdir()
    size = int(gigabytes * 1e9 / FILES)
    for number in range(FILES):
        with (data / str(number)).open("wb") as file:
            for start in range(0, size, 1024**2):
                file.write(os.urandom(min(1024**2, size - start)))
    time.sleep(3)  # or the files are too young to be known by their time stamps
    environ = {**os.environ, "MLCTL_HOME": str(folder / "home")}
    call = [python, "-c", _TOLD, "data", "create", "-n", "large", "--path", str(data), "--type", "uri_folder"]
    bare = subprocess.run(
        [python, "-c", _TOLD, "data", "list"], env=environ, capture_output=True, text=True, check=True
    )
    idle = int(bare.stderr.split()[-3])
    figures = []
    for turn, most in (("first", size * FILES), ("second", 0)):
        began = time.perf_counter()
        done = subprocess.run(call, env=environ, capture_output=True, text=True, check=True)
        took = time.perf_counter() - began
        read, written, memory = map(int, done.stderr.split()[-3:])
        share = (read - idle) / (size * FILES)
        moved = f"{share:.3f} reads and {written / size / FILES:.3f} writes of each byte"
        print(f"{turn} create of {gigabytes:g} GB: {took:.1f} s, {moved}, {memory / 1e6:.0f} MB of memory")
        figures.append(memory < MEMORY and read - idle < most + 20e6 and written < most + 20e6)
    return figures


def ratios(python: str, folder: Path) -> list[bool]:
    """`list` and `show` among many versions, in CPU time, measured in turns."""
    homes = {count: folder / f"home-{count}" for count in (10, 10_000)}
    for count, home in homes.items():
        subprocess.run([python, "-c", _FILL, home, str(count)], check=True)
    figures = []
    for words in ("model list", "model list -n net --max-results 10", "model show -n net --label latest"):
        times: dict[int, list[float]] = {count: [] for count in homes}
        for _ in range(ROUNDS):
            for count, home in homes.items():
                times[count].append(cpu_time([python, "-m", "mlctl", *words.split()], home))
        few, many = (statistics.quantiles(times[count], n=4)[0] for count in homes)
        print(f"{words}: 10,000 versions / 10 versions: {many / few:.2f} (at most {RATIO})")
        figures.append(many / few <= RATIO)
    return figures


def cpu_time(command: list[str], home: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done: Any = subprocess.run(
        command,
        env={**os.environ, "MLCTL_HOME": str(home)},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    json.loads(done.stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0))
