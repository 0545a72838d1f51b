"""The images that were made of this workspace's environments, and where they were pushed to."""

from __future__ import annotations

from collections.abc import Iterable

from mlctl.entities.image import BuiltImage
from mlctl.entities.lineage import Link
from mlctl.store.database import Database, Row
from mlctl.store.links import insert_links
from mlctl.store.rows import from_json, to_json

# In the class below `list` is the method.
BuiltImages = list[BuiltImage]


class ImageTable:
    """Images of one workspace. Every method raises the errors of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, image: BuiltImage, links: Iterable[Link] = ()) -> BuiltImage:
        """Write down an image with its lineage, and return it with all that is known of it.

        Environments and registries that are known already stay.
        """
        with self._database.write() as connection:
            sql = "SELECT * FROM images WHERE fingerprint = ? AND engine = ?"
            row = connection.execute(sql, (image.fingerprint, image.engine)).fetchone()
            known = _image(row) if row else image
            environments = sorted({*known.environments, *image.environments})
            registries = {**known.registries, **image.registries}
            # the same image found again is as old as it was
            created_at = known.created_at if known.digest == image.digest else image.created_at
            connection.execute(
                "INSERT OR REPLACE INTO images "
                "(fingerprint, engine, image, digest, size, environments, registries, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    image.fingerprint, image.engine, image.image, image.digest, image.size,
                    to_json(environments), to_json(registries), created_at,
                ),
            )  # fmt: skip
            insert_links(connection, links)
        return BuiltImage(
            image.fingerprint, image.engine, image.image, image.digest, image.size,
            tuple(environments), registries, created_at, image.fresh,
        )  # fmt: skip

    def list(self, environment: str | None = None) -> BuiltImages:
        """All images, newest first, or those of the environment with this reference (azureml:name:version)."""
        rows = self._database.read("SELECT * FROM images ORDER BY created_at DESC, fingerprint")
        found = [_image(row) for row in rows]
        return [image for image in found if environment is None or environment in image.environments]

    def forget(self, image: BuiltImage) -> None:
        """Strike an image that was removed from its engine; fine when it is not there."""
        with self._database.write() as connection:
            sql = "DELETE FROM images WHERE fingerprint = ? AND engine = ?"
            connection.execute(sql, (image.fingerprint, image.engine))


def _image(row: Row) -> BuiltImage:
    return BuiltImage(
        fingerprint=row["fingerprint"],
        engine=row["engine"],
        image=row["image"],
        digest=row["digest"],
        size=row["size"],
        environments=tuple(from_json(row["environments"])),
        registries=from_json(row["registries"]),
        created_at=row["created_at"],
    )
