"""Schedules: cron, recurrence, time zones, first and last time, monitors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from mlctl.spec.problems import Problem
from mlctl.spec.rules.cron import fault_of, ignored_fields
from mlctl.spec.rules.times import minutes_of, point_in_time
from mlctl.spec.rules.timezones import WINDOWS, is_iana, is_windows

Told = Callable[..., list[Problem]]

JOB = "name: nightly\ncreate_job: azureml:train\ntrigger:\n"
CRON = f"{JOB}  type: cron\n  expression: '0 8 * * 1'\n"
RECURRENCE = f"{JOB}  type: recurrence\n  frequency: day\n  interval: 1\n"
MONITOR = (
    "name: watch\ntrigger: {type: recurrence, frequency: day, interval: 1}\ncreate_monitor:\n"
    '  compute: {instance_type: standard_e4s_v3, runtime_version: "3.4"}\n'
)
WATCHED = f"{MONITOR}  monitoring_target: {{endpoint_deployment_id: azureml:credit:main}}\n"


def brief(problems: list[Problem]) -> list[tuple[str, str, int]]:
    return [(found.severity, found.code, found.line) for found in problems]


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "0 8 * * *",
        "*/15 0-6 * * mon-FRI",
        "0,30 1-10/2 * * 0",
        "5/10 * * * sat,sun",
        "59 23 31 12 6",
        "0 0 1 jan *",
    ],
)
def test_cron_expressions(expression: str) -> None:
    assert fault_of(expression) is None


@pytest.mark.parametrize(
    ("expression", "words", "hint"),
    [
        ("0 8 *", "3 fields", "minute, hour"),
        ("", "0 fields", "minute, hour"),
        ("0 0 8 * * 1", "6 fields", "'0 8 * * 1'"),
        ("@daily", "not read", "0 0 * * *"),
        ("60 * * * *", "minute '60'", "0 to 59"),
        ("* 24 * * *", "hour '24'", "0 to 23"),
        ("* * 0 * *", "day of the month", "1 to 31"),
        ("* * * 13 *", "month '13'", "jan to dec"),
        ("* * * * 7", "day of the week '7'", "Sunday is 0"),
        ("* * * * moon", "'moon'", "sun to sat"),
        ("*/0 * * * *", "step '0'", "1 to 59"),
        ("*/x * * * *", "step 'x'", "1 to 59"),
        ("*/ * * * *", "step ''", "1 to 59"),
        ("5-1 * * * *", "starts after its end", "smaller one first"),
        ("1,,2 * * * *", "holds ''", "0 to 59"),
        ("- * * * *", "holds ''", "0 to 59"),
        ("1-2-3 * * * *", "holds '2-3'", "0 to 59"),
        ("² * * * *", "holds '²'", "0 to 59"),
        ("9999999999999999999 * * * *", "holds", "0 to 59"),
        ("-1 * * * *", "holds ''", "0 to 59"),
    ],
)
def test_texts_that_are_no_cron_expression(expression: str, words: str, hint: str) -> None:
    fault = fault_of(expression)
    assert fault is not None
    assert words in fault.message
    assert hint in fault.hint


def test_fields_that_azure_does_not_read(told: Told) -> None:
    assert ignored_fields("0 8 1 6 *") == ["day of the month", "month"]
    assert ignored_fields("0 8 * * 1") == []
    assert brief(told("jobSchedule", CRON.replace("'0 8 * * 1'", "'0 8 1 * *'"))) == [("warning", "ignored", 5)]


def test_a_bad_expression_in_a_file(told: Told) -> None:
    assert brief(told("jobSchedule", CRON.replace("'0 8 * * 1'", "'0 25 * * *'"))) == [("error", "invalid_value", 5)]
    assert told("jobSchedule", CRON) == []


@pytest.mark.parametrize("name", ["UTC", "utc", "Pacific Standard Time", "pacific standard time", "UTC-11"])
def test_time_zones(told: Told, name: str) -> None:
    assert told("jobSchedule", f"{CRON}  time_zone: {name}\n") == []


def test_an_iana_name_is_a_warning_with_the_name_of_windows(told: Told) -> None:
    problems = told("jobSchedule", f"{CRON}  time_zone: Europe/Berlin\n")
    assert brief(problems) == [("warning", "invalid_value", 6)]
    assert "'W. Europe Standard Time'" in str(problems[0].hint)


@pytest.mark.parametrize(
    ("name", "hint"), [("Mars/Base", "such as"), ("Pacific Standart Time", "did you mean 'Pacific Standard Time'?")]
)
def test_time_zones_that_are_none(told: Told, name: str, hint: str) -> None:
    problems = told("jobSchedule", f"{CRON}  time_zone: {name}\n")
    assert brief(problems) == [("error", "invalid_value", 6)]
    assert hint in str(problems[0].hint)


def test_the_table_of_time_zones() -> None:
    assert len(WINDOWS) == len(set(WINDOWS)) > 130
    assert all(is_windows(name) and name == name.strip() for name in WINDOWS)
    assert is_iana("Europe/Berlin")
    assert not is_iana("Mars/Base")


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2030-01-31T10:15:00", datetime(2030, 1, 31, 10, 15, tzinfo=timezone.utc)),
        ("2030-01-31 10:15", datetime(2030, 1, 31, 10, 15, tzinfo=timezone.utc)),
        ("2030-01-31T10:15:00Z", datetime(2030, 1, 31, 10, 15, tzinfo=timezone.utc)),
        ("2030-01-31T10:15:00.123+02:00", datetime(2030, 1, 31, 8, 15, tzinfo=timezone.utc)),
        ("2030-01-31", None),
        ("2030-02-31T10:15:00", None),
        ("2030-01-31T25:15:00", None),
        ("2030-01-31T10:15:00+99:00", None),
        ("tomorrow", None),
    ],
)
def test_points_in_time(written: str, time: datetime | None) -> None:
    assert point_in_time(written) == time


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("P7D", 10080), ("PT30M", 30), ("P1DT1H", 1500), ("P2W", 20160), ("P", None), ("PT", None), ("7D", None)],
)
def test_lengths_of_time(written: str, minutes: float | None) -> None:
    assert minutes_of(written) == minutes


def test_a_day_without_a_time_is_completed_in_the_hint(told: Told) -> None:
    problems = told("jobSchedule", f"{CRON}  start_time: '2030-01-31'\n")
    assert brief(problems) == [("error", "invalid_value", 6)]
    assert "'2030-01-31T00:00:00'" in str(problems[0].hint)


def test_the_end_comes_after_the_start(told: Told) -> None:
    times = "  start_time: '2030-01-31T10:00:00'\n  end_time: '2030-01-31T10:00:00'\n"
    assert brief(told("jobSchedule", CRON + times)) == [("error", "conflict", 7)]
    assert told("jobSchedule", CRON + times.replace("10:00:00'\n  end", "09:00:00'\n  end")) == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{hours: 3, minutes: 15}", []),
        ("{hours: [22, 23], minutes: [0, 30], week_days: [monday]}", []),
        ("{hours: 24, minutes: 0}", [("error", "out_of_range", 7)]),
        ("{hours: [1, 25], minutes: [0, 60]}", [("error", "out_of_range", 7), ("error", "out_of_range", 7)]),
        ("{hours: 1, minutes: 0, week_days: someday}", [("error", "not_allowed", 7)]),
        ("{hours: 1, minutes: 0, month_days: 1}", [("error", "conflict", 7)]),
    ],
)
def test_recurrence(told: Told, pattern: str, expected: list[object]) -> None:
    assert brief(told("jobSchedule", f"{RECURRENCE}  schedule: {pattern}\n")) == expected


def test_days_of_a_month(told: Told) -> None:
    monthly = RECURRENCE.replace("day", "month") + "  schedule: {hours: 1, minutes: 0, month_days: [1, 15]}\n"
    assert told("jobSchedule", monthly) == []
    assert brief(told("jobSchedule", monthly.replace("15", "32"))) == [("error", "out_of_range", 7)]


def test_an_interval_is_at_least_one(told: Told) -> None:
    assert brief(told("jobSchedule", RECURRENCE.replace("interval: 1", "interval: 0"))) == [
        ("error", "out_of_range", 6)
    ]


def test_a_schedule_has_an_action_and_a_trigger(told: Told) -> None:
    assert [found.path for found in told("jobSchedule", "name: s\n")] == ["create_job", "trigger"]
    assert [found.path for found in told("importSchedule", "name: s\n")] == ["import_data", "trigger"]


def test_a_monitor(told: Told) -> None:
    assert told("monitorSchedule", WATCHED) == []


def test_a_monitor_watches_something(told: Told) -> None:
    problems = told("monitorSchedule", MONITOR)
    assert [(found.code, found.path) for found in problems] == [("missing_key", "create_monitor.monitoring_signals")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"3.4"', '"3.3"', [("error", "not_allowed", 4)]),
        ("azureml:credit:main", "credit", [("error", "invalid_reference", 5)]),
        ("instance_type: standard_e4s_v3, ", "", [("error", "missing_key", 4)]),
    ],
)
def test_parts_of_a_monitor(told: Told, old: str, new: str, expected: list[object]) -> None:
    assert brief(told("monitorSchedule", WATCHED.replace(old, new))) == expected


@pytest.mark.parametrize(
    ("signal", "codes"),
    [
        ("{type: data_drift, metric_thresholds: {numerical: {jensen_shannon_distance: 0.01}}}", []),
        ("{type: data_drift, metric_thresholds: {numerical: {jensen_shannon_distance: 1.5}}}", ["out_of_range"]),
        ("{type: data_drift, metric_thresholds: {numerical: {normalized_wasserstein_distance: 3}}}", []),
        ("{type: data_quality, metric_thresholds: {numerical: {null_value_rate: -1}}}", ["out_of_range"]),
        (
            "{type: feature_attribution_drift, metric_thresholds: {normalized_discounted_cumulative_gain: 9}}",
            ["out_of_range"],
        ),
        ("{type: custom}", ["missing_key", "missing_key"]),
        ("{type: data_drift, reference_data: {data_window: {lookback_window_size: 7 days}}}", ["invalid_value"]),
        ("{type: data_drift, reference_data: {data_window: {lookback_window_size: default}}}", []),
        ("{type: data_drift, production_data: {data_window: {window_start: '2024-01-01'}}}", ["conflict"]),
    ],
)
def test_signals(told: Told, signal: str, codes: list[str]) -> None:
    problems = told("monitorSchedule", f"{WATCHED}  monitoring_signals:\n    one: {signal}\n")
    assert [found.code for found in problems] == codes


def test_signals_without_a_deployment_have_data_of_their_own(told: Told) -> None:
    problems = told("monitorSchedule", f"{MONITOR}  monitoring_signals:\n    one: {{type: data_drift}}\n")
    assert [found.path.rpartition(".")[2] for found in problems] == ["production_data", "reference_data"]


def test_addresses_of_alerts(told: Told) -> None:
    problems = told("monitorSchedule", f"{WATCHED}  alert_notification:\n    emails: [a@example.com, ops]\n")
    assert brief(problems) == [("error", "invalid_value", 7)]
