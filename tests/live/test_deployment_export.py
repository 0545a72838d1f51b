"""`online-deployment export`: what each format writes runs the model, from the registry, without mlctl."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl, end_processes_of
from tests.live import packages
from tests.live.docker_jobs import IMAGE, find_engine
from tests.live.packages import CODE, GREETING, SCORES, TOKEN, free_port, health, remove_image, score, started
from tests.live.registry import digest_in, image_registry
from tests.live.serving import Serving, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

ANSWER = {"scores": SCORES, "GREETING": GREETING, "API_TOKEN": TOKEN, "user": 65534}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlctl]:
    """Deployments `blue`, of containers, and `green`, of processes; neither has to answer here to answer elsewhere."""
    mlctl = Mlctl(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("project"))
    with packages.packing(mlctl):
        mlctl("online-endpoint", "create", "-n", "flowers")
        mlctl("online-endpoint", "stop", "-n", "flowers")
        for name, backend in (("blue", "docker"), ("green", "local")):
            file = packages.write_spec(
                mlctl.folder,
                f"{name}.yml",
                name=name,
                endpoint_name="flowers",
                model="azureml:factor:1",
                environment="azureml:base:1",
                code_configuration=CODE,
                instance_count=1,
                instance_type="Standard_DS3_v2",
                environment_variables={"API_TOKEN": TOKEN, "GREETING": GREETING},
            )
            mlctl("online-deployment", "create", "-f", file, "--backend", backend, "--no-wait")
        yield mlctl
    end_processes_of(mlctl.home)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry."""
    with image_registry(tmp_path_factory.mktemp("registry") / "files") as address:
        yield address


def export(home: Mlctl, kind: str, folder: Path, *words: str, name: str = "blue") -> Any:
    """Export a deployment; what is shown."""
    words = ("-n", name, "-e", "flowers", "--format", kind, "--to", str(folder), *words)
    return home.json("online-deployment", "export", *words, timeout=600)


def pushed(home: Mlctl, registry: str, kind: str, folder: Path, *words: str) -> Any:
    """Export with the image in the registry, and on this machine's engine no more."""
    shown = export(home, kind, folder, "--push", f"{registry}/team/blue", *words)
    rows = home.json("environment", "list-images")
    (row,) = [row for row in rows if shown["image"] in row["pinned"]]
    assert shown["image"] == f"{registry}/team/blue@{shown['digest']}"
    assert digest_in(registry, "team/blue", shown["digest"]) == shown["digest"]
    remove_image(row["image"], shown["image"], *(one["reference"] for one in row["registries"]))
    gone = subprocess.run(["docker", "image", "inspect", shown["image"]], capture_output=True, check=False)
    assert gone.returncode != 0
    return shown


def test_compose_runs_the_deployment(home: Mlctl, registry: str, tmp_path: Path) -> None:
    program = composer()
    port, folder = free_port(), tmp_path / "out"
    shown = pushed(home, registry, "compose", folder, "--port", str(port))
    assert (shown["files"], shown["secrets"], shown["port"]) == (["compose.yaml", ".env"], ["API_TOKEN"], port)
    assert not any("s3cret" in path.read_text() for path in folder.iterdir())
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    missing = run([*program, "up", "-d"], folder)
    assert (missing.returncode != 0, "give it in .env" in missing.stderr) == (True, True), missing.stderr

    shutil.rmtree(folder)
    export(home, "compose", folder, "--port", str(port), "--include-secrets")
    assert "s3cret" in (folder / ".env").read_text()
    up = run([*program, "up", "-d"], folder)
    try:
        assert up.returncode == 0, up.stderr
        assert score(port) == ANSWER
        container = run([*program, "ps", "-q"], folder).stdout.strip()
        until(lambda: health(container) == "healthy", seconds=40)
        words = ["docker", "inspect", "--format", "{{.HostConfig.RestartPolicy.Name}} {{.Config.Image}}", container]
        assert subprocess.check_output(words, text=True).split() == ["unless-stopped", shown["image"]]
    finally:
        run([*program, "down"], folder)
        remove_image(shown["image"])


def test_the_command_of_the_unit_runs_the_deployment(home: Mlctl, registry: str, tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "out"
    shown = pushed(home, registry, "systemd", folder, "--port", str(port), "--include-secrets")
    secrets = folder / "flowers-blue.env"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    unit = (folder / "flowers-blue.service").read_text()
    assert "s3cret" not in unit
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    line = line.partition("=")[2].replace("/etc/flowers-blue.env", str(secrets))
    # as systemd reads it
    run_words = [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(line)]
    with started([*run_words[:2], "--detach", *run_words[2:]]) as container:
        assert score(port) == ANSWER
        until(lambda: health(container) == "healthy", seconds=40)
    remove_image(shown["image"])


def test_the_module_of_the_manifest_runs_the_deployment(home: Mlctl, registry: str, tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "out"
    shown = pushed(home, registry, "iotedge", folder, "--port", str(port), "--include-secrets")
    file = folder / "deployment.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    agent = json.loads(file.read_text())["modulesContent"]["$edgeAgent"]["properties.desired"]
    module = agent["modules"]["flowers-blue"]
    # what the agent makes of it: the pieces joined, image and variables added
    settings = module["settings"]
    options = json.loads("".join(settings[name] for name in sorted(settings) if name.startswith("createOptions")))
    variables = [f"{name}={one['value']}" for name, one in module["env"].items()]
    with closing(find_engine(home.home)) as engine:
        name, _, digest = settings["image"].partition("@")
        list(engine.pull(name, digest, None))
        container = engine.create({**options, "Image": settings["image"], "Env": variables}, name=f"edge-{port}")
        try:
            engine.start(container)
            assert score(port) == ANSWER
            until(lambda: health(container) == "healthy", seconds=40)
        finally:
            engine.remove(container)
    remove_image(shown["image"])


def test_a_deployment_of_processes_gets_an_image_too(home: Mlctl, tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "out"
    words = ("-n", "green", "-e", "flowers", "--format", "systemd", "--to", str(folder), "--port", str(port))
    made = home("online-deployment", "export", *words, timeout=600)
    shown = json.loads(made.stdout)
    assert f"runs as processes here; its image is made on {IMAGE}" in made.stderr
    # both have the same model, script and environment, so blue's image is used, wherever it was pushed to
    assert "has not answered here yet" in made.stderr
    name = shown["image"] if shown["image"].startswith("mlctl/") else image_of(home, shown["image"])
    with started(["docker", "run", "-d", "--pull", "never", "-p", f"127.0.0.1:{port}:5001", name]):
        assert score(port)["scores"] == SCORES


def test_no_image_is_made_of_a_deployment_of_another_back_end(mlctl: Mlctl) -> None:
    Serving(mlctl).deploy("blue")
    words = ("online-deployment", "export", "-n", "blue", "-e", "iris", "--format", "compose")
    assert "runs on 'stub', and no image can be made of it" in mlctl(*words, code=9).stderr
    assert not (mlctl.folder / "iris-blue").exists()


def image_of(home: Mlctl, pinned: str) -> str:
    """The engine's own name of an image that was pushed."""
    (row,) = [row for row in home.json("environment", "list-images") if pinned in row["pinned"]]
    return str(row["image"])


def composer() -> list[str]:
    """Docker Compose, as a plugin or a program of its own; skips without one, fails where one must be there."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if "compose" in os.environ.get("MLCTL_TEST_REQUIRE", "").split(","):
        pytest.fail("docker compose is required here")
    pytest.skip("docker compose is not installed")


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("MLCTL_", "PYTHON"))}
    return subprocess.run(words, cwd=folder, env=bare, capture_output=True, text=True, check=False, timeout=280)
