"""Rows of what is made of several jobs: pipelines and their steps, sweeps, schedules."""

from __future__ import annotations

from mlctl.backends.capabilities import Row, approximated, ignored, refused, row, rows

_PREVIEW = approximated("a private preview: set AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED=true")
_NO_PREVIEW = refused("a private preview of Azure ML: write the steps out")
_WORKSPACE_DATASTORE = approximated("datastore '{value}' has to be one of the mlctl workspace")
_AZURE_SERVICE = "done by a service of Azure ML: keep this step there, or write it as a command"

NO_SPARK = "Spark runs on Azure ML only: run spark-submit in a command job with an image that has it"

DECLARED: tuple[Row, ...] = (
    *rows("is_deterministic properties comment successful_return_code"),
    row(
        "intellectual_property",
        kubernetes=ignored("code and data are not hidden from those who may read the namespace"),
    ),
    *rows("inputs.*.intellectual_property outputs.*.intellectual_property"),
    row("auto_delete_setting", kubernetes=ignored("assets of the mlctl workspace do not expire")),
)
"""What a component says about itself."""

STEP: tuple[Row, ...] = (
    row("component", "<file>|<map>|<expression>"),
    row(
        "component",
        "<registry>",
        kubernetes=refused("registries are Azure ML's: copy the component's YAML and name the file"),
    ),
    row(
        "component",
        kubernetes=approximated("'{value}' has to be registered in the mlctl workspace, or named as a file"),
    ),
)
"""What a step has beyond the keys of its kind."""

PIPELINE: tuple[Row, ...] = (
    *rows("jobs settings jobs.*"),
    row("settings.default_compute", "<expression>"),
    row(
        "settings.default_compute",
        kubernetes=approximated("a kubernetes compute named '{name}' in the mlctl workspace has to say which cluster"),
    ),
    row("settings.default_datastore", kubernetes=_WORKSPACE_DATASTORE),
    row("settings.on_init", kubernetes=_NO_PREVIEW, azureml=_PREVIEW),
    row("settings.on_finalize", kubernetes=_NO_PREVIEW, azureml=_PREVIEW),
    row("settings.*"),
)

CONTROL_STEP: tuple[Row, ...] = (
    row("", kubernetes=_NO_PREVIEW, azureml=_PREVIEW),
    row("**"),
)
"""do_while, if_else, parallel_for."""

SERVICE_STEP: tuple[Row, ...] = (row("", kubernetes=refused(_AZURE_SERVICE)), row("**"))
"""automl, import, data_transfer, finetuning."""

SPARK: tuple[Row, ...] = (
    row(
        "",
        kubernetes=refused(NO_SPARK),
    ),
    row("**"),
)

SWEEP: tuple[Row, ...] = (
    row(
        "sampling_algorithm", "bayesian", kubernetes=approximated("drawn by Optuna's TPE sampler, whose trials differ")
    ),
    *rows("sampling_algorithm sampling_algorithm.seed sampling_algorithm.logbase sampling_algorithm.rule"),
    row(
        "sampling_algorithm.type",
        "bayesian",
        kubernetes=approximated("drawn by Optuna's TPE sampler, whose trials differ"),
    ),
    *rows("sampling_algorithm.type search_space objective early_termination trial"),
    *rows("limits limits.max_concurrent_trials limits.max_total_trials limits.timeout limits.trial_timeout"),
)

PARALLEL: tuple[Row, ...] = (
    *rows("task task.type task.code task.entry_script task.program_arguments task.append_row_to"),
    row("task.model", "<registered>", kubernetes=approximated("'{value}' has to be registered in the mlctl workspace")),
    row("task.model"),
    row("task.environment", "<file>|<map>|<expression>|<curated>"),
    row(
        "task.environment",
        kubernetes=approximated("'{value}' has to be known in the mlctl workspace: Azure ML's own are not looked up"),
    ),
    *rows("logging_level mini_batch_size partition_keys input_data max_concurrency_per_instance error_threshold"),
    *rows("mini_batch_error_threshold retry_settings retry_settings.timeout"),
    row(
        "retry_settings.max_retries",
        kubernetes=approximated(
            "for each mini-batch where the cluster counts failures by index (1.29 and later), else for the job"
        ),
    ),
)
"""A parallel step, also the work of a batch deployment."""

SCHEDULE: tuple[Row, ...] = (
    *rows("$schema name display_name description tags properties id trigger create_job"),
    *rows("trigger.expression trigger.interval trigger.frequency trigger.schedule"),
    row(
        "trigger.type",
        "recurrence",
        kubernetes=approximated("becomes a cron expression, where there is one that says the same"),
    ),
    row("trigger.type"),
    row("trigger.start_time", kubernetes=ignored("a CronJob starts when it is made")),
    row("trigger.end_time", kubernetes=ignored("a CronJob goes on until it is deleted or suspended")),
    row("trigger.time_zone", "<windows zone>", kubernetes=approximated("becomes the IANA name of the same zone")),
    row("trigger.time_zone"),
)

SCHEDULED_JOB: tuple[Row, ...] = (
    row("job", "<registered>", kubernetes=approximated("'{value}' has to be a job of the mlctl workspace")),
    row("job"),
    row("conf"),
)
"""What `create_job` has beyond the keys of the job."""
