"""`component prepare-for-sign`: the catalog of a component's code, which a signing tool then signs.

Contract: azure-ai-ml's ComponentOperations.prepare_for_sign: `catalog.json` and `catalog.json.sig` in the code folder,
{"HashAlgorithm": "SHA256", "CatalogItems": {path: upper-case digest}} over all files that are uploaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from mlctl.errors import UsageError
from mlctl.spec.asset import load_asset
from mlctl.spec.paths import absolute
from mlctl.spec.references import FILE, LOCAL, parse
from mlctl.store.snapshot import CHUNK, walk

CATALOG_FILES = ("catalog.json", "catalog.json.sig")


def prepare_for_sign(path: Path) -> tuple[Path, ...]:
    """Write the catalog into the code folder of the component in the file at `path`; returns the files written.

    Raises InvalidSpecError, NotFoundError, and UsageError for a component without a local code folder.
    """
    spec = load_asset("component", path)
    code = spec.data.get("code")
    reference = parse(code) if isinstance(code, str) else None
    if reference is None or reference.kind not in (LOCAL, FILE):
        raise UsageError(f"{path} has no local code folder to sign", hint="only 'code: <folder>' can be signed")
    folder = Path(absolute(spec.document, reference.path or ""))
    if not folder.is_dir():
        raise UsageError(f"{path} has no local code folder to sign", hint="only 'code: <folder>' can be signed")
    entries = [entry for entry in walk(folder) if entry.kind == "file" and entry.path not in CATALOG_FILES]
    items = {entry.path: _digest(Path(entry.source)) for entry in entries}
    text = json.dumps({"HashAlgorithm": "SHA256", "CatalogItems": dict(sorted(items.items()))})
    written = tuple(folder / name for name in CATALOG_FILES)
    for place in written:
        incoming = place.with_name(f".{place.name}.{os.urandom(4).hex()}")
        incoming.write_text(text, encoding="utf-8")
        incoming.replace(place)
    return written


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest().upper()
