"""Online endpoints on this machine: what stands between a caller and the scoring servers.

An endpoint is a folder. Whoever decides about an endpoint writes two files there, each by rename; the router
(`python -m mlctl.serving.router FOLDER`) reads them and notices a change within 100 ms:

    routes.json   where requests go: deployments, their replicas, weights, limits   (mlctl.serving.routes)
    keys.json     who may ask; 0600                                                 (mlctl.serving.keys)

The router writes:

    router.json   which process serves, where, by which version of the routes       (mlctl.serving.routes.RouterState)
    access.log    one JSON line for each request, rotated                           (mlctl.serving.router.journal)
    router.sock   where the next router and the keeper ask for the port             (mlctl.serving.port)

`routes`, `keys`, `port` and `traffic` are light and may be imported anywhere; `mlctl.serving.router` needs the extra
`serving`.
"""

from __future__ import annotations

from pathlib import Path

from mlctl.errors import UnavailableError

NO_CODE_SCRIPT = Path(__file__).with_name("mlflow_score.py")
"""The entry script of MLflow models without one of their own; it runs where mlctl is not installed."""


def require_extra() -> None:
    """Raise UnavailableError with the install line when the router's packages are missing."""
    from importlib.util import find_spec

    if find_spec("httptools") is None:
        raise UnavailableError("online endpoints need httptools", hint='pip install "mlctl[serving]"')
