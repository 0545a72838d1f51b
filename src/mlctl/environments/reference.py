"""The reference pages that are made from the tables: run as `python -m mlctl.environments.reference docs/reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlctl.environments.conda import load_conda_packages
from mlctl.environments.curated import load_table

_MADE = (
    "<!-- Made from {source} by `python -m mlctl.environments.reference docs/reference`; edit the table instead. -->\n"
)

_CURATED_INTRO = """\
# Curated environments

Most published specs name one of Azure ML's curated environments. The docker back end runs its image. The local back
end builds a virtual environment with the Python version and the packages below, taken from the environments' published
definitions.

A name may be written in each of these forms, with or without `AzureML-` before it:

```yaml
environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest
environment: azureml://registries/azureml/environments/sklearn-1.5/versions/12
environment: azureml:AzureML-sklearn-1.5@latest
environment: azureml:AzureML-sklearn-1.5:12
environment:
  image: mcr.microsoft.com/azureml/curated/sklearn-1.5:12
```

- Operating system and CUDA version in a name do not matter here; a Python version (`-py38`) does.
- When the Python version is not on the machine, the nearest one is used, with a warning, and packages that have no
  ready-made wheels for it are taken in the first version that has.
- `mlflow-skinny` stands for MLflow: it is what the images hold too (azureml-mlflow depends on it). It is MLflow 2,
  which published scripts are written for. Use an environment of your own for MLflow 3, or for MLflow's server and
  projects.
- Packages that only work with an Azure workspace (azureml-core, azureml-defaults, azureml-telemetry …) and tools for
  notebooks are left out everywhere.

## Your own table

`mlctl config set environments.map=/path/to/environments.yml` names a file of the same shape. Its names win over the
built-in ones, so it also gives a meaning to environments that are registered in an Azure ML workspace:

```yaml
environments:
  our-training:                 # azureml:our-training@latest, azureml:our-training:3
    python: "3.11"
    packages: [scikit-learn~=1.5, mlflow-skinny]
    image: registry.example.com/training:3        # for the docker back end
  "our-training:2":             # one version
    python: "3.10"
    packages: [scikit-learn~=1.2]
conda_packages:                 # names in conda files that mlctl does not know; null leaves a package out
  our-conda-name: name-on-the-index
  ffmpeg: null
```

## Built-in table
"""

_CONDA_INTRO = """\
# Conda packages on the local back end

The local back end installs the `dependencies` of a conda file from the Python package index. The names below are known.
Any other name is an error that names the package; run the job with the docker back end then, move the package to the
`pip:` part, or add it under `conda_packages` to the file that setting `environments.map` names (see
[curated environments](curated-environments.md)).

Versions mean what they mean to conda: `numpy=1.26` is any 1.26, `numpy==1.26.4` that one, `numpy>=1,<2` the range;
build strings and channels are dropped. `python=3.10` chooses the interpreter.
"""


def render_curated() -> str:
    """The page on curated environments."""
    parts = [_MADE.format(source="curated.json"), _CURATED_INTRO]
    for environment in load_table().environments.values():
        parts.append(f"\n### {environment.name}\n\n{environment.about}.")
        if environment.note:
            parts.append(f" Not the same as in the image: {environment.note}.")
        names = ", ".join(f"`{name}`" for name in environment.names)
        parts.append(f"\n\nNames: {names}. Python {environment.python}.\n\n```\n")
        parts.append("\n".join(environment.packages) + "\n```\n")
    return "".join(parts)


def render_conda_packages() -> str:
    """The page on conda package names."""
    table = load_conda_packages()
    renamed = {name: target for name, target in table.names.items() if name.replace("_", "-") != target}
    same = [name for name in table.names if name not in renamed]
    parts = [
        _MADE.format(source="conda_packages.json"),
        _CONDA_INTRO,
        "\n## Under another name\n\n| conda | package index |\n|---|---|\n",
        "".join(f"| `{name}` | `{target}` |\n" for name, target in sorted(renamed.items())),
        "\n## Under the same name\n\n",
        _list(same),
        "\n## Left out\n",
        _by_reason(table.ignored),
        "\n## Not to be had\n",
        _by_reason(table.unavailable),
    ]
    return "".join(parts)


def write_pages(folder: Path) -> None:
    """Write both pages into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "curated-environments.md").write_text(render_curated(), encoding="utf-8")
    (folder / "conda-packages.md").write_text(render_conda_packages(), encoding="utf-8")


def _by_reason(reasons: Mapping[str, str]) -> str:
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(reason, []).append(name)
    return "".join(f"\n{reason[0].upper()}{reason[1:]}: {_list(names)}" for reason, names in groups.items())


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) + ".\n"


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
