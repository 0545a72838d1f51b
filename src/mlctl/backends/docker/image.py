"""From what is wanted to an image on the engine: found, pulled or built, with what happens in a log."""

from __future__ import annotations

import fcntl
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mlctl.backends.docker.client import Engine, EngineGoneError, RefusedError
from mlctl.backends.docker.messages import build_lines, pull_lines
from mlctl.backends.docker.refusals import explain_pull
from mlctl.entities.image import BuiltImage
from mlctl.errors import AuthError, MlctlError, NotFoundError, UnavailableError
from mlctl.images.dockerfile import STAGE_ARGUMENT, STAGE_LABEL, credentials_in
from mlctl.images.making import addition_of, plain_fingerprint, recipe_of
from mlctl.images.names import parse_image
from mlctl.images.recipe import ImageRecipe, pack, tag_of
from mlctl.settings import Settings

MANAGED = {"mlctl.managed-by": "mlctl"}
"""Label on every image and container that mlctl makes."""

_LAST_LINES = 5


@dataclass(frozen=True, slots=True)
class ImageMaker:
    """Makes images ready on one engine. `log` takes whole lines of what a user should see.

    `log_place`: words for where the log can be read later. `no_cache`: build although the image is there.
    """

    engine: Engine
    settings: Settings
    cache: Path
    log: BinaryIO
    log_place: str = "the build log is above"
    no_cache: bool = False

    def ensure(self, wanted: Mapping[str, Any], platform: str | None) -> BuiltImage:
        """An image that is on the engine, for what `wanted_image` gave.

        Raises NotFoundError, AuthError or UnavailableError, each saying what to do.
        """
        if wanted["image"]:
            self._ensure_base(wanted["image"], wanted["image_as_written"], platform)
        recipe = recipe_of(wanted, self.settings, platform=platform)
        if recipe is None:
            return self._facts(wanted, wanted["image"], plain_fingerprint(wanted["image"], platform))
        what = None if wanted["build"] else f"{wanted['image']} with the packages of {wanted['origin']}"
        return self._made(recipe, wanted, what, platform)

    def add(self, image: str, packages: Sequence[str]) -> str:
        """The name of an image that is `image` with packages beside those of its own Python. Raises as `ensure`."""
        recipe = addition_of(image, packages, self.settings)
        return self.make(recipe, f"{image} with {', '.join(packages)}").image

    def make(self, recipe: ImageRecipe, what: str) -> BuiltImage:
        """The image of a recipe, built unless it is there; `what` is for the log. Raises as `ensure`."""
        return self._made(recipe, {}, what, None)

    def _made(
        self, recipe: ImageRecipe, wanted: Mapping[str, Any], what: str | None, platform: str | None
    ) -> BuiltImage:
        with tempfile.TemporaryFile() as tar:
            fingerprint = pack(recipe, tar)
            tag = tag_of(fingerprint)
            with self._once(tag):
                if self.engine.image(tag) is not None and not self.no_cache:
                    self._say(f"image {tag} was built before and is used again")
                    return self._facts(wanted, tag, fingerprint)
                if what is None:
                    what = f"from {Path(wanted['build']['path'], recipe.dockerfile)}, {tar.tell()} bytes of context"
                self._say(f"building image {tag}: {what}")
                self._build(recipe, tar, tag, platform)
            return self._facts(wanted, tag, fingerprint, fresh=True)

    def _facts(self, wanted: Mapping[str, Any], name: str, fingerprint: str, *, fresh: bool = False) -> BuiltImage:
        found = self.engine.image(name)
        if found is None:
            raise NotFoundError(f"image {name} was removed from the engine just now", hint="try again")
        return BuiltImage(
            fingerprint=fingerprint,
            engine=self.engine.candidate.address,
            image=name,
            digest=str(found["Id"]),
            size=int(found.get("Size") or 0),
            environments=(wanted["asset"],) if wanted.get("asset") else (),
            created_at=time.time(),
            fresh=fresh,
        )

    def _say(self, text: str) -> None:
        self.log.write(f"{text}\n".encode(errors="replace"))
        self.log.flush()

    def _ensure_base(self, name: str, written: str, platform: str | None) -> None:
        stands_for = f" (for {written}, by images.mirrors)" if name != written else ""
        if self.engine.image(name) is not None and not platform:
            self._say(f"image {name}{stands_for} is on this machine")
            return
        self._say(f"pulling image {name}{stands_for}")
        image = parse_image(name)
        started = time.monotonic()
        # a digest is a tag for this request, and it wins over a tag
        messages = self.engine.pull(image.path, image.digest or image.tag or "latest", platform)
        try:
            for line in pull_lines(messages):
                self._say(line)
        except (RefusedError, NotFoundError, AuthError) as error:
            if "text" not in error.details:
                raise
            raise explain_pull(name, error.details["text"]) from error
        self._say(f"pulled image {name} in {time.monotonic() - started:.1f} s")

    def _build(self, recipe: ImageRecipe, tar: BinaryIO, tag: str, platform: str | None) -> None:
        tar.seek(0)
        started = time.monotonic()
        stage = f"{tag.rpartition(':')[2]}-{time.time_ns()}"
        staged = {STAGE_ARGUMENT: stage} if STAGE_LABEL.encode() in recipe.files[recipe.dockerfile] else {}
        messages = self.engine.build(
            tar, tag=tag, dockerfile=recipe.dockerfile, build_args={**recipe.build_args, **staged}, labels=MANAGED,
            network=self.settings.text("docker.build_network"), platform=platform, no_cache=self.no_cache,
        )  # fmt: skip
        secrets = credentials_in(recipe.build_args.values())
        last: list[str] = []
        try:
            for line in build_lines(messages):
                shown = _without(line, secrets)
                self._say(shown)
                last = [*last[1 - _LAST_LINES :], shown]
        except EngineGoneError:
            raise
        except (RefusedError, NotFoundError, AuthError) as error:
            raise self._failed(_without(str(error.details.get("text") or error.message), secrets), last) from error
        finally:
            if staged:
                self._remove_stage(stage)
        self._say(f"built image {tag} in {time.monotonic() - started:.1f} s")

    def _failed(self, text: str, last: list[str]) -> UnavailableError:
        words = next((line for line in reversed(last) if line.startswith("mlctl: ")), "")
        return UnavailableError(
            f"the image could not be built: {words.removeprefix('mlctl: ') or text}",
            hint=self.log_place,
            details={"last_lines": last},
        )

    def _remove_stage(self, stage: str) -> None:
        """The stage's image has the addresses of package indexes in its history."""
        with suppress(MlctlError):
            for image in self.engine.untagged(f"{STAGE_LABEL}={stage}"):
                self.engine.remove_image(image)

    @contextmanager
    def _once(self, tag: str) -> Iterator[None]:
        """Hold the lock of this image: of several that need it one builds, the others wait for it."""
        folder = self.cache / "images"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{tag.rpartition(':')[2]}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(f"waiting: another job is building image {tag}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _without(text: str, secrets: set[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "****")
    return text
