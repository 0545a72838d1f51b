"""The docker runner on a real engine."""

from __future__ import annotations

import getpass
import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.docker_jobs import IMAGE, docker_job, find_engine, settings_in, wanted

from mlctl.backends import docker as backend
from mlctl.backends.docker import runner as runner_module
from mlctl.backends.docker.client import Engine, open_engine
from mlctl.backends.docker.container import job_labels
from mlctl.errors import MlctlError, NotFoundError, UnavailableError, UnsupportedError

pytestmark = pytest.mark.docker


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of this machine."""
    found = find_engine(tmp_path_factory.mktemp("engine"))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _engine(engine: Engine) -> None:
    """Every test here needs it."""


def _ca_settings(home: Path, **more: str):
    bundle = os.environ.get("MLCTL_TEST_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or ""
    return settings_in(home, docker__ca_bundle=bundle, **more)


def test_a_job_runs_with_its_variables_and_folders(tmp_path: Path) -> None:
    with docker_job(tmp_path) as job:
        found = job.run('echo "$GREETING from $PWD"; echo err >&2; echo "$HOME" > outside; exit 3', GREETING="hello")
        assert (found.code, found.reason) == (3, None)
        assert job.log.decode() == f"hello from {job.folder}/code\nerr\n"
        assert (job.folder / "code" / "outside").read_text() == f"{job.folder}/home\n"
        usage = job.runner.usage()
        assert usage.peak_memory_bytes
        assert usage.peak_memory_bytes > 100_000
        assert usage.cpu_seconds
        assert 0 < usage.cpu_seconds < 30
    assert not (job.folder / "home").exists()
    assert not (job.folder / "tmp").exists()


@pytest.mark.parametrize(
    ("command", "code"),
    [("true", 0), ("exit 42", 42), ("no_such_program_here", 127), ("/etc/passwd", 126), ("kill -SEGV $$", 139)],
)
def test_exit_codes(tmp_path: Path, command: str, code: int) -> None:
    with docker_job(tmp_path) as job:
        found = job.run(command)
        assert (found.code, found.reason) == (code, None)
        if code == 127:
            assert b"command not found" in job.log


def test_the_command_runs_in_bash_where_there_is_one(tmp_path: Path) -> None:
    with docker_job(tmp_path) as job:
        assert job.run("[[ abc == a* ]] && echo bash").code == 0
        assert job.log == b"bash\n"


def test_an_image_without_bash_uses_sh_and_one_without_sh_is_refused(tmp_path: Path, engine: Engine) -> None:
    import docker

    client = (
        docker.from_env()
        if engine.candidate.source == "DOCKER_HOST"
        else docker.DockerClient(base_url=engine.candidate.address)
    )
    try:
        for tag, line in (("nobash", "RUN rm -f /bin/bash /usr/bin/bash"), ("nosh", "RUN rm -f /bin/sh /usr/bin/sh")):
            client.images.build(
                fileobj=io.BytesIO(f"FROM {IMAGE}\n{line}\n".encode()), tag=f"mlctl-test/{tag}:1", rm=True
            )
        with docker_job(tmp_path, docker=wanted(image="mlctl-test/nobash:1")) as job:
            assert job.run("echo $0").code == 0
            assert job.log == b"sh\n"
        with (
            docker_job(tmp_path, name="nosh", docker=wanted(image="mlctl-test/nosh:1")) as job,
            pytest.raises(UnsupportedError, match="has no /bin/sh"),
        ):
            job.run("true")
    finally:
        for tag in ("nobash", "nosh"):
            client.images.remove(f"mlctl-test/{tag}:1", force=True)
        client.close()


def test_files_belong_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.getuid() or 12345
    login = getpass.getuser() if os.getuid() else str(uid)
    with docker_job(tmp_path) as job:
        job.runner.prepare(job.build_log)
        if os.getuid() == 0:
            # as if another user had called: the folders of the job are theirs
            monkeypatch.setattr(runner_module.os, "getuid", lambda: uid)
            monkeypatch.setattr(runner_module.os, "getgid", lambda: uid)
            for path in [job.folder, *job.folder.rglob("*")]:
                os.chown(path, uid, uid)
            job.log_file(0).touch()
            os.chown(job.log_file(0), uid, uid)
        job.launch(
            "id -u; id -g; python3 -c 'import getpass; print(getpass.getuser())' && echo x > file && mkdir d && "
            'touch "$HOME/h" /tmp/t && python3 -m site --user-base'
        )
        found = job.wait()[0]
        assert found.code == 0, (job.log, found)
        assert job.log.decode().split() == [str(uid), str(uid), login, f"{job.folder}/home/.local"]
        for path in ("code/file", "code/d", "home/h", "tmp/t", "containers/0.txt"):
            assert (job.folder / path).stat().st_uid == uid, path


def test_another_user_may_be_asked_for(tmp_path: Path) -> None:
    with docker_job(tmp_path, docker=wanted(docker_args=["--user", "4321:4321"])) as job:
        found = job.run("id -u; echo x > file; touch $HOME/h")
        assert found.code == 0, (job.log, found)
        assert job.log == b"4321\n"
        assert (job.folder / "code" / "file").stat().st_uid == 4321


def test_inputs_are_read_only_and_outputs_are_not(tmp_path: Path) -> None:
    source, place = tmp_path / "data", tmp_path / "datastore"
    source.mkdir()
    place.mkdir()
    (source / "a.csv").write_text("1,2\n")
    with docker_job(tmp_path) as job:
        target = job.folder / "inputs" / "data"
        single = job.folder / "inputs" / "one" / "a.csv"
        job.mounts += [
            {"source": str(source), "target": str(target), "read_only": True},
            {"source": str(source / "a.csv"), "target": str(single), "read_only": True},
            {"source": str(place), "target": str(place), "read_only": False},
        ]
        found = job.run(
            f"cat {target}/a.csv {single}; echo no > {target}/b; echo no > {single}; rm {target}/a.csv; "
            f"echo yes > {place}/b"
        )
        assert found.code == 0
        assert job.log.decode().startswith("1,2\n1,2\n")
        assert job.log.count(b"Read-only file system") == 3
        assert (place / "b").read_text() == "yes\n"
    assert (source / "a.csv").read_text() == "1,2\n"
    assert os.listdir(source) == ["a.csv"]


def test_the_mlflow_store_is_at_the_path_that_the_variable_names(tmp_path: Path) -> None:
    runs = tmp_path / "ws" / "mlruns"
    runs.mkdir(parents=True)
    with docker_job(tmp_path) as job:
        assert job.run("touch ${MLFLOW_TRACKING_URI#file://}/seen", MLFLOW_TRACKING_URI=f"file://{runs}").code == 0
    assert (runs / "seen").exists()


@pytest.mark.parametrize("tail", ["", "; code=$?; echo after; exit $code"])
def test_running_out_of_memory_is_said(tmp_path: Path, tail: str) -> None:
    options = wanted(docker_args=["--memory", "64m", "--memory-swap=64m"])
    with docker_job(tmp_path, docker=options) as job:
        found = job.run(f"echo before; python3 -c 'b = bytearray(400 << 20); print(len(b))'{tail}")
        assert (found.code, found.reason) == (137, "OutOfMemory")
        assert "out of memory" in (found.message or "")
        assert job.log.startswith(b"before\n")
        assert (b"after" in job.log) == bool(tail)
        peak = job.runner.usage().peak_memory_bytes
        assert peak
        assert 50 << 20 < peak <= 64 << 20


def test_limits_and_shared_memory(tmp_path: Path) -> None:
    options = wanted(shm_size="32m", docker_args=["--ulimit", "nofile=77:77", "--env", "GIVEN=yes", "--hostname=here"])
    with docker_job(tmp_path, docker=options) as job:
        assert job.run("df -k /dev/shm | tail -1 | awk '{print $2}'; ulimit -n; echo $GIVEN; hostname").code == 0
        assert job.log.decode().split() == ["32768", "77", "yes", "here"]


def test_a_missing_image_says_where_it_was_looked_for(tmp_path: Path) -> None:
    name = "127.0.0.1:1/nobody/nothing:9"
    with docker_job(tmp_path, docker=wanted(image=name, image_as_written="python:3.9")) as job:
        with pytest.raises(UnavailableError, match="not on this machine") as caught:
            job.run("true")
        assert "127.0.0.1:1" in caught.value.message
        assert "images.mirrors" in (caught.value.hint or "")
        assert "(for python:3.9, by images.mirrors)" in job.built


@pytest.mark.network
def test_a_conda_file_becomes_an_image_once(tmp_path: Path, engine: Engine) -> None:
    conda = {"dependencies": ["python=3.11", "pip", {"pip": ["tabulate==0.9.0"]}]}
    options = wanted(conda=conda, python="3.11", packages=["tabulate==0.9.0"])
    settings = _ca_settings(tmp_path)
    tag = ""
    try:
        with docker_job(tmp_path, docker=options, settings=settings) as job:
            found = job.run(
                "command -v python && python -c 'import tabulate; print(tabulate.__version__)' && "
                "pip install --quiet six==1.16.0 && python -c 'import six; print(six.__version__)'; env | grep -i cert"
            )
            assert found.code == 0, job.log + job.build_log.getvalue()
            assert job.log.decode().startswith("/opt/mlctl/environment/bin/python\n0.9.0\n1.16.0\n")
            assert "Successfully installed tabulate-0.9.0" in job.built
            tag = next(word for word in job.built.split() if word.startswith("mlctl/environment:")).rstrip(":")
        labels = (engine.image(tag) or {})["Config"]["Labels"]
        assert labels["mlctl.managed-by"] == "mlctl"
        started = time.monotonic()
        with docker_job(tmp_path, name="second", docker=options, settings=settings) as job:
            assert job.run("python -c 'import tabulate'").code == 0
            assert job.built.splitlines()[-1] == f"image {tag} was built before and is used again"
        assert time.monotonic() - started < 15
    finally:
        _remove_image(engine, tag)


def test_a_package_that_does_not_exist_fails_the_build_in_one_sentence(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, environments__pip_arguments="--no-index")
    options = wanted(packages=["no-such-package-of-mlctl==1"])
    with docker_job(tmp_path, docker=options, settings=settings) as job:
        with pytest.raises(UnavailableError, match="the image could not be built"):
            job.run("true")
        assert "No matching distribution found for no-such-package-of-mlctl" in job.built


def test_two_jobs_build_one_image(tmp_path: Path, engine: Engine) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY word /word\nRUN sleep 1; echo built {tmp_path.name}\n")
    (context / "word").write_text("from the context\n")
    (context / "left_out").write_text("x")
    (context / ".dockerignore").write_text("left_out\n")
    build = {"path": str(context), "dockerfile_path": "Dockerfile"}
    options = wanted(image=None, image_as_written=None, build=build)
    jobs, logs = [], []
    try:
        for name in ("one", "two"):
            manager = docker_job(tmp_path, name=name, docker=options)
            jobs.append((manager, manager.__enter__()))
        threads = [threading.Thread(target=job.runner.prepare, args=(job.build_log,)) for _, job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        logs = [job.built for _, job in jobs]
        assert sum("\nbuilding image" in f"\n{log}" for log in logs) == 1, logs
        assert sum("was built before" in log for log in logs) == 1, logs
        jobs[0][1].launch("cat /word; ls /left_out")
        assert jobs[0][1].wait()[0].code == 2
        assert jobs[0][1].log.startswith(b"from the context\n")
    finally:
        for manager, _ in jobs:
            manager.__exit__(None, None, None)
        for word in " ".join(logs).split():
            if word.startswith("mlctl/environment:"):
                _remove_image(engine, word)


def test_mirrors_reach_the_from_lines_of_a_build(tmp_path: Path, engine: Engine) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM no.such.registry.invalid/base:1\nRUN echo {tmp_path.name}\n")
    settings = settings_in(tmp_path, images__mirrors=f"no.such.registry.invalid={IMAGE}")
    build = {"path": str(context), "dockerfile_path": "Dockerfile"}
    with docker_job(tmp_path, docker=wanted(image=None, image_as_written=None, build=build), settings=settings) as job:
        assert job.run("true").code == 0
        _remove_image(engine, next(word for word in job.built.split() if word.startswith("mlctl/environment:")))


def test_has_program_looks_into_the_image(tmp_path: Path) -> None:
    with docker_job(tmp_path) as job:
        job.runner.prepare(job.build_log)
        assert job.runner.has_program("python3")
        assert not job.runner.has_program("no_such_program_here")


_POLITE = """python3 - <<'EOF'
import signal, sys, time
def end(*_):
    print("asked to end", flush=True)
    time.sleep(0.7)
    print("done", flush=True)
    sys.exit(5)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
EOF
"""


@pytest.mark.parametrize("tail", ["", "\nexit $?"])
def test_a_soft_stop_lets_every_process_end_by_itself(tmp_path: Path, tail: str) -> None:
    with docker_job(tmp_path) as job:
        job.runner.prepare(job.build_log)
        job.launch(_POLITE + tail)
        job.wait_for_log("ready")
        job.runner.stop(hard=False)
        found = job.wait(timeout=20)[0]
        assert job.log.decode() == "ready\nasked to end\ndone\n"
        assert found.reason is None
        assert found.code in (5, 143)


def test_a_hard_stop_ends_what_does_not_listen(tmp_path: Path) -> None:
    with docker_job(tmp_path) as job:
        job.runner.prepare(job.build_log)
        job.launch("trap '' TERM; echo ready; for i in 1 2 3 4 5 6 7 8 9; do sleep 10; done")
        job.wait_for_log("ready")
        job.runner.stop(hard=False)
        job.runner.stop(hard=True)
        found = job.wait(timeout=20)[0]
        assert (found.code, found.reason) == (137, None)
        job.runner.stop(hard=True)  # nothing runs any more
        assert job.runner.usage().peak_memory_bytes


def test_a_container_killed_by_somebody_else_is_said(tmp_path: Path, engine: Engine) -> None:
    with docker_job(tmp_path) as job:
        job.runner.prepare(job.build_log)
        job.launch("echo ready; sleep 60")
        job.wait_for_log("ready")
        [container] = engine.containers(job_labels(job.name, str(job.folder)))
        engine.kill(container, "KILL")
        found = job.wait(timeout=20)[0]
        assert (found.code, found.reason) == (137, "Killed")


def test_a_container_removed_by_somebody_else_is_said(tmp_path: Path, engine: Engine) -> None:
    with docker_job(tmp_path) as job:
        job.runner.prepare(job.build_log)
        job.launch("echo ready; sleep 60")
        job.wait_for_log("ready")
        engine.remove(engine.containers(job_labels(job.name, str(job.folder)))[0])
        assert job.wait(timeout=20)[0].reason in ("Killed", "EngineLost")


def test_ranks_see_each_other_on_the_loopback_and_in_shared_memory(tmp_path: Path) -> None:
    server = (
        "python3 -c \"import socket; s = socket.create_server(('127.0.0.1', 5555)); print('up', flush=True); "
        "c, _ = s.accept(); print(c.recv(99).decode()); open('/dev/shm/word', 'w').write('shared'); c.sendall(b'y')\""
    )
    client = (
        "python3 -c \"import socket; c = socket.create_connection(('127.0.0.1', 5555)); c.sendall(b'hello'); "
        "c.recv(1); "
        "print(open('/dev/shm/word').read(), open('/tmp/word').read())\""
    )
    with docker_job(tmp_path) as job:
        job.runner.prepare(job.build_log)
        job.launch("echo -n too > /tmp/word; " + server, rank=0)
        job.wait_for_log("up")
        job.launch(client, rank=1)
        exits = job.wait(2)
        assert [(found.rank, found.code) for found in sorted(exits, key=lambda e: e.rank)] == [(0, 0), (1, 0)]
        assert job.log == b"up\nhello\n"
        assert job.log_file(1).read_bytes() == b"shared too\n"


def test_fifty_megabytes_of_log_are_all_there(tmp_path: Path) -> None:
    with docker_job(tmp_path) as job:
        found = job.run(
            "python3 -c \"import sys; [sys.stdout.write('%07d' % i + 'x' * 92 + chr(10)) for i in range(500000)]\""
        )
        assert found.code == 0
        data = job.log
        assert len(data) == 50_000_000
        assert data[-100:-93] == b"0499999"
        assert data.count(b"\n") == 500_000


def test_bytes_that_are_no_text_stay_as_they_are(tmp_path: Path) -> None:
    with docker_job(tmp_path) as job:
        assert job.run(r"printf '\377\376\000end'").code == 0
        assert job.log == b"\xff\xfe\x00end"


def test_containers_are_labelled_and_removed(tmp_path: Path, engine: Engine) -> None:
    with docker_job(tmp_path, name="labelled_job") as job:
        job.runner.prepare(job.build_log)
        job.launch("sleep 60")
        labels = job_labels("labelled_job", str(job.folder))
        assert labels["mlctl.workspace"] == str(tmp_path / "ws")
        [container] = engine.containers(labels)
        facts = engine.inspect(container)
        assert facts["Name"].startswith("/mlctl-labelled_job-")
        assert facts["Config"]["Hostname"] == "labelled-job"
    assert engine.containers(labels) == []


def test_abandoned_containers_are_removed_by_name(tmp_path: Path, engine: Engine) -> None:
    with docker_job(tmp_path, name="abandoned_job") as job:
        job.runner.prepare(job.build_log)
        job.launch("sleep 60")
        payload = {"folder": str(job.folder), "docker": job.docker}
        for _ in range(2):
            backend.abandon("abandoned_job", payload, settings_in(tmp_path))
            assert engine.containers(job_labels("abandoned_job", str(job.folder))) == []
            assert not (job.folder / "home").exists()
        gone = settings_in(tmp_path, docker__host=f"unix://{tmp_path}/nowhere.sock")
        backend.abandon("abandoned_job", payload, gone)


def test_a_left_over_container_of_the_same_job_is_replaced(tmp_path: Path) -> None:
    with docker_job(tmp_path) as first:
        first.runner.prepare(first.build_log)
        first.launch("sleep 60")
        again = type(first.runner)(first.runner._run)
        again.prepare(first.build_log)
        first.runner = again
        first.launch("echo second")
        assert first.wait()[0].code == 0
        assert b"second\n" in first.log


def test_health_tells_version_and_address(tmp_path: Path) -> None:
    found = backend.health(settings_in(tmp_path))
    assert found.ok
    assert found.facts["version"]
    assert found.facts["address"].startswith(("unix://", "tcp://"))


def test_a_mount_that_the_engine_does_not_see_is_refused(tmp_path: Path) -> None:
    with docker_job(tmp_path) as job:
        job.mounts.append({"source": str(tmp_path / "gone"), "target": "/data", "read_only": True})
        with pytest.raises(MlctlError, match="does not see a folder") as caught:
            job.run("true")
        assert str(tmp_path / "gone") in caught.value.message


def test_gpus_without_a_driver_are_refused(tmp_path: Path, engine: Engine) -> None:
    if "nvidia" in engine.info().get("Runtimes", {}):
        assert not engine.image("no/such:image")  # this machine has GPUs: nothing is refused
        return
    with (
        docker_job(tmp_path, docker=wanted(docker_args=["--gpus", "all"])) as job,
        pytest.raises(UnavailableError, match="cannot give GPUs"),
    ):
        job.run("true")


def test_an_engine_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no such socket") as caught:
        open_engine(settings_in(tmp_path, docker__host=f"unix://{tmp_path}/none.sock"))
    assert caught.value.exit_code == 7


def test_an_unknown_container_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFoundError):
        engine.inspect("mlctl-no-such-container")


def _remove_image(engine: Engine, tag: str) -> None:
    import docker

    client = docker.DockerClient(base_url=engine.candidate.address)
    try:
        if tag:
            client.images.remove(tag.rstrip(":"), force=True)
    except docker.errors.ImageNotFound:
        return
    finally:
        client.close()
