"""Watching files: real files, and a sleep in whose stead the files change."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlctl.operations.watching import MOST_LOOKS, POLL, SETTLE, changes, is_yaml

Step = Callable[[], Any] | None


class Script:
    """A sleep that does one step each time, notes how long it was asked to last, and is interrupted at the end."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        if not self.steps:
            raise KeyboardInterrupt
        self.slept.append(seconds)
        step = self.steps.pop(0)
        if step:
            step()


def names(found: Iterator[frozenset[Path]], folder: Path) -> list[list[str]]:
    return [sorted(str(path.relative_to(folder)) for path in changed) for changed in found]


def watch(paths: Iterable[Path], *steps: Step, folder: Path, **options: Any) -> list[list[str]]:
    return names(changes(paths, sleep=Script(*steps), **options), folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a.yml", "sub/b.yaml", "sub/c.txt"):
        (tmp_path / name).write_text("1")
    return tmp_path


def put(path: Path, text: str) -> Callable[[], Any]:
    return lambda: path.write_text(text)


def test_changed_new_and_vanished_files_are_told_once(folder: Path) -> None:
    steps = [
        put(folder / "a.yml", "22"),
        None,
        put(folder / "sub" / "n.yml", "1"),
        None,
        (folder / "a.yml").unlink,
        None,
        None,
    ]
    assert watch([folder], *steps, folder=folder) == [["a.yml"], ["sub/n.yml"], ["a.yml"]]


def test_a_change_is_seen_by_size_by_time_and_by_inode(folder: Path) -> None:
    path = folder / "a.yml"
    was = path.stat()

    def swap() -> None:
        (folder / "new").write_text("3")
        os.utime(folder / "new", ns=(was.st_mtime_ns, was.st_mtime_ns))
        (folder / "new").replace(path)

    def grow() -> None:
        path.write_text("22")
        os.utime(path, ns=(was.st_mtime_ns, was.st_mtime_ns))

    for change in (swap, grow, lambda: os.utime(path, ns=(5, 5))):
        assert watch([folder], change, None, folder=folder) == [["a.yml"]]


def test_changes_count_from_the_call_and_those_of_the_callers_time_are_not_lost(folder: Path) -> None:
    script = Script(None, None, None, None)
    found = changes([folder], sleep=script)
    (folder / "a.yml").write_text("22")
    assert next(found) == {folder / "a.yml"}
    (folder / "sub" / "b.yaml").write_text("22")
    assert next(found) == {folder / "sub" / "b.yaml"}


def test_several_changes_in_a_row_are_one(folder: Path) -> None:
    steps = [
        put(folder / "a.yml", "22"),
        put(folder / "a.yml", "333"),
        put(folder / "sub" / "b.yaml", "22"),
        None,
        None,
    ]
    script = Script(*steps)
    assert names(changes([folder], sleep=script), folder) == [["a.yml", "sub/b.yaml"]]
    assert script.slept == [POLL, SETTLE, SETTLE, SETTLE, POLL]


def test_an_editor_that_saves_by_renaming_tells_one_change(folder: Path) -> None:
    def away() -> None:
        (folder / "a.yml").rename(folder / "a.yml~")

    def back() -> None:
        (folder / ".a.yml.tmp").write_text("new")
        (folder / ".a.yml.tmp").rename(folder / "a.yml")

    assert watch([folder / "a.yml"], away, back, None, None, folder=folder) == [["a.yml"]]


def test_a_file_that_comes_and_goes_between_two_looks_is_nothing(folder: Path) -> None:
    steps = [put(folder / "n.yml", "1"), (folder / "n.yml").unlink, None, None]
    assert watch([folder], *steps, folder=folder) == []


def test_a_file_that_never_rests_is_told_all_the_same(folder: Path) -> None:
    numbers = itertools.count(2)
    steps: list[Step] = [lambda: (folder / "a.yml").write_text("1" * next(numbers))] * (MOST_LOOKS + 1)
    assert watch([folder], *steps, folder=folder) == [["a.yml"]]


def test_in_folders_only_wanted_names_count_and_some_folders_do_not(folder: Path) -> None:
    for name in (".git", "node_modules", "sub/__pycache__"):
        (folder / name).mkdir()
    ignored = [
        put(folder / name, "22") for name in ("sub/c.txt", ".git/x.yml", "node_modules/x.yml", "sub/__pycache__/x.yml")
    ]
    assert watch([folder], *ignored, None, folder=folder) == []
    assert watch([folder / "sub" / "c.txt"], put(folder / "sub" / "c.txt", "333"), None, folder=folder) == [
        ["sub/c.txt"]
    ]
    wanted = watch(
        [folder], put(folder / "sub" / "c.txt", "4444"), None, folder=folder, wanted=lambda name: name == "c.txt"
    )
    assert wanted == [["sub/c.txt"]]


def test_names_of_yaml_files() -> None:
    assert [is_yaml(name) for name in ("a.yml", "A.YAML", ".hidden.yml")] == [True, True, True]
    assert [is_yaml(name) for name in (".#a.yml", "a.yml~", "a.yml.swp", "yml")] == [False] * 4


def test_what_is_not_there_yet_may_come_and_folders_may_go(folder: Path) -> None:
    def go() -> None:
        (folder / "sub" / "b.yaml").unlink()
        (folder / "sub" / "c.txt").unlink()
        (folder / "sub").rmdir()

    new = folder / "new"
    steps = [new.mkdir, put(new / "n.yml", "1"), None, go, None, None]
    assert watch([new, folder / "sub"], *steps, folder=folder) == [["new/n.yml"], ["sub/b.yaml"]]


def test_a_folder_that_becomes_a_file_while_it_is_read_does_no_harm(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("sub"):
            raise NotADirectoryError(path)
        return real(path)

    found = changes([folder], sleep=Script(None, None, None))
    monkeypatch.setattr(os, "scandir", scandir)
    assert names(found, folder) == [["sub/b.yaml"]]


def test_a_new_path_in_the_list_is_watched_from_then_on(folder: Path) -> None:
    paths = [folder / "a.yml"]
    other = folder / "sub" / "b.yaml"
    steps: list[Step] = [
        lambda: paths.append(other),
        put(other, "22"),
        None,
        lambda: paths.remove(other),
        put(other, "333"),
        None,
    ]
    assert watch(paths, *steps, folder=folder) == [["sub/b.yaml"]]


def test_a_link_to_a_file_changes_with_its_target_and_a_broken_one_does_no_harm(folder: Path) -> None:
    (folder / "sub" / "link.yml").symlink_to(folder / "a.yml")
    (folder / "sub" / "broken.yml").symlink_to("none")
    assert watch([folder / "sub"], put(folder / "a.yml", "22"), None, folder=folder) == [["sub/link.yml"]]


def test_an_interrupt_ends_it_and_other_errors_do_not_pass_in_silence(folder: Path) -> None:
    assert list(changes([folder], sleep=Script())) == []

    def broken(seconds: float) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        next(changes([folder], sleep=broken))
