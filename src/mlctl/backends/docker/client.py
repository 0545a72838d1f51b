"""The Docker engine: the only importer of the SDK, and all traffic with an engine (Podman's compatible one too).

Every exception of the SDK and of the HTTP library below it leaves here as an mlctl error. `EngineGoneError` means that
the connection broke or cannot be made; everything else is an answer of the engine.
"""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO

from mlctl.backends.docker.address import Candidate, candidates, knock, refuse_remote
from mlctl.errors import AuthError, ConflictError, MlctlError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    import docker

    from mlctl.settings import Settings

_ANSWER_SECONDS = 60.0
_OLDEST_API = "1.24"
"""Only for the question which version the engine has; that one has no version in its path."""


class EngineGoneError(UnavailableError):
    """The engine cannot be reached, or went away in the middle of something."""


class RefusedError(UnavailableError):
    """The engine answered that it cannot; `text` is what it said."""

    def __init__(self, message: str, *, text: str) -> None:
        super().__init__(message, details={"text": text})
        self.text = text


def open_engine(settings: Settings, host: str | None = None, *, patience: float = _ANSWER_SECONDS) -> Engine:
    """Connect to the engine that settings (or the compute's `host`) name, else to the first that answers.

    `patience`: seconds to wait for an answer that the engine gives at once. Raises UnavailableError with everything
    that was tried, UnsupportedError for an engine on another machine.
    """
    tried = []
    for candidate in _named(settings, host):
        refuse_remote(candidate)
        try:
            return Engine(candidate, patience)
        except EngineGoneError as error:
            tried.append((candidate, error.message))
    raise _not_reachable(tried)


def check_engine(settings: Settings, host: str | None = None) -> None:
    """Raise what `open_engine` would where nobody listens or the SDK is not installed. Sends nothing, loads no SDK."""
    if find_spec("docker") is None:
        _import_sdk()
    tried = []
    for candidate in _named(settings, host):
        refuse_remote(candidate)
        reason = knock(candidate)
        if reason is None:
            return
        tried.append((candidate, reason))
    raise _not_reachable(tried)


def _named(settings: Settings, host: str | None) -> list[Candidate]:
    value = settings.get("docker.host")
    given, source = (host, "the compute's host") if host else (value.value, value.source)
    return candidates(given, source, settings.environ)


class Engine:
    """One connection to an engine. Not to be shared between threads: see `again`."""

    def __init__(self, candidate: Candidate, patience: float = _ANSWER_SECONDS, version: str | None = None) -> None:
        """Connect; `version` of the API is asked for when it is not given.

        Raises EngineGoneError, and UnavailableError when the SDK is not installed.
        """
        # the SDK leaves a socket open on which nobody answers
        if (reason := knock(candidate)) is not None:
            raise EngineGoneError(reason)
        self.candidate = candidate
        self._patience = patience
        self._version = version or self._ask_version()
        # Any: the published stubs leave half of the calls untyped
        self._api: Any = self._client(self._version)

    def _client(self, version: str) -> docker.APIClient:
        sdk = _import_sdk()
        tls = _tls(sdk) if self.candidate.address.startswith(("tcp:", "https:")) else None
        with self._calling("connect"):
            client: docker.APIClient = sdk.APIClient(
                base_url=self.candidate.address,
                version=version,
                timeout=self._patience,
                **({"tls": tls} if tls else {}),
            )
            return client

    def _ask_version(self) -> str:
        # the SDK's own way of asking, in its constructor, leaves the connection open when the engine fails to answer
        client = self._client(_OLDEST_API)
        try:
            with self._calling("connect"):
                return str(client.version(api_version=False)["ApiVersion"])
        finally:
            client.close()

    def again(self) -> Engine:
        """A connection of its own to the same engine, for another thread or after a break. Sends nothing yet."""
        return Engine(self.candidate, self._patience, self._version)

    def close(self) -> None:
        """Drop the connection."""
        self._api.close()

    def info(self) -> dict[str, Any]:
        """What the engine says about itself: ServerVersion, SecurityOptions, Runtimes, …"""
        with self._calling("ask the engine"):
            return dict(self._api.info())

    def image(self, name: str) -> dict[str, Any] | None:
        """The image's facts, None when it is not on this machine."""
        with self._calling(f"look at image {name}"):
            try:
                return dict(self._api.inspect_image(name))
            except _import_sdk().errors.NotFound:
                return None

    def pull(self, repository: str, tag: str, platform: str | None) -> Iterator[dict[str, Any]]:
        """Pull an image; the engine's progress messages. An error may also be the last of them."""
        with self._calling(f"pull {repository}"):
            yield from self._api.pull(repository, tag=tag, stream=True, decode=True, platform=platform)

    def build(
        self,
        context: BinaryIO,
        *,
        tag: str,
        dockerfile: str,
        build_args: Mapping[str, str],
        labels: Mapping[str, str],
        network: str | None,
        platform: str | None,
        no_cache: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Build an image from a tar; the engine's messages. An error may also be the last of them."""
        with self._calling(f"build {tag}"):
            yield from self._api.build(
                fileobj=context, custom_context=True, tag=tag, dockerfile=dockerfile, buildargs=dict(build_args),
                labels=dict(labels), network_mode=network, platform=platform, rm=True, forcerm=True, decode=True,
                timeout=24 * 3600, use_config_proxy=False, nocache=no_cache,
            )  # fmt: skip

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Give an image one more name. Raises NotFoundError."""
        with self._calling(f"tag {image}"):
            self._api.tag(image, repository, tag, force=True)

    def push(self, repository: str, tag: str) -> Iterator[dict[str, Any]]:
        """Push an image; the engine's messages. Credentials are those of Docker's own configuration."""
        with self._calling(f"push {repository}:{tag}"):
            yield from self._api.push(repository, tag=tag, stream=True, decode=True)

    def manifest_digest(self, name: str) -> str | None:
        """The digest that the registry tells for a name; None when there is none, or the engine has no such call.

        Raises AuthError, RefusedError.
        """
        with self._calling(f"ask the registry about {name}"):
            try:
                return str(self._api.inspect_distribution(name)["Descriptor"]["digest"])
            except _import_sdk().errors.NotFound:
                return None

    def untagged(self, label: str) -> list[str]:
        """Ids of the images without a name that carry a label."""
        with self._calling("list images"):
            return [str(found["Id"]) for found in self._api.images(filters={"label": label, "dangling": True})]

    def remove_image(self, name: str) -> None:
        """Take the name from an image; without a further name it is removed. Fine when it is gone.

        Raises ConflictError while a container uses it.
        """
        with self._calling(f"remove image {name}"):
            try:
                self._api.remove_image(name)
            except _import_sdk().errors.NotFound:
                return

    def create(self, config: Mapping[str, Any], *, name: str, platform: str | None = None) -> str:
        """Make a container from an Engine API request; returns its id. Raises RefusedError, ConflictError."""
        with self._calling(f"make container {name}"):
            made = self._api.create_container_from_config(dict(config), name, platform)
            return str(made["Id"])

    def start(self, container: str) -> None:
        """Start a container. Raises RefusedError with the engine's words."""
        with self._calling("start the container"):
            self._api.start(container)

    def wait(self, container: str) -> int:
        """Block until the container has ended; its exit code."""
        with self._calling("wait for the container"):
            return int(self._api.wait(container, timeout=None)["StatusCode"])

    def inspect(self, container: str) -> dict[str, Any]:
        """Facts of a container. Raises NotFoundError."""
        with self._calling("look at the container"):
            return dict(self._api.inspect_container(container))

    def words(self, container: str) -> str:
        """The last lines that the container's own output holds: what went wrong before the log was open."""
        with self._calling("read the container's output"):
            return bytes(self._api.logs(container, tail=20)).decode(errors="replace")

    def follow(self, container: str) -> Iterator[bytes]:
        """What the container writes to stdout and stderr, from its start until it ends."""
        with self._calling("read the container's output"):
            yield from self._api.logs(container, stream=True, follow=True)

    def stop(self, container: str, seconds: int) -> None:
        """Ask the container to end, and kill it when it has not after so many seconds."""
        with self._calling("stop the container"):
            self._api.stop(container, timeout=seconds)

    def stats(self, container: str) -> dict[str, Any]:
        """Use of memory and processor right now."""
        with self._calling("read the container's use of resources"):
            return dict(self._api.stats(container, decode=None, stream=False, one_shot=True))

    def execute(self, container: str, command: Sequence[str]) -> None:
        """Run a command in a running container without waiting for it."""
        with self._calling("run a command in the container"):
            made = self._api.exec_create(container, list(command), stdout=False, stderr=False)
            self._api.exec_start(made["Id"], detach=True)

    def kill(self, container: str, signal: str) -> None:
        """Send a signal to the first process of the container; KILL ends them all."""
        with self._calling("signal the container"):
            self._api.kill(container, signal)

    def remove(self, container: str) -> None:
        """Kill and remove the container and its anonymous volumes; fine when it is gone already."""
        with self._calling("remove the container"):
            try:
                self._api.remove_container(container, force=True, v=True)
            except _import_sdk().errors.NotFound:
                return

    def containers(self, labels: Mapping[str, str]) -> list[str]:
        """Ids of all containers, running or not, that carry these labels."""
        with self._calling("list containers"):
            wanted = [f"{name}={value}" for name, value in labels.items()]
            return [str(found["Id"]) for found in self._api.containers(all=True, filters={"label": wanted})]

    @contextmanager
    def _calling(self, action: str) -> Iterator[None]:
        """Around each call: look first whether somebody listens, since the SDK leaks its socket when nobody does."""
        with _translated(action):
            if self.candidate.socket:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.settimeout(self._patience)
                    probe.connect(str(self.candidate.socket))
            yield


def _import_sdk() -> Any:
    try:
        import docker
    except ImportError as error:
        raise UnavailableError(
            "the docker back end needs the Python package docker, which is not installed",
            hint="pip install 'mlctl[docker]'",
        ) from error
    # what it would say there is told as an error
    warnings.filterwarnings("ignore", module=r"docker\.credentials")
    return docker


def _tls(sdk: Any) -> docker.TLSConfig | None:
    """Certificates of DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, read as the docker command reads them."""
    tls: docker.TLSConfig | None = sdk.utils.kwargs_from_env().get("tls")
    return tls


@contextmanager
def _translated(action: str) -> Iterator[None]:
    """Turn what the SDK and the HTTP library raise into mlctl errors."""
    import requests
    import urllib3

    errors = _import_sdk().errors
    try:
        yield
    except MlctlError:
        raise
    except errors.APIError as error:
        raise _refused(action, error) from error
    except errors.DockerException as error:
        if "Credentials store error" in str(error):
            raise AuthError(
                f"cannot {action}: a credential helper of Docker's configuration does not work: "
                f"{str(error).removeprefix('Credentials store error: ')}",
                hint="docker login, or correct credsStore and credHelpers in Docker's config.json",
            ) from error
        raise EngineGoneError(f"cannot {action}: {_plain(error)}", hint="is the engine running?") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineGoneError(f"cannot {action}: {_plain(error)}", hint="is the engine running?") from error


def _refused(action: str, error: Any) -> MlctlError:
    text = str(error.explanation or error)
    status = error.response.status_code if error.response is not None else 0
    if status == 404:
        return NotFoundError(f"cannot {action}: {text}", details={"text": text})
    if status == 409:
        return ConflictError(f"cannot {action}: {text}", details={"text": text})
    if status in (401, 403):
        return AuthError(f"cannot {action}: {text}", details={"text": text})
    return RefusedError(f"cannot {action}: {text}", text=text)


def _plain(error: BaseException) -> str:
    """The reason behind a chain of wrapped exceptions in the words of the operating system."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        seen = seen.__cause__ or seen.__context__
    text = str(error)
    known = ("Permission denied", "Connection refused", "No such file", "timed out", "Connection reset")
    return next((words.lower() for words in known if words in text), " ".join(text.split())[:300])


def _not_reachable(tried: Sequence[tuple[Candidate, str]]) -> UnavailableError:
    listing = "; ".join(f"{candidate.address} ({candidate.source}): {reason}" for candidate, reason in tried)
    reasons = " ".join(reason for _, reason in tried)
    if "permission denied" in reasons:
        hint = (
            "you may not use the engine: add yourself to its group (sudo usermod -aG docker $USER, then log in again)"
        )
    elif "refused" in reasons:
        hint = "there is a socket but nobody listens: start the engine (sudo systemctl start docker)"
    else:
        hint = (
            "start one (sudo systemctl start docker, or systemctl --user start podman.socket), install one, "
            "or name its address: mlctl config set docker.host=unix:///path/of/docker.sock"
        )
    facts = [
        {"address": candidate.address, "source": candidate.source, "reason": reason} for candidate, reason in tried
    ]
    return UnavailableError(f"no Docker engine can be reached; tried {listing}", hint=hint, details={"tried": facts})
