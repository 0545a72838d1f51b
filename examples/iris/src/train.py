"""Train a support vector classifier on the iris data; log parameters, metrics and the model file."""

import argparse
import pickle
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--kernel", default="rbf")
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()

    flowers = pd.read_csv(args.data)
    print(f"read {len(flowers)} flowers from {args.data}")
    features, species = flowers.drop(columns="species"), flowers["species"]
    x_train, x_test, y_train, y_test = train_test_split(
        features, species, test_size=0.3, random_state=7, stratify=species
    )

    model = make_pipeline(StandardScaler(), SVC(C=args.C, kernel=args.kernel)).fit(x_train, y_train)
    predicted = model.predict(x_test)
    accuracy = accuracy_score(y_test, predicted)
    f1 = f1_score(y_test, predicted, average="macro")
    print(f"accuracy {accuracy:.3f}, f1 {f1:.3f} on {len(x_test)} flowers it had not seen")

    mlflow.log_params({"C": args.C, "kernel": args.kernel})
    mlflow.log_metrics({"accuracy": accuracy, "f1": f1})

    args.model.mkdir(parents=True, exist_ok=True)
    with (args.model / "model.pkl").open("wb") as file:
        pickle.dump(model, file)
    print(f"model written to {args.model / 'model.pkl'}")


if __name__ == "__main__":
    main()
