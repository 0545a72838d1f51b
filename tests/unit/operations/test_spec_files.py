"""Which files are meant: files, folders, globs, standard input, and links that lead back."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.errors import NotFoundError
from mlctl.operations.spec_files import STDIN_NAME, find_spec_files


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is where the test is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names: str) -> None:
    for name in names:
        place = Path(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("command: x\n", encoding="utf-8")


def sources(*paths: str) -> list[str]:
    return [file.source for file in find_spec_files(paths)]


def test_a_folder_is_walked_in_the_order_of_names() -> None:
    write("b.yml", "a.yaml", "z/a.YML", "c/d/e.yml", "c/a.yml", "readme.md", "c/yml")
    assert sources(".") == ["a.yaml", "b.yml", "c/a.yml", "c/d/e.yml", "z/a.YML"]
    assert sources("c") == sources("c/") == ["c/a.yml", "c/d/e.yml"]


def test_hidden_folders_and_packages_are_left_out() -> None:
    write("a.yml", ".github/b.yml", ".c.yml", "node_modules/d.yml", "x/venv/e.yml", "x/site-packages/f.yml", "x/g.yml")
    assert sources(".") == ["a.yml", "x/g.yml"]
    # what is named itself is meant
    assert sources(".github", ".c.yml") == [".github/b.yml", ".c.yml"]


def test_a_file_that_is_named_needs_no_suffix_and_is_not_found() -> None:
    write("job", "folder/a.yml")
    files = find_spec_files(["job", "folder"])
    assert [(file.source, file.found) for file in files] == [("job", False), ("folder/a.yml", True)]


def test_each_file_once_under_its_first_name(project: Path) -> None:
    write("a.yml", "b.yml")
    assert sources("b.yml", ".", "./a.yml", str(project / "b.yml"), "*.yml") == ["b.yml", "a.yml"]


def test_a_name_is_the_one_that_specs_use() -> None:
    write("a.yml", "x/b.yml")
    assert sources("./a.yml", "./x//b.yml") == ["a.yml", "x/b.yml"]
    assert sources("./x/*.yml") == ["x/b.yml"]
    assert sources("x/../a.yml") == ["x/../a.yml"]


def test_globs() -> None:
    write("a.yml", "b.yaml", "x/c.yml", "x/y/d.yml")
    Path("folder.yml").mkdir()
    assert sources("*.yml") == ["a.yml"]
    assert sources("**/*.yml") == ["a.yml", "x/c.yml", "x/y/d.yml"]
    assert sources("[ab].y*ml") == ["a.yml", "b.yaml"]
    with pytest.raises(NotFoundError, match=r"nothing matches '\*\.json'"):
        sources("*.json")


def test_a_name_with_the_marks_of_a_glob_is_a_file_when_it_is_there() -> None:
    write("job[1].yml", "job1.yml")
    assert sources("job[1].yml") == ["job[1].yml"]


def test_links_that_lead_back_end() -> None:
    write("a.yml", "x/b.yml")
    Path("x/up").symlink_to("..")
    Path("self.yml").symlink_to("self.yml")
    Path("gone.yml").symlink_to("nowhere.yml")
    assert sources(".") == ["a.yml", "x/b.yml"]
    assert sources("**/*.yml") == ["a.yml", "x/b.yml"]
    # a link that is named is told to be broken by whoever reads it
    assert sources("gone.yml") == ["gone.yml"]


def test_two_links_to_one_file_are_two_files() -> None:
    """Relative paths start at the folder of each."""
    write("real/a.yml")
    Path("other").mkdir()
    Path("other/a.yml").symlink_to("../real/a.yml")
    assert sources(".") == ["other/a.yml", "real/a.yml"]


def test_standard_input_once() -> None:
    write("a.yml")
    files = find_spec_files(["-", "a.yml", "-"], stdin=b"x: 1")
    assert [file.source for file in files] == [STDIN_NAME, "a.yml"]
    assert files[0].content == b"x: 1"
    assert find_spec_files(["-"])[0].content == b""


@pytest.mark.parametrize("path", ["nowhere", "nowhere.yml", "a.yml/", "a.yml/b", "", "n" * 300, "a\0b"])
def test_a_path_that_leads_nowhere(path: str) -> None:
    write("a.yml")
    with pytest.raises(NotFoundError) as caught:
        find_spec_files(["a.yml", path])
    assert caught.value.hint


def test_a_folder_without_specs_is_no_error() -> None:
    Path("empty").mkdir()
    assert sources("empty") == []
