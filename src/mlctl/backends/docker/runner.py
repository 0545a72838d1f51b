"""Runs the launches of one job as containers: one container per rank, all on one engine of this machine."""

from __future__ import annotations

import os
import pwd
import queue
import shutil
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from mlctl.backends.docker.client import Engine, open_engine
from mlctl.backends.docker.container import (
    STOP_COMMAND,
    Surroundings,
    container_name,
    container_request,
    job_labels,
    read_record,
    record_file,
)
from mlctl.backends.docker.image import ImageMaker
from mlctl.backends.docker.refusals import explain_start
from mlctl.backends.docker.watch import Watch
from mlctl.backends.supervised.runner import Exit, Launch, Run, Usage
from mlctl.errors import AuthError, ConflictError, MlctlError, NotFoundError, UnavailableError
from mlctl.images.making import proxies

_LOG_PLACE = "the build log is above; it is kept in azureml-logs/20_image_build_log.txt"
_OWN_FOLDERS = ("home", "tmp", "containers")


@dataclass(frozen=True, slots=True)
class EngineKind:
    """What of an engine decides how containers are made: how users map, security labels, whether it gives GPUs."""

    rootless: bool
    remapped: bool
    selinux: bool
    gpus: bool

    @property
    def user(self) -> str:
        """Owner of what a job writes: the caller. A rootless engine maps its root to the caller."""
        return "0:0" if self.rootless else f"{os.getuid()}:{os.getgid()}"

    @property
    def host_config(self) -> dict[str, Any]:
        """Keys of the request that this kind of engine needs."""
        host: dict[str, Any] = {}
        if self.remapped and not self.rootless:
            host["UsernsMode"] = "host"
        if self.selinux:
            # the job's folders are not labelled for containers, and relabelling the user's data is not ours to do
            host["SecurityOpt"] = ["label=disable"]
        return host


def kind_of(info: dict[str, Any]) -> EngineKind:
    """What `Engine.info` tells. GPUs count only when the machine has the driver's device, else no start would work."""
    security = " ".join(info.get("SecurityOptions") or [])
    return EngineKind(
        rootless="name=rootless" in security,
        remapped="name=userns" in security,
        selinux="name=selinux" in security,
        gpus="nvidia" in (info.get("Runtimes") or {}) and Path("/dev/nvidiactl").exists(),
    )


class DockerRunner:
    """The containers of one job. See `supervised.runner.Runner`; used from one thread."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._settings = run.settings
        self._payload = run.payload
        self._folder = str(run.payload["folder"])
        self._engine: Engine | None = None
        self._kind = EngineKind(rootless=False, remapped=False, selinux=False, gpus=False)
        self._image: dict[str, Any] = {}
        self._containers: dict[int, str] = {}
        self._ended: queue.SimpleQueue[Exit] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._stopping = threading.Event()
        self._running: set[int] = set()
        self._seen_memory: dict[int, int] = {}
        self._seen_cpu: dict[int, int] = {}

    def prepare(self, log: BinaryIO) -> None:
        """See `Runner`."""
        engine = self._connected()
        wanted = self._payload["docker"]
        self._kind = kind_of(engine.info())
        maker = ImageMaker(engine, self._settings, self._run.cache, log, log_place=_LOG_PLACE)
        made = maker.ensure(wanted, wanted["options"]["platform"])
        self._run.keep_image(made)
        name = made.image
        self._image = engine.image(name) or {}
        self._payload = {**self._payload, "docker": {**wanted, "image": name}}
        self._make_folders()

    def has_program(self, name: str) -> bool:
        """See `Runner`. Asks a container of the image, which is removed at once."""
        engine = self._connected()
        request = {
            "Image": self._payload["docker"]["image"],
            "Entrypoint": ["/bin/sh"],
            "Cmd": ["-c", 'command -v "$1" >/dev/null 2>&1', "mlctl", name],
            "Labels": job_labels(self._run.name, self._folder),
            "HostConfig": {"NetworkMode": "none"},
        }
        container = ""
        try:
            container = engine.create(request, name=container_name(self._run.name, self._folder, -1))
            engine.start(container)
            return engine.wait(container) == 0
        except (UnavailableError, NotFoundError) as error:
            raise self._start_error(error) from error
        finally:
            if container:
                engine.remove(container)

    def start(self, launch: Launch) -> None:
        """See `Runner`. The first launch brings network and shared memory, the others join it."""
        engine = self._connected()
        request = container_request(self._run.name, self._payload, launch, self._surroundings(launch))
        self._make_mount_points(launch)
        name = container_name(self._run.name, self._folder, launch.rank)
        platform = self._payload["docker"]["options"]["platform"]
        try:
            try:
                container = engine.create(request, name=name, platform=platform)
            except ConflictError:
                # left over from a supervisor that died; the name is this job's own
                engine.remove(name)
                container = engine.create(request, name=name, platform=platform)
            self._containers[launch.rank] = container
            engine.start(container)
        except (UnavailableError, NotFoundError, AuthError, ConflictError) as error:
            raise self._start_error(error) from error
        self._running.add(launch.rank)
        watch = Watch(
            engine=engine,
            container=container,
            rank=launch.rank,
            record=Path(record_file(self._folder, launch.rank)),
            patience=_or(self._settings.number("docker.reconnect_seconds"), 30.0),
            closing=self._closing,
            stopping=self._stopping,
        )
        threading.Thread(target=self._watch, args=(watch,), daemon=True, name=f"watch-{launch.rank}").start()

    def collect(self) -> list[Exit]:
        """See `Runner`."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._ended.get_nowait())
        self._running -= {ended.rank for ended in found}
        return found

    def stop(self, *, hard: bool) -> None:
        """See `Runner`. An engine that is gone cannot be told; the watches then end by themselves."""
        self._stopping.set()
        if hard:
            self._sample()
        for rank in sorted(self._running):
            try:
                self._signal(self._containers[rank], hard=hard)
            except MlctlError as error:
                _note(f"container of rank {rank}: {error.message}")

    def usage(self) -> Usage:
        """See `Runner`. Memory is the largest use of any one container, file cache included; CPU is the sum."""
        self._sample()
        memory, cpu = dict(self._seen_memory), dict(self._seen_cpu)
        for rank in self._containers:
            record = read_record(_text(Path(record_file(self._folder, rank))))
            if "peak_bytes" in record:
                memory[rank] = record["peak_bytes"]
            if "cpu_nanoseconds" in record:
                cpu[rank] = record["cpu_nanoseconds"]
        return Usage(max(memory.values(), default=None), sum(cpu.values()) / 1e9 if cpu else None)

    def close(self) -> None:
        """See `Runner`. Also what `start` left when it failed half way."""
        self._closing.set()
        if self._engine is not None:
            try:
                remove_containers(self._engine, self._run.name, self._folder)
            except MlctlError as error:
                _note(f"containers are left behind: {error.message}")
            self._engine.close()
        remove_folders(self._folder)

    def _connected(self) -> Engine:
        if self._engine is None:
            self._engine = open_engine(self._settings, self._payload["docker"]["host"])
        return self._engine

    def _watch(self, watch: Watch) -> None:
        self._ended.put(watch.wait())
        self._run.wakeup.set()

    def _signal(self, container: str, *, hard: bool) -> None:
        engine = self._connected()
        try:
            if hard:
                engine.kill(container, "KILL")
                return
            try:
                engine.execute(container, STOP_COMMAND)
            except UnavailableError:
                engine.kill(container, "TERM")
        except (ConflictError, NotFoundError):
            return  # it has ended in the meantime

    def _sample(self) -> None:
        """Remember what running containers use now: a killed one leaves no record."""
        if self._engine is None:
            return
        for rank in self._running:
            with suppress(MlctlError):
                stats = self._engine.stats(self._containers[rank])
                memory = stats.get("memory_stats") or {}
                peak = int(memory.get("max_usage") or memory.get("usage") or 0)
                cpu = int(((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0)
                if peak:
                    self._seen_memory[rank] = max(peak, self._seen_memory.get(rank, 0))
                if cpu:
                    self._seen_cpu[rank] = max(cpu, self._seen_cpu.get(rank, 0))

    def _surroundings(self, launch: Launch) -> Surroundings:
        first = min(self._containers, default=None)
        bundle = self._settings.text("docker.ca_bundle")
        return Surroundings(
            image=self._image,
            user=self._kind.user,
            login=_login(),
            # an engine that runs as root would otherwise drop the caller's further groups, and with them shared data
            groups=() if self._kind.rootless or os.getuid() == 0 else os.getgroups(),
            mounts=[*self._run.facts.get("mounts", []), *_tracking_mounts(launch)],
            proxies=proxies(self._settings),
            ca_bundle=os.path.realpath(bundle) if bundle else None,
            network=self._settings.text("docker.network"),
            joined=self._containers[first] if first is not None and first != launch.rank else None,
            gpus=self._kind.gpus,
            host=self._kind.host_config,
        )

    def _make_folders(self) -> None:
        for name in _OWN_FOLDERS:
            Path(self._folder, name).mkdir(parents=True, exist_ok=True)
        Path(self._folder, "tmp").chmod(0o1777)
        if self._payload["docker"]["options"]["config"].get("User"):
            # docker_args --user: somebody else than the owner of these folders has to write in them
            for found in (Path(self._folder), *Path(self._folder).rglob("*")):
                if found.is_dir() and not found.is_symlink():
                    found.chmod(0o777)

    def _make_mount_points(self, launch: Launch) -> None:
        """Places of mounts inside the job's folder; the engine would make them as root."""
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        launch.log.touch()
        if self._payload["docker"]["options"]["config"].get("User"):
            launch.log.chmod(0o666)
        for mount in self._run.facts.get("mounts", []):
            target = Path(mount["target"])
            if not target.is_relative_to(self._folder) or target.exists():
                continue
            if Path(mount["source"]).is_dir():
                target.mkdir(parents=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()

    def _start_error(self, error: MlctlError) -> MlctlError:
        text = error.details.get("text")
        return explain_start(self._payload["docker"]["image"], str(text)) if text else error


def remove_containers(engine: Engine, job: str, folder: str) -> None:
    """Kill and remove every container of a job, whoever started it. Raises EngineGoneError."""
    for container in engine.containers(job_labels(job, folder)):
        engine.remove(container)


def remove_folders(folder: str) -> None:
    """Remove the folders that a job's containers needed and nobody needs after them."""
    for name in _OWN_FOLDERS:
        shutil.rmtree(Path(folder, name), ignore_errors=True)


def _tracking_mounts(launch: Launch) -> list[dict[str, Any]]:
    """The workspace's MLflow store at the path that the job's variables name, when it is a folder of this machine."""
    parts = urlsplit(launch.variables.get("MLFLOW_TRACKING_URI", ""))
    path = unquote(parts.path)
    if parts.scheme != "file" or not Path(path).is_dir():
        return []
    return [{"source": path, "target": path, "read_only": False}]


def _login() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _note(text: str) -> None:
    """A line in the supervisor's log, which is its stderr."""
    sys.stderr.write(f"{text}\n")
