"""What the router counted for one deployment, read from its `/metrics`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlctl.entities.endpoint import Endpoint
from mlctl.errors import UnavailableError

_LINE = re.compile(r"(\w+)\{([^}]*)\} ([0-9.e+-]+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters of live requests. `buckets`: upper bound in seconds -> requests that took at most that long."""

    requests: int
    errors: int
    buckets: tuple[tuple[float, int], ...]

    def since(self, before: Reading) -> Reading:
        """What was counted after `before`; all of it when the router started anew in between."""
        if before.requests > self.requests:
            return self
        known = dict(before.buckets)
        return Reading(
            self.requests - before.requests,
            self.errors - before.errors,
            tuple((bound, count - known.get(bound, 0)) for bound, count in self.buckets),
        )

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the requests was answered, interpolated between two bounds."""
        wanted, low, below = share * self.requests, 0.0, 0
        for bound, count in self.buckets:
            if count >= wanted and count > below:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * (wanted - below) / (count - below)
            low, below = bound, count
        return low


def read_metrics(endpoint: Endpoint, deployment: str) -> Reading:
    """The counters as they are now. Errors are answers of 500 and above, 408, 424 and 429: the deployment's, not the
    caller's. Raises UnavailableError when the router does not answer.
    """
    from urllib.error import URLError
    from urllib.request import ProxyHandler, build_opener

    host = "127.0.0.1" if endpoint.host in ("0.0.0.0", "") else endpoint.host
    try:
        with build_opener(ProxyHandler({})).open(f"http://{host}:{endpoint.port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (OSError, URLError) as error:
        raise UnavailableError(
            f"the router of endpoint '{endpoint.name}' does not tell its metrics: {error}",
            hint=f"mlctl online-endpoint start -n {endpoint.name}",
        ) from error
    return _reading(text, deployment)


def _reading(text: str, deployment: str) -> Reading:
    requests = errors = 0
    buckets = []
    for name, labels, value in _LINE.findall(text):
        found = dict(_LABEL.findall(labels))
        if found.get("deployment") != deployment or found.get("traffic", "live") != "live":
            continue
        if name == "mlctl_requests_total":
            code = int(found["code"])
            requests += int(float(value))
            errors += int(float(value)) if code >= 500 or code in (408, 424, 429) else 0
        elif name == "mlctl_request_duration_seconds_bucket":
            buckets.append((float(found["le"].replace("+Inf", "inf")), int(float(value))))
    return Reading(requests, errors, tuple(sorted(buckets)))
