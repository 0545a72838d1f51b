"""The assets of a registry, as small files that many machines may write at once.

    assets/<kind>/<name>/versions/<version>.json   a version, written once
    assets/<kind>/<name>/order/<number>,<version>  its place in time: the highest number is the newest
    assets/<kind>/<name>/archived/<version>        there while the version is archived
    assets/<kind>/<name>/changes/<version>.json    description, tags, properties, stage once they were changed
    assets/<kind>/<name>/labels/<label>            the version that a label points to

Names, versions and labels are written as in URLs. The place in time is written before the version, so a version that is
seen has one; one that nobody finished means nothing. Of two who create a version at once, the file system lets one win.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from mlctl.entities.asset import AREAS, LATEST, UPDATABLE, Asset, AssetName, can_be_named, next_number
from mlctl.entities.lineage import Link
from mlctl.errors import NotFoundError, UnavailableError, UsageError
from mlctl.registry.files import Files
from mlctl.registry.records import PrivateAddressError, asset_from_record, private_address, record_of_asset
from mlctl.store.assets import Assets, version_conflict
from mlctl.store.rows import did_you_mean

_FORMAT = 1

AssetNames = list[AssetName]


class RegistryTable:
    """The assets of one registry, with the methods of a workspace's `AssetTable`. Raises the errors of its `Files`."""

    def __init__(self, name: str, files: Files) -> None:
        self._registry = name
        self._files = files

    def add(self, asset: Asset, links: Iterable[Link] = (), *, root: str = "") -> Asset:
        """Keep a new version; without a version it gets the next number. Its content is there already.

        `root`: the name of the file or (with `/` at its end) folder that the content is. Lineage belongs to workspaces:
        links are not kept. Raises as `AssetTable.add`, and UsageError for what only one machine or workspace has.
        """
        del links
        if private := private_address(asset):
            raise UsageError(
                f"{asset.kind} '{asset.name}' names {private!r}, which only this machine or workspace has",
                hint="register its files, so that they go along",
            )
        while True:
            versions = self._versions(asset.kind, asset.name)
            wanted = replace(asset, version=asset.version or str(next_number(list(versions))))
            if wanted.version not in versions and self._create(wanted, root):
                return self.get(wanted.kind, wanted.name, wanted.version)
            if not asset.version:
                continue  # somebody else took the number
            known = self.get(wanted.kind, wanted.name, wanted.version)
            if known.fingerprint != wanted.fingerprint:
                raise version_conflict(known, wanted)
            given = {field: value for field in UPDATABLE if (value := getattr(wanted, field))}
            return self.update(known, given, modified_at=wanted.modified_at)

    def get(self, kind: str, name: str, version: str) -> Asset:
        """One version. Raises NotFoundError."""
        found = self.find(kind, name, version)
        if found is None:
            raise self._not_found(kind, name, version)
        return found

    def find(self, kind: str, name: str, version: str) -> Asset | None:
        """One version, or None."""
        folder, part = _folder(kind, name), _part(version)
        found = self._load(kind, name, version, with_changes=True)
        return found and replace(found, archived=self._files.size(f"{folder}/archived/{part}") is not None)

    def root(self, asset: Asset) -> str:
        """The name of the file or (with `/` at its end) folder that the content of a version is; may be empty."""
        path = f"{_folder(asset.kind, asset.name)}/versions/{_part(asset.version)}.json"
        return self._parse(self._files.read(path) or b"", asset.kind, asset.name, asset.version)[1]

    def resolve(self, kind: str, name: str, *, version: str | None = None, label: str | None = None) -> Asset:
        """The version named, else the one that the label points to, else the latest. Raises NotFoundError."""
        if version is None:
            version = self._labelled(kind, name, label or LATEST)
        return self.get(kind, name, version)

    def labels(self, kind: str, name: str) -> dict[str, str]:
        """The labels that users gave, and the versions they point to."""
        folder = f"{_folder(kind, name)}/labels"
        found = ((unquote(part), self._files.read(f"{folder}/{part}")) for part in sorted(self._files.names(folder)))
        return {label: data.decode(errors="replace") for label, data in found if data is not None}

    def set_label(self, kind: str, name: str, label: str, version: str | None) -> None:
        """Point a label at a version, or take it away (None). Raises NotFoundError."""
        path = f"{_folder(kind, name)}/labels/{_part(label)}"
        if version is not None:
            self._files.put(path, self.get(kind, name, version).version.encode())
        elif self._files.size(path) is None:
            raise NotFoundError(f"{kind} '{name}' has no label '{label}'", details={"label": label})
        else:
            self._files.remove(path)

    def list_names(self, kind: str, *, view: str = "active", max_results: int | None = None) -> AssetNames:
        """Names with their latest versions, alphabetically, without anonymous ones. `view`: active, archived or all."""
        found: AssetNames = []
        for name in self._names(kind):
            if max_results is not None and len(found) >= max_results:
                break
            described = self._describe(kind, name)
            if described is not None and view in ("all", "archived" if described.archived else "active"):
                found.append(described)
        return found

    def list_versions(
        self, kind: str, name: str, *, view: str = "active", stage: str | None = None, max_results: int | None = None
    ) -> Assets:
        """The versions of one name, newest first. Raises NotFoundError for an unknown name."""
        versions = self._by_age(kind, name)
        if not versions:
            raise self._not_found(kind, name, None)
        archived, changed = (self._marked(kind, name, folder) for folder in ("archived", "changes"))
        found: Assets = []
        for number, version in reversed(list(enumerate(versions, 1))):
            if max_results is not None and len(found) >= max_results:
                break
            if view not in ("all", "archived" if version in archived else "active"):
                continue
            asset = self._load(kind, name, version, with_changes=version in changed)
            if asset is not None and stage in (None, asset.stage):
                found.append(replace(asset, archived=version in archived, sequence=number))
        return found

    def all(self) -> Assets:
        """Every version of every kind, by kind and name, oldest first."""
        named = [(kind, name) for kind in AREAS for name in self._names(kind) if self._versions(kind, name)]
        return [asset for kind, name in named for asset in reversed(self.list_versions(kind, name, view="all"))]

    def update(self, asset: Asset, changes: dict[str, Any], *, modified_at: float) -> Asset:
        """Change description, tags, properties or stage of a version. Raises NotFoundError."""
        known = self.get(asset.kind, asset.name, asset.version)
        if any(value != getattr(known, field) for field, value in changes.items()):
            after = replace(known, **changes, modified_at=modified_at)
            data = _to_json({field: getattr(after, field) for field in (*UPDATABLE, "modified_at")})
            self._files.put(f"{_folder(asset.kind, asset.name)}/changes/{_part(asset.version)}.json", data)
        return self.get(asset.kind, asset.name, asset.version)

    def set_archived(self, kind: str, name: str, version: str | None, *, archived: bool) -> None:
        """Hide a version, or with None the whole name, from lists and from `latest`; or show it again.

        Raises NotFoundError.
        """
        known = self._versions(kind, name)
        if not known or version not in (None, *known):
            raise self._not_found(kind, name, version)
        for which in [version] if version is not None else sorted(known):
            path = f"{_folder(kind, name)}/archived/{_part(which)}"
            if archived:
                self._files.put(path, b"")
            else:
                self._files.remove(path)

    def knows(self, kind: str, name: str) -> bool:
        """Whether there is a name, archived or not."""
        return bool(self._versions(kind, name))

    def names(self, kind: str, prefix: str = "", limit: int = 50) -> list[str]:
        """Names that begin with `prefix`, alphabetically."""
        return [name for name in self._names(kind) if name.startswith(prefix)][:limit]

    def contents(self) -> set[str]:
        """The digests of all files that assets hold."""
        return {asset.content for asset in self.all() if asset.content}

    def _create(self, asset: Asset, root: str) -> bool:
        folder = _folder(asset.kind, asset.name)
        taken = [int(part.partition(",")[0]) for part in self._files.names(f"{folder}/order") if part[:1].isdigit()]
        self._files.put(f"{folder}/order/{max(taken, default=0) + 1:012d},{_part(asset.version)}", b"")
        if asset.archived:
            self._files.put(f"{folder}/archived/{_part(asset.version)}", b"")
        record = {"format": _FORMAT, **record_of_asset(asset, root)}
        return self._files.create(f"{folder}/versions/{_part(asset.version)}.json", _to_json(record))

    def _load(self, kind: str, name: str, version: str, *, with_changes: bool) -> Asset | None:
        folder, part = _folder(kind, name), _part(version)
        data = self._files.read(f"{folder}/versions/{part}.json")
        if data is None:
            return None
        asset, _ = self._parse(data, kind, name, version)
        changes = self._files.read(f"{folder}/changes/{part}.json") if with_changes else None
        return asset if changes is None else _changed(asset, changes)

    def _parse(self, data: bytes, kind: str, name: str, version: str) -> tuple[Asset, str]:
        """Version and root of a record."""
        try:
            record = json.loads(data)
            known = record["format"]
            if known != _FORMAT:
                raise UnavailableError(
                    f"{kind} '{name}' version '{version}' in {self._files.address} has format {known}, not {_FORMAT}",
                    hint="update mlctl: pip install --upgrade mlctl",
                )
            asset, root = asset_from_record({**record, "kind": kind, "name": name, "version": version})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            why = f" or meant to harm: {error}" if isinstance(error, PrivateAddressError) else ""
            raise UnavailableError(
                f"the record of {kind} '{name}' version '{version}' in {self._files.address} is damaged{why}",
                hint=f"take assets/{kind}/{_part(name)} of the registry from a backup",
            ) from error
        asset = replace(asset, registry=self._registry)
        return (asset if asset.content is None else replace(asset, path=asset.reference)), root

    def _labelled(self, kind: str, name: str, label: str) -> str:
        if label == LATEST:
            newest = self._newest(kind, name)
            if newest is not None:
                return newest
        if not self.knows(kind, name):
            raise self._not_found(kind, name, None)
        if label == LATEST:
            raise NotFoundError(
                f"every version of {kind} '{name}' is archived in registry '{self._registry}'",
                hint=f"mlctl {kind} restore -n {name} --registry-name {self._registry} shows them again",
            )
        labels = self.labels(kind, name)
        if label not in labels:
            known = ", ".join([LATEST, *labels])
            raise NotFoundError(f"{kind} '{name}' has no label '{label}'", hint=f"its labels: {known}")
        return labels[label]

    def _newest(self, kind: str, name: str) -> str | None:
        """The newest version that is not archived, without a look at all the others."""
        folder, archived = _folder(kind, name), self._marked(kind, name, "archived")
        for _, version in _order(sorted(self._files.names(f"{folder}/order"), reverse=True)):
            if version not in archived and self._files.size(f"{folder}/versions/{_part(version)}.json") is not None:
                return version
        return None

    def _describe(self, kind: str, name: str) -> AssetName | None:
        versions = self._by_age(kind, name)
        if not versions:
            return None
        oldest = self.get(kind, name, versions[0])
        if oldest.anonymous:
            return None
        archived = self._marked(kind, name, "archived")
        latest = next((version for version in reversed(versions) if version not in archived), None)
        return AssetName(kind, name, latest, str(next_number(versions)), latest is None, oldest.created_at)

    def _names(self, kind: str) -> list[str]:
        # whoever may write to the place may have made a folder by hand
        names = (unquote(part) for part in self._files.names(f"assets/{kind}"))
        return sorted(name for name in names if can_be_named(name))

    def _versions(self, kind: str, name: str) -> set[str]:
        return self._marked(kind, name, "versions")

    def _by_age(self, kind: str, name: str) -> list[str]:
        """The versions, oldest first. A number that was given twice at the same moment goes by the version."""
        known = self._versions(kind, name)
        places = dict.fromkeys(known, 0)
        for number, version in _order(self._files.names(f"{_folder(kind, name)}/order")):
            if version in known:
                # the later one counts: the earlier belongs to an attempt that was not finished
                places[version] = max(places[version], number)
        return sorted(known, key=lambda version: (places[version], version))

    def _marked(self, kind: str, name: str, folder: str) -> set[str]:
        """The versions that have a file in that folder."""
        suffix = "" if folder == "archived" else ".json"
        return {unquote(part.removesuffix(suffix)) for part in self._files.names(f"{_folder(kind, name)}/{folder}")}

    def _not_found(self, kind: str, name: str, version: str | None) -> NotFoundError:
        details = {"kind": kind, "name": name, "version": version, "registry": self._registry}
        versions = self._by_age(kind, name)
        if versions and version is not None:
            hint = f"its newest versions: {', '.join(reversed(versions[-5:]))}"
            message = f"{kind} '{name}' has no version '{version}' in registry '{self._registry}'"
            return NotFoundError(message, hint=hint, details=details)
        otherwise = f"'mlctl {kind} list --registry-name {self._registry}' shows what it has"
        hint = did_you_mean(name, self.names(kind, limit=1000), otherwise=otherwise)
        return NotFoundError(f"no {kind} named '{name}' in registry '{self._registry}'", hint=hint, details=details)


def _order(parts: list[str]) -> Iterator[tuple[int, str]]:
    for part in parts:
        number, _, version = part.partition(",")
        if number.isascii() and number.isdigit():
            yield int(number), unquote(version)


def _changed(asset: Asset, data: bytes) -> Asset:
    try:
        changes = json.loads(data)
        record = {**record_of_asset(asset, ""), **{field: changes[field] for field in (*UPDATABLE, "modified_at")}}
        return replace(asset_from_record(record)[0], path=asset.path, registry=asset.registry)
    except (ValueError, TypeError, KeyError, RecursionError):
        return asset  # what is damaged here was never part of the version


def _folder(kind: str, name: str) -> str:
    return f"assets/{kind}/{_part(name)}"


def _part(text: str) -> str:
    """A name as one part of a path: nothing in it can lead elsewhere, and it is not hidden."""
    quoted = quote(text, safe="")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def _to_json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode("ascii")
