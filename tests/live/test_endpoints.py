"""Online endpoints with real processes and a scoring server that starts at once (see stub_backend)."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import Mlctl
from tests.live.serving import Load, Serving, marked, until


@pytest.fixture
def serving(mlctl: Mlctl) -> Serving:
    return Serving(mlctl)


def who(answer: tuple[int, bytes]) -> str:
    status, text = answer
    assert status == 200, text
    return str(json.loads(text)["who"])


def test_the_life_of_two_deployments(serving: Serving) -> None:
    mlctl = serving.mlctl
    assert serving.shown["name"] == "iris"  # az lower-cases what --name gives
    assert serving.shown["traffic"] == {}
    assert serving.ask()[0] in (404, 503)  # nothing is there yet
    blue = serving.deploy("blue", "--all-traffic")
    assert (blue["provisioning_state"], blue["generation"], blue["active_generation"]) == ("Succeeded", 1, 1)
    assert json.loads(serving.ask()[1]) == {"who": "blue", "model": "model of blue"}
    serving.deploy("green")
    assert Counter(who(serving.ask()) for _ in range(20)) == {"blue": 20}
    assert who(serving.ask(azureml_model_deployment="green")) == "green"
    request = mlctl.folder / "request.json"
    request.write_text("{}")
    call = ("online-endpoint", "invoke", "-n", "iris", "-r", str(request), "-d", "green", "-o", "tsv")
    assert json.loads(mlctl(*call).stdout)["who"] == "green"

    for words, said in (
        ("blue=90 green=20", "adds up to 110"),
        ("blue=90", "adds up to 90"),
        ("blue=101", "blue"),
        ("red=100", "red"),
        ("blue", "blue=90 green=10"),
    ):
        refused = mlctl("online-endpoint", "update", "-n", "iris", "--traffic", words, code=3 if "red" in words else 2)
        assert said in refused.stderr
    assert mlctl.json("online-endpoint", "show", "-n", "iris")["traffic"] == {"blue": 100}
    refused = mlctl("online-deployment", "delete", "-n", "blue", "-e", "iris", "--yes", code=6)
    assert "gets 100 % of the traffic" in refused.stderr

    serving.traffic("blue=0 green=100")
    assert Counter(who(serving.ask()) for _ in range(20)) == {"green": 20}
    mlctl("online-deployment", "delete", "-n", "blue", "-e", "iris", "--yes")
    assert mlctl.json("online-endpoint", "show", "-n", "iris")["traffic"] == {"green": 100}
    until(lambda: not (serving.folder / "deployments" / "blue").exists())
    assert {one["deployment"] for one in serving.state()["replicas"]} == {"green"}

    mlctl("online-endpoint", "delete", "-n", "iris", "--yes")
    assert marked(serving.folder) == []
    assert not serving.folder.exists()
    assert serving.ask()[0] == 0
    assert "iris" in mlctl("online-endpoint", "show", "-n", "iris", code=3).stderr


def test_a_deployment_that_is_deleted_and_made_anew_is_the_new_one(serving: Serving) -> None:
    serving.deploy("blue", who="first")
    serving.mlctl("online-deployment", "delete", "-n", "blue", "-e", "iris", "--yes")
    serving.deploy("blue", who="second")
    assert who(serving.ask(azureml_model_deployment="blue")) == "second"
    serving.mlctl("online-endpoint", "stop", "-n", "iris")
    serving.mlctl("online-deployment", "delete", "-n", "blue", "-e", "iris", "--yes")
    refused = serving.deploy("blue", who="third", code=7)
    assert "is stopped" in refused.stderr
    serving.mlctl("online-endpoint", "start", "-n", "iris")
    until(lambda: serving.ask(azureml_model_deployment="blue")[0] == 200)
    assert who(serving.ask(azureml_model_deployment="blue")) == "third"
    until(lambda: [one.name for one in (serving.folder / "deployments" / "blue").iterdir()] == ["3"])


def test_no_request_fails_while_traffic_moves_and_a_deployment_is_renewed(serving: Serving) -> None:
    serving.deploy("blue", "--all-traffic", run="time.sleep(0.03)", instance_count=2)
    serving.deploy("green", run="time.sleep(0.03)")
    assert len({one["pid"] for one in serving.state()["replicas"] if one["deployment"] == "blue"}) == 2
    with Load(serving.ask) as load:
        serving.traffic("blue=50 green=50")
        serving.deploy("green", verb="update", run="time.sleep(0.03)", who="newgreen")
        serving.traffic("blue=0 green=100")
        serving.deploy("blue", verb="update", run="time.sleep(0.03)", who="newblue")
        until(lambda: sum(load.statuses.values()) > 250)
    assert load.failed == []
    assert set(load.statuses) == {200}
    assert {json.loads(text)["who"] for _, text in load.answers} == {"blue", "green", "newgreen"}


def test_the_split_is_that_of_the_weights(serving: Serving) -> None:
    serving.deploy("blue")
    serving.deploy("green")
    serving.traffic("blue=70 green=30")
    with Load(serving.ask, rate=100_000, threads=8) as load:
        until(lambda: len(load.answers) >= 2000, seconds=60)
    split = Counter(json.loads(text)["who"] for _, text in load.answers[:2000])
    assert abs(split["green"] / 2000 - 0.30) < 0.03
    assert load.failed == []


def test_an_update_that_cannot_start_leaves_what_answers(serving: Serving) -> None:
    serving.deploy("blue", "--all-traffic")
    with Load(serving.ask) as load:
        failed = serving.deploy("blue", verb="update", init="raise ValueError('no such weights')", code=10)
    assert load.failed == []
    assert "ValueError: no such weights" in failed.stderr
    assert "goes on, with the same traffic" in failed.stderr
    shown = serving.mlctl.json("online-deployment", "show", "-n", "blue", "-e", "iris")
    assert (shown["provisioning_state"], shown["active_generation"], shown["generation"]) == ("Failed", 1, 2)
    log = serving.mlctl("online-deployment", "get-logs", "-n", "blue", "-e", "iris").stdout
    assert "no such weights" in log
    until(lambda: [one["generation"] for one in serving.state()["replicas"]] == [1])
    serving.deploy("blue", verb="update", who="third")
    assert who(serving.ask()) == "third"
    until(lambda: sorted(path.name for path in (serving.folder / "deployments/blue").iterdir()) == ["3"])


def test_a_scoring_server_that_is_killed_in_init_is_started_again(serving: Serving) -> None:
    once = serving.mlctl.folder / "once"
    init = f"os.path.exists({str(once)!r}) or (open({str(once)!r}, 'w'), os.kill(os.getpid(), 9))"
    assert serving.deploy("blue", "--all-traffic", init=init)["provisioning_state"] == "Succeeded"
    assert who(serving.ask()) == "blue"
    assert "replica blue/0 ended (-9)" in (serving.folder / "keeper.log").read_text()


def test_a_first_start_that_fails_says_why_and_takes_no_traffic(serving: Serving) -> None:
    failed = serving.deploy("blue", "--all-traffic", init="os.kill(os.getpid(), 9)", code=10)
    assert "signal 9" in failed.stderr
    assert serving.mlctl.json("online-endpoint", "show", "-n", "iris")["traffic"] == {}
    refused = serving.mlctl("online-endpoint", "update", "-n", "iris", "--traffic", "blue=100", code=6)
    assert "never answered" in refused.stderr
    assert serving.state()["replicas"] == []


@pytest.mark.parametrize("victim", ["keeper", "router", "replica"])
def test_kill_9(serving: Serving, victim: str) -> None:
    serving.deploy("blue", "--all-traffic", instance_count=2)
    before = serving.state()
    pid = {
        "keeper": serving.keeper(),
        "router": before["router"]["pid"],
        "replica": before["replicas"][0]["pid"],
    }[victim]
    with Load(serving.ask) as load:
        until(lambda: load.statuses[200] > 10)
        os.kill(pid, signal.SIGKILL)
        if victim == "keeper":
            until(lambda: serving.mlctl.json("online-endpoint", "show", "-n", "iris")["state"] == "NotRunning")
            # another command takes up what runs
            serving.traffic("blue=100")
            until(lambda: serving.keeper() != pid)
            time.sleep(0.5)
            assert serving.state()["replicas"] == before["replicas"]
        elif victim == "router":
            until(lambda: serving.state()["router"]["pid"] != pid)
            assert serving.ask()[0] == 200
        else:
            until(lambda: pid not in [one["pid"] for one in serving.state()["replicas"]])
            until(lambda: [one["state"] for one in serving.state()["replicas"]] == ["ready", "ready"])
    if victim != "router":
        assert load.failed == []
    assert who(serving.ask()) == "blue"
    if victim == "replica":
        assert "replica blue/0 ended (-9)" in (serving.folder / "keeper.log").read_text()
    serving.mlctl("online-endpoint", "delete", "-n", "iris", "--yes")
    assert marked(serving.folder) == []


def test_logs_do_not_grow_without_end_and_the_last_lines_are_shown(mlctl: Mlctl) -> None:
    mlctl.environ |= {"MLCTL_ENDPOINTS_LOG_MEGABYTES": "0.2", "MLCTL_ENDPOINTS_LOG_FILES": "3"}
    serving = Serving(mlctl)
    serving.deploy("blue", "--all-traffic", run="print(data + ' ' + 'x' * 20_000, flush=True)")
    folder = serving.folder / "deployments" / "blue" / "1"
    said = 0
    while not (folder / "replica-0.log.2").exists() or said < 60:
        said += 1
        assert serving.ask(b"line %d" % said)[0] == 200
        time.sleep(0.02)
        assert said < 1000
    shown = mlctl("online-deployment", "get-logs", "-n", "blue", "-e", "iris", "--lines", "12").stdout.splitlines()
    numbers = [int(line.split()[1]) for line in shown if line.startswith("line ")]
    assert numbers == list(range(said - len(numbers) + 1, said + 1))
    assert len(numbers) >= 6
    until(lambda: (folder / "replica-0.log").stat().st_size < 200_000)
    assert sorted(path.name for path in folder.glob("replica*")) == [
        "replica-0.log", "replica-0.log.1", "replica-0.log.2",
    ]  # fmt: skip
    assert sum(path.stat().st_size for path in folder.glob("replica*")) < 3_000_000
    assert {path.stat().st_mode & 0o777 for path in folder.glob("replica*")} == {0o600}


def test_who_connects_while_the_router_is_killed_waits_for_the_next_one(serving: Serving) -> None:
    # as long as a request takes: a killed router takes those along that are with it
    serving.deploy("blue", "--all-traffic", run="time.sleep(0.05)")
    until(lambda: holds(serving.keeper(), serving.port))
    with Load(serving.ask) as load:
        for number in range(3):
            if number == 1:  # the next keeper gets the port from the router
                keeper = serving.keeper()
                os.kill(keeper, signal.SIGKILL)
                serving.traffic("blue=100")
                until(lambda keeper=keeper: serving.keeper() != keeper)  # type: ignore[misc]
                until(lambda: holds(serving.keeper(), serving.port))
            asked = load.statuses[200]
            until(lambda asked=asked: load.statuses[200] > asked + 20)  # type: ignore[misc]
            router = serving.state()["router"]["pid"]
            os.kill(router, signal.SIGKILL)
            # at once, before there is a router again
            assert who(serving.ask()) == "blue"
            until(lambda router=router: serving.state()["router"]["pid"] != router)  # type: ignore[misc]
            until(lambda: holds(serving.keeper(), serving.port))
    assert not [one for one in load.failed if b"refused" in one.lower()]
    assert len(load.failed) <= 3 * 5, load.failed  # one for each caller that was served just then
    # stopped means closed: nobody holds the port any more
    serving.mlctl("online-endpoint", "stop", "-n", "iris")
    assert b"refused" in serving.ask()[1].lower()


def holds(pid: int, port: int) -> bool:
    """Whether a process has the listening socket of a port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{one[9]}]" for one in lines if one[1].endswith(f":{port:04X}") and one[3] == "0A"}
    try:
        return any(os.readlink(handle) in inodes for handle in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False


def test_stop_and_delete_find_what_a_killed_keeper_left(serving: Serving) -> None:
    serving.deploy("blue", "--all-traffic")
    os.kill(serving.keeper(), signal.SIGKILL)
    until(lambda: len(marked(serving.folder)) == 2)  # router and replica
    assert serving.mlctl.json("online-endpoint", "stop", "-n", "iris")["state"] == "Stopped"
    assert marked(serving.folder) == []
    assert serving.mlctl.json("online-endpoint", "stop", "-n", "iris")["state"] == "Stopped"  # nothing runs: fine
    assert (
        "is stopped"
        in serving.mlctl("online-endpoint", "invoke", "-n", "iris", "-r", serving.spec("blue"), code=7).stderr
    )
    serving.mlctl("online-endpoint", "start", "-n", "iris")
    until(lambda: serving.ask()[0] == 200)
    assert serving.ask()[0] == 200
    os.kill(serving.keeper(), signal.SIGKILL)
    (serving.folder / "state.json").unlink()  # killed before it could write down what it started
    serving.mlctl("online-endpoint", "delete", "-n", "iris", "--yes")
    assert marked(serving.folder) == []


def test_stale_process_numbers_of_an_earlier_boot_are_nobody(serving: Serving) -> None:
    serving.deploy("blue", "--all-traffic")
    serving.mlctl("online-endpoint", "stop", "-n", "iris")
    bystander = subprocess.Popen(["sleep", "600"])
    started = f"1@another-boot@{os.uname().nodename}"
    facts = {"deployment": "blue", "generation": 1, "index": 0, "port": 1, "state": "ready"}
    stale = {"pid": bystander.pid, "started": started}
    state = {"replicas": [{**facts, **stale}], "router": stale, "preparations": [stale]}
    (serving.folder / "state.json").write_text(json.dumps(state))
    serving.mlctl("online-endpoint", "start", "-n", "iris")
    until(lambda: serving.ask()[0] == 200)
    serving.mlctl("online-endpoint", "stop", "-n", "iris")
    (serving.folder / "state.json").write_text(json.dumps(state))
    serving.mlctl("online-endpoint", "delete", "-n", "iris", "--yes")
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_delete_while_a_deployment_is_being_prepared(serving: Serving) -> None:
    serving.deploy("blue", "--no-wait", environment_variables={"SLOW_BUILD": "600"})
    until(lambda: serving.folder.exists() and serving.state().get("preparations"))
    until(lambda: "nothing to build" in (serving.folder / "deployments/blue/1/build.log").read_text())
    serving.mlctl("online-endpoint", "delete", "-n", "iris", "--yes")
    assert marked(serving.folder) == []
    assert not serving.folder.exists()


def test_a_liveness_probe_that_fails_renews_the_replica(serving: Serving) -> None:
    broken = serving.mlctl.folder / "broken"
    probe = {"initial_delay": 1, "period": 1, "timeout": 1, "success_threshold": 1, "failure_threshold": 1}
    serving.deploy("blue", "--all-traffic", liveness_probe=probe, environment_variables={"UNHEALTHY_WHEN": str(broken)})
    pid = serving.state()["replicas"][0]["pid"]
    broken.touch()
    until(lambda: pid not in [one["pid"] for one in serving.state()["replicas"]])
    broken.unlink()
    until(lambda: serving.ask()[0] == 200)
    assert "probes in a row failed" in (serving.folder / "keeper.log").read_text()


def test_two_keepers_are_one(serving: Serving) -> None:
    keeper = serving.keeper()
    calls = [serving.mlctl.start("online-endpoint", "start", "-n", "iris") for _ in range(4)]
    assert [call.wait(60) for call in calls] == [0] * 4
    for call in calls:
        call.communicate()
    assert serving.keeper() == keeper
    os.kill(keeper, signal.SIGKILL)
    calls = [serving.mlctl.start("online-endpoint", "start", "-n", "iris") for _ in range(4)]
    assert [call.wait(60) for call in calls] == [0] * 4
    for call in calls:
        call.communicate()
    until(lambda: len(marked(serving.folder)) == 2)  # a keeper, a router


def test_a_port_that_is_taken(mlctl: Mlctl) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = mlctl("online-endpoint", "create", "-n", "abc", "--port", str(port), code=6)
        assert f"port {port}" in refused.stderr
    serving = Serving(mlctl)
    mlctl("online-endpoint", "stop", "-n", "iris")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", serving.port))
        other.listen()
        refused = mlctl("online-endpoint", "start", "-n", "iris", code=7)
        assert f"{serving.port}" in refused.stderr
        assert f"{serving.port}" in (serving.folder / "router.log").read_text()
    # it is free again: the endpoint comes by itself
    until(lambda: serving.ask()[0] in (404, 503))
    mlctl("online-endpoint", "delete", "-n", "iris", "--yes")


def test_who_may_ask_and_who_may_read(serving: Serving) -> None:
    secret = "postgres://reader:geheim-geheim@db/x"
    serving.deploy("blue", "--all-traffic", environment_variables={"COLOUR": "blue", "DB": secret})
    assert serving.ask(Authorization="Bearer nonsense-nonsense-nonsense")[0] == 401
    assert serving.ask(azureml_model_deployment="red")[0] == 404
    assert serving.ask(b"this is no JSON")[0] == 200  # the script decides, as on Azure
    before = serving.key
    renewed = serving.mlctl.json("online-endpoint", "regenerate-keys", "-n", "iris")
    serving.key = renewed["primaryKey"]
    until(lambda: serving.ask()[0] == 200)
    assert serving.ask(Authorization=f"Bearer {before}")[0] == 401
    serving.mlctl("online-endpoint", "update", "-n", "iris", "--set", "auth_mode=aml_token")
    token = serving.mlctl.json("online-endpoint", "get-credentials", "-n", "iris")["accessToken"]
    until(lambda: serving.ask(Authorization=f"Bearer {token}")[0] == 200)

    log = (serving.folder / "access.log").read_text()
    statuses = Counter(json.loads(line)["status"] for line in log.splitlines())
    assert statuses[401] >= 2
    assert statuses[404] == 1
    keys = json.loads((serving.folder / "keys.json").read_text())
    secrets = [*keys.values(), before, token]
    shown = [
        serving.mlctl("online-endpoint", "show", "-n", "iris").stdout,
        serving.mlctl("online-endpoint", "history", "-n", "iris").stdout,
        serving.mlctl("online-deployment", "show", "-n", "blue", "-e", "iris").stdout,
        *(path.read_text(errors="replace") for path in serving.folder.glob("*.log")),
        *(path.read_text(errors="replace") for path in serving.folder.glob("deployments/*/*/*.*")),
        *((Path("/proc") / str(pid) / "environ").read_text() for pid in marked(serving.folder)),
        *((Path("/proc") / str(pid) / "cmdline").read_text() for pid in marked(serving.folder)),
    ]
    assert [secret for secret in secrets for text in shown if secret in text] == []
    (replica,) = serving.state()["replicas"]
    assert f"DB={secret}" in (Path("/proc") / str(replica["pid"]) / "environ").read_text().split("\0")
    stored = [path for path in serving.folder.parents[1].rglob("*") if path.is_file() and "secrets" not in path.parts]
    assert [path for path in stored if b"geheim-geheim" in path.read_bytes()] == []
    assert [text for text in shown[:3] if "geheim-geheim" in text] == []
    assert stat.S_IMODE(serving.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(serving.folder.parent.stat().st_mode) == 0o700
    files = [path for path in serving.folder.iterdir() if path.is_file()]
    assert {path.name: oct(path.stat().st_mode) for path in files if path.stat().st_mode & 0o077} == {}


def test_a_workspace_with_an_endpoint_that_is_not_stopped_stays(serving: Serving) -> None:
    refused = serving.mlctl("workspace", "delete", "-n", "default", "--yes", code=6)
    assert "mlctl online-endpoint stop -n iris" in refused.stderr
    serving.mlctl("online-endpoint", "stop", "-n", "iris")
    serving.mlctl("workspace", "delete", "-n", "default", "--yes")
    assert marked(serving.folder) == []


def test_models_by_reference_and_from_a_job(serving: Serving) -> None:
    mlctl = serving.mlctl
    (mlctl.folder / "model.txt").write_text("registered")
    mlctl("model", "create", "-n", "words", "--path", "model.txt")
    serving.deploy("reg", model="azureml:words@latest")
    assert json.loads(serving.ask(azureml_model_deployment="reg")[1])["model"] == "registered"
    shown = mlctl.json("online-deployment", "show", "-n", "reg", "-e", "iris")
    assert shown["model"] == "azureml:words:1"
    script = "mkdir -p ${{outputs.kept}} && echo from-a-job > ${{outputs.kept}}/model.txt"
    job = mlctl.run(script, outputs={"kept": {"type": "uri_folder"}})
    path = f"azureml://jobs/{job['name']}/outputs/kept/paths/model.txt"
    serving.deploy("job", model={"path": path})
    assert json.loads(serving.ask(azureml_model_deployment="job")[1])["model"] == "from-a-job\n"
    missing = serving.deploy("none", model="azureml:words:7", code=3)
    assert "deployment.yml" in missing.stderr
