"""Jobs on the `docker` back end, seen from outside: the same as on `local`, and what only containers do."""

from __future__ import annotations

import fnmatch
import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl, end_processes_of
from tests.live.docker_jobs import IMAGE, find_engine

pytestmark = pytest.mark.docker

BASICS = Path(__file__).parents[3] / "shared/corpus/azureml-examples/cli/jobs/basics"


@pytest.fixture
def docker(mlctl: Mlctl) -> Iterator[Mlctl]:
    """The program where an engine is; what a test leaves on the engine is removed."""
    with closing(find_engine(mlctl.home)) as engine:
        yield mlctl
        end_processes_of(mlctl.home)
        for container in engine.containers({"mlctl.workspace": str(mlctl.workspace)}):
            engine.remove(container)


def create(mlctl: Mlctl, command: str, name: str, **more: Any) -> None:
    """Submit a container job and come back at once."""
    job = mlctl.job(command, **{"environment": {"image": IMAGE}, **more})
    mlctl("job", "create", "-f", str(job), "--name", name, "--backend", "docker")


def run(mlctl: Mlctl, command: str, name: str, *, ends_with: int = 0, **more: Any) -> Any:
    """Run a container job to its end; the job as JSON."""
    given = {"environment": {"image": IMAGE}, **more}
    job = mlctl.job(command, **given)
    words = ("job", "create", "-f", str(job), "--name", name, "--backend", "docker", "--stream")
    return mlctl.json(*words, code=ends_with)


def containers(mlctl: Mlctl) -> list[str]:
    """The containers of the default workspace, running or not."""
    with closing(find_engine(mlctl.home)) as engine:
        return engine.containers({"mlctl.workspace": str(mlctl.workspace)})


def until(question: Callable[[], Any], *, seconds: float = 30) -> Any:
    """The first answer that counts."""
    give_up = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)
    return answer


INSIDE = """\
import json, os, sys
from pathlib import Path

def facts(path):
    path = Path(path)
    if path.is_dir():
        return {entry.name: facts(entry) for entry in sorted(path.iterdir())}
    return path.read_text() if path.exists() else None

seen = {
    "variables": dict(os.environ),
    "words": sys.argv[1:],
    "folder": os.getcwd(),
    "code": sorted(os.listdir(".")),
    "inputs": {name: facts(path) for name, path in os.environ.items() if name.startswith("AZURE_ML_INPUT_")},
    "writable": {name: os.access(path, os.W_OK) for name, path in os.environ.items() if name.startswith("AZURE_ML_")},
}
Path("outputs/seen.json").write_text(json.dumps(seen))
"""

# shell, container and machine: what cannot be the same, or is nobody's business to rely on
DIFFERENT = (
    "HOME USER LOGNAME PATH HOSTNAME PWD OLDPWD SHLVL _ SHELL TERM TZ TMPDIR LANG LANGUAGE LC_* DEBIAN_FRONTEND "
    "VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONNOUSERSITE PYTHON_VERSION GPG_KEY PIP_* UV_* *_proxy *_PROXY SSL_CERT_FILE "
    "SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE CUDA_* NVIDIA_* ROCR_* HIP_* LD_LIBRARY_PATH OMP_NUM_THREADS"
).split()


def test_a_job_sees_the_same_on_local_and_docker(docker: Mlctl) -> None:
    source, data = docker.folder / "src", docker.folder / "data"
    (data / "deep").mkdir(parents=True)
    source.mkdir()
    (source / "inside.py").write_text(INSIDE)
    (data / "a.csv").write_text("x\n1\n")
    (data / "deep" / "b.csv").write_text("y\n2\n")
    spec: dict[str, Any] = {
        "code": "src",
        "environment": {"image": IMAGE},
        "experiment_name": "the experiment",
        "environment_variables": {"MINE": "rate ${{inputs.lr}} in ${{inputs.folder}}"},
        "inputs": {
            "lr": 0.1,
            "flag": True,
            "folder": {"type": "uri_folder", "path": "data"},
            "file": {"type": "uri_file", "path": "data/a.csv"},
            "copy": {"type": "uri_folder", "path": "data", "mode": "download"},
            "model": {"type": "custom_model", "path": "data"},
            "address": {"type": "uri_file", "path": "https://example.invalid/x.csv", "mode": "direct"},
        },
        "outputs": {
            "plain": {},
            "one": {"type": "uri_file"},
            "kept": {"path": "azureml://datastores/workspaceblobstore/paths/kept"},
        },
    }
    inputs = " ".join(f"${{{{inputs.{name}}}}}" for name in spec["inputs"])
    outputs = " ".join(f"${{{{outputs.{name}}}}}" for name in spec["outputs"])
    command = f"python3 inside.py {inputs} {outputs} && echo said"
    seen = {}
    for backend in ("local", "docker"):
        name = f"on-{backend}"
        docker(
            "job", "create", "-f", str(docker.job(command, **spec)), "--name", name, "--backend", backend, "--stream"
        )
        folder = docker.workspace / "jobs" / name
        assert docker.log(name) == "said\n"
        text = (folder / "artifacts/outputs/seen.json").read_text()
        seen[backend] = json.loads(text.replace(name, "JOB"))
    local, container = seen["local"], seen["docker"]
    for fact in ("words", "folder", "code", "inputs", "writable"):
        assert local[fact] == container[fact], fact
    assert local["folder"] == str(docker.workspace / "jobs/JOB/code")
    assert local["inputs"]["AZURE_ML_INPUT_folder"] == {"a.csv": "x\n1\n", "deep": {"b.csv": "y\n2\n"}}
    found, expected = _comparable(container["variables"]), _comparable(local["variables"])
    assert found == expected
    for prefix in ("AZUREML_", "AZURE_ML_", "MLFLOW_", "AZ_BATCH"):
        assert any(name.startswith(prefix) for name in expected), prefix
    assert expected["MINE"] == f"rate 0.1 in {docker.workspace}/jobs/JOB/inputs/folder"
    assert expected["AZUREML_PARAMETER_flag"] == "True"


def _comparable(variables: dict[str, str]) -> dict[str, str]:
    return {
        name: text
        for name, text in variables.items()
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in DIFFERENT)
    }


def test_running_out_of_memory_is_named(docker: Mlctl) -> None:
    shown = run(
        docker,
        "echo begin; python3 -c 'x = bytearray(300_000_000); print(len(x))'; echo not reached >&2; exit 9",
        "hungry",
        ends_with=10,
        resources={"docker_args": "--memory 64m --memory-swap 64m"},
    )
    assert shown["status"] == "Failed"
    again = docker.json("job", "show", "-n", "hungry")["error"]
    assert again["code"] == "OutOfMemory"
    assert "ran out of memory" in again["message"]
    assert "begin" in docker("job", "stream", "-n", "hungry", code=10).stdout
    assert containers(docker) == []


def test_command_not_found_is_said_so(docker: Mlctl) -> None:
    shown = run(docker, "frobnicate --all", "typo", ends_with=10)
    assert shown["exit_code"] == 127
    assert "frobnicate: command not found" in shown["error"]["message"]


def test_the_log_is_complete_and_in_order(docker: Mlctl) -> None:
    command = "seq 1 200000; printf 'a\\xff\\xfeb\\n'; echo to stderr >&2; printf 'no end of line'"
    run(docker, command, "chatty")
    lines = (docker.workspace / "jobs/chatty/artifacts/user_logs/std_log.txt").read_bytes().split(b"\n")
    assert lines[:200_000] == [b"%d" % number for number in range(1, 200_001)]
    assert lines[200_000:] == [b"a\xff\xfeb", b"to stderr", b"no end of line"]
    streamed = subprocess.run(
        [sys.executable, "-m", "mlctl", "job", "stream", "-n", "chatty"],
        env=docker.environ,
        capture_output=True,
        check=True,
    )
    assert streamed.stdout == b"\n".join(lines)


def test_outputs_belong_to_the_caller(docker: Mlctl) -> None:
    command = "id -u; id -g; whoami || true; touch outputs/a; mkdir ${{outputs.o}}/b; touch ${{outputs.o}}/b/c"
    run(docker, command, "mine", outputs={"o": {}})
    assert docker.log("mine").split()[:2] == [str(os.getuid()), str(os.getgid())]
    folder = docker.workspace / "jobs" / "mine"
    assert {path.lstat().st_uid for path in folder.rglob("*")} == {os.getuid()}


def test_a_user_who_is_not_root_owns_what_the_job_writes(docker: Mlctl) -> None:
    """As root's tests show nothing of the mapping, the program is run as somebody else, who may use the engine.

    It keeps root's right to read, since root's own Python may lie where nobody else may look.
    """
    if os.getuid() != 0:
        pytest.skip("the test above shows it: this user is not root")
    with closing(find_engine(docker.home)) as engine:
        socket = engine.candidate.socket
    assert socket is not None
    nobody = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="mlctl-nobody-"))
    try:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        (folder / "job.yml").write_text(
            json.dumps(
                {
                    "command": "id -u; touch outputs/a ${{outputs.o}}/b",
                    "environment": {"image": IMAGE},
                    "outputs": {"o": {}},
                }
            )
        )
        environ = {**docker.environ, "MLCTL_HOME": str(folder / "home"), "HOME": str(folder)}
        become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"]
        become += [f"--groups={socket.stat().st_gid}", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        words = ["job", "create", "-f", "job.yml", "--name", "j", "--backend", "docker", "--stream"]
        done = subprocess.run(
            [*become, sys.executable, "-m", "mlctl", *words],
            env=environ,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        job = folder / "home/workspaces/default/jobs/j"
        assert (job / "artifacts/user_logs/std_log.txt").read_text() == f"{nobody.pw_uid}\n"
        for output in ("artifacts/outputs/a", "named-outputs/o/b"):
            assert (job / output).stat().st_uid == nobody.pw_uid
        assert grp.getgrgid((job / "artifacts/outputs/a").stat().st_gid).gr_gid == nobody.pw_gid
    finally:
        end_processes_of(folder)
        shutil.rmtree(folder)


def test_cancel_ends_the_container(docker: Mlctl) -> None:
    create(docker, "trap 'echo told; exit 3' TERM; echo up; sleep 100 & wait", "long")
    until(lambda: "up" in docker.log("long"))
    assert len(containers(docker)) == 1
    begin = time.monotonic()
    assert docker.json("job", "cancel", "-n", "long")["status"] == "Canceled"
    assert time.monotonic() - begin < 20
    assert containers(docker) == []
    assert docker("job", "stream", "-n", "long", code=10).stdout.split() == ["up", "told"]
    assert docker.json("job", "cancel", "-n", "long")["status"] == "Canceled"


def test_a_time_limit_ends_the_container(docker: Mlctl) -> None:
    shown = run(docker, "echo begin; sleep 100", "late", ends_with=10, limits={"timeout": 1})
    assert shown["status"] == "Canceled"
    assert shown["error"]["code"] == "TimeoutExceeded"
    assert containers(docker) == []


def test_the_container_of_a_killed_supervisor_is_gone_when_somebody_looks(docker: Mlctl) -> None:
    create(docker, "echo up; sleep 100", "lost")
    until(lambda: "up" in docker.log("lost"))
    assert len(containers(docker)) == 1
    os.kill(_supervisor(docker), signal.SIGKILL)
    shown = docker.json("job", "show", "-n", "lost")
    assert shown["status"] == "Failed"
    assert shown["error"]["code"] == "SupervisorLost"
    assert containers(docker) == []
    assert "up" in docker("job", "stream", "-n", "lost", code=10).stdout


def _supervisor(mlctl: Mlctl) -> int:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"mlctl.backends.supervised" in words and os.fsencode(mlctl.workspace) in words:
            return int(entry.name)
    raise AssertionError("no supervisor")


def test_an_input_is_read_only_in_the_container(docker: Mlctl) -> None:
    (docker.folder / "a.txt").write_text("original\n")
    inputs = {"f": {"type": "uri_file", "path": "a.txt"}}
    run(docker, "cat ${{inputs.f}}; echo changed > ${{inputs.f}}; true", "careful", inputs=inputs)
    assert docker.log("careful").startswith("original\n")
    assert "Read-only file system" in docker.log("careful")
    assert (docker.folder / "a.txt").read_text() == "original\n"


def test_mirrors_stand_in_for_images_that_cannot_be_reached(docker: Mlctl) -> None:
    docker("config", "set", f"images.mirrors=registry.invalid/base:1={IMAGE}")
    job = docker.job("echo from the mirror", environment={"image": "registry.invalid/base:1"})
    done = docker("job", "create", "-f", str(job), "--backend", "docker", "--name", "m", "--stream")
    assert f"'registry.invalid/base:1' is replaced by '{IMAGE}'" in done.stderr
    assert docker.log("m") == "from the mirror\n"
    build = (docker.workspace / "jobs/m/artifacts/azureml-logs/20_image_build_log.txt").read_text()
    assert f"{IMAGE} (for registry.invalid/base:1, by images.mirrors)" in build


@pytest.mark.parametrize("kind", ["input", "org", "output-data", "output"])
def test_published_hello_world_jobs_run_in_containers(docker: Mlctl, kind: str) -> None:
    name = f"hello-world-{kind}"
    if not BASICS.is_dir():
        pytest.skip("the published examples are not beside the repository")
    docker("config", "set", f"images.mirrors=library/python={IMAGE}")
    shown = docker.json(
        "job", "create", "-f", str(BASICS / f"{name}.yml"), "--backend", "docker", "--name", name, "--stream"
    )
    assert shown["status"] == "Completed"
    folder = docker.workspace / "jobs" / name
    said = {
        "hello-world-input": (folder / "artifacts/user_logs/std_log.txt", "hello world\n42\n"),
        "hello-world-org": (folder / "artifacts/user_logs/std_log.txt", "hello world\n"),
        "hello-world-output-data": (folder / "named-outputs/hello_output/helloworld.txt", "hello world\n"),
        "hello-world-output": (folder / "artifacts/outputs/helloworld.txt", "hello world\n"),
    }
    path, text = said[name]
    assert path.read_text() == text


def test_an_image_is_pulled_from_a_real_registry(docker: Mlctl) -> None:
    registry = os.environ.get("MLCTL_TEST_REGISTRY")
    if not registry:
        if "registry" in os.environ.get("MLCTL_TEST_REQUIRE", "").split(","):
            pytest.fail("MLCTL_TEST_REGISTRY must name a registry here")
        pytest.skip("no registry: MLCTL_TEST_REGISTRY names none")
    image = f"{registry}/{IMAGE}"
    subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)
    docker("config", "set", f"images.mirrors=docker.io/mlctl-test={registry}/mlctl-test")
    try:
        done = docker.run("echo pulled", "--name", "pulls", "--backend", "docker", environment={"image": IMAGE})
        assert done["status"] == "Completed"
        build = (docker.workspace / "jobs/pulls/artifacts/azureml-logs/20_image_build_log.txt").read_text()
        assert f"pulling image {image}" in build
        assert f"pulled image {image}" in build
        assert docker.log("pulls") == "pulled\n"
    finally:
        subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)


RENDEZVOUS = """\
import os, socket, time
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    with socket.create_server(place) as server:
        total = 0
        for _ in range(size - 1):
            connection, _ = server.accept()
            with connection:
                total += int(connection.recv(100))
    print("sum", total)
else:
    for _ in range(200):
        try:
            with socket.create_connection(place) as connection:
                connection.sendall(str(rank).encode())
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
open(f"/dev/shm/rank-{rank}", "w").close()
for _ in range(200):
    if len([name for name in os.listdir("/dev/shm") if name.startswith("rank-")]) == size:
        break
    time.sleep(0.05)
print("rank", rank, "local", os.environ["LOCAL_RANK"], "shares memory with", sorted(os.listdir("/dev/shm")))
"""


def test_two_ranks_meet_each_other_in_their_containers(docker: Mlctl) -> None:
    (docker.folder / "src").mkdir()
    (docker.folder / "src" / "meet.py").write_text(RENDEZVOUS)
    shown = run(
        docker,
        "python3 meet.py",
        "ranks",
        code="src",
        distribution={"type": "pytorch", "process_count_per_instance": 2},
    )
    assert shown["status"] == "Completed"
    log = docker.log("ranks")
    assert "[rank 0] sum 1" in log
    for rank in (0, 1):
        assert f"[rank {rank}] rank {rank} local {rank} shares memory with ['rank-0', 'rank-1']" in log
    assert containers(docker) == []


def test_no_engine_is_exit_code_7_and_what_to_do(mlctl: Mlctl) -> None:
    """Needs no engine: nothing listens at the address."""
    mlctl("config", "set", f"docker.host=unix://{mlctl.folder}/no.sock")
    job = str(mlctl.job("true"))
    done = mlctl("job", "create", "-f", job, "--backend", "docker", "--name", "never", code=7)
    assert "error[unavailable]: no Docker engine can be reached" in done.stderr
    assert "no.sock" in done.stderr
    assert "hint: start one" in done.stderr
    assert done.stdout == ""
    mlctl("job", "show", "-n", "never", code=3)
    assert mlctl.json("job", "create", "-f", job, "--backend", "docker", "--dry-run")["backend"] == "docker"
    assert mlctl.json("job", "create", "-f", job, "--stream")["status"] == "Completed"


def test_an_engine_of_a_compute_that_is_away_is_named(mlctl: Mlctl) -> None:
    mlctl("compute", "create", "-n", "box", "--type", "docker", "--host", f"unix://{mlctl.folder}/box.sock")
    done = mlctl("job", "create", "-f", str(mlctl.job("true", compute="azureml:box")), code=7)
    assert "box.sock (the compute's host): no such socket" in done.stderr
