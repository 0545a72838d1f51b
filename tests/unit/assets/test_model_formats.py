"""Whether files are laid out as the type of a model says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.assets.model_formats import checked_type
from mlctl.errors import InvalidSpecError


def files(folder: Path, *paths: str) -> Path:
    for path in paths:
        place = folder / path
        if path.endswith("/"):
            place.mkdir(parents=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("x")
    return folder


def refused(place: Path, wanted: str) -> str:
    with pytest.raises(InvalidSpecError) as caught:
        checked_type(place, wanted)
    return f"{caught.value.message} | {caught.value.hint}"


def test_the_type_is_what_the_files_are(tmp_path: Path) -> None:
    plain = files(tmp_path / "plain", "w.bin")
    flow = files(tmp_path / "flow", "MLmodel")
    assert checked_type(plain, None) == ("custom_model", ())
    assert checked_type(plain / "w.bin", None) == ("custom_model", ())
    assert checked_type(plain, "custom_model") == ("custom_model", ())
    assert checked_type(flow, "mlflow_model") == ("mlflow_model", ())
    found, (told,) = checked_type(flow, None)
    assert found == "mlflow_model"
    assert "so it gets type mlflow_model" in told
    kept, (told,) = checked_type(flow, "custom_model")
    assert kept == "custom_model"
    assert "lets it be deployed without a script" in told


def test_an_mlflow_model_needs_its_file(tmp_path: Path) -> None:
    outer = files(tmp_path / "outer", "model/MLmodel", "w.bin")
    told = refused(outer, "mlflow_model")
    assert "there is no MLmodel in it" in told
    assert "it is in model/" in told
    assert "write type: custom_model" in refused(files(tmp_path / "none", "w.bin"), "mlflow_model")
    assert "is a file" in refused(outer / "w.bin", "mlflow_model")


def test_a_triton_repository(tmp_path: Path) -> None:
    good = files(tmp_path / "good", "m/config.pbtxt", "m/1/model.onnx", "m/2/model.onnx", ".hidden/x", "README.md")
    assert checked_type(good, "triton_model") == ("triton_model", ())
    bare = files(tmp_path / "bare", "m/1/model.onnx")
    assert checked_type(bare, "triton_model")[1] == ("m has no config.pbtxt: Triton makes one for some formats only",)


@pytest.mark.parametrize(
    ("paths", "inside", "said"),
    [
        (["m/1/model.onnx", "m/config.pbtxt"], "m", "name the folder above it"),
        (["m/1/model.onnx"], "m", "name the folder above it"),
        (["model.onnx"], "", "holds no model"),
        (["m/model.onnx"], "", "put its files into m/1/"),
        (["m/1/"], "", "m/1 is empty"),
        (["m/1/model.onnx"], "m/1/model.onnx", "is a file"),
    ],
)
def test_what_is_no_triton_repository_says_how_one_looks(
    tmp_path: Path, paths: list[str], inside: str, said: str
) -> None:
    told = refused(files(tmp_path / "r", *paths) / inside, "triton_model")
    assert said in told
    assert "<model>/1/model.onnx" in told
