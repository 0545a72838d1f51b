"""Online deployments: scoring code, scaling, collected data and the resources of a container."""

from __future__ import annotations

from collections.abc import Callable

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.references import DATASTORE, parse
from mlctl.spec.rules.batch import check_batch
from mlctl.spec.rules.misplaced import check_misplaced
from mlctl.spec.rules.model import check_inline_model, needs_environment
from mlctl.spec.rules.names import DEPLOYMENT, ENDPOINT, check_name
from mlctl.spec.rules.parts import Range, check_range, has, leave_to_option, maps_in, number, part, require, text
from mlctl.spec.rules.quantity import quantity
from mlctl.spec.rules.scoring import check_scoring_code

LONGEST_REQUEST_MS = 180_000
"""Milliseconds that a managed deployment may take for an answer."""

_COUNTS = (
    Range(("instance_count",), 1),
    Range(("request_settings", "request_timeout_ms"), 1),
    Range(("request_settings", "max_concurrent_requests_per_instance"), 1),
    Range(("request_settings", "max_queue_wait_ms"), 0),
    Range(("data_collector", "sampling_rate"), 0, 1),
    Range(("scale_settings", "min_instances"), 0),
    Range(("scale_settings", "max_instances"), 1),
    Range(("scale_settings", "polling_interval"), 1),
    Range(("scale_settings", "target_utilization_percentage"), 1, 100),
    *(
        Range((probe, key), 0 if key == "initial_delay" else 1)
        for probe in ("liveness_probe", "readiness_probe")
        for key in ("initial_delay", "period", "timeout", "success_threshold", "failure_threshold")
    ),
)
_MANAGED = (Range(("request_settings", "request_timeout_ms"), 1, LONGEST_REQUEST_MS, "on a managed deployment"),)


def check_online_deployment(spec: SpecCheck) -> None:
    """A managed or a Kubernetes online deployment."""
    managed = spec.kind.name == "managedOnlineDeployment"
    check_name(spec, ("name",), DEPLOYMENT, filled_in=True)
    check_name(spec, ("endpoint_name",), ENDPOINT)
    for limits in (*_MANAGED, *_COUNTS[:1], *_COUNTS[2:]) if managed else _COUNTS:
        check_range(spec, limits)
    checks: tuple[Callable[[SpecCheck], None], ...] = (
        check_scoring_code,
        _check_model,
        _check_managed_scaling if managed else _check_scaling,
        _check_collector,
        _check_resources,
        check_misplaced,
    )
    for check in checks:
        check(spec)


def check_batch_deployment(spec: SpecCheck) -> None:
    """A batch deployment of a model or of a pipeline."""
    check_batch(spec)
    check_misplaced(spec)


def check_template(spec: SpecCheck) -> None:
    """A deployment template: it has the numbers of a managed deployment."""
    for limits in (*_MANAGED, *_COUNTS[:1], *_COUNTS[2:]):
        check_range(spec, limits)


def _check_model(spec: SpecCheck) -> None:
    """Something to serve, and an environment to serve it in."""
    if not has(spec, "model") and not has(spec, "environment"):
        leave_to_option(spec, ("model",), option="--set model=azureml:<name>:<version>")
        return
    check_inline_model(spec, ("model",))
    if needs_environment(spec, ("model",)) and not has(spec, "environment"):
        message = "'environment' is missing: only an MLflow or a Triton model is served without one"
        hint = "add 'environment: azureml:<name>:<version>', or 'type: mlflow_model' under 'model'"
        spec.warn("missing_key", ("environment",), message, hint=hint)


def _check_managed_scaling(spec: SpecCheck) -> None:
    kind = text(spec, "scale_settings", "type")
    if kind not in (None, "default"):
        message = f"'scale_settings.type' cannot be '{kind}' on a managed deployment"
        hint = "write 'type: default' and set 'instance_count'; autoscale rules are set in Azure Monitor"
        spec.error("not_allowed", ("scale_settings", "type"), message, value=kind, expected="default", hint=hint)


def _check_scaling(spec: SpecCheck) -> None:
    """The least instances are not more than the most, and the count at the start lies between."""
    if text(spec, "scale_settings", "type") != "target_utilization":
        return
    least = number(spec, "scale_settings", "min_instances")
    most = number(spec, "scale_settings", "max_instances")
    least, most = 1 if least is None else least, 1 if most is None else most
    if least > most:
        key = "max_instances" if has(spec, "scale_settings", "max_instances") else "min_instances"
        message = f"'scale_settings': min_instances {least:g} is more than max_instances {most:g}"
        path: KeyPath = ("scale_settings", key)
        spec.error("conflict", path, message, value=part(spec, *path), hint="max_instances is 1 when it is left out")
        return
    count = number(spec, "instance_count")
    if count is not None and not least <= count <= most:
        message = f"'instance_count' is {count:g}, 'scale_settings' allows {least:g} to {most:g}"
        spec.warn("conflict", ("instance_count",), message, value=count, hint="leave it out: the load decides")


def _check_collector(spec: SpecCheck) -> None:
    """Collections are there, and their data is a place on a datastore."""
    if not isinstance(part(spec, "data_collector"), dict):
        return
    names = "model_inputs and model_outputs"
    require(spec, ("data_collector", "collections"), hint=f"add 'collections:' with {names}, each 'enabled: \"true\"'")
    if part(spec, "data_collector", "collections") == {}:
        message = "'data_collector.collections' is empty: nothing is collected"
        spec.warn("empty_value", ("data_collector", "collections"), message, hint=f"add {names}")
    for path, _ in maps_in(spec, "data_collector", "collections"):
        place = text(spec, *path, "data", "path")
        if place and parse(place).kind != DATASTORE:
            key = (*path, "data", "path")
            message = f"'{dotted(key)}': '{place}' is not a folder of a datastore"
            hint = "write azureml://datastores/<datastore>/paths/<folder>"
            spec.error("invalid_reference", key, message, value=place, hint=hint)


def _check_resources(spec: SpecCheck) -> None:
    """Amounts are quantities of Kubernetes, and no more is asked for than is allowed."""
    amounts = {(group, key): _amount(spec, group, key) for group in ("requests", "limits") for key in _UNITS}
    for key in _UNITS:
        asked, allowed = amounts["requests", key], amounts["limits", key]
        if asked is not None and allowed is not None and asked > allowed:
            path: KeyPath = ("resources", "requests", key)
            value, limit = part(spec, *path), part(spec, "resources", "limits", key)
            message = f"'{dotted(path)}' is {value}, more than the limit {limit}"
            spec.error("conflict", path, message, value=value, hint=f"raise 'limits.{key}', or ask for less")


_UNITS = {"cpu": "'0.5' or '500m'", "memory": "'512Mi' or '2Gi'", "gpu": "'1'"}


def _amount(spec: SpecCheck, group: str, key: str) -> float | None:
    path: KeyPath = ("resources", group, key)
    given = text(spec, *path)
    if given is None or "${{" in given:
        return None
    amount = quantity(given)
    if amount is None or (key == "gpu" and amount != int(amount)):
        message = f"'{dotted(path)}' cannot be '{given}'"
        spec.error("invalid_value", path, message, value=given, hint=f"write a quantity such as {_UNITS[key]}")
        return None
    return amount
