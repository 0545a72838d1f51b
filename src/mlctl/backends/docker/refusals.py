"""What an engine says when it cannot, turned into errors with a clear sentence and what to do. Pure.

Matching is on stable parts of the texts of Docker, containerd, runc and Podman.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlctl.errors import AuthError, MlctlError, NotFoundError, UnavailableError, UnsupportedError
from mlctl.images.names import parse_image


@dataclass(frozen=True, slots=True)
class _Refusal:
    """`marks`: any of these parts (lower case) in the engine's text means this. `{image}`, `{registry}`, `{text}`."""

    marks: tuple[str, ...]
    error: type[MlctlError]
    message: str
    hint: str


_PULL = (
    _Refusal(
        ("unauthorized", "no basic auth credentials", "authentication required", "403 forbidden", "401"),
        AuthError,
        "not allowed to read image {image}: {text}",
        "docker login {registry}",
    ),
    _Refusal(
        ("manifest unknown", "not found", "does not exist", "no such image", "name unknown", "name_unknown"),
        NotFoundError,
        "no image {image}: it is not on this machine, and registry {registry} has none that you may see ({text})",
        "check the name; for a private registry: docker login {registry}; to use another image in its place: "
        "mlctl config set images.mirrors=<image>=<replacement>",
    ),
    _Refusal(
        ("toomanyrequests", "rate limit"),
        UnavailableError,
        "registry {registry} refuses image {image}, too many requests: {text}",
        "docker login {registry}, or use a mirror: mlctl config set images.mirrors={registry}=<mirror>",
    ),
    _Refusal(
        ("x509", "certificate", "tls:"),
        UnavailableError,
        "the engine does not trust registry {registry}: {text}",
        "give the registry's CA to the engine (/etc/docker/certs.d/{registry}/ca.crt) and try again",
    ),
    _Refusal(
        ("no space left",),
        UnavailableError,
        "no space left to pull image {image}: {text}",
        "docker system df shows what uses it, docker system prune frees it",
    ),
    _Refusal(
        ("",),
        UnavailableError,
        "cannot pull image {image}: it is not on this machine, and registry {registry} cannot be used: {text}",
        "check the engine's network and proxy, load the image with `docker load`, or use a mirror: "
        "mlctl config set images.mirrors={registry}=<mirror>",
    ),
)

_PUSH = (
    _Refusal(
        ("unauthorized", "no basic auth credentials", "authentication required", "denied", "403 forbidden", "401"),
        AuthError,
        "not allowed to push {image}: {text}",
        "docker login {registry}, as somebody who may push there",
    ),
    _Refusal(
        ("http response to https client",),
        UnavailableError,
        "registry {registry} has no TLS: {text}",
        'add it to "insecure-registries" in /etc/docker/daemon.json (the engine takes loopback addresses without)',
    ),
    _Refusal(
        ("x509", "certificate", "tls:"),
        UnavailableError,
        "the engine does not trust registry {registry}: {text}",
        "give the registry's CA to the engine (/etc/docker/certs.d/{registry}/ca.crt) and try again",
    ),
    _Refusal(
        ("does not exist locally", "no such image"),
        NotFoundError,
        "image {image} is not on the engine: {text}",
        "build it again: mlctl environment build",
    ),
    _Refusal(
        ("",),
        UnavailableError,
        "cannot push {image}: {text}",
        "check the address of registry {registry}, and the engine's network and proxy",
    ),
)

_START = (
    _Refusal(
        ('exec: "/bin/sh"', "executable file `/bin/sh` not found", 'exec "/bin/sh"', "`/bin/sh`"),
        UnsupportedError,
        "image {image} has no /bin/sh, so no command can run in it",
        "use an image with a shell: jobs are shell commands",
    ),
    _Refusal(
        ("could not select device driver", "nvidia-container-cli"),
        UnavailableError,
        "the engine cannot give GPUs to a container: {text}",
        "install the NVIDIA Container Toolkit for this engine, or ask for no GPUs",
    ),
    _Refusal(
        ("bind source path does not exist", "statfs", "mounts denied", "is not shared"),
        UnsupportedError,
        "the engine does not see a folder of this job: {text}",
        "the engine must run on this machine and share the workspace's folder",
    ),
    _Refusal(
        ("exec format error",),
        UnsupportedError,
        "image {image} is for another kind of processor than this machine has",
        "use an image for this machine, or docker_args: --platform … with emulation installed",
    ),
    _Refusal(
        ("no space left",),
        UnavailableError,
        "no space left to start a container of {image}: {text}",
        "docker system df shows what uses it, docker system prune frees it",
    ),
    _Refusal(
        ("",),
        UnavailableError,
        "the engine cannot start a container of {image}: {text}",
        "check resources (shm_size, docker_args) of the job and the setting docker.network",
    ),
)


def explain_pull(image: str, text: str) -> MlctlError:
    """The error for a pull of `image` that ended with the engine's `text`."""
    return _explain(_PULL, image, text)


def explain_push(image: str, text: str) -> MlctlError:
    """The error for a push of `image` that ended with the engine's `text`."""
    return _explain(_PUSH, image, text)


def explain_start(image: str, text: str) -> MlctlError:
    """The error for a container of `image` that could not be made or started."""
    return _explain(_START, image, text)


def _explain(table: tuple[_Refusal, ...], image: str, text: str) -> MlctlError:
    line = " ".join(text.split())
    low = line.lower()
    found = next(row for row in table if any(mark in low for mark in row.marks))
    values = {"image": image, "registry": parse_image(image).registry, "text": line}
    return found.error(found.message.format(**values), hint=found.hint.format(**values))
