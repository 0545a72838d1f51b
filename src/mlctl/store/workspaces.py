"""Workspaces: folders that hold everything of a project, below `home/workspaces` or linked from there.

    mlctl.db        jobs, computes, the workspace's own facts        (database.py)
    jobs/<name>/    one folder for each job
    endpoints/<name>/  what runs for each endpoint
    content/        snapshots of code, stored once by content        (content.py)
    datastores/     workspaceblobstore and its three companions
    secrets/        credentials that were given in clear            (secrets.py)
    mlruns/         MLflow's file store

The facts are inside the folder, so that it can be moved and backed up as a whole.
"""

from __future__ import annotations

import os
import re
import sqlite3
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.entities.clock import Clock
from mlctl.entities.datastore import BUILT_IN, LOCAL_FOLDER
from mlctl.entities.job import HOLDING_STATUSES, WAITING_STATUSES
from mlctl.entities.workspace import Workspace
from mlctl.errors import ConflictError, NotFoundError, UnsupportedError, UsageError
from mlctl.store.computes import ComputeTable
from mlctl.store.database import Database, Row, translate_os_error
from mlctl.store.folders import make_private_folder, remove_tree
from mlctl.store.jobs import JobTable
from mlctl.store.rows import did_you_mean, from_json, to_json

if TYPE_CHECKING:
    from mlctl.store.assets import AssetTable
    from mlctl.store.connections import ConnectionTable
    from mlctl.store.content import ContentStore
    from mlctl.store.datastores import DatastoreTable
    from mlctl.store.endpoints import EndpointTable
    from mlctl.store.images import ImageTable
    from mlctl.store.links import LinkTable
    from mlctl.store.secrets import SecretStore

DEFAULT_WORKSPACE = "default"
"""The workspace that is made on first use."""

DATABASE_FILE = "mlctl.db"

# Azure's rule for workspace names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")
_OWN_ENTRIES = (
    DATABASE_FILE,
    f"{DATABASE_FILE}-wal",
    f"{DATABASE_FILE}-shm",
    "jobs",
    "content",
    "endpoints",
    "datastores",
    "mlruns",
    "secrets",
)
_FIELDS = ("description", "display_name", "location", "tags")

# In the class below `list` is the method.
WorkspaceList = list[Workspace]


@dataclass(frozen=True)
class WorkspaceStore:
    """An open workspace. Its parts are made on first use; nothing is read before."""

    name: str
    folder: Path
    database: Database
    clock: Clock

    @property
    def workspace(self) -> Workspace:
        """The workspace's facts, as they are now."""
        return _workspace(self.database.read("SELECT * FROM workspace")[0], self.name, self.folder)

    @cached_property
    def jobs(self) -> JobTable:
        """The jobs."""
        return JobTable(self.database, self.folder / "jobs")

    @cached_property
    def computes(self) -> ComputeTable:
        """The computes."""
        return ComputeTable(self.database)

    @cached_property
    def assets(self) -> AssetTable:
        """Data, models, environments, components."""
        from mlctl.store.assets import AssetTable  # commands about jobs need none

        return AssetTable(self.database)

    @cached_property
    def endpoints(self) -> EndpointTable:
        """Endpoints, deployments and their history."""
        from mlctl.store.endpoints import EndpointTable

        return EndpointTable(self.database)

    @cached_property
    def links(self) -> LinkTable:
        """Lineage."""
        from mlctl.store.links import LinkTable

        return LinkTable(self.database)

    @cached_property
    def images(self) -> ImageTable:
        """Images that were made of environments."""
        from mlctl.store.images import ImageTable

        return ImageTable(self.database)

    @cached_property
    def datastores(self) -> DatastoreTable:
        """The datastores."""
        from mlctl.store.datastores import DatastoreTable

        return DatastoreTable(self.database, self.folder / "datastores")

    @cached_property
    def connections(self) -> ConnectionTable:
        """The connections."""
        from mlctl.store.connections import ConnectionTable

        return ConnectionTable(self.database)

    @cached_property
    def secrets(self) -> SecretStore:
        """Credentials that were given in clear."""
        from mlctl.store.secrets import SecretStore

        return SecretStore(self.folder / "secrets")

    @cached_property
    def content(self) -> ContentStore:
        """The snapshots."""
        from mlctl.store.content import ContentStore  # most commands need none

        return ContentStore(self.folder / "content")

    def job_folder(self, name: str) -> Path:
        """The folder of a job, whether or not there is one."""
        return self.folder / "jobs" / name

    def datastore_folder(self, name: str) -> Path:
        """The folder of a datastore of this machine; that of a built-in one is made when it is missing.

        Raises NotFoundError for an unknown name, UnsupportedError for a datastore that is elsewhere.
        """
        datastore = self.datastores.get(name)
        if datastore.type != LOCAL_FOLDER:
            raise UnsupportedError(
                f"the datastore '{name}' ({datastore.type}) is not on this machine", hint="fetch its files first"
            )
        folder = Path(datastore.settings["path"])
        if name in BUILT_IN:
            make_private_folder(folder)
        return folder


class Workspaces:
    """The workspaces of a home folder. Where a name is asked for, the path of a workspace's folder may stand too.

    Every method raises the errors of `Database`; those that take a name raise NotFoundError for an unknown one.
    """

    def __init__(self, home: Path, clock: Clock) -> None:
        self._folder = home / "workspaces"
        self._clock = clock

    def create(
        self,
        name: str,
        *,
        folder: Path | None = None,
        description: str | None = None,
        display_name: str | None = None,
        location: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> Workspace:
        """Make a workspace, in `folder` when given (a workspace that was moved there is taken up as it is).

        Raises ConflictError when the name is taken and UsageError when it cannot be a name.
        """
        _check_name(name)
        place = self._folder / name
        if _is_workspace(Database(place / DATABASE_FILE)):
            raise _taken(name)
        if folder is not None:
            self._link(place, folder.absolute(), name)
            if _is_workspace(Database(place / DATABASE_FILE)):
                return self.update(name, description=description, display_name=display_name, tags=tags)
        make_private_folder(place)
        facts = (name, description, display_name, location or "local", to_json(tags or {}), self._clock.now())
        sql = "INSERT INTO workspace (id, name, description, display_name, location, tags, created_at)"
        try:
            # Two who create it at once both come here; the row can be there once.
            with Database(place / DATABASE_FILE).write() as connection:
                connection.execute(f"{sql} VALUES (1, ?, ?, ?, ?, ?, ?)", facts)
        except sqlite3.IntegrityError as error:
            raise _taken(name) from error
        return self.get(name)

    def get(self, name: str) -> Workspace:
        """The workspace's facts."""
        return self.open(name, create_default=False).workspace

    def list(self) -> WorkspaceList:
        """All workspaces of the home folder, by name."""
        return [self.get(name) for name in self.names()]

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Names that begin with `prefix`, sorted."""
        try:
            entries = sorted(entry.name for entry in self._folder.iterdir())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise translate_os_error(error, self._folder) from error
        return tuple(
            entry
            for entry in entries
            if entry.startswith(prefix) and _NAME.fullmatch(entry) and (self._folder / entry / DATABASE_FILE).exists()
        )

    def update(self, name: str, **fields: Any) -> Workspace:
        """Change description, display_name, location or tags; a field that is None keeps its value."""
        store = self.open(name, create_default=False)
        given = {field: value for field, value in fields.items() if value is not None}
        unknown = sorted(set(given) - set(_FIELDS))
        if unknown:
            raise UsageError(f"a workspace's {unknown[0]} cannot be changed", hint=f"fields: {', '.join(_FIELDS)}")
        with store.database.write() as connection:
            for field, value in given.items():
                text = to_json(value) if field == "tags" else value
                connection.execute(f"UPDATE workspace SET {field} = ?", (text,))
        return store.workspace

    def delete(self, name: str, *, force: bool = False) -> None:
        """Remove the workspace with all its jobs; of a linked folder only what mlctl made there.

        Raises ConflictError while jobs run or wait or an online endpoint is not stopped, unless `force`.
        """
        store = self.open(name, create_default=False)
        if not force:
            _check_idle(store)
        store.database.close()
        place = self._folder / store.name
        linked = place.is_symlink() or not place.exists() or not place.samefile(store.folder)
        # Out of sight in one step: whoever looks from now on sees the whole workspace or none of it.
        rubbish = (store.folder if linked else self._folder) / f".deleted-{os.urandom(8).hex()}"
        try:
            if linked:
                rubbish.mkdir()
                for entry in _OWN_ENTRIES:
                    if os.path.lexists(store.folder / entry):
                        (store.folder / entry).rename(rubbish / entry)
                if place.is_symlink() and place.resolve() == store.folder.resolve():
                    place.unlink()
            else:
                place.rename(rubbish)
            remove_tree(rubbish)
            if linked and not any(store.folder.iterdir()):
                store.folder.rmdir()
        except OSError as error:
            raise translate_os_error(error, store.folder) from error

    def open(self, name: str, *, create_default: bool = True) -> WorkspaceStore:
        """The workspace, opened. The one called `default` is made on first use."""
        if os.sep in name:
            return open_workspace(Path(name), self._clock)
        _check_name(name)
        folder = self._folder / name
        database = Database(folder / DATABASE_FILE)
        if not _is_workspace(database):
            if name != DEFAULT_WORKSPACE or not create_default:
                raise self._not_found(name, folder)
            self._create_default()
        return WorkspaceStore(name, Path(os.path.realpath(folder)), database, self._clock)

    def _create_default(self) -> None:
        try:
            self.create(DEFAULT_WORKSPACE)
        except ConflictError:
            return  # another process was faster

    def _link(self, place: Path, folder: Path, name: str) -> None:
        make_private_folder(self._folder)
        make_private_folder(folder)
        try:
            place.symlink_to(folder, target_is_directory=True)
        except FileExistsError as error:
            if not place.is_symlink() or place.exists():
                raise _taken(name) from error
            place.unlink()  # its folder was moved away; this is how it is found again
            place.symlink_to(folder, target_is_directory=True)

    def _not_found(self, name: str, folder: Path) -> NotFoundError:
        if folder.is_symlink():
            return NotFoundError(
                f"the folder of workspace '{name}', {folder.readlink()}, is not there any more",
                hint=f"if it was moved: mlctl workspace create --name {name} --folder NEW_PLACE",
            )
        otherwise = f"make it with: mlctl workspace create --name {name}"
        return NotFoundError(
            f"no workspace named '{name}'",
            hint=did_you_mean(name, self.names(), otherwise=otherwise),
            details={"name": name},
        )


def open_workspace(folder: Path, clock: Clock) -> WorkspaceStore:
    """The workspace in a folder, wherever it is. Raises NotFoundError when there is none."""
    database = Database(folder / DATABASE_FILE)
    rows = database.read("SELECT name FROM workspace") if database.path.exists() else []
    if not rows:
        raise NotFoundError(
            f"{folder} is not the folder of a workspace (no {DATABASE_FILE}, or an empty one)",
            hint="'mlctl workspace list' shows the workspaces and their folders",
        )
    return WorkspaceStore(rows[0]["name"], Path(os.path.realpath(folder)), database, clock)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name of a workspace",
            hint="3 to 33 letters, digits, - and _, beginning with a letter or a digit",
        )


def _taken(name: str) -> ConflictError:
    return ConflictError(f"a workspace named '{name}' exists already", hint="take another name", details={"name": name})


def _is_workspace(database: Database) -> bool:
    # The row is what counts: a process that was killed while it made a workspace leaves a database without one.
    return database.path.exists() and bool(database.read("SELECT 1 FROM workspace"))


def _workspace(row: Row, name: str, folder: Path) -> Workspace:
    facts = {key: row[key] for key in ("description", "display_name", "location", "created_at")}
    return replace(Workspace(name=name, folder=str(folder), tags=from_json(row["tags"])), **facts)


def _check_idle(store: WorkspaceStore) -> None:
    records = store.jobs.list(view="all", statuses=HOLDING_STATUSES | WAITING_STATUSES, ascending=True)
    names = [record.name for record in records]
    if names:
        raise ConflictError(
            f"jobs run or wait in workspace '{store.name}': {', '.join(names[:10])}{' …' if names[10:] else ''}",
            hint="cancel them, or wait for them, and try again",
            details={"jobs": names},
        )
    serving = [endpoint.name for endpoint in store.endpoints.list("online") if not endpoint.stopped]
    if serving:
        raise ConflictError(
            f"endpoints of workspace '{store.name}' are not stopped: {', '.join(serving)}",
            hint=f"mlctl online-endpoint stop -n {serving[0]}, or delete it, and try again",
            details={"endpoints": serving},
        )
