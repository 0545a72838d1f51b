"""The portability report: which key, on which line, what becomes of it and why, with values that decide."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from mlctl.backends.capabilities import BACKENDS
from mlctl.environments.curated import CuratedEnvironment, CuratedTable, load_table
from mlctl.errors import UsageError
from mlctl.operations.portability import AS_IT_IS, DOES_NOT_RUN, WITH_DIFFERENCES, Report, chosen_backends, report_on
from mlctl.operations.spec_files import SpecFile, find_spec_files

JOB = """\
command: python train.py
code: .
environment:
  image: python:3.11
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where specs are written, and where the user is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")


def report(*paths: str, backends: tuple[str, ...] = BACKENDS, curated: CuratedTable | None = None) -> Report:
    return report_on(find_spec_files(paths), backends, curated=curated)


def told(found: Report, backend: str) -> dict[str, str]:
    """Fate of each key that a back end does not honour."""
    return {one.field: one.fate for one in found.findings if one.backend == backend and one.fate != "honoured"}


def reason(found: Report, backend: str, field: str) -> str:
    return next(one.reason for one in found.findings if one.backend == backend and one.field == field)


def test_a_key_is_told_with_file_line_column_value_and_reason(folder: Path) -> None:
    write("jobs/a.yml", JOB + "compute: azureml:gpu\n")
    found = report("jobs/a.yml", backends=("local",))
    compute = next(one for one in found.findings if one.field == "compute")
    assert (compute.file, compute.line, compute.column, compute.value) == ("jobs/a.yml", 5, 1, "azureml:gpu")
    assert (compute.backend, compute.fate) == ("local", "approximated")
    assert "'gpu'" in compute.reason


def test_findings_stand_in_the_order_of_the_file_and_of_the_back_ends(folder: Path) -> None:
    write("a.yml", "resources: {shm_size: 2g, docker_args: --name x}\n" + JOB)
    found = report("a.yml", backends=("docker", "local"))
    assert [(one.line, one.column) for one in found.findings] == sorted((o.line, o.column) for o in found.findings)
    assert [one.backend for one in found.findings if one.field == "resources.shm_size"] == ["docker", "local"]


@pytest.mark.parametrize(
    ("more", "field", "fates"),
    [
        ("distribution: {type: pytorch}", "distribution.type", ("honoured",) * 4),
        ("distribution: {type: Ray}", "distribution.type", ("approximated", "approximated", "honoured", "honoured")),
        ("distribution: {type: mpi}", "distribution.type", ("approximated",) * 3 + ("honoured",)),
        ("resources: {instance_count: 1}", "resources.instance_count", ("honoured",) * 4),
        ("resources: {instance_count: 2}", "resources.instance_count", ("ignored",) * 2 + ("honoured",) * 2),
        ("resources: {shm_size: 1g}", "resources.shm_size", ("ignored",) + ("honoured",) * 3),
        (
            "resources: {docker_args: --ipc host}",
            "resources.docker_args",
            ("ignored", "honoured", "refused", "honoured"),
        ),
        (
            "resources: {docker_args: --pid host}",
            "resources.docker_args",
            ("ignored", "refused", "refused", "honoured"),
        ),
        ("resources: {instance_type: gpu}", "resources.instance_type", ("ignored", "approximated") + ("honoured",) * 2),
        (
            "resources: {instance_type: Standard_NC6}",
            "resources.instance_type",
            ("ignored", "approximated", "approximated", "honoured"),
        ),
        ("identity: {type: managed}", "identity", ("ignored",) * 2 + ("approximated", "honoured")),
        ("identity: {type: user_identity}", "identity", ("ignored",) * 3 + ("honoured",)),
        ("compute: local", "compute", ("honoured",) + ("approximated",) * 3),
        ("compute: docker", "compute", ("approximated", "honoured", "approximated", "refused")),
        ("queue_settings: {job_tier: spot}", "queue_settings", ("ignored", "ignored", None, None)),
        (
            "queue_settings: {job_tier: spot}\ncompute: c",
            "queue_settings",
            ("ignored", "ignored", None, "approximated"),
        ),
        ("outputs: {o: {name: asset}}", "outputs.o.name", ("approximated",) * 3 + ("honoured",)),
        ("outputs: {o: {path: ./here}}", "outputs.o.path", ("refused",) * 4),
        ("services: {s: {type: ssh}}", "services", ("ignored",) * 3 + ("honoured",)),
    ],
)
def test_the_value_decides(folder: Path, more: str, field: str, fates: tuple[str | None, ...]) -> None:
    """None: not told by itself, because what stands in it is."""
    write("a.yml", JOB + more + "\n")
    found = report("a.yml")
    assert not found.wrong
    by_backend = {one.backend: one.fate for one in found.findings if one.field == field}
    assert tuple(by_backend.get(backend) for backend in BACKENDS) == fates


@pytest.mark.parametrize(
    ("given", "fates"),
    [
        ("{path: .}", ("honoured",) * 4),
        ("{path: ., mode: direct}", ("honoured", "approximated", "approximated", "honoured")),
        ("{path: azureml:d:1}", ("approximated",) * 3 + ("honoured",)),
        ("{path: 'azureml://registries/r/data/d/versions/1'}", ("approximated", "approximated", "refused", "honoured")),
        ("{path: azureml://datastores/d/paths/x}", ("approximated",) * 3 + ("honoured",)),
        ("{path: azureml://jobs/j/outputs/o}", ("approximated",) * 3 + ("honoured",)),
        ("{path: https://h/x, type: uri_file}", ("honoured",) * 4),
        ("{path: https://h/x}", ("refused",) * 3 + ("honoured",)),
        ("{path: https://h/x, mode: direct}", ("honoured",) * 4),
        ("{path: 'wasbs://c@a/x', type: uri_file}", ("approximated",) * 3 + ("honoured",)),
        ("{path: 'abfss://c@a/x'}", ("approximated",) * 3 + ("honoured",)),
        ("{path: s3://b/x}", ("approximated",) * 3 + ("refused",)),
        ("{path: gs://b/x}", ("refused", "refused", "approximated", "refused")),
    ],
)
def test_where_an_input_is_decides(folder: Path, given: str, fates: tuple[str, ...]) -> None:
    write("a.yml", JOB + f"inputs:\n  a: {given}\n")
    by_backend = {one.backend: one.fate for one in report("a.yml").findings if one.field == "inputs.a.path"}
    assert tuple(by_backend[backend] for backend in BACKENDS) == fates


def test_the_reason_names_what_the_user_has_to_bring(folder: Path) -> None:
    inputs = "inputs:\n  a: {path: azureml://datastores/raw/paths/x}\n"
    outputs = "outputs:\n  o: {path: 'azureml://datastores/${{default_datastore}}/paths/x'}\n"
    write("a.yml", JOB + inputs + outputs)
    found = report("a.yml")
    assert "'raw'" in reason(found, "local", "inputs.a.path")
    assert "'raw'" in reason(found, "kubernetes", "inputs.a.path")
    assert "'workspaceblobstore'" in reason(found, "docker", "outputs.o.path")
    assert "Python 3.11" in reason(found, "local", "environment.image")


@pytest.mark.parametrize(
    ("environment", "local", "kubernetes"),
    [
        ("azureml:sklearn-1.5@latest", "approximated", "honoured"),
        ("azureml:ours:3", "approximated", "honoured"),
        ("azureml:theirs:3", "approximated", "approximated"),
        ("azureml://registries/r/environments/theirs/versions/3", "approximated", "refused"),
    ],
)
def test_a_known_environment_is_told_from_an_unknown_one(
    folder: Path, environment: str, local: str, kubernetes: str
) -> None:
    write("a.yml", f"command: x\nenvironment: {environment}\n")
    built_in = load_table()
    own = {"ours": CuratedEnvironment("ours", "3.12", ("numpy",))}
    found = report("a.yml", curated=CuratedTable(built_in.environments, own))
    fates = {one.backend: one.fate for one in found.findings if one.field == "environment"}
    assert (fates["local"], fates["kubernetes"], fates["azureml"]) == (local, kubernetes, "honoured")


EXPRESSION = "${{parent.inputs.x}}"


@pytest.mark.parametrize(
    "more",
    [
        f"environment: {{image: '{EXPRESSION}'}}",
        f"environment: '{EXPRESSION}'",
        f"code: '{EXPRESSION}'",
        f"compute: '{EXPRESSION}'",
        f"inputs: {{a: {{path: '{EXPRESSION}'}}}}",
        f"resources: {{instance_count: '{EXPRESSION}', docker_args: '{EXPRESSION}'}}",
        "services: 5",
        "identity: x",
        "inputs: {a: [1], b: {path: {x: 1}}}",
        "environment: {conda_file: {dependencies: {python: 3}}}",
        "distribution: [pytorch]",
    ],
)
@pytest.mark.parametrize("kind", ["command", "sweep", "pipeline"])
def test_nothing_that_stands_there_breaks_the_report(folder: Path, kind: str, more: str) -> None:
    heads = {
        "command": "type: command\ncommand: x\n",
        "sweep": "type: sweep\ntrial:\n  command: x\n  ",
        "pipeline": "type: pipeline\njobs:\n  a:\n    command: x\n    ",
    }
    write("a.yml", heads[kind] + more + "\n")
    found = report("a.yml")
    assert {verdict.backend for verdict in found.verdicts} == set(BACKENDS)
    assert not [one for one in found.findings if "{" in one.reason.replace("${{", "")]


def test_a_build_context_is_refused_once_with_all_that_stands_in_it(folder: Path) -> None:
    write("a.yml", "command: x\nenvironment: {build: {path: ., dockerfile_path: Dockerfile}}\n")
    assert told(report("a.yml"), "local") == {"environment.build": "refused"}
    assert told(report("a.yml"), "docker") == {}


PIPELINE = """\
    type: pipeline
    settings: {default_datastore: azureml:blobs}
    jobs:
      first:
        type: command
        component: ./train.yml
        compute: azureml:gpu
      second:
        type: spark
        code: .
      third:
        command: x
        environment: {image: a, build: {path: .}}
        resources: {docker_args: --init}
      fourth:
        type: automl
        task: classification
      fifth:
        component: azureml://registries/r/components/c/versions/1
    """
COMPONENT = """\
    $schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
    name: train
    command: x
    environment: {image: a}
    resources: {docker_args: --init}
    """


def test_a_pipeline_is_told_step_by_step_with_the_files_it_names(folder: Path) -> None:
    write("pipeline.yml", PIPELINE)
    write("train.yml", COMPONENT)
    found = report("pipeline.yml")
    assert told(found, "local") == {"type": "refused"}
    assert told(found, "kubernetes") == {
        "settings.default_datastore": "approximated",
        "jobs.first.compute": "approximated",
        "jobs.second.type": "refused",
        "jobs.third.environment.build": "approximated",
        "jobs.third.resources.docker_args": "refused",
        "jobs.fourth.type": "refused",
        "jobs.fifth.component": "refused",
        "resources.docker_args": "refused",
    }
    nested = next(one for one in found.findings if one.field == "resources.docker_args")
    assert (nested.file, nested.line) == ("train.yml", 5)


def test_a_component_by_itself_is_registered_here_and_runs_in_a_pipeline_there(folder: Path) -> None:
    write("train.yml", COMPONENT)
    found = report("train.yml")
    assert "*" not in told(found, "docker")
    assert told(found, "kubernetes") == {"resources.docker_args": "refused"}


def test_what_a_file_and_its_pipeline_say_is_told_once(folder: Path) -> None:
    write("pipeline.yml", PIPELINE)
    write("train.yml", COMPONENT)
    found = report("pipeline.yml", "train.yml", backends=("kubernetes",))
    assert [one.field for one in found.findings].count("resources.docker_args") == 1
    assert [verdict.file for verdict in found.verdicts] == ["pipeline.yml", "train.yml"]


def test_an_environment_file_of_a_job_is_looked_at_as_part_of_the_job(folder: Path) -> None:
    write("a.yml", "command: x\nenvironment: file:env.yml\n")
    write("env.yml", "name: mine\nimage: python:3.11\n")
    assert told(report("a.yml"), "local") == {"image": "approximated"}
    assert told(report("env.yml"), "local") == {"image": "approximated"}


def test_a_sweep_reads_its_trial_as_a_command(folder: Path) -> None:
    write(
        "sweep.yml",
        """\
        type: sweep
        trial:
          command: x ${{search_space.a}}
          environment: {image: a, conda_file: {dependencies: [python=3.10]}}
          distribution: {type: mpi}
        sampling_algorithm: bayesian
        search_space: {a: {type: choice, values: [1, 2]}}
        objective: {goal: minimize, primary_metric: loss}
        limits: {max_total_trials: 2}
        """,
    )
    found = report("sweep.yml")
    assert told(found, "docker") == {"type": "refused"}
    assert told(found, "kubernetes") == {
        "trial.environment.conda_file": "approximated",
        "trial.distribution.type": "approximated",
        "sampling_algorithm": "approximated",
    }
    assert told(found, "azureml") == {}


def test_an_endpoint_with_a_split_is_told(folder: Path) -> None:
    base = "name: e\nauth_mode: key\ntraffic: {blue: %s, green: %s}\n"
    write("split.yml", base % (90, 10))
    write("whole.yml", base % (100, 0))
    found = report("split.yml", "whole.yml", backends=("kubernetes",))
    assert [one.file for one in found.findings if one.fate == "approximated"] == ["split.yml"]


def test_verdicts_count_what_differs(folder: Path) -> None:
    write("a.yml", "command: x\nenvironment: {image: a}\nservices: {s: {type: ssh}}\n")
    found = {one.backend: one for one in report("a.yml").verdicts}
    assert (found["local"].verdict, found["local"].approximated, found["local"].ignored) == (WITH_DIFFERENCES, 1, 1)
    assert found["docker"].verdict == WITH_DIFFERENCES
    assert (found["azureml"].verdict, found["azureml"].kind) == (AS_IT_IS, "commandJob")
    write("a.yml", "command: x\nenvironment: {build: {path: .}}\n")
    assert report("a.yml", backends=("local",)).verdicts[0].verdict == DOES_NOT_RUN


def test_what_is_no_spec_is_skipped_and_what_is_wrong_is_counted(folder: Path) -> None:
    write("conda.yml", "dependencies: [python=3.11]\n")
    write("broken.yml", "command: x\nenvironment: [\n")
    write("chart.yaml", "apiVersion: v1\nkind: Service\nmetadata: {{ .Values.meta }}: x\n")
    write("typo.yml", "command: x\nenvironment: {image: a}\ncompute: gpu\ncomand: y\nlimits: {timeout: long}\n")
    found = report(".", backends=("kubernetes",))
    assert found.skipped == {"chart.yaml": "a Kubernetes manifest", "conda.yml": "a conda file"}
    assert found.wrong == {"broken.yml": 0, "typo.yml": 2}
    assert [one.field for one in found.findings] == ["command", "environment.image", "compute"]


def test_a_verdict_counts_the_files_that_a_spec_names_and_no_others(folder: Path) -> None:
    part = "name: part\ncommand: x\nenvironment: azureml:e:1\nresources: {docker_args: --init}\n"
    steps = "type: pipeline\ncompute: c\njobs: {{a: {{component: {}}}}}\n"
    write("hard.yml", part)
    write("easy.yml", part.partition("resources")[0])
    for name in ("hard", "easy"):
        write(f"with-{name}.yml", steps.format(f"{name}.yml"))
    alone = {name: report(f"with-{name}.yml", backends=("kubernetes",)).verdicts[0] for name in ("hard", "easy")}
    together = {one.file: one for one in report(".", backends=("kubernetes",)).verdicts}
    assert together["with-hard.yml"] == alone["hard"]
    assert together["with-easy.yml"] == alone["easy"]
    assert alone["hard"] != alone["easy"]


def test_standard_input_is_looked_at(folder: Path) -> None:
    files = find_spec_files(["-"], stdin=b"command: x\nenvironment: {image: a}\n")
    found = report_on(files, ("local",))
    assert isinstance(files[0], SpecFile)
    assert {one.file for one in found.findings} == {"<stdin>"}


def test_secrets_are_not_shown(folder: Path) -> None:
    variables = "environment_variables: {HF_TOKEN: hidden}\n"
    write("a.yml", JOB + variables + "inputs:\n  a: {path: 'https://h/x?sig=hidden'}\n")
    write(
        "d.yml", "type: azure_blob\nname: d\naccount_name: a\ncontainer_name: c\ncredentials: {account_key: hidden}\n"
    )
    found = report("a.yml", "d.yml")
    assert not [one for one in found.findings if "hidden" in f"{one.value} {one.reason}"]
    assert "https://h/x" in {one.value for one in found.findings}


def test_back_ends_are_lists_parted_by_commas() -> None:
    assert chosen_backends(None) == BACKENDS
    assert chosen_backends(["docker, LOCAL", "docker"]) == ("docker", "local")
    with pytest.raises(UsageError, match="no back end named 'mars'"):
        chosen_backends(["local,mars"])
