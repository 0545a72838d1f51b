"""The assets that a job names become what they stand for: files, images, packages."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

from mlctl.assets.places import local_place
from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import DATA, ENVIRONMENT, MODEL, MODEL_TYPES, Asset
from mlctl.entities.command_job import CommandJob, Input
from mlctl.entities.environment import BuildContext, Environment
from mlctl.errors import ConflictError, InvalidSpecError, NotFoundError, located
from mlctl.spec.references import ASSET, GIT, RUN, parse
from mlctl.storage.hidden_texts import check_known, reveal
from mlctl.store.git_trees import fetch_git
from mlctl.store.secrets import SecretStore


def resolve_job(job: CommandJob, resolver: Resolver) -> CommandJob:
    """The job with every asset it names replaced by what it stands for; each keeps the pinned reference in `asset`.

    Raises NotFoundError, UsageError and InvalidSpecError (a file where a folder is wanted), each with the line.
    """
    job = _revealed(job, resolver.store.secrets)
    code = job.code
    if code is not None and parse(code).kind == GIT:
        # the commit is noted as of a folder that is a work tree
        with _at(job, "code"):
            fetched = fetch_git(code, resolver.store.folder / "git")
        facts = {"mlflow.source.git.repoURL": fetched.url, "mlflow.source.git.commit": fetched.commit}
        job = replace(job, code=str(fetched.path), properties={**facts, **job.properties})
    inputs = {name: _input(job, given, resolver) for name, given in job.inputs.items()}
    with _at(job, "environment"):
        environment = resolve_environment(job.environment, resolver)
    _check_outputs(job, resolver)
    return replace(job, inputs=inputs, environment=environment)


def resolve_environment(environment: Environment, resolver: Resolver) -> Environment:
    """An environment of this workspace or of a registry as image, conda file and build context.

    One that is not known here stays as it is: curated names have a meaning of their own. Raises NotFoundError for a
    version that a known environment does not have.
    """
    if environment.reference is None:
        return environment
    reference = parse(environment.reference)
    try:
        asset = resolver.find(environment.reference, ENVIRONMENT)
    except NotFoundError:
        if reference.registry is None and not resolver.store.assets.knows(ENVIRONMENT, reference.name or ""):
            return environment
        raise
    return environment if asset is None else environment_of(asset, resolver)


def environment_of(asset: Asset, resolver: Resolver) -> Environment:
    """A registered environment as a job or a deployment uses it."""
    check_known(asset.document, resolver.store.secrets)
    document, build = reveal(asset.document, resolver.store.secrets), None
    if document.get("build"):
        place = document["build"].get("path") or str(local_place(asset.path or "", resolver.store))
        build = BuildContext(place, document["build"].get("dockerfile_path", "Dockerfile"))
    return Environment(
        image=document.get("image"),
        build=build,
        conda=document.get("conda_file"),
        os_type=document.get("os_type", "linux"),
        asset=asset.reference,
        inference_config=document.get("inference_config"),
    )


def _input(job: CommandJob, given: Input, resolver: Resolver) -> Input:
    if given.path is None or parse(given.path).kind not in (ASSET, RUN, GIT):
        return given
    key = f"inputs.{given.name}.path"
    if parse(given.path).kind in (RUN, GIT):
        with _at(job, key):
            place = local_place(given.path, resolver.store)
        return replace(given, path=str(place), asset=given.path)
    written = job.document.get("inputs", {}).get(given.name)
    wanted = written.get("type") if isinstance(written, dict) else None
    kind = MODEL if wanted in MODEL_TYPES else DATA
    with _at(job, key):
        asset = resolver.get(given.path, kind)
    if asset.path is None:
        raise NotFoundError(f"{job.where(key)}{key}: {kind} '{asset.name}' version '{asset.version}' has no files")
    _check_type(job, given, asset, wanted, resolver)
    path = str(reveal(asset.path, resolver.store.secrets))
    return replace(given, path=path, type=wanted or asset.type, asset=asset.reference)


def _revealed(job: CommandJob, secrets: SecretStore) -> CommandJob:
    """The job with what was hidden when it was shown, as in one that was exported.

    Raises NotFoundError for what was hidden in another workspace.
    """
    for key in ("command", "environment_variables"):
        with _at(job, key):
            check_known(getattr(job, key), secrets)
    for name, given in job.inputs.items():
        with _at(job, f"inputs.{name}"):
            check_known([given.path, given.value], secrets)
    with _at(job, "environment"):
        check_known([job.environment.image, job.environment.conda], secrets)
    inputs = {
        name: replace(given, path=reveal(given.path, secrets), value=reveal(given.value, secrets))
        for name, given in job.inputs.items()
    }
    environment = job.environment
    return replace(
        job,
        command=reveal(job.command, secrets),
        inputs=inputs,
        environment=replace(
            environment, image=reveal(environment.image, secrets), conda=reveal(environment.conda, secrets)
        ),
        environment_variables=reveal(job.environment_variables, secrets),
    )


def _check_type(job: CommandJob, given: Input, asset: Asset, wanted: str | None, resolver: Resolver) -> None:
    """A file is no folder. Folders of other types are folders all the same."""
    if wanted is None or asset.content is None:
        return
    is_file = local_place(asset.path or "", resolver.store).is_file()
    if (wanted == "uri_file") == is_file or (is_file and wanted in MODEL_TYPES):
        return
    key = f"inputs.{given.name}.type"
    what = "a file" if is_file else "a folder"
    raise InvalidSpecError(
        f"{job.where(key)}{key}: {asset.kind} '{asset.name}' version '{asset.version}' is {what}, not {wanted}",
        hint=f"write type: {asset.type}",
    )


def _check_outputs(job: CommandJob, resolver: Resolver) -> None:
    """An output that is to be registered must not be refused at the end, after hours: the version is free now."""
    for name, output in job.outputs.items():
        if output.asset_name is None or output.asset_version is None:
            continue
        kind = MODEL if output.type in MODEL_TYPES else DATA
        if resolver.store.assets.find(kind, output.asset_name, output.asset_version) is not None:
            raise ConflictError(
                f"{job.where(f'outputs.{name}.version')}outputs.{name}: {kind} '{output.asset_name}' has version "
                f"'{output.asset_version}' already",
                hint="leave the version out to get the next one, or take another",
            )


def _at(job: CommandJob, key: str) -> AbstractContextManager[None]:
    """Errors tell the line of the key."""
    return located(f"{job.where(key)}{key}: ")
