"""Schedules: what is started, and when."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.rules.monitor import check_monitor
from mlctl.spec.rules.names import SCHEDULE, check_name
from mlctl.spec.rules.parts import require
from mlctl.spec.rules.trigger import check_trigger

_ACTIONS = {
    "jobSchedule": ("create_job", "add 'create_job: …', a job's file or azureml:<name>"),
    "importSchedule": ("import_data", "add 'import_data: …', the file of a data import"),
    "monitorSchedule": ("create_monitor", "add 'create_monitor:' with compute, monitoring_target, …"),
}


def check_schedule(spec: SpecCheck) -> None:
    """A schedule of a job, a data import or a monitor."""
    check_name(spec, ("name",), SCHEDULE)
    action, hint = _ACTIONS[spec.kind.name]
    require(spec, (action,), hint=hint)
    if require(spec, ("trigger",), hint="add 'trigger:' with 'type: cron' or 'type: recurrence'"):
        check_trigger(spec, ("trigger",))
    if action == "create_monitor":
        check_monitor(spec, (action,))
