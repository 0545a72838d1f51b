"""From a plan's environment to an image on the engine: found, pulled or built, with what happens in the job's log."""

from __future__ import annotations

import fcntl
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mlctl.backends.docker.client import Engine, EngineGoneError, RefusedError
from mlctl.backends.docker.refusals import explain_pull
from mlctl.entities.environment import Requirements
from mlctl.errors import AuthError, NotFoundError, UnavailableError
from mlctl.images.context import context_files, mirror_dockerfile, write_files_tar, write_tar
from mlctl.images.dockerfile import REPOSITORY, ImageRecipe, proxy_variables, write_addition, write_recipe
from mlctl.images.names import apply_mirrors, parse_image
from mlctl.settings import Settings

MANAGED = {"mlctl.managed-by": "mlctl"}
"""Label on every image and container that mlctl makes."""

_WHERE_JOBS_KEEP_IT = "the build log is above; it is kept in azureml-logs/20_image_build_log.txt"
_PROGRESS_SECONDS = 10.0
_ONCE = frozenset({"Already exists", "Pull complete", "Download complete"})


class ImageMaker:
    """Makes images of one job or deployment ready. `log` takes whole lines of what a user should see; `hint` says
    where they are kept.
    """

    def __init__(
        self, engine: Engine, settings: Settings, cache: Path, log: BinaryIO, *, hint: str = _WHERE_JOBS_KEEP_IT
    ) -> None:
        self._hint = hint
        self._engine, self._settings, self._cache, self._log = engine, settings, cache, log

    def ensure(self, wanted: Mapping[str, Any]) -> str:
        """The name of an image that is on the engine. `wanted` is the plan's docker part.

        Raises NotFoundError, AuthError or UnavailableError, each saying what to do.
        """
        platform = wanted["options"]["platform"]
        if wanted["build"]:
            return self._build_context(wanted, platform)
        self._ensure_base(wanted["image"], wanted["image_as_written"], platform)
        if not (wanted["conda"] or wanted["packages"]):
            return str(wanted["image"])
        return self._build_environment(wanted, platform)

    def _say(self, text: str) -> None:
        self._log.write(f"{text}\n".encode(errors="replace"))
        self._log.flush()

    def _ensure_base(self, name: str, written: str, platform: str | None) -> None:
        stands_for = f" (for {written}, by images.mirrors)" if name != written else ""
        if self._engine.image(name) is not None and not platform:
            self._say(f"image {name}{stands_for} is on this machine")
            return
        self._say(f"pulling image {name}{stands_for}")
        image = parse_image(name)
        started = time.monotonic()
        # a digest is a tag for this request, and it wins over a tag
        messages = self._engine.pull(image.path, image.digest or image.tag or "latest", platform)
        try:
            for line in pull_lines(messages):
                self._say(line)
        except (RefusedError, NotFoundError, AuthError) as error:
            raise explain_pull(name, str(error.details.get("text") or error.message)) from error
        self._say(f"pulled image {name} in {time.monotonic() - started:.1f} s")

    def _build_environment(self, wanted: Mapping[str, Any], platform: str | None) -> str:
        settings = self._settings
        python, packages, origin = wanted["python"], tuple(wanted["packages"]), wanted["origin"]
        recipe = write_recipe(
            wanted["image"],
            Requirements(python=python, packages=packages, origin=origin),
            conda=wanted["conda"],
            conversion_error=wanted["conversion_error"],
            ca_bundle=read_ca_bundle(settings),
            pip_arguments=settings.text("environments.pip_arguments"),
            proxies=proxies(settings),
        )
        return self._build_recipe(recipe, f"{wanted['image']} with the packages of {origin}", platform)

    def add(self, image: str, packages: Sequence[str]) -> str:
        """The name of an image that is `image` with further packages in its own Python. Raises as `ensure`."""
        settings = self._settings
        recipe = write_addition(
            image,
            packages,
            ca_bundle=read_ca_bundle(settings),
            pip_arguments=settings.text("environments.pip_arguments"),
            proxies=proxies(settings),
        )
        return self._build_recipe(recipe, f"{image} with {', '.join(packages)}", None)

    def _build_recipe(self, recipe: ImageRecipe, what: str, platform: str | None) -> str:
        with self._once(recipe.tag):
            if self._engine.image(recipe.tag) is not None:
                self._say(f"image {recipe.tag} was built before and is used again")
                return recipe.tag
            self._say(f"building image {recipe.tag}: {what}")
            with tempfile.TemporaryFile() as tar:
                write_files_tar(recipe.files, tar)
                self._build(tar, recipe.tag, "Dockerfile", recipe.build_args, platform)
        return recipe.tag

    def _build_context(self, wanted: Mapping[str, Any], platform: str | None) -> str:
        folder, dockerfile = Path(wanted["build"]["path"]), wanted["build"]["dockerfile_path"]
        files = context_files(folder, dockerfile)
        mirrors = self._settings.pairs("images.mirrors")
        text = (folder / dockerfile).read_text(encoding="utf-8", errors="surrogateescape")
        mirrored = mirror_dockerfile(text, lambda name: apply_mirrors(name, mirrors))
        replaced = {dockerfile: mirrored.encode(errors="surrogateescape")} if mirrored != text else {}
        with tempfile.TemporaryFile() as tar:
            digest = write_tar(folder, files, tar, replaced=replaced, salt=dockerfile)
            tag = f"{REPOSITORY}:{digest[:32]}"
            with self._once(tag):
                if self._engine.image(tag) is not None:
                    self._say(f"image {tag} was built before and is used again")
                    return tag
                self._say(f"building image {tag} from {folder / dockerfile}, {tar.tell()} bytes of context")
                self._build(tar, tag, dockerfile, proxies(self._settings), platform)
        return tag

    def _build(
        self, tar: BinaryIO, tag: str, dockerfile: str, build_args: Mapping[str, str], platform: str | None
    ) -> None:
        tar.seek(0)
        started = time.monotonic()
        messages = self._engine.build(
            tar, tag=tag, dockerfile=dockerfile, build_args=build_args, labels=MANAGED,
            network=self._settings.text("docker.build_network"), platform=platform,
        )  # fmt: skip
        last: list[str] = []
        try:
            for line in build_lines(messages):
                self._say(line)
                last = [*last[-4:], line]
        except EngineGoneError:
            raise
        except (RefusedError, NotFoundError, AuthError) as error:
            text = str(error.details.get("text") or error.message)
            words = next((line for line in reversed(last) if line.startswith("mlctl: ")), "")
            raise UnavailableError(
                f"the image could not be built: {words.removeprefix('mlctl: ') or text}",
                hint=self._hint,
            ) from error
        self._say(f"built image {tag} in {time.monotonic() - started:.1f} s")

    @contextmanager
    def _once(self, tag: str) -> Iterator[None]:
        """Hold the lock of this image: of several jobs that need it one builds, the others wait for it."""
        folder = self._cache / "images"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{tag.rpartition(':')[2]}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(f"waiting: another job is building image {tag}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def pull_lines(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Lines about a pull: each layer's end, and the total now and then. Raises RefusedError for an error message."""
    layers: dict[str, tuple[int, int]] = {}
    shown = time.monotonic()
    for message in messages:
        _raise_error(message)
        status, layer = str(message.get("status", "")), str(message.get("id", ""))
        detail = message.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            layers[layer] = (int(detail.get("current") or 0), int(detail["total"]))
            if time.monotonic() - shown > _PROGRESS_SECONDS:
                shown = time.monotonic()
                done, total = (sum(part) / 1e6 for part in zip(*layers.values(), strict=True))
                yield f"downloading: {done:.0f} of {total:.0f} MB so far"
        elif status in _ONCE or (status and not detail and status.startswith(("Pulling from", "Digest", "Status"))):
            yield f"{layer}: {status}" if layer else status


def build_lines(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The builder's output as whole lines. Raises RefusedError for an error message."""
    pending = ""
    for message in messages:
        text = str(message.get("stream") or "")
        if not text and message.get("status") and not message.get("progressDetail"):
            text = f"{message['status']}\n"
        *lines, pending = (pending + text).split("\n")
        yield from (line for line in lines if line.strip())
        if message.get("error"):
            yield from [pending] if pending.strip() else []
            _raise_error(message)
    if pending.strip():
        yield pending


def read_ca_bundle(settings: Settings) -> bytes | None:
    """Content of the file that docker.ca_bundle names. Raises NotFoundError when it cannot be read."""
    path = settings.text("docker.ca_bundle")
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"docker.ca_bundle: cannot read {path}: {error.strerror}", hint="mlctl config set docker.ca_bundle=<file>"
        ) from error


def proxies(settings: Settings) -> dict[str, str]:
    """The proxy variables that settings give to builds and containers."""
    return proxy_variables(settings.text("proxy.http"), settings.text("proxy.https"), settings.text("proxy.no_proxy"))


def _raise_error(message: Mapping[str, Any]) -> None:
    if message.get("error"):
        text = str((message.get("errorDetail") or {}).get("message") or message["error"])
        raise RefusedError(text, text=text)
