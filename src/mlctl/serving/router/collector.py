"""Requests and responses that are kept (`data_collector` with the collections `request` and `response`).

Lines have the shape and the place that Azure ML gives them: CloudEvents in
`<folder>/<collection>/yyyy/MM/dd/HH/<instance id>.jsonl`; what is no text, or larger than 4 MB, is a file of its own
beside the lines, and its line names the file. A thread writes; a bounded queue stands before it, and what does not fit
is dropped and counted.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from mlctl.serving.router.body import Body
from mlctl.serving.router.exchange import Exchange
from mlctl.serving.router.metrics import Metrics
from mlctl.serving.routes import Collector, Deployment

QUEUED = 1000
QUEUED_BYTES = 64 * 1024 * 1024
_LONGEST_LINE = 4 * 1024 * 1024
_FOLDERS = {"year": "%Y", "month": "%Y/%m", "day": "%Y/%m/%d", "hour": "%Y/%m/%d/%H", "minute": "%Y/%m/%d/%H/%M"}


@dataclass(frozen=True, slots=True)
class Kept:
    """One body to be written, with what its line says beside it."""

    folder: Path
    collection: str
    body: bytes
    time: datetime
    facts: dict[str, str]


class Collectors:
    """Takes bodies of all deployments and writes them, later, in its thread."""

    def __init__(self, metrics: Metrics) -> None:
        self.instance = str(uuid.uuid4())
        self._metrics = metrics
        self._queue: Queue[Kept | None] = Queue(QUEUED)
        self._bytes = 0
        self._thread: threading.Thread | None = None

    def keep(self, deployment: Deployment, endpoint: str, content_type: str, exchange: Exchange, body: Body) -> None:
        """Keep the exchange's bodies as the deployment's collector says."""
        collector = deployment.collector
        if collector is None:
            return
        facts = {
            "source": f"/onlineEndpoints/{endpoint}/deployments/{deployment.name}",
            "correlationid": exchange.request_id,
            "xrequestid": exchange.request_id,
        }
        if collector.request:
            asked = facts | {"path": exchange.path, "method": exchange.method, "datacontenttype": content_type}
            self._offer(deployment.name, collector, "request", body.copy(), asked)
        if collector.response:
            answered = facts | {"statuscode": str(exchange.model_status)}
            self._offer(deployment.name, collector, "response", exchange.copy, answered)

    def close(self, seconds: float = 5.0) -> None:
        """Write what is queued."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(seconds)

    def _offer(
        self, deployment: str, collector: Collector, collection: str, body: bytes | None, facts: dict[str, str]
    ) -> None:
        if body is None:
            self._metrics.dropped(deployment, "collector", "too_large")
            return
        if self._queue.full() or self._bytes + len(body) > QUEUED_BYTES:
            self._metrics.dropped(deployment, "collector", "queue_full")
            return
        now = datetime.now(timezone.utc)
        folder = Path(collector.folder, collection, now.strftime(_FOLDERS[collector.rolling_rate]))
        self._queue.put_nowait(Kept(folder, collection, body, now, facts))
        self._bytes += len(body)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="collector", daemon=True)
            self._thread.start()

    def _write_all(self) -> None:
        while (kept := self._queue.get()) is not None:
            batch = [kept]
            try:
                while (more := self._queue.get_nowait()) is not None:
                    batch.append(more)
            except Empty:
                more = kept
            for one in batch:
                self._bytes -= len(one.body)
                try:
                    write(one, self.instance)
                except OSError as error:
                    self._metrics.dropped(one.facts["source"].rpartition("/")[2], "collector", error.strerror or "disk")
            if more is None:
                return


def write(kept: Kept, instance: str) -> None:
    """Append the line of one body below its folder, and the body beside it when it cannot stand in the line."""
    kept.folder.mkdir(parents=True, exist_ok=True)
    line: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "type": f"azureml.inference.{kept.collection}",
        "datacontenttype": "application/json",
        "time": kept.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **kept.facts,
        "contentrange": f"bytes 0-{max(0, len(kept.body) - 1)}/{len(kept.body)}",
    }
    text = _text(kept.body)
    if text is None:
        beside = kept.folder / line["id"]
        beside.write_bytes(kept.body)
        line |= {"data": str(beside), "datainblob": "true"}
    else:
        line["data"] = _value(text)
    with (kept.folder / f"{instance}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _text(body: bytes) -> str | None:
    if len(body) > _LONGEST_LINE:
        return None
    try:
        return body.decode()
    except ValueError:
        return None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
