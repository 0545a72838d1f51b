"""Image names and mirrors."""

from __future__ import annotations

import pytest

from mlctl.errors import UsageError
from mlctl.images.names import apply_mirrors, parse_image

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("python", "docker.io/library/python"),
        ("library/python:3.11", "docker.io/library/python:3.11"),
        ("docker.io/python", "docker.io/library/python"),
        ("index.docker.io/library/python", "docker.io/library/python"),
        ("pytorch/pytorch:2.4", "docker.io/pytorch/pytorch:2.4"),
        ("localhost/x", "localhost/x"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"),
        (f"python@{DIGEST}", f"docker.io/library/python@{DIGEST}"),
        (f"reg.example:443/a:1@{DIGEST}", f"reg.example:443/a:1@{DIGEST}"),
    ],
)
def test_names_have_one_full_form(name: str, full: str) -> None:
    assert str(parse_image(name)) == full
    assert str(parse_image(full)) == full


@pytest.mark.parametrize(
    "name", ["", "Python", "a b", "python:", "x/../y", "python@sha256:12", "python:3@", ":3", "a//b"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not an image name"):
        parse_image(name)


@pytest.mark.parametrize(
    ("name", "mirrors", "expected"),
    [
        ("python:3.11", {}, "python:3.11"),
        ("python:3.11", {"alpine": "other"}, "python:3.11"),
        # a registry
        ("mcr.microsoft.com/azureml/a:1", {"mcr.microsoft.com": "reg.example:5000"}, "reg.example:5000/azureml/a:1"),
        ("mcr.microsoft.com/azureml/a:1", {"mcr.microsoft.com": "reg.example/mcr"}, "reg.example/mcr/azureml/a:1"),
        ("python:3.11", {"docker.io": "reg.example"}, "reg.example/library/python:3.11"),
        ("myhost:5000/a", {"myhost:5000/": "reg.example"}, "reg.example/a"),
        # a prefix ends at a slash
        ("mcr.microsoft.com/azureml/a:1", {"mcr.microsoft.com/azureml": "reg.example/x"}, "reg.example/x/a:1"),
        (
            "mcr.microsoft.com/azuremlx/a:1",
            {"mcr.microsoft.com/azureml": "reg.example/x"},
            "mcr.microsoft.com/azuremlx/a:1",
        ),
        ("pytorch/pytorch:2", {"docker.io/pytorch": "reg.example/torch"}, "reg.example/torch/pytorch:2"),
        # a repository in any of its spellings
        ("python:3.11", {"library/python": "base"}, "base:3.11"),
        ("docker.io/library/python", {"python": "base"}, "base"),
        ("python:3.11", {"python": "base:9"}, "base:9"),
        (f"python@{DIGEST}", {"python": "base"}, f"base@{DIGEST}"),
        (f"python@{DIGEST}", {"python": "base:9"}, "base:9"),
        ("python:3.11", {"python": "reg.example:5000"}, "reg.example:5000/library/python:3.11"),
        # repository and tag
        ("python:3.11", {"python:3.11": "base"}, "base:3.11"),
        ("python:3.11", {"python:3.11": "base:1"}, "base:1"),
        ("python:3.10", {"python:3.11": "base:1"}, "python:3.10"),
        ("python", {"python:latest": "base:1"}, "base:1"),
        # everything of a registry is one image
        ("mcr.microsoft.com/azureml/a:1", {"mcr.microsoft.com": "mlctl-test/python:3.11"}, "mlctl-test/python:3.11"),
    ],
)
def test_mirrors(name: str, mirrors: dict[str, str], expected: str) -> None:
    assert apply_mirrors(name, mirrors) == expected


def test_the_longest_match_wins_whatever_the_order() -> None:
    mirrors = {
        "mcr.microsoft.com": "one.example",
        "mcr.microsoft.com/azureml/a:1": "four:1",
        "mcr.microsoft.com/azureml": "two.example/x",
        "mcr.microsoft.com/azureml/a": "three",
    }
    for ordered in (mirrors, dict(reversed(mirrors.items()))):
        assert apply_mirrors("mcr.microsoft.com/z", ordered) == "one.example/z"
        assert apply_mirrors("mcr.microsoft.com/azureml/b:2", ordered) == "two.example/x/b:2"
        assert apply_mirrors("mcr.microsoft.com/azureml/a:2", ordered) == "three:2"
        assert apply_mirrors("mcr.microsoft.com/azureml/a:1", ordered) == "four:1"


def test_a_mirror_is_applied_once() -> None:
    assert apply_mirrors("a/b:1", {"a/b": "c/d", "c/d": "e/f"}) == "c/d:1"
