"""YAML files that specs name, each read once in a run; what they hold is shared by all who name them."""

from __future__ import annotations

from pathlib import Path

from mlctl.errors import MlctlError
from mlctl.spec.document import Document
from mlctl.spec.paths import kind_of
from mlctl.spec.reader import read_file


class Library:
    """Documents and kinds of paths, by place. `source` is what a file is called in messages: the first name counts."""

    def __init__(self) -> None:
        self._documents: dict[str, Document | MlctlError] = {}
        self._kinds: dict[str, str | None] = {}
        self._added: dict[str, Document | MlctlError] = {}

    def __len__(self) -> int:
        """How many documents are held."""
        return len(self._documents)

    def read(self, place: str, *, source: str) -> Document:
        """The document at `place`. Raises InvalidSpecError, NotFoundError, AuthError or UsageError, as the reader
        does."""
        found = self._documents.get(place)
        if found is None:
            try:
                found = read_file(place, source=source)
            except MlctlError as error:
                found = error
            self._documents[place] = found
        if isinstance(found, MlctlError):
            raise found
        return found

    def add(self, place: Path, document: Document | MlctlError) -> None:
        """Keep a document that was read already."""
        self._added[str(place)] = self._documents[str(place)] = document

    def forget(self) -> None:
        """Let go of what was read; what was added stays."""
        self._documents = dict(self._added)
        self._kinds = {}

    def kind_of(self, place: str | Path) -> str | None:
        """`file`, `folder`, or None when nothing is there."""
        key = str(place)
        if key not in self._kinds:
            self._kinds[key] = kind_of(key)
        return self._kinds[key]
