"""Assets of a registry as one file, for places that no network reaches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlctl.entities.asset import Asset, fingerprint_of
from mlctl.errors import ConflictError, NotFoundError, UsageError
from mlctl.registry.bundle import Item, Written, write_bundle
from mlctl.registry.known import OpenRegistry
from mlctl.registry.table import RegistryTable
from mlctl.registry.unbundle import Bundle, open_bundle


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, as references. `unchanged` were there already. `warnings`: sentences for the user."""

    imported: tuple[str, ...]
    unchanged: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def export(registry: OpenRegistry, path: Path, *, kinds: Collection[str], names: Sequence[str]) -> Written:
    """Write versions of a registry into one file; all of them without `kinds` and `names` (NAME or NAME:VERSION).

    Raises NotFoundError for a name that the registry has not got, and when there is nothing to write.
    """
    registry.facts  # noqa: B018  raises when the registry is not there
    wanted = [_parse_name(text) for text in names]
    assets = [
        asset
        for asset in registry.assets.all()
        if (not kinds or asset.kind in kinds) and (not wanted or _is_wanted(asset, wanted))
    ]
    for name, version in wanted:
        if not any(_is_wanted(asset, [(name, version)]) for asset in assets):
            what = name if version is None else f"{name}:{version}"
            raise NotFoundError(f"no asset '{what}' in registry '{registry.name}'", details={"name": what})
    if not assets:
        raise NotFoundError(f"registry '{registry.name}' has nothing to export", hint="share something with it first")
    return write_bundle(registry, assets, path)


def import_bundle(registry: OpenRegistry, path: Path) -> Imported:
    """Take what a file holds into a registry. Nothing of it is seen before everything was checked.

    A repetition goes on where it was interrupted, and changes nothing that is there. Raises ConflictError with all
    versions that are there with other content, InvalidSpecError for a file that is damaged or that lies.
    """
    registry.facts  # noqa: B018  raises when the registry is not there
    with open_bundle(path) as bundle:
        items = [_with_fingerprint(item) for item in bundle.manifest.items]
        _refuse_conflicts(registry, items)
        _take_content(registry, bundle)
    imported, unchanged, warnings = [], [], []
    for item in items:
        asset = item.asset
        if registry.assets.find(asset.kind, asset.name, asset.version) is not None:
            unchanged.append(_text(asset))
        else:
            registry.assets.add(asset, root=item.root)
            imported.append(_text(asset))
        warnings += _set_labels(registry.assets, item)
    return Imported(tuple(imported), tuple(unchanged), tuple(warnings))


def _take_content(registry: OpenRegistry, bundle: Bundle) -> None:
    content, new = registry.content, []
    for digest, size, pieces in bundle.files():
        if not content.has_file(digest, size):
            content.put_file(digest, pieces)
            new.append(digest)
    content.settle(new)
    for digest, data in bundle.trees():
        if not content.has_tree(digest):
            content.put_tree(digest, data)
    bundle.finish()


def _refuse_conflicts(registry: OpenRegistry, items: Sequence[Item]) -> None:
    conflicts = []
    for item in items:
        asset = item.asset
        known = registry.assets.find(asset.kind, asset.name, asset.version)
        if known is not None and known.fingerprint != asset.fingerprint:
            conflicts.append(_text(asset))
    if conflicts:
        shown = ", ".join(conflicts[:10]) + (" …" if conflicts[10:] else "")
        raise ConflictError(
            f"registry '{registry.name}' has these with other content: {shown}",
            hint="nothing was imported; a version never changes: export without these, or import into another registry",
            details={"conflicts": conflicts},
        )


def _set_labels(table: RegistryTable, item: Item) -> list[str]:
    """Set the labels that are not there yet; returns a sentence for each that points elsewhere."""
    asset, said = item.asset, []
    known = table.labels(asset.kind, asset.name) if item.labels else {}
    for label in item.labels:
        if label not in known:
            table.set_label(asset.kind, asset.name, label, asset.version)
        elif known[label] != asset.version:
            said.append(f"label '{label}' of {asset.kind} '{asset.name}' stays at version {known[label]}")
    return said


def _with_fingerprint(item: Item) -> Item:
    # made here: one that does not belong to the content could hide a conflict
    return replace(item, asset=replace(item.asset, fingerprint=fingerprint_of(item.asset)))


def _parse_name(text: str) -> tuple[str, str | None]:
    name, colon, version = text.partition(":")
    if not name or (colon and not version):
        raise UsageError(f"--asset {text!r} is no asset", hint="write NAME or NAME:VERSION")
    return name, version or None


def _is_wanted(asset: Asset, wanted: Sequence[tuple[str, str | None]]) -> bool:
    return any(name == asset.name and version in (None, asset.version) for name, version in wanted)


def _text(asset: Asset) -> str:
    return f"{asset.kind} {asset.name}:{asset.version}"
