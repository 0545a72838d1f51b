"""The keeper: one detached process for each endpoint that makes what runs equal to what is wanted.

Wanted is what the workspace's tables say; it is looked at a few times a second. A new generation of a deployment gets
its processes beside the old one's, and takes over when all of them are ready; when it cannot be started, the old one
goes on and the deployment says why. Replicas that left the routes are stopped when their requests are done.

A keeper that dies takes nobody with it: router and replicas go on, and the next keeper takes them over.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from mlctl.backends.served.layout import EndpointFolder, read_json, write_json
from mlctl.backends.served.replicas import (
    READY,
    STARTING,
    STOPPING,
    Replica,
    Watch,
    adopt_replica,
    probe,
    start_replica,
)
from mlctl.backends.served.routing import Router, routes_of
from mlctl.backends.served.verdicts import ended_at_start, not_ready, preparation_failed
from mlctl.entities.endpoint import FAILED, SUCCEEDED, Deployment, Endpoint
from mlctl.entities.online_deployment import Probe
from mlctl.errors import MlctlError, NotFoundError
from mlctl.store.workspaces import WorkspaceStore

_TICK = 0.1
_CALM = 0.5
_ATTEMPTS = 3
"""How often a replica of a new generation may end before it is given up."""

_BACKOFF = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
_GRACE = 10.0
"""Seconds that a replica has to end after SIGTERM."""


@dataclass
class _Generation:
    """One generation of a deployment that is being prepared or runs."""

    deployment: str
    number: int
    plan: dict[str, Any]
    watch: Watch
    preparation: subprocess.Popen[bytes] | None = None
    prepared: bool = False
    deaths: int = 0
    start_again: float = 0.0
    failed: bool = False


class Keeper:
    """Keeps one endpoint. `cwd`: where settings are looked for by the preparation."""

    def __init__(self, store: WorkspaceStore, name: str, cwd: str) -> None:
        self._store, self._name, self._cwd = store, name, cwd
        self._folder = EndpointFolder(store.folder / "endpoints" / name)
        self._generations: dict[tuple[str, int], _Generation] = {}
        self._replicas: list[Replica] = []
        self._probing: dict[tuple[str, int, int], asyncio.Task[None]] = {}
        self._router = Router(self._folder)
        self._ending = False

    async def run(self) -> None:
        """Until the endpoint is gone or stopped, or this process is told to end (SIGTERM); then all is stopped."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        self._adopt()
        while True:
            try:
                endpoint, wanted = self._wanted()
            except NotFoundError:
                break
            if endpoint.stopped or self._ending:
                break
            self._reconcile(endpoint, wanted)
            await asyncio.sleep(_CALM if self._is_calm(wanted) else _TICK)
        await self._stop_all()

    def _end(self) -> None:
        self._ending = True

    def _wanted(self) -> tuple[Endpoint, dict[str, Deployment]]:
        endpoint = self._store.endpoints.get("online", self._name)
        return endpoint, {found.name: found for found in self._store.endpoints.deployments(self._name)}

    def _reconcile(self, endpoint: Endpoint, wanted: dict[str, Deployment]) -> None:
        """One step towards what is wanted. Never blocks."""
        self._collect()
        for deployment in wanted.values():
            for number in sorted({deployment.generation, deployment.active} - {0}):
                self._advance(deployment, number)
        self._judge(wanted)
        self._retire(wanted)
        self._probe()
        self._router.route(routes_of(endpoint, self._active(wanted), self._folder))
        self._router.look_after(now=time.monotonic())
        write_json(self._folder.state, self._state())

    def _advance(self, deployment: Deployment, number: int) -> None:
        """Prepare a generation, then keep as many replicas of it running as are wanted."""
        generation = self._generation(deployment, number)
        if generation is None or generation.failed:
            return
        if not generation.prepared:
            self._prepare(generation)
            return
        now = time.monotonic()
        mine = [one for one in self._replicas if one.key[:2] == (deployment.name, number) and one.state != STOPPING]
        running = {one.index for one in mine}
        for index in range(int(generation.plan["instances"])):
            if index not in running and now >= generation.start_again:
                self._start(generation, index, now)
        for one in mine:
            if one.index >= int(generation.plan["instances"]):
                self._stop(one)

    def _generation(self, deployment: Deployment, number: int) -> _Generation | None:
        name, key = deployment.name, (deployment.name, number)
        # an earlier keeper may have given it up
        given_up = deployment.provisioning_state == FAILED and number == deployment.generation
        if key not in self._generations:
            try:
                plan = self._store.endpoints.plan(self._name, name, number)
            except NotFoundError:
                return None
            self._generations[key] = _Generation(name, number, plan, _watch(plan), failed=given_up)
        return self._generations[key]

    def _prepare(self, generation: _Generation) -> None:
        """Build environment or image and lay out code and model, in a process of its own: it may take minutes."""
        folder = self._folder.generation(generation.deployment, generation.number)
        if folder.launch.exists():
            generation.prepared = True
            return
        if generation.preparation is None:
            folder.root.mkdir(parents=True, exist_ok=True)
            words = [str(self._store.folder), self._name, generation.deployment, str(generation.number), self._cwd]
            with folder.build_log.open("ab") as log:
                generation.preparation = subprocess.Popen(
                    [sys.executable, "-m", "mlctl.backends.served.prepare", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        elif generation.preparation.poll() is not None:
            generation.prepared = folder.launch.exists()
            if not generation.prepared:
                self._fail(generation, preparation_failed(folder, generation.preparation.returncode))
            generation.preparation = None

    def _start(self, generation: _Generation, index: int, now: float) -> None:
        folder = self._folder.generation(generation.deployment, generation.number)
        launch = json.loads(folder.launch.read_bytes())
        try:
            self._replicas.append(
                start_replica(
                    launch, generation.deployment, generation.number, index, folder.replica_log(index), now=now
                )
            )
        except OSError as error:
            self._fail(generation, {"code": "StartFailed", "message": f"cannot start a replica: {error}"})

    def _collect(self) -> None:
        """Notice replicas that ended; a generation that answered already gets new ones, ever more slowly."""
        for one in [one for one in self._replicas if not one.is_running]:
            self._replicas.remove(one)
            generation = self._generations.get(one.key[:2])
            if generation is None or (one.state == STOPPING and not one.said):
                continue
            generation.deaths += 1
            now = time.monotonic()
            if one.state == READY and now - one.started > 60:
                generation.deaths = 1
            generation.start_again = now + _BACKOFF[min(generation.deaths, len(_BACKOFF)) - 1]
            self._say(f"replica {one.deployment}/{one.index} ended ({one.said or one.exit_code})")
            if one.state == STARTING and generation.deaths >= _ATTEMPTS and not self._is_active(generation):
                self._fail(generation, ended_at_start(one))

    def _judge(self, wanted: dict[str, Deployment]) -> None:
        """A generation whose replicas are all ready takes over; one that took too long is given up."""
        now = time.monotonic()
        for deployment in wanted.values():
            generation = self._generations.get((deployment.name, deployment.generation))
            if generation is None or not generation.prepared or deployment.active == deployment.generation:
                continue
            mine = [one for one in self._replicas if one.key[:2] == (deployment.name, deployment.generation)]
            late = [one for one in mine if one.state == STARTING and now - one.started > generation.watch.budget]
            if late and not generation.failed:
                self._fail(generation, not_ready(late[0], generation.watch))
            elif sum(one.state == READY for one in mine) >= int(generation.plan["instances"]):
                changes: dict[str, Any] = {
                    "active": deployment.generation,
                    "provisioning_state": SUCCEEDED,
                    "error": None,
                }
                if self._store.endpoints.update_deployment(deployment, **changes):
                    wanted[deployment.name] = replace(deployment, **changes)
                    generation.deaths = 0
                    self._say(f"{deployment.name} generation {deployment.generation} answers")

    def _is_active(self, generation: _Generation) -> bool:
        found = self._store.endpoints.find_deployment(self._name, generation.deployment)
        return found is not None and found.active == generation.number

    def _fail(self, generation: _Generation, error: dict[str, Any]) -> None:
        """Give a generation up. What answered before goes on; the deployment says why."""
        generation.failed = True
        for one in self._replicas:
            if one.key[:2] == (generation.deployment, generation.number):
                self._stop(one)
        self._say(f"{generation.deployment} generation {generation.number} failed: {error['message']}")
        found = self._store.endpoints.find_deployment(self._name, generation.deployment)
        if found is not None and found.generation == generation.number:
            self._store.endpoints.update_deployment(found, provisioning_state=FAILED, error=error)

    def _retire(self, wanted: dict[str, Deployment]) -> None:
        """Stop the replicas of generations that nobody wants, once the router has had time to finish their requests."""
        now = time.monotonic()
        for one in self._replicas:
            found = wanted.get(one.deployment)
            if one.state != STOPPING and (found is None or one.generation not in (found.generation, found.active)):
                generation = self._generations.get(one.key[:2])
                drain = float(generation.plan["requests"]["request_timeout_ms"]) / 1000 if generation else 5.0
                one.state, one.stop_at, one.said = STOPPING, now + drain + 1, ""
            if one.state == STOPPING:
                self._stop(one)
        for key, generation in list(self._generations.items()):
            found = wanted.get(key[0])
            if found is None or key[1] not in (found.generation, found.active):
                if generation.preparation is not None and generation.preparation.poll() is None:
                    generation.preparation.terminate()
                if not any(one.key[:2] == key for one in self._replicas):
                    del self._generations[key]
                    self._remove_folder(key)

    def _stop(self, one: Replica) -> None:
        """SIGTERM when its time to finish is over, SIGKILL when it does not go."""
        now = time.monotonic()
        one.state = STOPPING
        if one.stop_at is not None and now < one.stop_at and not self._router.is_done_with(one.address):
            return
        if one.told is None:
            one.signal(signal.SIGTERM)
            one.told = now
        elif now > one.told + _GRACE:
            one.signal(signal.SIGKILL)

    def _probe(self) -> None:
        now = time.monotonic()
        for one in self._replicas:
            generation = self._generations.get(one.key[:2])
            task = self._probing.get(one.key)
            if generation is None or one.state == STOPPING or now < one.next_probe or (task and not task.done()):
                continue
            self._probing[one.key] = asyncio.get_running_loop().create_task(probe(one, generation.watch, now=now))

    def _active(self, wanted: dict[str, Deployment]) -> list[tuple[Deployment, dict[str, Any], list[str]]]:
        """Each deployment that answers, the plan of what answers, and the addresses."""
        found = []
        for deployment in wanted.values():
            generation = self._generations.get((deployment.name, deployment.active))
            if generation is not None:
                key = (deployment.name, deployment.active)
                ready = [one.address for one in self._replicas if one.key[:2] == key and one.state == READY]
                found.append((deployment, generation.plan, ready))
        return found

    def _is_calm(self, wanted: dict[str, Deployment]) -> bool:
        steady = all(found.active == found.generation or found.error for found in wanted.values())
        return steady and all(one.state == READY for one in self._replicas)

    def _adopt(self) -> None:
        known = read_json(self._folder.state) or {}
        for facts in known.get("replicas", ()):
            log = self._folder.generation(facts["deployment"], facts["generation"]).replica_log(facts["index"])
            found = adopt_replica(facts, log, now=time.monotonic())
            if found is not None:
                self._replicas.append(found)
        self._router.adopt(known.get("router"))

    def _state(self) -> dict[str, Any]:
        return {"replicas": [one.describe() for one in self._replicas], "router": self._router.describe()}

    async def _stop_all(self) -> None:
        """The router first: it finishes its requests while the replicas still answer."""
        await self._router.stop()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for one in self._replicas:
                one.signal(number)
            give_up = time.monotonic() + _GRACE
            while any(one.is_running for one in self._replicas) and time.monotonic() < give_up:
                await asyncio.sleep(_TICK)
        self._replicas = []
        with suppress(OSError, MlctlError):
            write_json(self._folder.state, self._state())

    def _remove_folder(self, key: tuple[str, int]) -> None:
        import shutil

        shutil.rmtree(self._folder.generation(*key).root, ignore_errors=True)

    def _say(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        sys.stderr.write(f"{stamp} {text}\n")
        sys.stderr.flush()


def _watch(plan: dict[str, Any]) -> Watch:
    readiness, liveness = Probe(**plan["readiness"]), Probe(**plan["liveness"])
    routes = plan["routes"]
    return Watch(
        readiness,
        liveness,
        routes.get("readiness", "/"),
        routes.get("liveness", "/"),
        budget=float(readiness.initial_delay + readiness.period * readiness.failure_threshold),
    )
