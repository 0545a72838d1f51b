"""Recipes: one tar for one content, the same files as a folder."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from mlctl.errors import ConflictError
from mlctl.images.context import context_files
from mlctl.images.recipe import ImageRecipe, Part, pack, tag_of, unpack


def _context(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"Dockerfile": "FROM scratch\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _recipe(folder: Path, **more: object) -> ImageRecipe:
    part = Part(folder, tuple(context_files(folder, "Dockerfile")))
    return ImageRecipe(parts=(part,), **more)  # type: ignore[arg-type]


def _packed(recipe: ImageRecipe) -> tarfile.TarFile:
    data = io.BytesIO()
    pack(recipe, data)
    data.seek(0)
    return tarfile.open(fileobj=data)


def _digest(recipe: ImageRecipe) -> str:
    return pack(recipe, io.BytesIO())


def test_the_fingerprint_depends_on_content_and_nothing_else(tmp_path: Path) -> None:
    folder = _context(tmp_path, {"a": "1", "d/b": "2"})
    first = _digest(_recipe(folder))
    os.utime(folder / "a", (1, 1))
    assert _digest(_recipe(folder)) == first
    # a context that the workspace keeps is read-only
    (folder / "a").chmod(0o444)
    assert _digest(_recipe(folder)) == first
    (folder / "a").chmod(0o755)
    executable = _digest(_recipe(folder))
    (folder / "a").write_text("2")
    others = [
        _digest(_recipe(folder)),
        _digest(_recipe(folder, salt="other")),
        _digest(_recipe(folder, dockerfile="a")),
    ]
    assert len({first, executable, *others}) == 5


def test_unmarked_files_and_arguments_are_sent_but_make_no_other_image() -> None:
    def recipe(certificates: bytes) -> ImageRecipe:
        files = {"Dockerfile": b"FROM x", "ca.pem": certificates, "word": b"1"}
        return ImageRecipe(files, build_args={"TOKEN": certificates.decode()}, unmarked=frozenset({"ca.pem"}))

    assert _digest(recipe(b"one")) == _digest(recipe(b"x" * 100_000))
    with _packed(recipe(b"one")) as tar:
        assert tar.getnames() == ["Dockerfile", "ca.pem", "word"]
        assert tar.extractfile("ca.pem").read() == b"one"  # type: ignore[union-attr]
        assert tar.getmember("word").mode == 0o644


def test_links_are_sent_as_links_and_hard_links_as_files(tmp_path: Path) -> None:
    folder = _context(tmp_path, {"a": "text"})
    (folder / "soft").symlink_to("a")
    (folder / "away").symlink_to("/etc")
    os.link(folder / "a", folder / "hard")
    with socket.socket(socket.AF_UNIX) as bound:
        old = Path.cwd()
        os.chdir(folder)  # the path of a socket is short
        bound.bind("sock")
        os.chdir(old)
        tar = _packed(_recipe(folder, files={"Dockerfile": b"FROM other\n"}))
    with tar:
        assert sorted(tar.getnames()) == ["Dockerfile", "a", "away", "hard", "soft"]
        assert tar.getmember("soft").issym()
        assert tar.getmember("away").linkname == "/etc"
        assert tar.extractfile("hard").read() == b"text"  # type: ignore[union-attr]
        assert tar.extractfile("Dockerfile").read() == b"FROM other\n"  # type: ignore[union-attr]
        assert {member.uid for member in tar} == {0}


def test_several_folders_stand_below_their_prefixes(tmp_path: Path) -> None:
    """As an image of a model with its code wants it."""
    model, code = tmp_path / "m", tmp_path / "c"
    for folder, name in ((model, "model.pkl"), (code, "score.py")):
        folder.mkdir()
        (folder / name).write_text(name)
    recipe = ImageRecipe(
        {"Dockerfile": b"FROM base\nCOPY model /m\nCOPY code /c\n"},
        (Part(model, ("model.pkl",), "model/"), Part(code, ("score.py",), "code/")),
    )
    with _packed(recipe) as tar:
        assert tar.getnames() == ["Dockerfile", "model/model.pkl", "code/score.py"]
    unpack(recipe, tmp_path / "out")
    assert (tmp_path / "out" / "code" / "score.py").read_text() == "score.py"


def test_the_folder_holds_what_the_tar_holds(tmp_path: Path) -> None:
    folder = _context(tmp_path / "in", {"d/a": "1", "run.sh": "#!/bin/sh", "left": "x", ".dockerignore": "left"})
    (folder / "empty").mkdir()
    (folder / "run.sh").chmod(0o755)
    (folder / "soft").symlink_to("d/a")
    recipe = _recipe(folder, files={"Dockerfile": b"FROM mirror\n"})
    unpack(recipe, tmp_path / "out")
    again = _recipe(tmp_path / "out", files=recipe.files)
    assert _digest(again) == _digest(recipe)
    assert not (tmp_path / "out" / "left").exists()
    assert (tmp_path / "out" / "Dockerfile").read_text() == "FROM mirror\n"
    with pytest.raises(ConflictError, match="not empty"):
        unpack(recipe, tmp_path / "out")


def test_the_tag_is_the_beginning_of_the_fingerprint() -> None:
    assert tag_of("0123456789abcdef" * 4) == "mlctl/environment:0123456789abcdef0123456789abcdef"
