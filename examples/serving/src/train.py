"""Train a support vector classifier on the iris data; keep it as a pickle and as an MLflow model."""

import argparse
import pickle
from pathlib import Path

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

PACKAGES = ["scikit-learn==1.5.2", "pandas>=2.2,<3", "mlflow-skinny>=2.14,<3", "azureml-inference-server-http>=1.4"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--mlflow-model", type=Path, required=True)
    args = parser.parse_args()

    flowers = pd.read_csv(args.data)
    features, species = flowers.drop(columns="species"), flowers["species"]
    model = make_pipeline(StandardScaler(), SVC(C=args.C)).fit(features, species)
    print(f"accuracy {model.score(features, species):.3f} on {len(flowers)} flowers")

    args.model.mkdir(parents=True, exist_ok=True)
    with (args.model / "model.pkl").open("wb") as file:
        pickle.dump(model, file)
    conda = {"name": "iris", "channels": ["conda-forge"], "dependencies": ["python=3.11", "pip", {"pip": PACKAGES}]}
    signature = infer_signature(features, model.predict(features))
    args.mlflow_model.mkdir(parents=True, exist_ok=True)
    mlflow.sklearn.save_model(model, args.mlflow_model, conda_env=conda, signature=signature)


if __name__ == "__main__":
    main()
