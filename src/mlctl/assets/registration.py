"""A checked spec becomes an asset: its files are stored by content, its version is written with its lineage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlctl.assets.mlflow_runs import run_artifact
from mlctl.assets.model_formats import checked_type
from mlctl.assets.places import check_address, local_place
from mlctl.assets.resolver import Resolver
from mlctl.assets.sending import send_files
from mlctl.entities.asset import AREAS, COMPONENT, DATA, ENVIRONMENT, MODEL, Asset, fingerprint_of
from mlctl.entities.clock import Clock
from mlctl.entities.lineage import GIT as COMMIT
from mlctl.entities.lineage import JOB, PATH, Link, Node, node_of
from mlctl.entities.tags import texts
from mlctl.errors import ConflictError, NotFoundError, UnavailableError
from mlctl.settings.user import current_user
from mlctl.spec.check import SpecCheck
from mlctl.spec.paths import absolute
from mlctl.spec.references import ASSET, DATASTORE, FILE, GIT, JOB_OUTPUT, LOCAL, RUN, Reference, parse
from mlctl.storage.hidden_texts import check_known, conceal
from mlctl.store.git_trees import fetch_git, refuse_credentials
from mlctl.store.secrets import SecretStore
from mlctl.store.signed_addresses import printable
from mlctl.store.uploads import address, expose, shown_content
from mlctl.store.workspaces import WorkspaceStore

Progress = Callable[[int, int], None]
"""Bytes done, bytes in all."""

ANONYMOUS = "azureml_anonymous"
"""The name of a component that a spec holds inside; its version is its fingerprint."""

_SHARED = (
    "$schema",
    "name",
    "version",
    "type",
    "description",
    "tags",
    "properties",
    "stage",
    "path",
    "datastore",
    "id",
)
_PRINTED = (
    "creation_context", "latest_version", "utc_time_created", "job_name", "intellectual_property", "system_metadata",
)  # fmt: skip
_DEFAULT_TYPES = {DATA: "uri_folder", MODEL: "custom_model", ENVIRONMENT: "", COMPONENT: "command"}


@dataclass(frozen=True, slots=True)
class Draft:
    """What will become an asset: its fields, what it was made from, and sentences for the user."""

    asset: Asset
    links: tuple[Link, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registrar:
    """Registers assets in one workspace. `progress` is told how far the storing of files is."""

    store: WorkspaceStore
    clock: Clock
    resolver: Resolver
    progress: Progress | None = field(default=None)

    def register(self, kind: str, spec: SpecCheck) -> tuple[Asset, tuple[str, ...]]:
        """Store the files of a checked spec and write its version. Returns it with sentences for the user.

        Raises ConflictError when the version exists with other content, NotFoundError for files that are not there,
        and the errors of the content store.
        """
        with self.store.content.adding():
            draft = self.draft(kind, spec)
            return self.keep(draft), draft.warnings

    def keep(self, draft: Draft) -> Asset:
        """Write a draft's version; without a version it gets the next number."""
        now, told = self.clock.now(), with_hidden_secrets(draft.asset, self.store.secrets)
        asset = replace(told, created_at=now, modified_at=now, created_by=current_user())
        try:
            return self.store.assets.add(replace(asset, fingerprint=fingerprint_of(asset)), draft.links)
        except ConflictError as error:
            self._name_the_files(error)
            raise

    def _name_the_files(self, error: ConflictError) -> None:
        """Say which files differ, not only that their digests do."""
        contents = error.details.get("differences", {}).get("content")
        if not contents or None in contents.values():
            return
        with suppress(NotFoundError, UnavailableError):  # the digests say it too
            old, new = (
                {entry.path: entry for entry in self.store.content.entries(digest)} for digest in contents.values()
            )
            changes = {
                "added": sorted(new.keys() - old.keys()),
                "removed": sorted(old.keys() - new.keys()),
                "changed": sorted(path for path in old.keys() & new.keys() if old[path] != new[path]),
            }
            error.details["files"] = changes
            told = [f"{len(paths)} {word} ({_first(paths)})" for word, paths in changes.items() if paths]
            error.message += f"; files: {', '.join(told)}"

    def draft(self, kind: str, spec: SpecCheck) -> Draft:
        """The asset of a checked spec, its files stored already; nothing refers to them before `keep`."""
        data = spec.data
        version = data.get("version")
        asset = Asset(
            kind=kind,
            name=str(data.get("name") or ""),
            version="" if version is None else str(version),
            # what a model is shows in its files
            type=data.get("type") or ("" if kind == MODEL else _DEFAULT_TYPES[kind]),
            stage=data.get("stage"),
            description=data.get("description"),
            tags=texts(data.get("tags")),
            properties=texts(data.get("properties")),
            document={key: value for key, value in data.items() if key not in (*_SHARED, *_PRINTED)},
        )
        make = {ENVIRONMENT: self._environment, COMPONENT: self._component}.get(kind, self._files)
        draft = make(asset, spec)
        return replace(draft, asset=replace(draft.asset, type=draft.asset.type or _DEFAULT_TYPES[kind]))

    def from_place(self, asset: Asset, place: Path, *, job: str | None = None, output: str = "") -> Draft:
        """The draft of data or a model whose files are at `place`, made by a job when that is given."""
        asset, warnings = _with_format(asset, place)
        # a job's own links must not bring in what only the user may read
        kept = keep_files(self.store, place, progress=self.progress, may_leave=job is None)
        links = () if job is None else (Link(Node(JOB, job), _node(asset), f"output {output}".strip()),)
        properties = dict(asset.properties)
        if job is not None:
            properties["azureml.jobName"] = job
        asset = replace(asset, path=kept.path, content=kept.content, properties=properties)
        return Draft(asset, links, (*warnings, *kept.warnings))

    def keep_files(self, place: Path) -> StoredFiles:
        """Store a file or a folder by its content and show it in the workspace's own datastore."""
        return keep_files(self.store, place, progress=self.progress)

    def _files(self, asset: Asset, spec: SpecCheck) -> Draft:
        """Data or a model: a local path and a job's output are stored, any other address is kept as it is."""
        text = spec.data.get("path")
        if not text:
            return Draft(asset)
        reference = parse(str(text))
        if reference.kind in (LOCAL, FILE):
            place = Path(absolute(spec.document, reference.path or ""))
            draft = self.from_place(asset, place)
            if spec.data.get("datastore"):
                sent = send_files(draft.asset, str(spec.data["datastore"]), self.store, self.progress)
                draft = replace(draft, asset=sent)
            return replace(draft, links=(Link(Node(PATH, str(place)), _node(asset), "path"),))
        if reference.kind == GIT:
            fetched = fetch_git(reference.text, self.store.folder / "git")
            draft = self.from_place(asset, fetched.path)
            return replace(draft, links=(Link(Node(COMMIT, fetched.commit), _node(asset), "git"),))
        if reference.kind in (JOB_OUTPUT, RUN):
            return self._made_by_job(asset, reference)
        if reference.kind == ASSET:
            return self._same_files(asset, reference)
        check_address(reference.text, self.store)
        origin = Link(Node(PATH, printable(reference.text)), _node(asset), "path")
        asset = replace(asset, path=reference.text, content=shown_content(self.store, reference.text))
        return Draft(asset, () if reference.kind == DATASTORE else (origin,))

    def _made_by_job(self, asset: Asset, reference: Reference) -> Draft:
        if reference.kind == RUN:
            found = run_artifact(self.store, reference.job or "", reference.path or "")
            return self.from_place(asset, found.place, job=found.job, output="artifacts")
        place = local_place(reference.text, self.store)
        output = reference.output or "artifacts"
        return self.from_place(asset, place, job=reference.job or "", output=output)

    def _same_files(self, asset: Asset, reference: Reference) -> Draft:
        """The files of another asset under a new name."""
        named = next((kind for kind, area in AREAS.items() if area == reference.asset_type), None)
        for kind in (asset.kind, DATA, MODEL) if named is None else (named,):
            try:
                found = self.resolver.find(reference.text, kind)
            except NotFoundError:
                continue
            if found is not None:
                link = Link(node_of(found), _node(asset), "files")
                return Draft(replace(asset, path=found.path, content=found.content), (link,))
        return Draft(replace(asset, path=self.resolver.get(reference.text, named or asset.kind).path))

    def _environment(self, asset: Asset, spec: SpecCheck) -> Draft:
        """The conda file is read into the asset, the build context is stored."""
        environment = spec.environments[()]
        assert environment is not None
        document = dict(asset.document)
        document["os_type"] = environment.os_type
        if environment.conda is not None:
            document["conda_file"] = environment.conda
        if environment.build is None:
            return Draft(replace(asset, document=document))
        build = {"dockerfile_path": environment.build.dockerfile_path}
        written = environment.build.path
        if shown := shown_content(self.store, written):
            return Draft(replace(asset, content=shown, path=written, document={**document, "build": build}))
        if not Path(written).is_absolute():
            return Draft(replace(asset, document={**document, "build": {**build, "path": written}}))
        kept = self.keep_files(Path(written))
        asset = replace(asset, content=kept.content, path=kept.path, document={**document, "build": build})
        return Draft(asset, warnings=kept.warnings)

    def _component(self, asset: Asset, spec: SpecCheck) -> Draft:
        """The code folder is stored; an environment inside is kept with its conda file read."""
        document = dict(asset.document)
        links: tuple[Link, ...] = ()
        for path, environment in spec.environments.items():
            if environment is not None and environment.conda is not None:
                _put(document, (*path, "conda_file"), environment.conda)
        for path, nested in spec.files.items():
            if nested is not None and nested.kind.family == COMPONENT:
                inner = self._anonymous(nested)
                _put(document, path, inner.reference)
                links = (
                    *links,
                    Link(Node(COMPONENT, inner.name, inner.version), _node(asset), ".".join(map(str, path))),
                )
        code = document.pop("code", None)
        warnings: tuple[str, ...] = ()
        if isinstance(code, str):
            reference = parse(code)
            if reference.kind in (LOCAL, FILE):
                kept = self.keep_files(Path(absolute(spec.document, reference.path or "")))
                asset, warnings = replace(asset, content=kept.content, path=kept.path), kept.warnings
            elif shown := shown_content(self.store, code):
                asset = replace(asset, content=shown, path=code)
            else:
                refuse_credentials(code)
                document["code"] = code
        return Draft(replace(asset, document=document), links, warnings)

    def _anonymous(self, spec: SpecCheck) -> Asset:
        """A component that another one holds: registered without a name of its own, once for each content."""
        draft = self.draft(COMPONENT, spec)
        nameless = replace(draft.asset, name=ANONYMOUS, version="", anonymous=True)
        return self.keep(replace(draft, asset=replace(nameless, version=fingerprint_of(nameless)), links=()))


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """Files in the content store: the tree's digest, the address under which they are read, sentences for the user."""

    content: str
    path: str
    warnings: tuple[str, ...] = ()


def keep_files(
    store: WorkspaceStore, place: Path, *, progress: Progress | None = None, may_leave: bool = True
) -> StoredFiles:
    """Store a file or a folder by its content and show it in the workspace's own datastore.

    `may_leave`: whether links may lead out of the folder. Raises the errors of `ContentStore.add_tree`.
    """
    with store.content.adding():
        kept = store.content.add_tree(place, progress=progress, may_leave=may_leave)
        shown = expose(store, kept.digest, place.name)
    end = "/" if shown.is_dir() else ""
    return StoredFiles(kept.digest, address(kept.digest, place.name) + end, kept.warnings)


def _first(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (" …" if len(paths) > 3 else "")


def _with_format(asset: Asset, place: Path) -> tuple[Asset, tuple[str, ...]]:
    """A model with the type that its files have, when it was given none, and sentences about them."""
    if asset.kind != MODEL:
        return asset, ()
    found, warnings = checked_type(place, asset.type or None)
    return replace(asset, type=found), warnings


def with_hidden_secrets(asset: Asset, secrets: SecretStore) -> Asset:
    """The asset as it is kept: what is a secret in its texts is among those of the workspace.

    Raises NotFoundError for what was hidden in another one.
    """
    names = ("path", "document", "description", "tags", "properties")
    texts = {name: getattr(asset, name) for name in names}
    check_known(texts, secrets)
    return replace(asset, **conceal(texts, secrets))


def _node(asset: Asset) -> Node:
    return Node(asset.kind, asset.name, asset.version)


def _put(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    """Set a value deep in a document, copying the maps on the way."""
    here = document
    for part in path[:-1]:
        inner = here.get(str(part))
        if not isinstance(inner, dict):
            return
        here[str(part)] = here = dict(inner)
    here[str(path[-1])] = value
