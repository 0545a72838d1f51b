"""Which columns a table shows, as data: heading and key (dotted for nested values) in the order of az's own tables."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """One column: heading, and the dotted key of its value."""

    heading: str
    key: str


VIEWS: dict[str, tuple[Column, ...]] = {
    "job list": (
        Column("Name", "name"),
        Column("Status", "status"),
        Column("Experiment", "experiment_name"),
        Column("Compute", "compute"),
        Column("Type", "type"),
        Column("Created", "creation_context.created_at"),
    ),
    "job diff": (
        Column("Section", "section"),
        Column("Key", "key"),
        Column("Left", "left"),
        Column("Right", "right"),
        Column("Difference", "difference"),
    ),
    "validate": (
        Column("File", "file"),
        Column("Line", "line"),
        Column("Column", "column"),
        Column("Severity", "severity"),
        Column("Code", "code"),
        Column("Message", "message"),
    ),
    "gc": (
        Column("Kind", "kind"),
        Column("Name", "name"),
        Column("Bytes", "bytes"),
        Column("Removed", "removed"),
        Column("Reason", "reason"),
    ),
    "workspace verify": (
        Column("Kind", "kind"),
        Column("Name", "name"),
        Column("Problem", "problem"),
        Column("Fix", "fix"),
    ),
    "workspace list": (
        Column("Name", "name"),
        Column("Location", "location"),
        Column("Description", "description"),
    ),
    "datastore list": (
        Column("Name", "name"),
        Column("Type", "type"),
        Column("AccountName", "account_name"),
    ),
    "connection list": (
        Column("Name", "name"),
        Column("Type", "type"),
        Column("Target", "target"),
    ),
    "compute list": (
        Column("Name", "name"),
        Column("Type", "type"),
        Column("State", "state"),
        Column("MaxConcurrent", "max_concurrent"),
        Column("Running", "running_jobs"),
        Column("Queued", "queued_jobs"),
    ),
    **{
        f"{kind} list": (
            Column("Name", "name"),
            Column("Version", "version"),
            Column("LatestVersion", "latest_version"),
            Column("Type", "type"),
            *((Column("Stage", "stage"),) if kind == "model" else ()),
            Column("Path", "path"),
            Column("Created", "creation_context.created_at"),
        )
        for kind in ("data", "model", "environment", "component")
    },
    "environment list-images": (
        Column("Image", "image"),
        Column("Digest", "digest"),
        Column("Size", "size"),
        Column("Environments", "environments"),
        Column("Registries", "pinned"),
        Column("Engine", "engine"),
        Column("Created", "created_at"),
    ),
    "online-endpoint list": (
        Column("Name", "name"),
        Column("State", "state"),
        Column("Traffic", "traffic"),
        Column("ProvisioningState", "provisioning_state"),
        Column("ScoringUri", "scoring_uri"),
    ),
    "online-endpoint history": (
        Column("Number", "number"),
        Column("At", "at"),
        Column("By", "by"),
        Column("What", "what"),
        Column("Weights", "weights"),
    ),
    "online-deployment list": (
        Column("Name", "name"),
        Column("EndpointName", "endpoint_name"),
        Column("ProvisioningState", "provisioning_state"),
        Column("InstanceCount", "instance_count"),
        Column("Backend", "backend"),
        Column("Model", "model"),
    ),
    "batch-endpoint list": (
        Column("Name", "name"),
        Column("DefaultDeployment", "defaults.deployment_name"),
        Column("ProvisioningState", "provisioning_state"),
    ),
    "batch-deployment list": (
        Column("Name", "name"),
        Column("EndpointName", "endpoint_name"),
        Column("MiniBatchSize", "mini_batch_size"),
        Column("Compute", "compute"),
        Column("Model", "model"),
    ),
    "registry list": (
        Column("Name", "name"),
        Column("Path", "path"),
        Column("State", "state"),
        Column("Description", "description"),
    ),
    "config list": (
        Column("Key", "key"),
        Column("Value", "value"),
        Column("Source", "source"),
    ),
    "doctor": (
        Column("Check", "name"),
        Column("Ok", "ok"),
        Column("Detail", "detail"),
        Column("Hint", "hint"),
    ),
    "lint": (
        Column("File", "file"),
        Column("Line", "line"),
        Column("Field", "field"),
        Column("Backend", "backend"),
        Column("Fate", "fate"),
        Column("Reason", "reason"),
    ),
}
"""Columns of each command's table; a command without an entry shows every plain value, sorted by key."""
