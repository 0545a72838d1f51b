"""What is kept of requests and responses has Azure ML's shape and place."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlctl.serving.router.collector import Kept, write

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def kept(folder: Path, body: bytes) -> dict[str, object]:
    write(Kept(folder, "request", body, AT, {"xrequestid": "r1", "path": "/score"}), "i1")
    lines = (folder / "i1.jsonl").read_text().splitlines()
    return json.loads(lines[-1])


def test_json_and_text_stand_in_the_line(tmp_path: Path) -> None:
    line = kept(tmp_path, b'{"data": [1]}')
    assert line["data"] == {"data": [1]}
    assert (line["type"], line["time"], line["xrequestid"]) == (
        "azureml.inference.request",
        "2026-01-02T03:04:05Z",
        "r1",
    )
    assert line["contentrange"] == "bytes 0-12/13"
    assert kept(tmp_path, "grün, no JSON".encode())["data"] == "grün, no JSON"


@pytest.mark.parametrize("body", [b"\xff\x00", b"1" * (4 * 1024 * 1024 + 1)], ids=["binary", "large"])
def test_what_does_not_fit_into_a_line_is_a_file_beside_it(tmp_path: Path, body: bytes) -> None:
    line = kept(tmp_path, body)
    assert line["datainblob"] == "true"
    assert Path(str(line["data"])).read_bytes() == body
