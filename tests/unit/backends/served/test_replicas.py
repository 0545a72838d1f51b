"""Probes of a replica, and what the last lines of its log say."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from mlctl.backends.served import replicas
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
from mlctl.backends.served.verdicts import ended_at_start, not_ready
from mlctl.backends.supervised.processes import current
from mlctl.entities.online_deployment import Probe


def replica(tmp_path: Path, **fields: object) -> Replica:
    return Replica("blue", 1, 0, 1, current(), tmp_path / "log", **fields)  # type: ignore[arg-type]


def probed(monkeypatch: pytest.MonkeyPatch, one: Replica, answers: list[bool], watch: Watch) -> list[str]:
    """The replica's state after each probe."""
    states = []
    for now, answer in enumerate(answers):

        async def said(*_: object, answer: bool = answer) -> bool:
            return answer

        monkeypatch.setattr(replicas, "_answers", said)
        asyncio.run(probe(one, watch, now=float(now)))
        states.append(one.state)
    return states


def test_ready_after_as_many_successes_as_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(Probe(success_threshold=2), Probe(failure_threshold=2, period=10))
    one = replica(tmp_path)
    assert probed(monkeypatch, one, [False, True, False, True, True], watch) == [STARTING] * 4 + [READY]
    # now liveness counts: one failure is nothing, two in a row end it
    assert probed(monkeypatch, one, [False, True, False, False], watch) == [READY, READY, READY, STOPPING]
    assert one.said == "2 probes in a row failed"


def test_a_port_is_not_given_to_two_that_do_not_listen_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = iter([5, 5, 6])
    monkeypatch.setattr(replicas, "free_port", lambda: next(offered))
    launch = {"argv": ["sh", "-c", 'echo "$0 $MARK"', "{port}"], "variables": {"PATH": os.environ["PATH"]}, "cwd": "/"}
    log = tmp_path / "log"
    started = start_replica(launch, "blue", 1, 0, log, now=0.0, mark={"MARK": "here"}, taken=[5])
    assert started.child is not None
    started.child.wait()
    assert started.port == 6
    assert log.read_text() == "6 here\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_container_with_several_ports_is_probed_where_its_routes_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered, asked = iter([5, 5, 6, 7]), []
    monkeypatch.setattr(replicas, "free_port", lambda: next(offered))
    words = ["echo", "{port}", "9000={port:9000}", "9001={port:9001}", "{index}"]
    launch = {"argv": words, "variables": {"PATH": os.environ["PATH"]}, "cwd": "/", "ports": ["9000", "9001"]}
    started = start_replica(launch, "blue", 1, 3, tmp_path / "log", now=0.0, mark={})
    assert started.child is not None
    started.child.wait()
    assert (tmp_path / "log").read_text() == "5 9000=6 9001=7 3\n"
    me = current()
    facts = {**started.describe(), "pid": me.pid, "started": me.started}
    adopted = adopt_replica(facts, tmp_path / "log", now=0.0)
    assert adopted is not None

    async def answers(port: int, path: str, _: float) -> bool:
        asked.append((port, path))
        return True

    monkeypatch.setattr(replicas, "_answers", answers)
    watch = Watch(Probe(), Probe(), "/up", "/live", readiness_port="9001", liveness_port="9000")
    for _ in range(2):
        asyncio.run(replicas.probe(adopted, watch, now=0.0))
    asyncio.run(replicas.probe(adopted, Watch(Probe(), Probe(), "/up", "/live"), now=0.0))
    assert asked == [(7, "/up"), (6, "/live"), (5, "/live")]


def test_a_replica_that_is_gone_is_not_adopted(tmp_path: Path) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    facts = {"deployment": "blue", "generation": 1, "index": 0, "port": 1, "state": READY}
    gone = {**facts, "pid": child.pid, "started": f"1@boot@{os.uname().nodename}"}
    assert adopt_replica(gone, tmp_path / "log", now=0.0) is None
    me = current()
    found = adopt_replica({**facts, "pid": me.pid, "started": me.started}, tmp_path / "log", now=0.0)
    assert found is not None
    assert (found.state, found.address) == (READY, "http://127.0.0.1:1")


def test_the_reason_is_the_scripts_own_exception(tmp_path: Path) -> None:
    one = replica(tmp_path)
    one.log.write_text(
        "Traceback (most recent call last):\n"
        "FileNotFoundError: model.pkl\n"
        "The above exception was the direct cause of the following exception:\n"
        "azureml_inference_server_http.server.user_script.UserScriptException: Caught an unhandled exception\n"
    )
    told = ended_at_start(one)
    assert told["message"].endswith("FileNotFoundError: model.pkl")
    assert len(told["log"]) == 4
    assert "within 7 s" in not_ready(one, Watch(Probe(), Probe(), budget=7.0))["message"]
