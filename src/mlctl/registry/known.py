"""The registries that a user knows: `home/registries/<name>.json` says where each one is.

A registry itself is a folder or a URL:

    registry.json        its name and what is said about it
    assets/              the versions (table.py)
    files/, trees/       their content (content.py)
    incoming/            what is being written; what killed processes left goes a day later

Specs name a registry, so it has one name for everybody: the one in its `registry.json`.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlctl.entities.clock import Clock
from mlctl.entities.registry import Registry
from mlctl.errors import ConflictError, NotFoundError, UnavailableError, UsageError
from mlctl.registry.content import Content
from mlctl.registry.files import Files, FolderFiles
from mlctl.registry.table import RegistryTable
from mlctl.store.rows import did_you_mean

FACTS_FILE = "registry.json"

# Azure's rule for the names of registries.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")
_OWN_ENTRIES = (FACTS_FILE, "assets", "trees", "files", "incoming", "stamps")
_FIELDS = ("description", "display_name", "tags")
_FORMAT = 1
_SECRET_QUERY = re.compile(r"(?:^|&)(?:sig|sas|token|key|secret|password|X-Amz-\w+)=", re.IGNORECASE)

# In the class below `list` is the method.
RegistryList = list[Registry]


@dataclass(frozen=True)
class OpenRegistry:
    """A registry to work with."""

    name: str
    files: Files

    @property
    def facts(self) -> Registry:
        """What is said about it, as it is now. Raises NotFoundError when it is not there any more."""
        return _read_facts(self.files, self.name)

    @cached_property
    def assets(self) -> RegistryTable:
        """Data, models, environments, components."""
        return RegistryTable(self.name, self.files)

    @cached_property
    def content(self) -> Content:
        """Their files."""
        return Content(self.files)


class Registries:
    """The registries known in a home folder. Methods that take a name raise NotFoundError for an unknown one."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self._folder = home / "registries"
        self._known = FolderFiles(self._folder, incoming=".incoming")  # no registry can have this name
        self._clock = clock

    def create(self, name: str | None, path: str | None = None, **fields: Any) -> Registry:
        """Make a registry at `path` (a folder or URL; without, a folder of the home), or get to know the one there.

        `fields` (description, display_name, tags) that are given change one that is there. Without a name, the one
        there has it. Raises ConflictError when another registry of that name is known, when the one at `path` has
        another name, or when the folder holds something else; UsageError for what cannot be a name or a path.
        """
        if name is not None:
            _check_name(name)
        known = self._path(name) if name is not None else None
        place = checked_path(path) if path is not None else known
        if place is None:
            if name is None:
                raise UsageError("a registry needs a name", hint="mlctl registry create -n NAME --path FOLDER_OR_URL")
            place = str((self._folder / name).absolute())
        if known is not None and known != place:
            raise ConflictError(
                f"a registry named '{name}' is known already, at {known}",
                hint=f"mlctl registry delete -n {name} forgets it; nothing in it is lost",
                details={"name": name, "path": known},
            )
        files = open_files(place)
        facts = self._make(files, name, place, fields)
        self._known.put(f"{facts.name}.json", json.dumps({"name": facts.name, "path": place}).encode())
        return facts

    def get(self, name: str) -> Registry:
        """What is said about a registry."""
        return self.open(name).facts

    def open(self, name: str) -> OpenRegistry:
        """The registry, to work with. Whether it is there is seen on first use."""
        path = self._path(name)
        if path is None:
            otherwise = f"'mlctl registry create -n {name} --path FOLDER_OR_URL' makes it, or finds it there"
            hint = did_you_mean(name, self.names(), otherwise=otherwise)
            raise NotFoundError(f"no registry named '{name}'", hint=hint, details={"name": name})
        return OpenRegistry(name, open_files(path))

    def knows(self, name: str) -> bool:
        """Whether there is a registry of that name, at this user's."""
        return self._path(name) is not None

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Names that begin with `prefix`, sorted."""
        found = (entry.removesuffix(".json") for entry in self._known.names("") if entry.endswith(".json"))
        return tuple(sorted(name for name in found if name.startswith(prefix) and _NAME.fullmatch(name)))

    def path(self, name: str) -> str:
        """Where a registry is, whether or not it can be reached now."""
        return self.open(name).files.address

    def update(self, name: str, **fields: Any) -> Registry:
        """Change description, display_name or tags; a field that is None keeps its value."""
        return _update(self.open(name), fields)

    def forget(self, name: str) -> None:
        """Know the registry no more; all that is in it stays."""
        self.open(name)
        self._known.remove(f"{name}.json")

    def destroy(self, name: str) -> None:
        """Remove the registry with all that is in it, for everybody; what else is in its folder stays."""
        registry = self.open(name)
        assert registry.facts  # one that cannot be reached must not be forgotten
        files = registry.files
        # Without its first file nobody takes it for a registry, whatever is still there.
        for entry in _OWN_ENTRIES:
            files.remove(entry)
        if isinstance(files, FolderFiles) and not files.names(""):
            files.remove("")
        self._known.remove(f"{name}.json")

    def _make(self, files: Files, name: str | None, place: str, fields: dict[str, Any]) -> Registry:
        given = {field: value for field, value in fields.items() if value is not None}
        if files.size(FACTS_FILE) is None:
            if name is None:
                raise NotFoundError(f"there is no registry at {place}", hint="add --name to make one there")
            if set(files.names("")) - {"incoming"}:
                raise ConflictError(
                    f"{place} holds something else than a registry", hint="give an empty or a new place with --path"
                )
            facts = Registry(name, place, created_at=self._clock.now(), **given)
            if files.create(FACTS_FILE, _to_json(facts)):
                return facts
        known = _read_facts(files, name or "")
        if name not in (None, known.name):
            raise ConflictError(
                f"the registry at {place} is called '{known.name}', not '{name}'",
                hint="specs name it so: take that name",
                details={"name": known.name},
            )
        return _update(OpenRegistry(known.name, files), given)

    def _path(self, name: str) -> str | None:
        data = self._known.read(f"{name}.json") if _NAME.fullmatch(name) else None
        if data is None:
            return None
        try:
            return str(json.loads(data)["path"])
        except (ValueError, TypeError, KeyError) as error:
            raise UnavailableError(
                f"{self._folder / name}.json is damaged", hint="remove it and create the registry again with --path"
            ) from error


def open_files(path: str) -> Files:
    """The files at a folder or a URL. Raises UnavailableError when what is needed for the URL is not installed."""
    if "://" not in path:
        return FolderFiles(Path(path))
    from mlctl.registry.remote import RemoteFiles

    return RemoteFiles(path)


def checked_path(path: str) -> str:
    """A path as it is kept: an absolute folder, or a URL without an end. Raises UsageError for a secret in it."""
    if "://" not in path:
        return os.path.abspath(Path(path).expanduser())  # noqa: PTH100  `..` must not stay in it
    parts = urlsplit(path)
    if parts.scheme == "file":
        return os.path.abspath(unquote(parts.path))  # noqa: PTH100
    if parts.password or _SECRET_QUERY.search(parts.query):
        raise UsageError(
            "--path holds a secret, and it would be kept in a file",
            hint="leave it out: variables such as AZURE_STORAGE_SAS_TOKEN or AWS_SECRET_ACCESS_KEY give it",
        )
    return path.rstrip("/")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name of a registry",
            hint="3 to 33 letters, digits, - and _, beginning with a letter or a digit",
        )


def _read_facts(files: Files, name: str) -> Registry:
    data = files.read(FACTS_FILE)
    if data is None:
        raise NotFoundError(
            f"registry '{name}' is not at {files.address} any more (no {FACTS_FILE})",
            hint=f"is it mounted? if it was moved: mlctl registry delete -n {name}, then create with --path NEW_PLACE",
        )
    try:
        record = json.loads(data)
        known = record.pop("format")
        facts = Registry(**record, path=files.address)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnavailableError(
            f"{FACTS_FILE} in {files.address} is damaged", hint="take it from a backup; it holds name and description"
        ) from error
    if known != _FORMAT:
        raise UnavailableError(
            f"the registry in {files.address} has format {known}, not {_FORMAT}",
            hint="update mlctl: pip install --upgrade mlctl",
        )
    return facts


def _update(registry: OpenRegistry, fields: dict[str, Any]) -> Registry:
    before = registry.facts
    after = replace(before, **{key: value for key, value in fields.items() if key in _FIELDS and value is not None})
    if after != before:
        registry.files.put(FACTS_FILE, _to_json(after))
    return after


def _to_json(facts: Registry) -> bytes:
    record = {"format": _FORMAT, **asdict(facts)}
    del record["path"]
    return json.dumps(record, indent=1, sort_keys=True).encode("ascii")
