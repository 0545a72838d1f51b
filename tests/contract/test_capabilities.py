"""The capability table tells the truth: what the back ends of this machine do with a command job; and it has every key.

What a back end does with a key is known by `test_fields.py`, which tries it; the table must say the same.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import Bound
from tests.contract.test_fields import (
    ALL,
    IMAGE,
    READ_ONLY,
    TABLE,
    Fate,
    Kept,
    Launched,
    Meaningless,
    Refused,
    Row,
    Warned,
)

from mlctl.backends import KNOWN
from mlctl.backends.capabilities import (
    APPROXIMATED,
    AZUREML,
    BACKENDS,
    FATES,
    HONOURED,
    IGNORED,
    KUBERNETES,
    REFUSED,
    KeyPath,
    fates_of,
    has_rows_below,
)
from mlctl.backends.capabilities.command import DOCKER_OPTIONS, DOCKER_SWITCHES
from mlctl.backends.capabilities.kinds import (
    KIND_SECTIONS,
    PARTS,
    STEP_SECTIONS,
    fate_of_document,
    part_at,
    sections_of,
    sections_of_part,
)
from mlctl.backends.capabilities.sections import SECTIONS
from mlctl.backends.docker import arguments
from mlctl.backends.supervised.materials import check_inputs
from mlctl.errors import NotFoundError, UnavailableError, UnsupportedError
from mlctl.operations.portability import Finding, examine
from mlctl.spec.check import check_document
from mlctl.spec.detection import detect
from mlctl.spec.kinds import KINDS
from mlctl.spec.reader import read_file
from mlctl.spec.schema import Schema, load_schema, schema_names
from mlctl.spec.schema import resolve as resolve_reference

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mlctl"
BUILT = sorted(KNOWN)
MEANS = {
    Kept: {HONOURED, APPROXIMATED},
    Launched: {HONOURED, APPROXIMATED},
    Warned: {APPROXIMATED, IGNORED},
    Refused: {REFUSED},
}


def findings(folder: Path, spec: dict[str, Any], backend: str) -> list[Finding]:
    """What the table says about each key of a command job."""
    path = folder / "job.yml"
    path.write_text(json.dumps(spec, indent=1), encoding="utf-8")
    document = read_file(path)
    kind = detect(document.data).kind
    assert kind is KINDS["commandJob"]
    return examine(check_document(document, kind), [backend])[0]


def said_of(found: list[Finding], key: str) -> str:
    """The fate of a key: its own, or that of a map around it; honoured when only keys inside it are told."""
    for one in sorted(found, key=lambda finding: -len(finding.field)):
        pattern = key.split(".")[: one.field.count(".") + 1]
        matches = all(_same(want, part) for want, part in zip(pattern, one.field.split("."), strict=False))
        if matches and one.field.count(".") <= key.count("."):
            return one.fate
    return HONOURED


def _same(want: str, part: str) -> bool:
    if want.endswith("[]") and "[" in part:
        return want.removesuffix("[]") == part.partition("[")[0]
    return want in ("*", part)


@pytest.mark.parametrize("backend", BUILT)
@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if isinstance(row, Row)])
def test_the_table_says_what_the_back_end_does(tmp_path: Path, backend: str, key: str) -> None:
    row = TABLE[key]
    assert isinstance(row, Row)
    does: Fate = row.docker or row.local if backend == "docker" else row.local
    found = findings(tmp_path, {"command": "true", "environment": IMAGE, **row.spec}, backend)
    said = {said_of(found, key)}
    if isinstance(does, (Warned, Refused)):
        # the back end tells it at this key, at a map around it, or at the key that it depends on
        said = (said | {said_of(found, does.key)}) - {HONOURED}
    assert said, f"{backend} does not honour {key} ({does}), and the table does not say so"
    assert said <= MEANS[type(does)], f"{key} on {backend}: the table says {said}, the back end {does}"
    assert isinstance(does, Refused) or all(one.fate != REFUSED for one in found), found


@pytest.mark.parametrize("key", [*(key for key, row in TABLE.items() if isinstance(row, Meaningless)), *READ_ONLY])
def test_what_means_nothing_is_no_difference(tmp_path: Path, key: str) -> None:
    assert key in ALL
    spec = {"command": "true", "environment": {**IMAGE, "$schema": "x"}, "$schema": "x", "status": "Completed"}
    told = [one.field for one in findings(tmp_path, spec, "docker") if one.fate != HONOURED]
    assert not told


def data(path: str, **more: str) -> dict[str, Any]:
    return {"inputs": {"a": {"path": path, **more}}}


def output(name: str = "o", **more: str) -> dict[str, Any]:
    return {"outputs": {name: more}}


VALUES: list[dict[str, Any]] = [
    {"environment": "azureml:nobody-knows-it:3"},
    {"environment": "azureml:sklearn-1.5@latest"},
    {"environment": "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"},
    {"environment": "azureml://registries/mine/environments/nobody-knows-it/versions/1"},
    {"environment": {**IMAGE, "os_type": "windows"}},
    {"environment": {**IMAGE, "os_type": "linux"}},
    {"code": "git+https://127.0.0.1:1/o/r.git"},
    {"code": "azureml:mine:1"},
    {"code": "."},
    data("."),
    data(".", mode="direct"),
    data("azureml:table:1"),
    data("azureml:table:1", mode="direct"),
    data("azureml://datastores/workspaceblobstore/paths/a/"),
    data("azureml://registries/r/data/d/versions/1"),
    data("azureml://locations/l/workspaces/w/data/d/versions/1"),
    data("runs:/r/model", type="custom_model"),
    data("s3://bucket/key"),
    data("gs://bucket/key"),
    data("adl://store/key"),
    data("hdfs://host/key", mode="direct"),
    data("https://example.invalid/folder"),
    data("https://example.invalid/folder", type="uri_folder"),
    data("https://example.invalid/folder", mode="direct"),
    data("https://example.invalid/a.csv", type="uri_file"),
    data("wasbs://c@a.blob.core.windows.net/a.csv", type="uri_file"),
    data("wasbs://c@a.blob.core.windows.net/folder", type="uri_folder"),
    data("abfss://c@a.dfs.core.windows.net/m", type="custom_model"),
    data("table", type="mltable", mode="eval_mount"),
    data("table", type="mltable", mode="eval_download"),
    data("table", type="mltable", mode="ro_mount"),
    output("artifacts"),
    output("default"),
    output("default", path="azureml://jobs/j/outputs/default/paths/"),
    output(path="azureml://datastores/mine/paths/a"),
    output(path="azureml://datastores/${{default_datastore}}/paths/${{name}}"),
    output(path="azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/a"),
    output(path="./here"),
    output(path="https://example.invalid/folder"),
    output(path="wasbs://c@a.blob.core.windows.net/folder"),
    {"resources": {"docker_args": "--memory 1g -e A=b"}},
    {"resources": {"docker_args": "--name mine"}},
    {"resources": {"docker_args": ["--restart=always"]}},
    {"resources": {"docker_args": ["-w", "/code"]}},
    {"resources": {"docker_args": "--no-such-option"}},
    {"resources": {"docker_args": "--gpus all -m64m --shm-size=2g -e NAME=-x --init --rm"}},
]
"""Specs whose fate hangs on a value."""


@pytest.mark.parametrize("spec", VALUES, ids=json.dumps)
def test_the_table_refuses_exactly_what_the_back_end_refuses(planning: Bound, spec: dict[str, Any]) -> None:
    table = planning.folder / "table"
    table.mkdir()
    (table / "MLTable").write_text("paths: []\n")
    whole = {"command": "true", "environment": IMAGE, **spec}
    said = any(one.fate == REFUSED for one in findings(planning.folder, whole, planning.backend.name))
    assert said == is_refused(planning, whole)


def is_refused(planning: Bound, spec: dict[str, Any]) -> bool:
    """Whether the back end has no way to run it; that something is not there yet is no refusal."""
    try:
        prepared = planning.prepare(spec)
    except UnsupportedError:
        return True
    except (NotFoundError, UnavailableError):
        return False
    try:
        check_inputs(prepared.plan.payload["inputs"], planning.store)
    except UnsupportedError:
        return True
    except NotFoundError:
        return False
    return False


def test_the_options_of_docker_run_are_those_of_the_docker_back_end() -> None:
    takes_value = {name for name, (with_value, _) in arguments._FLAGS.items() if with_value}
    assert takes_value == DOCKER_OPTIONS
    assert set(arguments._FLAGS) - takes_value | arguments._NOTHING == DOCKER_SWITCHES


Place = tuple[tuple[str, ...], KeyPath]


def places(
    schema: Schema, root: Schema, sections: tuple[str, ...], at: KeyPath, seen: set[tuple[str, Place]]
) -> Iterator[Place]:
    """Every key of a schema as the report walks it, down to the row that speaks for all that stands below."""
    if "$ref" in schema:
        mark = (schema["$ref"], (sections, at))
        if mark in seen:
            return
        seen.add(mark)
        schema = resolve_reference(schema, root)
    for branch in schema.get("anyOf", ()):
        yield from places(branch, root, sections, at, seen)
    below: list[tuple[str | int, Schema]] = list(schema.get("properties", {}).items())
    below += [("free", schema["additionalProperties"])] if isinstance(schema.get("additionalProperties"), dict) else []
    below += [(0, schema["items"])] if isinstance(schema.get("items"), dict) else []
    for key, value in below:
        here = (*at, key)
        if resolve_reference(value, root).get("readOnly"):
            continue
        part = part_at(sections, here)
        if part:
            for branch in branches(value, root):
                word = resolve_reference(branch.get("properties", {}).get("type", {}), root)
                kind = word.get("const") or next(iter(word.get("enum", ())), None)
                yield from places(branch, root, sections_of_part(part, {"type": kind} if kind else {}), (), seen)
        yield sections, here
        if not part and has_rows_below(sections, here):
            yield from places(value, root, sections, here, seen)


def branches(schema: Schema, root: Schema) -> list[Schema]:
    schema = resolve_reference(schema, root)
    if "anyOf" in schema:
        return [found for branch in schema["anyOf"] for found in branches(branch, root)]
    return [schema] if "properties" in schema else []


@pytest.mark.parametrize("kind", sorted(set(schema_names()) & set(KINDS)))
def test_every_key_of_every_kind_has_a_row(kind: str) -> None:
    root = load_schema(kind)
    walked = list(places(root, root, sections_of(kind), (), set()))
    assert walked
    lacking = {
        at
        for sections, at in walked
        if fates_of(sections, at, ()) is None and not has_rows_below(sections, at) and not part_at(sections, at)
    }
    assert not lacking


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_rows_are_written_as_rows_are_read(section: str) -> None:
    forms = set(re.findall(r"<[a-z, _]+>", (SOURCE / "operations" / "value_forms.py").read_text(encoding="utf-8")))
    facts = dict.fromkeys(("value", "name", "python", "datastore", "job", "input", "word"), "x")
    for given in SECTIONS[section]:
        assert {word for word in given.when if word.startswith("<")} <= forms, given
        for backend in BACKENDS:
            fate = getattr(given, backend)
            assert fate.word in FATES
            assert fate.word == HONOURED or fate.reason, given
            assert "{" not in fate.reason.format_map(facts).replace("${{inputs.x}}", ""), given
            assert not fate.reason.endswith("."), given


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_no_row_stands_behind_one_that_takes_its_place(section: str) -> None:
    given = [(re.findall(r"\[\]|[^.\[\]]+", one.key), one) for one in SECTIONS[section] if one.key != "**"]
    for number, (pattern, later) in enumerate(given):
        before = [earlier for words, earlier in given[:number] if not earlier.when and _covers(words, pattern)]
        assert not before, f"{later.key} after {before[0].key}"


def _covers(general: list[str], pattern: list[str]) -> bool:
    """Whether a row's key takes in every place that another's does."""
    return len(general) == len(pattern) and all(
        want == part or (want == "*" and part != "[]") for want, part in zip(general, pattern, strict=True)
    )


def test_every_section_is_read_by_something() -> None:
    read = {name for sections in (*KIND_SECTIONS.values(), *STEP_SECTIONS.values()) for name in sections}
    read |= {name for part in PARTS.values() for name in sections_of_part(part, {"type": "command"})}
    assert set(SECTIONS) == read | {"azure", "service step"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_document_as_a_whole_has_a_fate(kind: str) -> None:
    fates = {backend: fate_of_document(kind, backend) for backend in BACKENDS}
    assert all(fate.word == HONOURED or fate.reason for fate in fates.values())
    runs_here = {"commandJob", "workspace", "localCompute", "dockerCompute", "registry", "data", "model", "environment"}
    runs_here |= {"batchEndpoint", "batchDeployment", "modelBatchDeployment", "dataImport", "modelPackage"}
    runs_here |= {f"{kind}Online{what}" for kind in ("managed", "kubernetes") for what in ("Endpoint", "Deployment")}
    kept = KINDS[kind].family in ("datastore", "connection", "component") and kind not in (
        "azureFileDatastore",
        "azureDataLakeGen1Datastore",
    )
    assert (fates["local"].word == HONOURED or fates["docker"].word == HONOURED) == (kind in runs_here or kept)
    own = kind in ("localCompute", "dockerCompute", "localFolderDatastore", "s3Datastore")
    assert (fates[AZUREML].word == REFUSED) == own
    assert fates[KUBERNETES].word in (HONOURED, REFUSED)


def test_the_page_is_fresh() -> None:
    found = importlib.util.spec_from_file_location("docs_portability", ROOT / "docs" / "portability.py")
    assert found
    assert found.loader
    generator = importlib.util.module_from_spec(found)
    found.loader.exec_module(generator)
    assert generator.PAGE.read_text(encoding="utf-8") == generator.render(), "run python docs/portability.py"
