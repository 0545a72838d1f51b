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
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mlctl.backends.served.generations import Generation, end_preparation, prepare, watch_of
from mlctl.backends.served.keeping import WAKE, end_leftovers
from mlctl.backends.served.layout import EndpointFolder, read_json, write_json
from mlctl.backends.served.logs import logs_of
from mlctl.backends.served.replicas import (
    READY,
    STARTING,
    STOPPING,
    Replica,
    adopt_replica,
    probe,
    start_replica,
)
from mlctl.backends.served.routing import Router, routes_of
from mlctl.backends.served.verdicts import ended_at_start, not_ready
from mlctl.backends.supervised.processes import ENDPOINT_MARK, identify
from mlctl.entities.endpoint import FAILED, SUCCEEDED, Deployment, Endpoint
from mlctl.errors import MlctlError, NotFoundError
from mlctl.settings import Settings
from mlctl.storage.hidden_texts import reveal
from mlctl.store.workspaces import WorkspaceStore

_TICK = 0.1
_CALM = 0.5
_AGAIN = 1.0
_ATTEMPTS = 3
"""How often a replica of a new generation may end before it is given up."""

_BACKOFF = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
_GRACE = 10.0
"""Seconds that a replica has to end after SIGTERM."""


def is_settled(deployment: Deployment) -> bool:
    """Whether nothing more is to come of what was last wanted of a deployment."""
    return deployment.provisioning_state in (SUCCEEDED, FAILED)


class Keeper:
    """Keeps one endpoint. `cwd`: where settings are looked for."""

    def __init__(self, store: WorkspaceStore, settings: Settings, name: str, cwd: str) -> None:
        self._store, self._name, self._cwd = store, name, cwd
        self._folder = EndpointFolder(store.folder / "endpoints" / name)
        self._generations: dict[tuple[str, int], Generation] = {}
        self._replicas: list[Replica] = []
        self._probing: dict[tuple[str, int, int], asyncio.Task[None]] = {}
        self._router = Router(self._folder)
        self._logs = logs_of(self._folder.root, settings)
        self._ending = False
        self._woken = asyncio.Event()
        self._mark = {ENDPOINT_MARK: str(self._folder.root)}
        self._kept: dict[str, Any] = {}

    async def run(self) -> None:
        """Until the endpoint is gone or stopped, or this process is told to end (SIGTERM); then all is stopped."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        for number in (WAKE, signal.SIGCHLD):
            loop.add_signal_handler(number, self._woken.set)
        self._adopt()
        while not self._ending:
            try:
                endpoint, wanted = self._wanted()
                if endpoint.stopped:
                    break
                self._reconcile(endpoint, wanted)
            except NotFoundError:
                break
            except (OSError, MlctlError) as error:
                # a full disk, a locked database: what runs goes on, and so does this
                self._say(f"{error}; tried again")
                wanted = {}
                await asyncio.sleep(_AGAIN)
            if not self._folder.lock.exists():
                break  # somebody removed the workspace
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _CALM if wanted and self._is_calm(wanted) else _TICK)
            self._woken.clear()
        await self._stop_all()

    def _end(self) -> None:
        self._ending = True
        self._woken.set()

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
        self._probe()
        # before anything is stopped: the router must have left a replica when it ends
        self._router.route(routes_of(endpoint, self._active(wanted), self._folder))
        self._router.look_after(now=time.monotonic())
        self._announce(wanted)
        self._retire(wanted)
        self._keep_state()
        self._logs.look_after(now=time.monotonic())

    def _advance(self, deployment: Deployment, number: int) -> None:
        """Prepare a generation, then keep as many replicas of it running as are wanted."""
        generation = self._generation(deployment, number)
        if generation is None or generation.failed:
            return
        if not generation.prepared:
            words = [str(self._store.folder), self._name, generation.deployment, str(generation.number), self._cwd]
            folder = self._folder.generation(generation.deployment, generation.number)
            if (error := prepare(generation, folder, words, self._mark)) is not None:
                self._fail(generation, error)
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

    def _generation(self, deployment: Deployment, number: int) -> Generation | None:
        name, key = deployment.name, (deployment.name, number)
        # an earlier keeper may have given it up
        given_up = deployment.provisioning_state == FAILED and number == deployment.generation
        if key not in self._generations:
            try:
                plan = self._store.endpoints.plan(self._name, name, number)
            except NotFoundError:
                return None
            self._generations[key] = Generation(name, number, plan, watch_of(plan), failed=given_up)
        return self._generations[key]

    def _start(self, generation: Generation, index: int, now: float) -> None:
        folder = self._folder.generation(generation.deployment, generation.number)
        launch = reveal(json.loads(folder.launch.read_bytes()), self._store.secrets)
        try:
            words = (launch, generation.deployment, generation.number, index, folder.replica_log(index))
            taken = [port for one in self._replicas for port in (one.port, *one.further.values())]
            self._replicas.append(start_replica(*words, now=now, mark=self._mark, taken=taken))
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
                continue
            is_ready = sum(one.state == READY for one in mine) >= int(generation.plan["instances"])
            changes: dict[str, Any] = {"active": deployment.generation, "error": None}
            if is_ready and self._store.endpoints.update_deployment(deployment, **changes):
                wanted[deployment.name] = replace(deployment, **changes)
                generation.deaths = 0
                self._say(f"{deployment.name} generation {deployment.generation} answers")

    def _announce(self, wanted: dict[str, Deployment]) -> None:
        """A generation that took over has succeeded once the router sends requests to it, and not before."""
        if not self._router.is_told():
            return
        answering = {one.key[:2] for one in self._replicas if one.state == READY}
        for deployment in wanted.values():
            took_over = deployment.active == deployment.generation and (deployment.name, deployment.active) in answering
            if not took_over or is_settled(deployment):
                continue
            if self._store.endpoints.update_deployment(deployment, provisioning_state=SUCCEEDED):
                wanted[deployment.name] = replace(deployment, provisioning_state=SUCCEEDED)

    def _is_active(self, generation: Generation) -> bool:
        found = self._store.endpoints.find_deployment(self._name, generation.deployment)
        return found is not None and found.active == generation.number

    def _fail(self, generation: Generation, error: dict[str, Any]) -> None:
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
                preparing = end_preparation(generation)
                if not preparing and not any(one.key[:2] == key for one in self._replicas):
                    del self._generations[key]
                    self._folder.remove_generation(*key)

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
        return all(is_settled(found) for found in wanted.values()) and all(one.state == READY for one in self._replicas)

    def _adopt(self) -> None:
        known = read_json(self._folder.state) or {}
        for facts in known.get("replicas", ()):
            log = self._folder.generation(facts["deployment"], facts["generation"]).replica_log(facts["index"])
            found = adopt_replica(facts, log, now=time.monotonic())
            if found is not None:
                self._replicas.append(found)
        self._router.adopt(known.get("router"))
        self._remove_strangers()

    def _remove_strangers(self) -> None:
        """Folders of deployments that were deleted while there was no keeper."""
        wanted = {found.name: found for found in self._store.endpoints.deployments(self._name)}
        for name, number in self._folder.generations():
            found = wanted.get(name)
            is_used = any(one.key[:2] == (name, number) for one in self._replicas)
            if not is_used and (found is None or number not in (found.generation, found.active)):
                self._folder.remove_generation(name, number)

    def _keep_state(self) -> None:
        state = {
            "replicas": [one.describe() for one in self._replicas],
            "router": self._router.describe(),
            "preparations": [
                {"pid": found.pid, "started": found.started}
                for one in self._generations.values()
                if one.preparation is not None and (found := identify(one.preparation.pid)) is not None
            ],
        }
        if state != self._kept:
            write_json(self._folder.state, state)
            self._kept = state

    async def _stop_all(self) -> None:
        """The router first: it finishes its requests while the replicas still answer."""
        await self._router.stop()
        for generation in self._generations.values():
            end_preparation(generation)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for one in self._replicas:
                one.signal(number)
            give_up = time.monotonic() + _GRACE
            while any(one.is_running for one in self._replicas) and time.monotonic() < give_up:
                await asyncio.sleep(_TICK)
        with suppress(OSError, MlctlError):
            end_leftovers(self._folder)

    def _say(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        sys.stderr.write(f"{stamp} {text}\n")
        sys.stderr.flush()
