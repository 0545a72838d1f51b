"""Scores files with an MLflow model: the script of batch deployments without one.

It runs in the model's own environment. As in Azure ML, predict is called once for each file, and a file that cannot be
read fails its mini batch. Rows of the result: number of the row in its file, prediction, name of the file. A table
gives a row for each of its rows, any other file gives one.

    .csv .parquet .pqt .json .jsonl      a table, with the types of the signature
    .png .jpg .jpeg .tiff .bmp .gif      an array of pixels, in the shape of the signature; uint8 without one
    any other file                       its bytes, for a model whose signature has one column of type binary

Contract: "Deploy MLflow models in batch deployments", File's types support; .json, .jsonl and bytes are additions.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from typing import Any

_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif")
_PARQUET = (".parquet", ".pqt")
_TABLES = (".csv", *_PARQUET, ".json", ".jsonl")
_model: Any = None


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR."""
    global _model  # noqa: PLW0603  # the contract of scoring scripts
    import mlflow.pyfunc

    _model = mlflow.pyfunc.load_model(find_model(os.environ["AZUREML_MODEL_DIR"]))


def run(mini_batch: list[str]) -> list[str]:
    """One line of CSV for each prediction."""
    rows: list[str] = []
    for path in mini_batch:
        try:
            predicted = _model.predict(read(path))
        except Exception as error:
            raise ValueError(f"Error processing input file: '{path}'. {error}") from error
        values = plain(predicted)
        many = values if isinstance(values, list) else [values]
        if len(many) != 1 and not is_table(path):  # one file, one prediction, of whatever shape
            many = [values]
        rows += [_line(number, value, os.path.basename(path)) for number, value in enumerate(many)]
    return rows


def find_model(folder: str) -> str:
    """The folder with the MLmodel, the highest one."""
    found = [place for place, _, files in os.walk(folder) if "MLmodel" in files]
    if not found:
        raise FileNotFoundError(f"there is no MLmodel below {folder}")
    return min(found, key=lambda place: (place.count(os.sep), place))


def is_table(path: str) -> bool:
    """Whether a file holds rows."""
    return os.path.splitext(path)[1].lower() in _TABLES


def read(path: str) -> Any:
    """A file as the model takes it. Raises ValueError for one that it cannot take."""
    import pandas

    ending = os.path.splitext(path)[1].lower()
    column = _binary_column()
    if is_table(path):
        return _typed(_table(path, ending))
    if column is not None:
        with open(path, "rb") as stream:
            return pandas.DataFrame({column: [stream.read()]})
    if ending in _IMAGES:
        return _pixels(path)
    raise ValueError(f"File type '{ending.lstrip('.') or os.path.basename(path)}' is not supported")


def plain(value: Any) -> Any:
    """A prediction as plain data: a list with one item for each row."""
    if hasattr(value, "columns"):
        rows = value.to_dict(orient="records")
        return [next(iter(row.values())) for row in rows] if len(value.columns) == 1 else rows
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return [{key: plain(item) for key, item in value.items()}]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _line(number: int, value: Any, name: str) -> str:
    text = json.dumps(value, default=str) if isinstance(value, (list, dict)) else value
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow([number, text, name])
    return stream.getvalue()


def _table(path: str, ending: str) -> Any:
    import pandas

    if ending == ".csv":
        return pandas.read_csv(path)
    if ending in _PARQUET:
        return pandas.read_parquet(path)
    with open(path, encoding="utf-8") as stream:
        if ending == ".jsonl":
            return pandas.DataFrame([json.loads(line) for line in stream if line.strip()])
        data = json.load(stream)
    for key in ("input_data", "dataframe_split", "dataframe_records"):
        if isinstance(data, dict) and key in data:
            data = data[key]
    if isinstance(data, dict) and "data" in data:
        return pandas.DataFrame(data["data"], columns=data.get("columns"), index=data.get("index"))
    if isinstance(data, dict):
        return pandas.DataFrame(data if any(isinstance(value, list) for value in data.values()) else [data])
    return pandas.DataFrame(data)


def _typed(frame: Any) -> Any:
    """Files know no integers of a width: columns get the types of the model's signature."""
    schema = _model.metadata.get_input_schema()
    if schema is None:
        return frame
    if schema.is_tensor_spec():  # named ones are looked up in the table by MLflow
        return frame if schema.has_input_names() else frame.to_numpy().astype(schema.inputs[0].type)
    if schema.has_input_names():
        for column in schema.inputs:
            if column.name in frame.columns and hasattr(column.type, "to_pandas"):
                frame[column.name] = frame[column.name].astype(column.type.to_pandas())
    return frame


def _pixels(path: str) -> Any:
    import numpy

    try:
        from PIL import Image
    except ImportError as error:
        raise ValueError("images need the package pillow: add it to the model's environment") from error
    with Image.open(path) as image:
        # numbers of a palette say nothing about the picture
        pixels = numpy.asarray(image.convert("RGB") if image.mode == "P" else image)
    schema = _model.metadata.get_input_schema()
    if schema is None or not schema.is_tensor_spec():
        return pixels[None, ...].astype(numpy.uint8)
    wanted = schema.inputs[0]
    shaped = pixels.reshape(shape_of(pixels.shape, wanted.shape)).astype(wanted.type)
    return {wanted.name: shaped} if schema.has_input_names() else shaped


def shape_of(pixels: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """The shape of a batch of one image: sizes that the signature leaves open (-1) are the image's own."""
    given = (1, *pixels)
    if len(given) == len(wanted):
        return [own if size == -1 else size for own, size in zip(given, wanted)]
    return [1 if size == -1 and place == 0 else size for place, size in enumerate(wanted)]


def _binary_column() -> str | None:
    """The name of the column that takes a file's bytes, when the model has such a signature."""
    schema = _model.metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or len(schema.inputs) != 1:
        return None
    column = schema.inputs[0]
    return (column.name or "0") if str(getattr(column.type, "name", column.type)) == "binary" else None
