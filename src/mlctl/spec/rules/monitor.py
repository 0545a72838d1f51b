"""Monitors of models: where they run, what they watch, and when they raise an alarm."""

from __future__ import annotations

import re

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.parts import Range, check_range, has, is_placeholder, maps_in, part, raw, require, text
from mlctl.spec.rules.times import check_length, check_time

SPARK_VERSIONS = ("3.4", "3.5")

_EMAIL = r"[^\s@]+@[^\s@]+\.[^\s@]+"
_DEPLOYMENT = r"(?i)azureml:[^:/@\s]+:[^:/@\s]+|(?:azureml:)?/?subscriptions/.+/deployments/[^/]+/?"
_NEED_DATA = ("data_drift", "data_quality", "prediction_drift", "feature_attribution_drift")

_SHARES = frozenset(
    """
    jensen_shannon_distance two_sample_kolmogorov_smirnov_test null_value_rate data_type_error_rate out_of_bounds_rate
    normalized_discounted_cumulative_gain accuracy precision recall
    """.split()
)
"""Metrics from 0 to 1."""


def check_monitor(spec: SpecCheck, path: KeyPath) -> None:
    """The definition of a monitor."""
    if not isinstance(raw(spec, *path), dict):
        return
    _check_compute(spec, (*path, "compute"))
    watched = _check_target(spec, (*path, "monitoring_target"))
    signals: KeyPath = (*path, "monitoring_signals")
    if not watched and not part(spec, *signals) and spec.is_sound(signals):
        message = "the monitor has neither signals nor a deployment whose data it could watch"
        hint = "add 'monitoring_signals', or name the deployment in 'monitoring_target.endpoint_deployment_id'"
        spec.error("missing_key", signals, message, hint=hint)
    for signal, _ in maps_in(spec, *signals):
        _check_signal(spec, signal, watched=watched)
    _check_emails(spec, (*path, "alert_notification", "emails"))


def _check_compute(spec: SpecCheck, path: KeyPath) -> None:
    if not require(spec, path, hint="add 'compute: {instance_type: standard_e4s_v3, runtime_version: \"3.4\"}'"):
        return
    require(spec, (*path, "instance_type"), hint="add 'instance_type: standard_e4s_v3'")
    key: KeyPath = (*path, "runtime_version")
    if not require(spec, key, hint=f"add 'runtime_version: \"{SPARK_VERSIONS[0]}\"'"):
        return
    version = text(spec, *key)
    if version is not None and version not in SPARK_VERSIONS:
        message = f"'{dotted(key)}' cannot be '{version}'"
        listed = " or ".join(f'"{known}"' for known in SPARK_VERSIONS)
        spec.error("not_allowed", key, message, value=version, expected=listed, hint=f"write {listed}")


def _check_target(spec: SpecCheck, path: KeyPath) -> bool:
    """Whether a deployment is named, or something that is told to be none."""
    key: KeyPath = (*path, "endpoint_deployment_id")
    name = text(spec, *key)
    if name is not None and not re.fullmatch(_DEPLOYMENT, name) and not is_placeholder(name):
        message = f"'{dotted(key)}': '{name}' does not name a deployment"
        spec.error("invalid_reference", key, message, value=name, hint="write azureml:<endpoint>:<deployment>")
    return has(spec, *key)


def _check_signal(spec: SpecCheck, path: KeyPath, *, watched: bool) -> None:
    kind = text(spec, *path, "type")
    if kind in _NEED_DATA and not watched:
        for key in ("production_data", "reference_data"):
            if key == "production_data" or kind != "feature_attribution_drift":
                message = f"'{dotted((*path, key))}' is missing: no deployment is named that collects it"
                hint = f"add '{key}:', or name the deployment in 'monitoring_target.endpoint_deployment_id'"
                require(spec, (*path, key), hint=hint, message=message)
    if kind == "custom":
        require(spec, (*path, "component_id"), hint="add 'component_id: azureml:<name>:<version>'")
        require(spec, (*path, "metric_thresholds"), hint="add 'metric_thresholds:' with '- metric_name: …'")
    check_range(spec, Range((*path, "features", "top_n_feature_importance"), 1))
    check_range(spec, Range((*path, "sampling_rate"), 0, 1))
    _check_windows(spec, path)
    _check_thresholds(spec, (*path, "metric_thresholds"))


def _check_windows(spec: SpecCheck, path: KeyPath) -> None:
    """Windows of time: live data looks back, a reference may have fixed dates too."""
    production: KeyPath = (*path, "production_data")
    live = [production, *(item for item, _ in maps_in(spec, *production))]
    places = [*live, (*path, "reference_data"), *(item for item, _ in maps_in(spec, *path, "input_data"))]
    for place in places:
        window: KeyPath = (*place, "data_window")
        for key in ("lookback_window_size", "lookback_window_offset"):
            check_length(spec, (*window, key), words=("default",))
        for key in ("window_start", "window_end"):
            if place in live and has(spec, *window, key):
                message = f"'{dotted((*window, key))}': live data has no fixed window"
                hint = "write 'lookback_window_size: P7D' and 'lookback_window_offset: P0D'"
                spec.error("conflict", (*window, key), message, hint=hint, on_key=True)
        _check_order(spec, window)


def _check_order(spec: SpecCheck, window: KeyPath) -> None:
    starts, ends = text(spec, *window, "window_start"), text(spec, *window, "window_end")
    if not starts or not ends or "T" not in starts + ends:
        return
    start, end = check_time(spec, (*window, "window_start")), check_time(spec, (*window, "window_end"))
    if start is not None and end is not None and end <= start:
        message = f"'{dotted((*window, 'window_end'))}' is not after 'window_start'"
        spec.error("conflict", (*window, "window_end"), message, value=ends, hint="write a later time")


def _check_thresholds(spec: SpecCheck, path: KeyPath) -> None:
    """Metrics that are shares lie from 0 to 1, others are not negative."""
    thresholds = part(spec, *path)
    if not isinstance(thresholds, dict):
        return
    for key, value in thresholds.items():
        group = value if isinstance(value, dict) else {key: value}
        prefix: KeyPath = (*path, key) if isinstance(value, dict) else path
        for name in group:
            if name in _SHARES or name.endswith("_pass_rate"):
                check_range(spec, Range((*prefix, name), 0, 1))
            elif name.endswith("_score_per_instance"):
                check_range(spec, Range((*prefix, name), 1, 5))
            else:
                check_range(spec, Range((*prefix, name), 0))


def _check_emails(spec: SpecCheck, path: KeyPath) -> None:
    emails = part(spec, *path)
    if emails == []:
        spec.error("empty_value", path, f"'{dotted(path)}' is empty", hint="add an address, or remove the key")
    for index, email in enumerate(emails or ()):
        if isinstance(email, str) and not re.fullmatch(_EMAIL, email) and not is_placeholder(email):
            key: KeyPath = (*path, index)
            hint = "write name@example.com"
            spec.error("invalid_value", key, f"'{dotted(key)}': '{email}' is not an address", value=email, hint=hint)
