"""Secrets of a workspace that came in clear: one file each, for the owner's eyes only, outside of the database.

    secrets/<owner>.<key>       `owner` is datastore-<name> or connection-<name>

The database keeps the reference only. A backup of the database, a row that is printed or a plan holds no secret.
"""

from __future__ import annotations

import os
from pathlib import Path

from mlctl.errors import NotFoundError
from mlctl.store.database import translate_os_error


class SecretStore:
    """Secrets of one workspace in `folder`, made on first use with mode 0700.

    Every method raises AuthError for what may not be read or written, and UnavailableError for a full disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, owner: str, key: str, text: str) -> str:
        """Keep a secret; returns its name. One that is there is replaced in one step."""
        name = f"{owner}.{key}"
        place = self._place(name)
        temporary = self._written(text)
        try:
            temporary.replace(place)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise translate_os_error(error, self._folder) from error
        return name

    def add(self, name: str, text: str) -> bool:
        """Keep a secret under a name of its own; False when another text has it. Of several who do so, one wins."""
        place = self._place(name)
        temporary = self._written(text)
        try:
            place.hardlink_to(temporary)
        except FileExistsError:
            return self.get(name) == text
        except OSError as error:
            raise translate_os_error(error, self._folder) from error
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def get(self, name: str) -> str:
        """The secret. Raises NotFoundError."""
        try:
            return self._place(name).read_bytes().decode("utf-8", "surrogatepass")
        except FileNotFoundError as error:
            raise NotFoundError(
                f"the secret '{name}' is not in this workspace any more",
                hint="give it again: create it anew under its name",
            ) from error
        except OSError as error:
            raise translate_os_error(error, self._folder, writing=False) from error

    def names(self, owner: str) -> list[str]:
        """The names of an owner's secrets, sorted."""
        if not self._folder.is_dir():
            return []
        # keys hold no dot, names of owners may
        return sorted(place.name for place in self._folder.iterdir() if place.name.rpartition(".")[0] == owner)

    def remove(self, name: str) -> None:
        """Remove one secret; nothing happens when there is none."""
        self._place(name).unlink(missing_ok=True)

    def delete(self, owner: str, *, keep: frozenset[str] = frozenset()) -> None:
        """Remove the secrets of an owner but those named in `keep`."""
        for name in self.names(owner):
            if name not in keep:
                self.remove(name)

    def _written(self, text: str) -> Path:
        """A new file with that text, under a name that nobody looks at."""
        temporary = self._folder / f".{os.urandom(8).hex()}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._folder.chmod(0o700)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text.encode("utf-8", "surrogatepass"))
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise translate_os_error(error, self._folder) from error
        return temporary

    def _place(self, name: str) -> Path:
        if os.sep in name or "\0" in name or name.startswith("."):
            raise NotFoundError(f"'{name}' is no secret of this workspace")
        return self._folder / name
