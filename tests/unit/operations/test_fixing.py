"""Fixing files: the plan with its diff, encodings, files that several specs name, and safe writing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mlctl.errors import AuthError, ConflictError, MlctlError, UnavailableError
from mlctl.operations.fixing import FixPlan, Recheck, plan_fixes, unified_diff, untab, write_fixes
from mlctl.spec.check import CheckOptions, check_document
from mlctl.spec.detection import detect
from mlctl.spec.document import Document
from mlctl.spec.fixes import apply
from mlctl.spec.kinds import KINDS
from mlctl.spec.library import Library
from mlctl.spec.problems import Problem

WRONG = "command: run\nenvironment: {image: a}\ndisplayName: é # x\n"
RIGHT = WRONG.replace("displayName", "display_name")
COMPONENT = "type: command\nname: c\ncommand: run\nenvironment: {image: a}\ndisplayName: c\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checking(*files: str, count: list[int] | None = None) -> Recheck:
    """A check of these files, as `mlctl validate` does it."""

    def check(changed: Mapping[Path, Document]) -> Sequence[Problem]:
        if count is not None:
            count.append(len(changed))
        library = Library()
        for place, document in changed.items():
            library.add(place, document)
        found: list[Problem] = []
        for file in files:
            try:
                document = library.read(os.path.abspath(file), source=file)
            except MlctlError as error:
                found += getattr(error, "problems", [])
                continue
            kind = detect(document.data).kind or KINDS["commandJob"]
            found += check_document(document, kind, CheckOptions(), library).problems
        return found

    return check


def plan_for(*files: str) -> FixPlan:
    check = checking(*files)
    return plan_fixes(check({}), recheck=check)


def test_a_plan_shows_a_diff_and_writes_nothing(folder: Path) -> None:
    (folder / "job.yml").write_text(WRONG, encoding="utf-8")
    plan = plan_for("job.yml")
    assert plan.diff.splitlines() == [
        "--- a/job.yml",
        "+++ b/job.yml",
        "@@ -1,3 +1,3 @@",
        " command: run",
        " environment: {image: a}",
        "-displayName: é # x",
        "+display_name: é # x",
    ]
    assert plan.remaining == ()
    assert (folder / "job.yml").read_text(encoding="utf-8") == WRONG
    write_fixes(plan.files)
    assert (folder / "job.yml").read_text(encoding="utf-8") == RIGHT
    assert plan_for("job.yml") == FixPlan((), ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_encoding_and_the_line_ends_of_a_file_stay(folder: Path, encoding: str, end: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (folder / "job.yml").write_bytes((mark + WRONG.replace("\n", end)).encode(encoding))
    write_fixes(plan_for("job.yml").files)
    assert (folder / "job.yml").read_bytes() == (mark + RIGHT.replace("\n", end)).encode(encoding)


def test_what_is_below_a_renamed_key_is_fixed_too_and_the_rest_remains(folder: Path) -> None:
    (folder / "job.yml").write_text(WRONG + "Resources: {instanceCount: 2}\nfrobnicate: 1\n", encoding="utf-8")
    plan = plan_for("job.yml")
    assert plan.files[0].new.decode() == RIGHT + "resources: {instance_count: 2}\nfrobnicate: 1\n"
    assert [(found.code, found.path) for found in plan.remaining] == [("unknown_key", "frobnicate")]


def test_without_a_recheck_there_is_one_round(folder: Path) -> None:
    (folder / "job.yml").write_text(WRONG + "Resources: {instanceCount: 2}\nfrobnicate: 1\n", encoding="utf-8")
    plan = plan_fixes(checking("job.yml")({}))
    assert plan.files[0].new.decode() == RIGHT + "resources: {instanceCount: 2}\nfrobnicate: 1\n"
    assert [found.path for found in plan.remaining] == ["frobnicate"]


def test_a_fix_that_does_not_help_is_taken_back_and_the_others_are_made(folder: Path) -> None:
    # the environment is a file, so that file: can be put before it, but not one that defines an environment
    (folder / "conda.yml").write_text("name: e\ndependencies: [python]\n")
    (folder / "job.yml").write_text("command: 7\nenvironment: conda.yml\n")
    problems = checking("job.yml")({})
    assert {fix.code for fix in plan_fixes(problems).files[0].fixes} == {"wrong_type", "invalid_reference"}
    plan = plan_fixes(problems, recheck=checking("job.yml"))
    assert plan.files[0].new == b'command: "7"\nenvironment: conda.yml\n'
    assert [found.path for found in plan.remaining] == ["environment"]


def test_quotes_that_change_nothing_for_this_reader_are_put_though_the_value_is_wrong(folder: Path) -> None:
    (folder / "job.yml").write_text("command: run\nenvironment: 2020-01-01\n")
    plan = plan_for("job.yml")
    assert plan.files[0].new == b'command: run\nenvironment: "2020-01-01"\n'
    assert [found.path for found in plan.remaining] == ["environment"]


def test_a_component_of_two_pipelines_is_fixed_once_in_its_own_file(folder: Path) -> None:
    (folder / "parts").mkdir()
    (folder / "parts" / "c.yml").write_text(COMPONENT)
    for name, path in (("a.yml", "parts/c.yml"), ("b.yml", "./parts/../parts/c.yml")):
        step = f"jobs:\n  one: {{type: command, component: {path}}}\n"
        (folder / name).write_text(f"type: pipeline\ndisplayName: p\ncompute: x\n{step}")
    plan = plan_for("a.yml", "b.yml")
    assert sorted(file.source for file in plan.files) == ["a.yml", "b.yml", "parts/c.yml"]
    write_fixes(plan.files)
    assert (folder / "parts" / "c.yml").read_text() == COMPONENT.replace("displayName", "display_name")
    assert not [found for found in plan.remaining if found.severity == "error"]
    assert plan_for("a.yml", "b.yml").files == ()


def test_a_file_and_links_to_it_are_one_file_and_the_links_stay(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real" / "job.yml").write_text(WRONG, encoding="utf-8")
    (folder / "link.yml").symlink_to("real/job.yml")
    plan = plan_for("link.yml", "real/job.yml")
    assert [(file.source, file.path) for file in plan.files] == [("link.yml", folder / "real" / "job.yml")]
    assert plan.remaining == ()
    write_fixes(plan.files)
    assert (folder / "link.yml").is_symlink()
    assert (folder / "real" / "job.yml").read_text(encoding="utf-8") == RIGHT


def test_the_mode_is_kept_and_nothing_else_is_left_in_the_folder(folder: Path) -> None:
    path = folder / "job.yml"
    path.write_text(WRONG, encoding="utf-8")
    path.chmod(0o754)
    write_fixes(plan_for("job.yml").files)
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    assert [entry.name for entry in folder.iterdir()] == ["job.yml"]


@pytest.mark.parametrize("gone", [True, False])
def test_nothing_is_written_when_one_of_the_files_changed_meanwhile(folder: Path, gone: bool) -> None:
    for name in ("a.yml", "b.yml"):
        (folder / name).write_text(WRONG, encoding="utf-8")
    plan = plan_for("a.yml", "b.yml")
    (folder / "b.yml").unlink() if gone else (folder / "b.yml").write_text(WRONG + "# more\n", encoding="utf-8")
    with pytest.raises(ConflictError, match=r"b\.yml"):
        write_fixes(plan.files)
    assert (folder / "a.yml").read_text(encoding="utf-8") == WRONG


def test_a_read_only_file_is_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "job.yml").write_text(WRONG, encoding="utf-8")
    plan = plan_for("job.yml")
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    with pytest.raises(AuthError, match="read-only"):
        write_fixes(plan.files)
    assert (folder / "job.yml").read_text(encoding="utf-8") == WRONG


@pytest.mark.parametrize(
    ("error", "kind"), [(OSError(28, "full"), UnavailableError), (PermissionError(13, "no"), AuthError)]
)
def test_a_failure_leaves_the_file_as_it_was_and_names_what_was_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[MlctlError]
) -> None:
    for name in ("a.yml", "b.yml"):
        (folder / name).write_text(WRONG, encoding="utf-8")
    plan = plan_for("a.yml", "b.yml")
    calls: list[int] = []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise error

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(kind, match=r"b\.yml") as caught:
        write_fixes(plan.files)
    assert caught.value.details == {"written": ["a.yml"]}
    assert (folder / "b.yml").read_text(encoding="utf-8") == WRONG
    assert sorted(entry.name for entry in folder.iterdir()) == ["a.yml", "b.yml"]


def test_a_file_that_changes_while_it_is_written_is_not_overwritten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "job.yml").write_text(WRONG, encoding="utf-8")
    plan = plan_for("job.yml")
    monkeypatch.setattr(os, "fsync", lambda _: (folder / "job.yml").write_text("mine: 1\n"))
    with pytest.raises(ConflictError) as caught:
        write_fixes(plan.files)
    assert caught.value.details == {"written": []}
    assert (folder / "job.yml").read_text() == "mine: 1\n"


def test_sources_that_are_no_files_and_texts_that_changed_are_passed_over(folder: Path) -> None:
    (folder / "job.yml").write_text(WRONG, encoding="utf-8")
    (folder / "real").mkdir()
    (problem,) = checking("job.yml")({})
    for source in ("<stdin>", "real", "none.yml"):
        moved = problem._replace(source=source)
        assert plan_fixes([moved]) == FixPlan((), (moved,))
    (folder / "job.yml").write_text(WRONG.replace("é", "e"))
    assert plan_fixes([problem]).files == ()


def test_a_check_that_finds_nothing_to_fix_is_not_repeated(folder: Path) -> None:
    (folder / "job.yml").write_text("command: run\nfrobnicate: 1\n")
    count: list[int] = []
    check = checking("job.yml", count=count)
    plan_fixes(check({}), recheck=check)
    assert count == [0]


def test_a_file_is_fixed_as_the_kind_that_it_was_checked_as(folder: Path) -> None:
    (folder / "x.yml").write_text("name: c\ntype: amlcompute\nmaxx_instances: 2\n")
    document = Library().read(str(folder / "x.yml"), source="x.yml")
    problem = document.problem(
        "unknown_key", ("maxx_instances",), "m", hint="did you mean 'max_instances'?", on_key=True
    )
    assert plan_fixes([problem], kinds={"x.yml": KINDS["commandJob"]}).files == ()
    assert plan_fixes([problem], kinds={"x.yml": KINDS["amlCompute"]}).files[0].new.endswith(b"\nmax_instances: 2\n")


def test_a_file_indented_with_tabs_is_read_and_then_fixed_like_any_other(folder: Path) -> None:
    (folder / "job.yml").write_text("command: run\nenvironment:\n\timage: a\n\tbuild:\n\t\tpath: .\n")
    plan = plan_for("job.yml")
    assert plan.files[0].new == b"command: run\nenvironment:\n  image: a\n  build:\n    path: .\n"


@pytest.mark.parametrize(
    "text",
    [
        "a:\n\tb: 1\n  c: 2\n",  # spaces elsewhere: how wide is a tab?
        "a:\n \tb: 1\n",
        "a:\n\tb: |\n\t\tx\n\t\t\ty\n",
        "a: |\r\n\tb\r\n",
        "a:\n\tb: 1\n\t\tc: 2\n",
        "a: 1\n\tb: 2\n",
        "a: one\n\ttwo\n",  # it would become a part of the text
        "a:\n\tone\n",
        "a:\n\t\tb: 1\n",
        "a:\n\tb: [\n\tc: 1\n",  # not YAML with spaces either
    ],
)
def test_tabs_stay_where_their_depth_is_in_doubt(text: str) -> None:
    assert untab(text) == []


def test_spaces_take_the_place_of_tabs() -> None:
    assert apply("a:\n\t- b: 1\n\t\tc: 2\n", untab("a:\n\t- b: 1\n\t\tc: 2\n")) == "a:\n  - b: 1\n    c: 2\n"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_a_diff_can_be_applied_by_git(folder: Path, end: str, last: bool) -> None:
    lines = [f"k{number}: a\x0cb\x85c" for number in range(20)]
    old = end.join(lines) + (end if last else "")
    new = old.replace("k3:", "k_3:").replace("k19: a", "k19: z")
    (folder / "sub").mkdir()
    (folder / "sub" / "f.yml").write_bytes(old.encode())
    (folder / "d.patch").write_bytes(unified_diff(old, new, "sub/f.yml").encode())
    subprocess.run(["git", "apply", "d.patch"], cwd=folder, check=True)
    assert (folder / "sub" / "f.yml").read_bytes() == new.encode()
