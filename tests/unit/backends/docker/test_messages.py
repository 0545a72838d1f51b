"""What a user sees of a pull, a build and a push."""

from __future__ import annotations

import pytest

from mlctl.backends.docker import messages as module
from mlctl.backends.docker.client import RefusedError
from mlctl.backends.docker.messages import build_lines, pull_lines, push_lines


def test_pull_shows_the_end_of_each_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now.__setitem__(0, now[0] + 6) or now[0])
    messages = [
        {"status": "Pulling from library/python", "id": "3.11"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "aa"},
        {"status": "Downloading", "progressDetail": {"current": 1_000_000, "total": 4_000_000}, "id": "aa"},
        {"status": "Downloading", "progressDetail": {"current": 2_000_000, "total": 4_000_000}, "id": "bb"},
        {"status": "Extracting", "progressDetail": {"current": 1, "total": 2}, "id": "aa"},
        {"status": "Pull complete", "progressDetail": {}, "id": "aa"},
        {"status": "Already exists", "progressDetail": {}, "id": "cc"},
        {"status": "Digest: sha256:1"},
        {"status": "Status: Downloaded newer image for python:3.11"},
    ]
    assert list(pull_lines(messages)) == [
        "3.11: Pulling from library/python",
        "downloading: 3 of 8 MB so far",
        "aa: Pull complete",
        "cc: Already exists",
        "Digest: sha256:1",
        "Status: Downloaded newer image for python:3.11",
    ]


def test_an_error_ends_a_pull() -> None:
    with pytest.raises(RefusedError, match="manifest unknown"):
        list(pull_lines([{"error": "short", "errorDetail": {"message": "manifest unknown"}}]))


def test_build_output_becomes_whole_lines() -> None:
    messages = [
        {"stream": "Step 1/2 : FROM x\n"},
        {"stream": " ---> 1"},
        {"stream": "2\n\n"},
        {"status": "Pulling", "progressDetail": {"current": 1}},
        {"status": "Digest: y"},
        {"aux": {"ID": "sha256:1"}},
        {"stream": "no end"},
    ]
    assert list(build_lines(messages)) == ["Step 1/2 : FROM x", " ---> 12", "Digest: y", "no end"]


def test_an_error_ends_a_build_behind_its_last_words() -> None:
    lines = build_lines([{"stream": "last"}, {"error": "x", "errorDetail": {"message": "non-zero code: 91"}}])
    assert next(lines) == "last"
    with pytest.raises(RefusedError, match="non-zero code: 91"):
        next(lines)


def test_push_shows_the_end_of_each_layer_and_keeps_the_facts() -> None:
    facts: dict[str, object] = {}
    messages = [
        {"status": "The push refers to repository [r/x]"},
        {"status": "Pushing", "progressDetail": {"current": 1}, "id": "aa"},
        {"status": "Pushed", "progressDetail": {}, "id": "aa"},
        {"status": "Layer already exists", "progressDetail": {}, "id": "bb"},
        {"aux": {"Tag": "1", "Digest": "sha256:1", "Size": 5}},
    ]
    assert list(push_lines(messages, facts)) == ["aa: Pushed", "bb: Layer already exists"]
    assert facts == {"Tag": "1", "Digest": "sha256:1", "Size": 5}
    with pytest.raises(RefusedError, match="denied"):
        list(push_lines([{"error": "denied"}], facts))
