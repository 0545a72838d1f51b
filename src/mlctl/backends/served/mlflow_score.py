"""Scores an MLflow model: the entry script of deployments without one.

It runs in the deployment's own environment, where mlctl is not installed. Input, as Azure ML takes it:
{"input_data": …, "params": …} with a table (columns, index, data), a list of records, of rows or of values,
or a map of tensors; also MLflow's own dataframe_split, dataframe_records, instances and inputs.
"""

from __future__ import annotations

import json
import os
from typing import Any

_model: Any = None


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR."""
    global _model  # noqa: PLW0603  # the contract of entry scripts
    import mlflow.pyfunc

    _model = mlflow.pyfunc.load_model(_find(os.environ["AZUREML_MODEL_DIR"]))


def run(text: str) -> Any:
    """The predictions for one request, as plain data."""
    request = json.loads(text)
    if not isinstance(request, dict):
        raise TypeError("the request must be a JSON object with 'input_data'")
    data = _input(request)
    params = request.get("params")
    predicted = _model.predict(data, params=params) if params else _model.predict(data)
    return _plain(predicted)


def _find(folder: str) -> str:
    for place, folders, files in os.walk(folder):
        folders.sort()
        if "MLmodel" in files:
            return place
    raise FileNotFoundError(f"there is no MLmodel below {folder}")


def _input(request: dict[str, Any]) -> Any:
    import pandas

    if "dataframe_split" in request:
        return _frame(request["dataframe_split"])
    if "dataframe_records" in request:
        return _typed(pandas.DataFrame(request["dataframe_records"]))
    for key in ("input_data", "instances", "inputs"):
        if key in request:
            return _data(request[key])
    raise ValueError("the request has no 'input_data'")


def _data(data: Any) -> Any:
    import numpy
    import pandas

    if isinstance(data, dict) and "data" in data:
        return _frame(data)
    if isinstance(data, dict):
        tensors = {name: numpy.asarray(values) for name, values in data.items()}
        is_table = all(values.ndim <= 1 for values in tensors.values())
        return _typed(pandas.DataFrame({k: numpy.atleast_1d(v) for k, v in tensors.items()})) if is_table else tensors
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return _typed(pandas.DataFrame(data))
    schema = _model.metadata.get_input_schema()
    if schema is not None and schema.is_tensor_spec():
        return numpy.asarray(data, dtype=schema.inputs[0].type)
    if schema is not None and isinstance(data, list) and data and isinstance(data[0], list):
        return _typed(pandas.DataFrame(data, columns=schema.input_names() if schema.has_input_names() else None))
    return numpy.asarray(data)


def _frame(table: dict[str, Any]) -> Any:
    import pandas

    return _typed(pandas.DataFrame(table["data"], columns=table.get("columns"), index=table.get("index")))


def _typed(frame: Any) -> Any:
    """JSON knows no integers of a width: columns get the types of the model's signature."""
    schema = _model.metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return frame
    for column in schema.inputs:
        if column.name in frame.columns and hasattr(column.type, "to_pandas"):
            frame[column.name] = frame[column.name].astype(column.type.to_pandas())
    return frame


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict(orient="records") if hasattr(value, "columns") else value.tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
