"""Jobs on the `local` back end, seen from outside: what a user relies on."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Mlctl


def test_the_pattern_of_scripts(mlctl: Mlctl) -> None:
    name = mlctl("job", "create", "-f", str(mlctl.job("echo hello")), "--query", "name", "-o", "tsv").stdout
    assert name == name.strip() + "\n"
    assert mlctl("job", "stream", "-n", name.strip()).stdout == "hello\n"
    assert mlctl("job", "show", "-n", name.strip(), "--query", "status", "-o", "tsv").stdout == "Completed\n"
    mlctl("job", "show", "-n", "missing", code=3)


def test_create_with_stream_gives_one_document_and_the_log_on_stderr(mlctl: Mlctl) -> None:
    done = mlctl("job", "create", "-f", str(mlctl.job("echo to the log")), "--stream", "-o", "json")
    assert json.loads(done.stdout)["status"] == "Completed"
    assert "to the log" in done.stderr
    done = mlctl("job", "stream", "-n", json.loads(done.stdout)["name"], "-o", "json")
    assert json.loads(done.stdout)["status"] == "Completed"
    assert "to the log" in done.stderr


def test_variables_and_paths_inside(mlctl: Mlctl) -> None:
    data = mlctl.folder / "data"
    data.mkdir()
    (data / "a.csv").write_text("x\n1\n")
    mlctl.run(
        "env | sort; pwd; cat $AZURE_ML_INPUT_folder/a.csv ${{inputs.file}}; echo lr=${{inputs.lr}}",
        "--name",
        "inside",
        "--set",
        "inputs.lr=0.5",
        inputs={
            "folder": {"type": "uri_folder", "path": "data"},
            "file": {"type": "uri_file", "path": "data/a.csv", "mode": "download"},
            "lr": 0.1,
            "flag": True,
        },
        outputs={"model": {"type": "custom_model"}},
        experiment_name="exp one",
        environment_variables={"MINE": "yes ${{inputs.lr}}"},
    )
    log = mlctl.log("inside").splitlines()
    folder = mlctl.workspace / "jobs" / "inside"
    seen = dict(line.split("=", 1) for line in log if "=" in line)
    assert seen["AZUREML_RUN_ID"] == seen["MLFLOW_RUN_ID"] == "inside"
    assert seen["MLFLOW_EXPERIMENT_NAME"] == "exp one"
    assert seen["AZURE_ML_INPUT_folder"] == str(folder / "inputs/folder")
    assert seen["AZURE_ML_OUTPUT_model"] == str(folder / "named-outputs/model")
    assert seen["AZUREML_PARAMETER_flag"] == "True"
    assert seen["MINE"] == "yes 0.5"
    assert json.loads(seen["MLFLOW_RUN_CONTEXT"])["mlctl.job"] == "inside"
    assert str(folder / "code") in log
    assert log[-5:] == ["x", "1", "x", "1", "lr=0.5"]
    assert not [name for name in seen if name.startswith(("VIRTUAL_ENV_", "CONDA", "PYTHONPATH", "MLCTL_HOME"))]


def test_a_mounted_input_cannot_be_changed(mlctl: Mlctl) -> None:
    data = mlctl.folder / "data"
    data.mkdir()
    (data / "a.txt").write_text("original\n")
    command = (
        "cat ${{inputs.d}}/a.txt; echo changed > ${{inputs.d}}/a.txt; touch ${{inputs.d}}/new;"
        "rm -f ${{inputs.d}}/a.txt; echo changed > ${{inputs.f}}; true"
    )
    inputs = {"d": {"path": "data"}, "f": {"type": "uri_file", "path": "data/a.txt"}}
    mlctl.run(command, "--name", "careful", inputs=inputs)
    assert (data / "a.txt").read_text() == "original\n"
    assert sorted(path.name for path in data.iterdir()) == ["a.txt"]
    log = mlctl.log("careful")
    assert log.startswith("original\n")
    assert log.count("Read-only file system") + log.count("Permission denied") >= 3


def test_download_mode_gives_a_copy_to_change(mlctl: Mlctl) -> None:
    (mlctl.folder / "a.txt").write_text("original\n")
    inputs = {"f": {"type": "uri_file", "path": "a.txt", "mode": "download"}}
    mlctl.run("echo changed > ${{inputs.f}} && cat ${{inputs.f}}", "--name", "copy", inputs=inputs)
    assert mlctl.log("copy") == "changed\n"
    assert (mlctl.folder / "a.txt").read_text() == "original\n"


def test_outputs_come_back(mlctl: Mlctl, tmp_path: Path) -> None:
    command = (
        "echo a > outputs/a.txt; echo m > ${{outputs.model}}/m.bin; echo f > ${{outputs.one}};"
        "rm -rf logs; mkdir logs; echo l > logs/l"
    )
    outputs = {"model": {"type": "custom_model"}, "one": {"type": "uri_file"}}
    shown = mlctl.run(command, "--name", "gives", outputs=outputs)
    assert shown["outputs"]["model"]["path"] == "azureml://jobs/gives/outputs/model/paths/"
    mlctl("job", "download", "-n", "gives", "--all", "--download-path", str(tmp_path / "out"))
    files = {str(p.relative_to(tmp_path / "out")): p.read_text() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    kept = {name: text for name, text in files.items() if "system_logs" not in name and "azureml-logs" not in name}
    assert kept == {
        "artifacts/outputs/a.txt": "a\n",
        "artifacts/logs/l": "l\n",
        "artifacts/user_logs/std_log.txt": "",
        "named-outputs/model/m.bin": "m\n",
        "named-outputs/one/one": "f\n",
    }
    mlctl("job", "download", "-n", "gives", "--output-name", "nope", code=3)


def test_code_is_a_snapshot_that_ignores_what_is_ignored(mlctl: Mlctl) -> None:
    source = mlctl.folder / "src"
    (source / "junk").mkdir(parents=True)
    (source / "train.py").write_text("print('first version')\n")
    (source / "junk" / "big").write_text("x")
    (source / ".amlignore").write_text("junk/\n")
    mlctl("compute", "update", "-n", "local", "--max-concurrent", "1")
    mlctl("job", "create", "-f", str(mlctl.job("sleep 1")), "--name", "before")
    job = mlctl.job("python train.py; ls", code="src")
    mlctl("job", "create", "-f", str(job), "--name", "snap")
    (source / "train.py").write_text("print('second version')\n")
    mlctl("job", "wait", "-n", "snap")
    log = mlctl.log("snap").splitlines()
    assert log[0] == "first version"
    assert "junk" not in log


def test_an_output_of_a_job_is_the_input_of_the_next(mlctl: Mlctl) -> None:
    mlctl.run("echo 42 > ${{outputs.o}}/n.txt", "--name", "one", outputs={"o": {}})
    inputs = {"i": {"type": "uri_folder", "path": "azureml://jobs/one/outputs/o/paths/"}}
    mlctl.run("cat ${{inputs.i}}/n.txt", "--name", "two", inputs=inputs)
    assert mlctl.log("two") == "42\n"
    bad = {"i": {"path": "azureml://jobs/one/outputs/nope"}}
    done = mlctl("job", "create", "-f", str(mlctl.job("true", inputs=bad)), code=3)
    assert "has no output 'nope'" in done.stderr
    assert "its outputs: artifacts, o" in done.stderr


def test_nothing_outside_the_job_changes_when_it_installs_packages(mlctl: Mlctl, cache: Path) -> None:
    wheel = make_wheel(mlctl.folder)
    mlctl.run("true")
    environments = cache / "environments"
    before = fingerprint(environments), fingerprint(Path(sys.prefix) / "lib")
    mlctl.run(
        f"pip install --no-index {wheel} && python -c 'import tinypkg; print(tinypkg.__file__)' && which pip python",
        "--name",
        "installs",
    )
    assert (fingerprint(environments), fingerprint(Path(sys.prefix) / "lib")) == before
    lines = mlctl.log("installs").splitlines()
    own = str(mlctl.workspace / "jobs/installs/environment")
    assert all(line.startswith(own) for line in lines[-3:])
    assert not Path(own).exists()


def make_wheel(folder: Path) -> Path:
    """A package of one module, as a wheel."""
    import zipfile

    path = folder / "tinypkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tinypkg.py", "x = 1\n")
        wheel.writestr("tinypkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.0\n")
        facts = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr("tinypkg-1.0.dist-info/WHEEL", facts)
        wheel.writestr("tinypkg-1.0.dist-info/RECORD", "tinypkg.py,,\n")
    return path


def fingerprint(folder: Path) -> str:
    """Names, sizes and times of all that is below a folder, but for when an environment was last used."""
    found = hashlib.sha256()
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            status = (Path(root) / name).lstat()
            changed = 0 if name == "environment.json" else status.st_mtime_ns
            found.update(f"{root}/{name} {status.st_size} {changed}\n".encode())
    return found.hexdigest()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A web server with one file; the requests it answered."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("If-None-Match") == '"v1"'
            asked.append(f"{304 if known else 200} {self.path}")
            self.send_response(304 if known else 200)
            self.send_header("ETag", '"v1"')
            self.send_header("Content-Length", "0" if known else "4")
            self.end_headers()
            if not known:
                self.wfile.write(b"a,b\n")

        def log_message(self, *_words: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_input_is_fetched_once(mlctl: Mlctl, web: tuple[str, list[str]]) -> None:
    address, asked = web
    inputs = {"f": {"type": "uri_file", "path": f"{address}/iris.csv?sig=SECRET"}}
    for name in ("first", "second"):
        mlctl.run("basename ${{inputs.f}}; cat ${{inputs.f}}", "--name", name, inputs=inputs)
        assert mlctl.log(name) == "iris.csv\na,b\n"
    assert [line.split()[0] for line in asked] == ["200", "304"]


def test_direct_passes_the_address_itself(mlctl: Mlctl) -> None:
    inputs = {"f": {"type": "uri_file", "path": "https://example.invalid/x.csv", "mode": "direct"}}
    mlctl.run("echo ${{inputs.f}}", "--name", "direct", inputs=inputs)
    assert mlctl.log("direct") == "https://example.invalid/x.csv\n"


def test_direct_passes_a_signature_that_is_told_to_the_job_alone(mlctl: Mlctl) -> None:
    address = "https://example.invalid/x.csv?sv=1&sig=abcdefghijklmnop"
    made = mlctl.json("data", "create", "-n", "far", "-t", "uri_file", "--path", address)
    inputs = {
        "a": {"type": "uri_file", "path": "azureml:far:1", "mode": "direct"},
        "b": {"type": "uri_file", "path": address, "mode": "direct"},
    }
    command = "echo '${{inputs.a}}' '${{inputs.b}}' $AZURE_ML_INPUT_b"
    job = mlctl.run(command, "--name", "signed", inputs=inputs)
    assert mlctl.log("signed") == f"{address} {address} {address}\n"
    assert made["path"] == "https://example.invalid/x.csv?sv=…&sig=…"
    assert "abcdef" not in json.dumps(job) + json.dumps(mlctl.json("job", "show", "-n", "signed"))


def test_a_datastore_path_is_written_and_read(mlctl: Mlctl) -> None:
    path = "azureml://datastores/workspaceblobstore/paths/shared/${{name}}"
    mlctl.run("echo kept > ${{outputs.o}}/k", "--name", "writes", outputs={"o": {"path": path}})
    inputs = {"i": {"path": "azureml://datastores/workspaceblobstore/paths/shared/writes"}}
    mlctl.run("cat ${{inputs.i}}/k", "--name", "reads", inputs=inputs)
    assert mlctl.log("reads") == "kept\n"


def test_an_unknown_compute_is_said_loudly_and_refused_when_strict(mlctl: Mlctl) -> None:
    job = str(mlctl.job("true", compute="azureml:gpu-cluster"))
    done = mlctl("job", "create", "-f", job)
    assert done.stderr.count("compute 'gpu-cluster' is not known in this workspace") == 1
    mlctl("job", "create", "-f", job, "--strict", code=3)


def test_dry_run_submits_nothing(mlctl: Mlctl) -> None:
    job = str(mlctl.job("echo ${{inputs.a}}", inputs={"a": 1}))
    plan = mlctl.json("job", "create", "-f", job, "--dry-run", "--name", "dry")
    assert plan["backend"] == "local"
    assert plan["payload"]["command"] == "echo 1"
    assert mlctl.json("job", "list") == []
    assert not (mlctl.workspace / "jobs" / "dry").exists()


def test_archive_update_and_list(mlctl: Mlctl) -> None:
    for name in ("a1", "b2"):
        mlctl("job", "create", "-f", str(mlctl.job("true")), "--name", name)
        mlctl("job", "wait", "-n", name)
    assert mlctl("job", "archive", "-n", "a1").stdout == ""
    assert [job["name"] for job in mlctl.json("job", "list")] == ["b2"]
    assert [job["name"] for job in mlctl.json("job", "list", "--archived-only")] == ["a1"]
    assert [job["name"] for job in mlctl.json("job", "list", "--include-archived")] == ["b2", "a1"]
    mlctl("job", "restore", "-n", "a1")
    changes = ["--set", "tags.kind=best", "display_name=The best", "--set", "tags.x=1"]
    shown = mlctl.json("job", "update", "-n", "a1", *changes)
    assert shown["tags"]["kind"] == "best"
    assert shown["display_name"] == "The best"
    done = mlctl("job", "update", "-n", "a1", "--set", "command=other", code=2)
    assert "cannot change command" in done.stderr
    mlctl("job", "list", "--archived-only", "--include-archived", code=2)


def test_wait_gives_up_in_time(mlctl: Mlctl) -> None:
    mlctl("job", "create", "-f", str(mlctl.job("sleep 30")), "--name", "long")
    done = mlctl("job", "wait", "-n", "long", "--timeout", "1s", code=8)
    assert "error[not_finished]" in done.stderr
    mlctl("job", "wait", "-n", "long", "--timeout", "soon", code=2)
    mlctl("job", "wait", "-n", "long", "--timeout", "", code=2)


def test_a_hundred_jobs_from_ten_shells(mlctl: Mlctl) -> None:
    """Order kept, nothing lost, never more than the compute allows at once."""
    mlctl("compute", "update", "-n", "local", "--max-concurrent", "8")
    mlctl.run("true")
    marks = mlctl.folder / "marks"
    marks.mkdir()
    command = f"date +%s%N > {marks}/$AZUREML_RUN_ID.begin; sleep 0.05; date +%s%N > {marks}/$AZUREML_RUN_ID.end"
    job = str(mlctl.job(command))
    create = f"{sys.executable} -m mlctl job create -f {job} --only-show-errors -o none"
    shell = f"for i in 0 1 2 3 4 5 6 7 8 9; do {create} || exit 1; done"
    shells = [subprocess.Popen(["/bin/sh", "-c", shell], env=mlctl.environ) for _ in range(10)]
    assert [one.wait(timeout=240) for one in shells] == [0] * 10
    names = [one["name"] for one in mlctl.json("job", "list", "--all-results")]
    assert len(names) == 101
    for name in names:
        mlctl("job", "wait", "-n", name)
    found = mlctl.json("job", "list", "--all-results")
    assert {one["status"] for one in found} == {"Completed"}
    spans = [(int(path.read_text()), int(path.with_suffix(".end").read_text())) for path in marks.glob("*.begin")]
    assert len(spans) == 100
    events = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    running = peak = 0
    for _, step in events:
        running += step
        peak = max(peak, running)
    assert 2 <= peak <= 8
    # the queue is first come, first served: a job starts at most one round of the compute before an earlier one
    starts = [one["start_time"] for one in reversed(found)]
    order = sorted(range(len(starts)), key=starts.__getitem__)
    assert max(abs(place - index) for place, index in enumerate(order)) <= 8


def test_a_job_finds_every_signal_as_the_system_has_it(mlctl: Mlctl) -> None:
    """However the caller's shell and the supervisor treat Ctrl-C: the job's own processes can be interrupted."""
    create = (
        f"trap '' INT HUP; exec {sys.executable} -m mlctl job create -f {mlctl.job('grep SigIgn /proc/self/status')}"
    )
    subprocess.run(["/bin/sh", "-c", f"{create} --name signals --stream"], env=mlctl.environ, check=True)
    assert mlctl.log("signals").split() == ["SigIgn:", "0" * 16]


def test_a_job_may_submit_jobs_that_outlive_it(mlctl: Mlctl) -> None:
    """A supervisor that is started from within a job is not part of that job."""
    inner = mlctl.folder / "inner.json"
    inner.write_text(json.dumps({"command": "sleep 2; echo inner done", "environment": {"image": "python"}}))
    create = f"{sys.executable} -m mlctl job create -f {inner} --name inner-1 -o none"
    mlctl.run(f"MLCTL_HOME={mlctl.home} {create}; sleep 0.5", "--name", "outer")
    assert mlctl.json("job", "wait", "-n", "inner-1")["status"] == "Completed"
    assert mlctl.log("inner-1") == "inner done\n"


def test_a_queued_job_runs_as_it_was_submitted(mlctl: Mlctl) -> None:
    """Variables and project settings are those of its own submitter, not of whoever starts it."""
    mlctl("compute", "update", "-n", "local", "--max-concurrent", "1")
    project = mlctl.folder / ".mlctl"
    project.mkdir()
    (project / "config").write_text("[local]\npass_environment = FOO*\n")
    job = str(mlctl.job("sleep 1; echo $FOO_A $OMP_NUM_THREADS $PIP_TARGET"))
    for name in ("first", "second"):
        mlctl.environ.update(FOO_A=name, OMP_NUM_THREADS=str(len(name)), PIP_TARGET="/nowhere")
        mlctl("job", "create", "-f", job, "--name", name)
    for name in ("first", "second"):
        mlctl("job", "wait", "-n", name)
        assert mlctl.log(name) == f"{name} {len(name)}\n"
        assert not (mlctl.workspace / "jobs" / name / ".submitter.json").exists()


def test_a_relative_home_is_the_same_place_for_the_job(mlctl: Mlctl) -> None:
    mlctl.environ["MLCTL_HOME"] = os.path.relpath(mlctl.home, mlctl.folder)
    assert mlctl.run("true")["status"] == "Completed"


def test_an_output_cannot_leave_the_workspace(mlctl: Mlctl, tmp_path: Path) -> None:
    for path in (
        "azureml://datastores/../../escaped/paths/x",
        "azureml://datastores/workspaceblobstore/paths/../../../x",
    ):
        job = mlctl.job("touch ${{outputs.o}}/f", outputs={"o": {"path": path}})
        assert "outputs.o.path" in mlctl("job", "create", "-f", str(job), code=9).stderr
    done = mlctl("job", "create", "-f", str(mlctl.job("true", outputs={"artifacts": {}})), code=9)
    assert "default output" in done.stderr


def test_download_does_not_follow_the_links_of_a_job(mlctl: Mlctl, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("hunter2")
    command = f"ln -s {secret} outputs/l; ln -s {secret}/key ${{{{outputs.o}}}}/k; ln -s nowhere logs/dangling"
    mlctl.run(command, "--name", "links", outputs={"o": {}})
    mlctl("job", "download", "-n", "links", "--all", "-p", str(tmp_path / "out"))
    found = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in found if path.read_text(errors="replace") == "hunter2"]
    assert (tmp_path / "out/artifacts/outputs/l").is_symlink()


def test_a_job_that_removes_its_own_folder_can_still_be_downloaded(mlctl: Mlctl, tmp_path: Path) -> None:
    mlctl.run('rm -rf "$AZ_BATCHAI_JOB_WORK_DIR"', "--name", "vanishes")
    mlctl("job", "download", "-n", "vanishes", "--all", "-p", str(tmp_path / "out"))
    assert (tmp_path / "out/artifacts/outputs").is_dir()


def test_what_job_show_prints_is_a_spec_again(mlctl: Mlctl) -> None:
    mlctl.run("echo ${{inputs.a}}", "--name", "once", "--save-as", "saved.yml", inputs={"a": "x"}, outputs={"o": {}})
    again = mlctl.json("job", "create", "-f", "saved.yml", "--name", "twice", "--stream", code=0)
    assert again["status"] == "Completed"
    assert mlctl.log("twice") == "x\n"


def test_only_the_owner_may_look_into_a_workspace(mlctl: Mlctl) -> None:
    mlctl.run("true")
    assert mlctl.workspace.stat().st_mode & 0o077 == 0


def test_a_status_that_does_not_exist_is_an_error(mlctl: Mlctl) -> None:
    mlctl.run("true")
    assert len(mlctl.json("job", "list", "--status", "completed")) == 1
    mlctl("job", "list", "--status", "Foo", code=2)


def test_download_leaves_out_what_is_no_file_and_brings_the_rest(mlctl: Mlctl, tmp_path: Path) -> None:
    command = "mkfifo outputs/a ${{outputs.o}}/a; echo 1 > outputs/b; echo 2 > ${{outputs.o}}/b"
    mlctl("job", "create", "-f", str(mlctl.job(command, name="pipes", outputs={"o": {}})), "--stream")
    done = mlctl("job", "download", "-n", "pipes", "--all", "-p", str(tmp_path / "out"))
    assert (tmp_path / "out" / "artifacts" / "outputs" / "b").read_text() == "1\n"
    assert [path.name for path in (tmp_path / "out" / "named-outputs" / "o").iterdir()] == ["b"]
    left_out = [line for line in done.stderr.splitlines() if line.endswith("/a is no file and was left out")]
    assert (len(left_out), all(line.startswith("warning: ") for line in left_out)) == (2, True)


@pytest.fixture
def guarded() -> Iterator[str]:
    """The address of a web server, without its scheme, that asks for user `me` and password `hunter2`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            knows = self.headers.get("Authorization") == "Basic bWU6aHVudGVyMg=="
            self.send_response(200 if knows else 401)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"yes" if knows else b"no!")

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_port}/x.csv"
        server.shutdown()


def test_user_and_password_of_an_address_are_used_and_not_shown(mlctl: Mlctl, guarded: str, tmp_path: Path) -> None:
    address = f"http://me:hunter2@{guarded}"
    made = mlctl("data", "create", "-n", "d", "--type", "uri_file", "--path", address)
    downloaded = mlctl("data", "download", "-n", "d", "-v", "1", "-p", str(tmp_path / "out"))
    assert (tmp_path / "out" / "d" / "x.csv").read_text() == "yes"
    inputs = {name: {"type": "uri_file", "path": path} for name, path in (("a", address), ("b", "azureml:d:1"))}
    mlctl.run("cat ${{inputs.a}} ${{inputs.b}}", "--name", "reads", inputs=inputs)
    assert mlctl.log("reads") == "yesyes"
    shown = mlctl("job", "show", "-n", "reads")
    assert "hunter2" not in "".join(f"{done.stdout}{done.stderr}" for done in (made, downloaded, shown))
