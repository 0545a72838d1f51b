"""Images of environments on a Docker engine, built and pushed for a user rather than for a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Any, BinaryIO

from mlctl.backends.base import ImageOrder
from mlctl.backends.docker.client import Engine, RefusedError, open_engine
from mlctl.backends.docker.image import ImageMaker
from mlctl.backends.docker.messages import push_lines
from mlctl.backends.docker.refusals import explain_push
from mlctl.entities.environment import Environment
from mlctl.entities.image import BuiltImage
from mlctl.errors import AuthError, ConflictError, MlctlError, NotFoundError, UnavailableError, UsageError
from mlctl.images.making import wanted_of
from mlctl.images.names import ImageName, parse_image
from mlctl.images.packages import Package, package_recipe
from mlctl.images.recipe import tag_of
from mlctl.settings import Settings


class DockerImages:
    """See `Images`. An engine is reached for each call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def build(self, environment: Environment, order: ImageOrder, log: BinaryIO) -> BuiltImage:
        """See `Images`."""
        wanted = wanted_of(environment, self._settings)
        with self._engine(order.host) as engine:
            return self._maker(engine, order, log).ensure(wanted, order.platform)

    def package(self, plan: dict[str, Any], package: Package, order: ImageOrder, log: BinaryIO) -> BuiltImage:
        """See `Images`."""
        from mlctl.backends.docker.serve import served_image

        with self._engine(order.host) as engine:
            maker = self._maker(engine, order, log)
            base = served_image(engine, maker, plan)
            # a name may mean another image tomorrow
            exact = (engine.image(base) or {}).get("Id")
            recipe = replace(package_recipe(base, package), salt=str(exact))
            return maker.make(recipe, f"{base} with {plan['deployment']}")

    def push(self, image: BuiltImage, target: str, log: BinaryIO) -> tuple[str, str]:
        """See `Images`. The digest is asked of the registry afterwards and must be the one that was pushed."""
        goal = push_target(target, image)
        tag = goal.tag or ""
        with self._engine(image.engine) as engine:
            facts: dict[str, str] = {}
            engine.tag(image.digest, goal.path, tag)
            log.write(f"pushing image {image.image} as {goal}\n".encode())
            try:
                for line in push_lines(engine.push(goal.path, tag), facts):
                    log.write(f"{line}\n".encode())
                digest = facts.get("Digest") or _repository_digest(engine, goal)
                told = engine.manifest_digest(f"{goal.path}@{digest}")
            except (RefusedError, NotFoundError, AuthError) as error:
                with suppress(MlctlError):
                    engine.remove_image(str(goal))  # the name only
                if "text" not in error.details:
                    raise
                raise explain_push(str(goal), error.details["text"]) from error
            if told not in (None, digest):
                raise UnavailableError(f"registry {goal.registry} has {goal.path} with digest {told}, not {digest}")
        log.write(f"pushed {goal}: {digest}\n".encode())
        return str(goal), digest

    def remove(self, image: BuiltImage) -> bool:
        """See `Images`. A base image that was taken as it is is the user's own and stays."""
        if not image.is_made_here:
            return True
        with self._engine(image.engine) as engine:
            try:
                for reference in image.registries:
                    engine.remove_image(reference)
                engine.remove_image(image.image)
            except ConflictError:
                return False
        return True

    def _maker(self, engine: Engine, order: ImageOrder, log: BinaryIO) -> ImageMaker:
        return ImageMaker(engine, self._settings, self._settings.home / "cache", log, no_cache=order.no_cache)

    @contextmanager
    def _engine(self, host: str | None) -> Iterator[Engine]:
        with closing(open_engine(self._settings, host)) as engine:
            yield engine


def push_target(target: str, image: BuiltImage) -> ImageName:
    """The full name under which an image is pushed. Raises UsageError for what is none."""
    name = parse_image(target)
    if name.digest:
        raise UsageError(f"--push {target}: a digest cannot be chosen", hint="write registry/repository[:tag]")
    return ImageName(name.registry, name.repository, name.tag or tag_of(image.fingerprint).rpartition(":")[2])


def _repository_digest(engine: Engine, goal: ImageName) -> str:
    """The digest that the engine noted at the push, for engines that do not tell it in their messages."""
    found = (engine.image(str(goal)) or {}).get("RepoDigests") or []
    for text in found:
        path, _, digest = str(text).partition("@")
        if parse_image(path).path == goal.path:
            return digest
    raise UnavailableError(f"the engine does not tell the digest of {goal}", hint="push it again")
