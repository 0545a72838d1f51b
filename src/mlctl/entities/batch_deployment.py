"""How a batch deployment scores. Field names are those of the YAML; defaults are Azure ML's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NUMBERS = ("mini_batch_size", "max_concurrency_per_instance", "instance_count", "error_threshold")
TEXTS = ("output_action", "output_file_name", "logging_level")


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """`mini_batch_size` counts files; `timeout` is seconds for a mini batch. `error_threshold` -1: any failures."""

    mini_batch_size: int = 10
    max_concurrency_per_instance: int = 1
    instance_count: int = 1
    error_threshold: int = -1
    max_retries: int = 3
    timeout: int = 30
    output_action: str = "append_row"
    output_file_name: str = "predictions.csv"
    logging_level: str = "info"

    @property
    def workers(self) -> int:
        """Worker processes of a job: those of all instances."""
        return self.max_concurrency_per_instance * self.instance_count

    @property
    def document(self) -> dict[str, Any]:
        """As `az ml batch-deployment show` prints them."""
        shown = {key: getattr(self, key) for key in (*NUMBERS, *TEXTS) if key != "instance_count"}
        return {
            **shown,
            "resources": {"instance_count": self.instance_count},
            "retry_settings": {"max_retries": self.max_retries, "timeout": self.timeout},
        }


def settings_of(data: Mapping[str, Any]) -> BatchSettings:
    """The settings in a checked spec, flat or under `settings`; what stands under `settings` wins."""
    inner = data.get("settings") or {}
    given = {**data, **{key: value for key, value in inner.items() if value is not None}}
    resources = data.get("resources") or {}
    numbers = {**{key: resources.get(key) for key in ("instance_count",)}, **given}
    found: dict[str, Any] = {key: int(numbers[key]) for key in NUMBERS if numbers.get(key) is not None}
    found |= {key: str(given[key]) for key in TEXTS if given.get(key)}
    retries = given.get("retry_settings") or {}
    found |= {key: int(retries[key]) for key in ("max_retries", "timeout") if retries.get(key) is not None}
    if "logging_level" in found:
        found["logging_level"] = found["logging_level"].lower()
    return BatchSettings(**found)
