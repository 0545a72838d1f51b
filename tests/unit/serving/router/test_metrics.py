"""The text that Prometheus reads."""

from __future__ import annotations

from mlctl.serving.router.metrics import BOUNDS, Metrics


def test_counts_errors_and_durations_by_deployment() -> None:
    metrics = Metrics()
    metrics.request("blue", 200, 0.004, "")
    metrics.request("blue", 424, 0.3, "ModelError")
    metrics.request("green", 200, 1000.0, "", traffic="mirror")
    metrics.dropped("green", "mirror", "queue_full")
    lines = metrics.text({"mlctl_ready_replicas": {"blue": 2}}).splitlines()
    assert 'mlctl_requests_total{deployment="blue",traffic="live",code="200"} 1' in lines
    assert 'mlctl_request_errors_total{deployment="blue",traffic="live",reason="ModelError"} 1' in lines
    assert 'mlctl_dropped_total{deployment="green",what="mirror",reason="queue_full"} 1' in lines
    assert 'mlctl_ready_replicas{deployment="blue"} 2' in lines
    bucket = 'mlctl_request_duration_seconds_bucket{deployment="blue",traffic="live",le="%s"} %d'
    assert [line for line in lines if 'seconds_bucket{deployment="blue"' in line] == [
        bucket % (bound, 0 if bound < 0.004 else 1 if bound < 0.3 else 2) for bound in BOUNDS
    ] + [bucket % ("+Inf", 2)]
    assert 'mlctl_request_duration_seconds_sum{deployment="blue",traffic="live"} 0.304000' in lines
    assert 'mlctl_request_duration_seconds_count{deployment="green",traffic="mirror"} 1' in lines


def test_values_of_labels_are_escaped() -> None:
    metrics = Metrics()
    metrics.dropped('a"b\\c\nd', "collector", "disk")
    assert r'deployment="a\"b\\c\nd"' in metrics.text({})
