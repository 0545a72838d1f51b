"""The rules of `backends/base.py`, on every back end."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import Bound

import mlctl
from mlctl.backends.base import LogCursor
from mlctl.entities.job import CANCELED, COMPLETED, FAILED, RUNNING, TERMINAL_STATUSES
from mlctl.entities.lineage import Node
from mlctl.errors import ConflictError, MlctlError, NotFoundError
from mlctl.operations.jobs import wait

_FORBIDDEN = (
    "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir", "os.symlink", "os.system", "os.fork",
    "shutil.", "socket.", "sqlite3.connect", "subprocess.", "tempfile.", "urllib.",
)  # fmt: skip
_OWN = Path(mlctl.__file__).parent


class _Watch:
    """What a thread does while it is watched. An audit hook cannot be taken out again, so it is put in once."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.seen: list[str] = []
        self.installed = False

    def __call__(self, event: str, words: tuple[Any, ...]) -> None:
        if self.thread != threading.get_ident():
            return
        # mlctl's own modules and tables are part of the program
        if event == "open" and not (isinstance(words[0], str | Path) and Path(words[0]).is_relative_to(_OWN)):
            self.seen.append(f"open {words[0]}")
        elif event.startswith(_FORBIDDEN):
            self.seen.append(f"{event} {words}")


_WATCH = _Watch()


@contextmanager
def without_input_and_output() -> Iterator[list[str]]:
    """Collects every file, process and connection that this thread opens."""
    if not _WATCH.installed:
        sys.addaudithook(_WATCH)
        _WATCH.installed = True
    _WATCH.seen = []
    _WATCH.thread = threading.get_ident()
    try:
        yield _WATCH.seen
    finally:
        _WATCH.thread = None


def test_the_watch_sees_what_it_must_see(tmp_path: Path) -> None:
    import socket
    import subprocess

    with without_input_and_output() as seen:
        (tmp_path / "file").write_text("x")
        subprocess.run(["true"], check=True)
        with socket.socket() as connection:
            connection.connect_ex(("127.0.0.1", 9))
    assert {line.split()[0] for line in seen} >= {"open", "subprocess.Popen", "socket.connect"}


RICH = {
    "code": ".",
    "inputs": {"lr": 0.1, "data": {"type": "uri_folder", "path": "."}},
    "outputs": {"model": {"type": "custom_model"}},
    "resources": {"instance_count": 2, "shm_size": "1g"},
    "distribution": {"type": "pytorch", "process_count_per_instance": 2},
    "limits": {"timeout": 60},
    "environment": {
        "image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
        "conda_file": {"dependencies": ["python=3.11", "numpy=1.26", {"pip": ["scikit-learn"]}]},
    },
}


def test_plan_touches_nothing(planning: Bound) -> None:
    prepared = planning.prepare({"command": "true", **RICH})  # modules are loaded by now
    from tests.contract.named import named

    from mlctl.spec.job import load_command_job

    job = named(load_command_job(planning.folder / "job.yml")[0], "other")
    with without_input_and_output() as seen:
        plan = planning.backend.jobs.plan(job, planning.compute)
    assert seen == []
    assert plan.name == "other"
    assert prepared.plan.name == "job"


def test_plan_is_deterministic_and_plain_data(planning: Bound) -> None:
    first, second = (planning.prepare({"command": "echo ${{inputs.lr}}", **RICH}).plan for _ in range(2))
    text = json.dumps(first.to_dict(), sort_keys=True)
    assert text == json.dumps(second.to_dict(), sort_keys=True)
    assert json.loads(text)["payload"] == first.payload
    assert (first.backend, first.name) == (planning.backend.name, "job")


def test_planning_leaves_no_trace(planning: Bound) -> None:
    planning.prepare({"command": "true", **RICH})
    assert planning.store.jobs.list(max_results=None, view="all") == []
    assert list((planning.store.folder / "jobs").glob("*")) == []


def test_submitting_twice_runs_once(running: Bound) -> None:
    more = {"inputs": {"n": {"type": "uri_folder", "path": ".", "mode": "download"}}, "outputs": {"count": {}}}
    plan = running.plan("echo run >> ${{outputs.count}}/count; sleep 0.5", **more)
    answers: list[str] = []

    def submit() -> None:
        try:
            running.backend.jobs.submit(plan)
            answers.append("submitted")
        except ConflictError as error:
            answers.append("conflict" if "job" in error.message else error.message)

    submit()
    submit()
    assert answers == ["submitted", "conflict"]
    assert wait(running.desk, "job", timeout=60).status == COMPLETED
    submit()
    assert answers[-1] == "conflict"
    assert (running.store.job_folder("job") / "named-outputs/count/count").read_text() == "run\n"


def test_submitting_one_name_from_several_threads_runs_once(running: Bound) -> None:
    plan = running.plan("echo run")
    answers: list[str] = []

    def submit() -> None:
        try:
            running.backend.jobs.submit(plan)
            answers.append("submitted")
        except MlctlError as error:
            answers.append(error.code)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["conflict", "conflict", "conflict", "submitted"]
    wait(running.desk, "job", timeout=60)
    assert running.log() == b"run\n"


def test_cancel_ends_a_job_and_a_finished_one_stays_as_it_is(running: Bound) -> None:
    running.backend.jobs.submit(running.plan("sleep 100", name="long"))
    _until(lambda: running.backend.jobs.get("long").status == RUNNING)
    cancelled = running.backend.jobs.cancel("long")
    assert cancelled.status == CANCELED
    assert running.backend.jobs.cancel("long") == cancelled
    for command, status in (("true", COMPLETED), ("exit 3", FAILED)):
        ended = running.run(command, name=f"ends-{status}")
        assert ended.status == status
        assert running.backend.jobs.cancel(ended.name) == ended
        assert running.backend.jobs.get(ended.name) == ended


def test_following_the_log_loses_no_line_and_ends_with_the_job(running: Bound) -> None:
    command = "for part in 1 2 3 4; do seq 1 500 | sed \"s/^/$part /\"; sleep 0.2; done; printf 'no end of line'"
    running.backend.jobs.submit(running.plan(command))
    chunks = [chunk for chunk in running.backend.jobs.logs("job", follow=True) if "user_logs" in chunk.source]
    assert running.backend.jobs.get("job").status in TERMINAL_STATUSES
    wanted = [f"{part} {number}" for part in range(1, 5) for number in range(1, 501)] + ["no end of line"]
    assert b"".join(chunk.data for chunk in chunks).decode().splitlines() == wanted
    taken = 0
    for chunk in chunks:
        assert chunk.first_line == taken
        taken += chunk.data.count(b"\n")
    assert running.log(follow=True) == running.log() == "\n".join(wanted).encode()


def test_a_log_is_taken_up_again_where_it_was_left(running: Bound) -> None:
    running.run("seq 1 100")
    (source,) = {chunk.source for chunk in running.backend.jobs.logs("job") if "user_logs" in chunk.source}
    for taken in (0, 1, 99, 100, 1000):
        rest = running.log(since=LogCursor({source: taken}))
        assert rest.split() == [b"%d" % number for number in range(taken + 1, 101)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda jobs, _: jobs.get("nope"),
        lambda jobs, _: list(jobs.logs("nope")),
        lambda jobs, _: jobs.logs("nope", follow=True),
        lambda jobs, _: jobs.cancel("nope"),
        lambda jobs, into: jobs.download("nope", into=into),
        lambda jobs, _: jobs.metrics("nope"),
    ],
    ids=["get", "logs", "logs follow", "cancel", "download", "metrics"],
)
def test_an_unknown_name_is_not_found(planning: Bound, ask: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nope"):
        ask(planning.backend.jobs, tmp_path)


def test_only_a_finished_job_is_downloaded(running: Bound, tmp_path: Path) -> None:
    running.backend.jobs.submit(running.plan("sleep 100"))
    _until(lambda: running.backend.jobs.get("job").status == RUNNING)
    with pytest.raises(ConflictError, match="job 'job' is"):
        running.backend.jobs.download("job", into=tmp_path / "out")
    running.backend.jobs.cancel("job")
    running.backend.jobs.download("job", into=tmp_path / "out")
    assert (tmp_path / "out/artifacts/user_logs/std_log.txt").exists()


def test_a_job_comes_with_its_lineage(running: Bound) -> None:
    (running.folder / "src").mkdir()
    (running.folder / "src/a.txt").write_text("a")
    running.run("mkdir -p outputs && echo 1 > outputs/x", name="first")
    earlier = "azureml://jobs/first/outputs/artifacts/paths/outputs/x"
    running.run("cat ${{inputs.x}}", code="./src", inputs={"x": {"type": "uri_file", "path": earlier}})
    found = {link.role: link.upstream for link in running.store.links.upstream(Node("job", "job"))}
    assert found["input x"] == Node("job", "first")
    assert running.store.content.entries(found["code"].name)[0].path == "a.txt"
    assert found["environment"].kind == "environment"
    assert [link.downstream.name for link in running.store.links.downstream(Node("job", "first"))] == ["job"]
    # the environment is the same one on every job and every back end
    assert {link.downstream.name for link in running.store.links.downstream(found["environment"])} == {"first", "job"}


def _until(question: Callable[[], Any], *, seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)
