"""Sweeps: the space that is searched, how it is sampled, and whether the trial uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.references import find_expressions
from mlctl.spec.rules.command import check_command
from mlctl.spec.rules.interface import is_number
from mlctl.spec.rules.ports import check_inputs, check_outputs, declared

_SCALARS = (str, int, float, bool)
_BAYESIAN = ("choice", "uniform", "quniform", "randint")


def check_sweep_job(spec: SpecCheck) -> None:
    """Check a sweep job, whose trial is a command."""
    check_inputs(spec, ("inputs",))
    check_outputs(spec, ("outputs",))
    space = list(spec.mapping("search_space"))
    if "search_space" not in spec.data:
        hint = "add 'search_space:' with a distribution for each parameter"
        spec.error("missing_key", ("search_space",), "'search_space' is missing", hint=hint)
    check_command(spec, ("trial",), {**declared(spec), "search_space": space})
    check_search(spec, ())
    _warn_of_unused(spec)


def check_search(spec: SpecCheck, path: KeyPath) -> None:
    """Check space, sampling, limits and policy of the sweep job or step at `path`."""
    value = spec.mapping(*path)
    if "search_space" in value and spec.is_sound((*path, "search_space")) and not value["search_space"]:
        here: KeyPath = (*path, "search_space")
        spec.error("empty_value", here, f"'{dotted(here)}' is empty", hint="add a distribution for a parameter")
    algorithm = value.get("sampling_algorithm")
    algorithm = algorithm.get("type") if isinstance(algorithm, dict) else algorithm
    for name, distribution in spec.mapping(*path, "search_space").items():
        here = (*path, "search_space", name)
        if isinstance(distribution, dict) and spec.is_sound(here):
            _check_distribution(spec, here, distribution)
            _check_sampling(spec, here, distribution, algorithm)
    _check_limits(spec, (*path, "limits"))
    _check_policy(spec, (*path, "early_termination"))


def _check_distribution(spec: SpecCheck, path: KeyPath, value: Mapping[str, Any]) -> None:
    low, high = value.get("min_value"), value.get("max_value")
    if is_number(low) and is_number(high) and low >= high:
        message = f"'{dotted((*path, 'min_value'))}' is {low}, not less than max_value ({high})"
        hint = "write the smaller number as min_value"
        spec.error("out_of_range", (*path, "min_value"), message, value=low, hint=hint)
    for key in ("q", "sigma", "upper"):
        number = value.get(key)
        if is_number(number) and number <= 0:
            message = f"'{dotted((*path, key))}' is {number}, it must be more than 0"
            spec.error("out_of_range", (*path, key), message, value=number, hint="write a positive number")
    if value.get("type") == "choice" and value.get("values") == []:
        here: KeyPath = (*path, "values")
        spec.error("empty_value", here, f"'{dotted(here)}' is empty", hint="list the values to choose from")


def _check_sampling(spec: SpecCheck, path: KeyPath, value: Mapping[str, Any], algorithm: Any) -> None:
    kind = value.get("type")
    if algorithm == "grid" and kind != "choice":
        message = f"'{dotted(path)}' is {kind}, but grid sampling takes choice only"
        hint = "list the values with 'type: choice', or write 'sampling_algorithm: random'"
        spec.error("conflict", (*path, "type"), message, value=kind, hint=hint)
    elif algorithm == "bayesian" and kind not in _BAYESIAN:
        # Azure ML's documentation says so, and its checks let it pass
        message = f"'{dotted(path)}' is {kind}, bayesian sampling is documented for {', '.join(_BAYESIAN)} only"
        hint = "use one of these, or write 'sampling_algorithm: random'"
        spec.warn("conflict", (*path, "type"), message, value=kind, hint=hint)


def tried_values(distribution: Mapping[str, Any]) -> list[tuple[KeyPath, Any]]:
    """The values that a parameter certainly takes, with their place in the distribution: choices, and plain bounds."""
    kind, values = distribution.get("type"), distribution.get("values")
    if kind == "choice" and isinstance(values, list):
        return [(("values", index), value) for index, value in enumerate(values) if isinstance(value, _SCALARS)]
    if kind in ("uniform", "quniform"):
        bounds = [((key,), distribution.get(key)) for key in ("min_value", "max_value")]
        return [(key, value) for key, value in bounds if is_number(value)]
    return []


def check_trials(spec: SpecCheck, path: KeyPath, key: str) -> None:
    """Warn when the limits at `path` allow more trials at once than there are in all; `key` says how many that are."""
    limits = spec.mapping(*path)
    most, total = limits.get("max_concurrent_trials"), limits.get(key)
    if isinstance(most, int) and isinstance(total, int) and most > total > 0:
        here: KeyPath = (*path, "max_concurrent_trials")
        message = f"'{dotted(here)}' is {most}, more than {key} ({total})"
        spec.warn("out_of_range", here, message, value=most, hint=f"the lower of the two counts; write {total}")


def _check_limits(spec: SpecCheck, path: KeyPath) -> None:
    check_trials(spec, path, "max_total_trials")
    limits = spec.mapping(*path)
    trial, whole = limits.get("trial_timeout"), limits.get("timeout")
    if isinstance(trial, int) and isinstance(whole, int) and trial > whole:
        here: KeyPath = (*path, "trial_timeout")
        message = f"'{dotted(here)}' is {trial}, more than the timeout of the sweep ({whole})"
        spec.warn("out_of_range", here, message, value=trial, hint=f"write at most {whole}")


def _check_policy(spec: SpecCheck, path: KeyPath) -> None:
    policy = spec.mapping(*path)
    if policy.get("type") != "bandit":
        return
    given = [key for key in ("slack_factor", "slack_amount") if policy.get(key)]
    if len(given) != 1:
        which = "both slack_factor and slack_amount" if given else "neither slack_factor nor slack_amount"
        hint = "keep one" if given else "add 'slack_factor: 0.1' or 'slack_amount: …'"
        spec.warn("conflict", path, f"'{dotted(path)}' has {which}", hint=hint)


def _warn_of_unused(spec: SpecCheck) -> None:
    """A parameter that the trial's command does not use changes nothing from trial to trial."""
    texts = [spec.mapping("trial").get("command"), *map(str, spec.mapping("trial", "environment_variables").values())]
    used = {found.path for text in texts if isinstance(text, str) for found in find_expressions(text)}
    if not isinstance(texts[0], str):
        return
    for name in spec.mapping("search_space"):
        if f"search_space.{name}" not in used:
            message = f"'search_space.{name}' is not used in the trial's command"
            hint = f"write ${{{{search_space.{name}}}}} in it, or remove '{name}'"
            spec.warn("unused", ("search_space", name), message, hint=hint)
