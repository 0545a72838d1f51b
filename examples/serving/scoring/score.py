"""Answers {"data": [[sepal_length, sepal_width, petal_length, petal_width], …]} with the species."""

import json
import os
import pickle
from pathlib import Path

import pandas as pd

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def init():
    """Load the model, wherever below AZUREML_MODEL_DIR it is."""
    global model  # noqa: PLW0603  # the contract of entry scripts
    path = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.pkl"))
    model = pickle.loads(path.read_bytes())


def run(text):
    """The species of each flower."""
    rows = pd.DataFrame(json.loads(text)["data"], columns=COLUMNS)
    return model.predict(rows).tolist()
