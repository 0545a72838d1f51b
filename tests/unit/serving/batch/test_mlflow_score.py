"""Predictions as lines, without MLflow: what a model gives may be of many shapes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlctl.serving.batch import mlflow_score


class Array:
    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def tolist(self) -> list[Any]:
        return self._values


class Frame:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows
        self.columns = list(rows[0])

    def to_dict(self, *, orient: str) -> list[dict[str, Any]]:
        assert orient == "records"
        return self._rows


@pytest.mark.parametrize(
    ("predicted", "lines"),
    [
        (Array([1, 2.5]), ["0,1,a.csv", "1,2.5,a.csv"]),
        (Array([[0.25, 0.75]]), ['0,"[0.25, 0.75]",a.csv']),
        (Frame([{"y": 1}, {"y": 2}]), ["0,1,a.csv", "1,2,a.csv"]),
        (Frame([{"y": 1, "z": "b"}]), ['0,"{""y"": 1, ""z"": ""b""}",a.csv']),
        (["yes", "no, never"], ["0,yes,a.csv", '1,"no, never",a.csv']),
        ({"scores": Array([1, 2])}, ['0,"{""scores"": [1, 2]}",a.csv']),
        (3, ["0,3,a.csv"]),
    ],
)
def test_predictions_become_lines(monkeypatch: pytest.MonkeyPatch, predicted: Any, lines: list[str]) -> None:
    class Model:
        def predict(self, _data: Any) -> Any:
            return predicted

    monkeypatch.setattr(mlflow_score, "_model", Model())
    monkeypatch.setattr(mlflow_score, "read", lambda path: path)
    assert mlflow_score.run(["/in/deep/a.csv"]) == lines


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_path: str) -> None:
        raise ValueError("File type 'pdf' is not supported")

    monkeypatch.setattr(mlflow_score, "_model", SimpleNamespace(predict=str))
    monkeypatch.setattr(mlflow_score, "read", read)
    with pytest.raises(ValueError, match=r"Error processing input file: '/in/a.pdf'. File type 'pdf'"):
        mlflow_score.run(["/in/a.pdf"])


def test_the_highest_model_is_found(tmp_path: Path) -> None:
    for place in ("model/inner", "model"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "MLmodel").write_text("")
    assert mlflow_score.find_model(str(tmp_path)) == str(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="no MLmodel"):
        mlflow_score.find_model(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("predicted", "line"),
    [
        (Array([[0.25, 0.75]]), '0,"[0.25, 0.75]",a.png'),
        (Array([0.25, 0.75]), '0,"[0.25, 0.75]",a.png'),  # no batch around it: still one file
        (Array([7]), "0,7,a.png"),
        ("cat", "0,cat,a.png"),
    ],
)
def test_a_file_that_is_no_table_gives_one_row(monkeypatch: pytest.MonkeyPatch, predicted: Any, line: str) -> None:
    monkeypatch.setattr(mlflow_score, "_model", SimpleNamespace(predict=lambda _: predicted))
    monkeypatch.setattr(mlflow_score, "read", lambda path: path)
    assert mlflow_score.run(["/in/a.png"]) == [line]


@pytest.mark.parametrize(
    ("pixels", "wanted", "shape"),
    [
        ((2, 3, 3), (-1, 2, 3, 3), [1, 2, 3, 3]),
        ((2, 3, 3), (-1, -1, -1, 3), [1, 2, 3, 3]),
        ((2, 3), (-1, 6), [1, 6]),
        ((2, 3), (-1, 2, 3), [1, 2, 3]),
        ((2, 3, 3), (1, 4, 3, 3), [1, 4, 3, 3]),  # numpy says that it does not fit: images are not resized
    ],
)
def test_the_shape_of_an_image_is_the_signatures(pixels: tuple[int], wanted: tuple[int], shape: list[int]) -> None:
    assert mlflow_score.shape_of(pixels, wanted) == shape


def test_the_model_that_is_highest_up_is_taken(tmp_path: Path) -> None:
    for place in ("a/x", "b", "c"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "MLmodel").touch()
    assert mlflow_score.find_model(str(tmp_path)) == str(tmp_path / "b")
