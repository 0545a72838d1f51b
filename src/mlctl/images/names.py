"""Image names as Docker reads them, and mirrors that stand in for registries and repositories. Pure.

Contract: the reference grammar of the distribution project. The first part of a name is a registry when it has a dot or
a colon or is `localhost`; without one the registry is docker.io, and a single word there is `library/<word>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlctl.errors import UsageError

DEFAULT_REGISTRY = "docker.io"
_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z0-9]+(?:[+._-][A-Za-z0-9]+)*:[0-9a-fA-F]{32,}")
_REGISTRY_ONLY = re.compile(r"(?:localhost|\[[0-9a-fA-F:]+\]|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::\d+)?")


@dataclass(frozen=True, slots=True)
class ImageName:
    """A full image name. At most one of `tag` and `digest` is needed; with neither, `latest` is meant."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def path(self) -> str:
        """Registry and repository: `docker.io/library/python`."""
        return f"{self.registry}/{self.repository}"

    @property
    def suffix(self) -> str:
        """What stands behind the repository: `:3.11`, `@sha256:…`, both, or nothing."""
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.path + self.suffix


def parse_image(name: str) -> ImageName:
    """The full form of a name: `python` is docker.io/library/python. Raises UsageError for what is no image name."""
    rest, _, digest = name.strip().partition("@")
    path, tag = _split_tag(rest)
    first, slash, remainder = path.partition("/")
    registry, repository = DEFAULT_REGISTRY, path
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, remainder
    if registry in _HUB_ALIASES:
        registry = DEFAULT_REGISTRY
        repository = repository if "/" in repository else f"library/{repository}"
    good = _REPOSITORY.fullmatch(repository) and (not tag or _TAG.fullmatch(tag))
    if not good or rest.endswith(":") or ("@" in name and not _DIGEST.fullmatch(digest)):
        raise UsageError(
            f"{name!r} is not an image name",
            hint="write [registry/]repository[:tag], the repository in lower case, such as python:3.11",
        )
    return ImageName(registry, repository, tag or None, digest or None)


def apply_mirrors(name: str, mirrors: Mapping[str, str]) -> str:
    """The name to use instead of `name` under the setting images.mirrors; `name` as written when no key matches.

    A key is a registry (`mcr.microsoft.com`), a prefix of the path (`mcr.microsoft.com/azureml`), a repository
    (`library/python`) or a repository with its tag; the longest match wins, and it is applied once. A replacement with
    a tag or digest is a whole image, taken as it is; one that is a registry (or ends with `/`) keeps the repository
    below it; any other takes the place of the part that matched. Raises UsageError for a name that is none.
    """
    image = parse_image(name)
    best = max(
        ((length, key) for key in mirrors for length in [_match(image, key)] if length),
        default=None,
        key=lambda found: found[0],
    )
    return name if best is None else _replace(image, best[1], mirrors[best[1]])


def _split_tag(text: str) -> tuple[str, str]:
    head, colon, tag = text.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (text, "")


def _is_registry(text: str) -> bool:
    return text.endswith("/") or bool(_REGISTRY_ONLY.fullmatch(text))


def _key_paths(key: str) -> tuple[list[str], str]:
    """The paths that a key may mean, and its tag. `docker.io/pytorch` is a prefix as well as library/pytorch."""
    if _is_registry(key):
        host = key.rstrip("/")
        return [DEFAULT_REGISTRY if host in _HUB_ALIASES else host], ""
    path, tag = _split_tag(key.rstrip("/"))
    first, slash, rest = path.partition("/")
    if slash and first not in _HUB_ALIASES and ("." in first or ":" in first or first == "localhost"):
        return [path], tag
    bare = rest if slash and first in _HUB_ALIASES else path
    paths = [f"{DEFAULT_REGISTRY}/{bare}"]
    return (paths if "/" in bare else [*paths, f"{DEFAULT_REGISTRY}/library/{bare}"]), tag


def _matched_path(image: ImageName, key: str) -> str | None:
    """The part of the image's path that the key covers; None when the key does not match."""
    paths, tag = _key_paths(key)
    for path in paths:
        if path == image.path and (not tag or (tag == (image.tag or "latest") and not image.digest)):
            return path
        if not tag and image.path.startswith(path + "/"):
            return path
    return None


def _match(image: ImageName, key: str) -> int:
    path = _matched_path(image, key)
    return 0 if path is None else len(path) + len(_key_paths(key)[1])


def _replace(image: ImageName, key: str, replacement: str) -> str:
    path = _matched_path(image, key) or ""
    below = image.path[len(path) :]
    if _is_registry(replacement):
        kept = below.lstrip("/") or image.repository
        return f"{replacement.rstrip('/')}/{kept}{image.suffix}"
    if "@" in replacement or _split_tag(replacement)[1]:
        return replacement
    return f"{replacement.rstrip('/')}{below}{image.suffix}"
