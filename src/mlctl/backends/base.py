"""The back-end contract.

A back end is a frozen `Backend` record; an absent member is an absent capability. Rules that every back end keeps, and
that `tests/contract` checks on each of them:

- `plan` does no I/O and is deterministic: the same job gives the same plan, byte for byte.
- `submit` twice with the same name never runs twice: the second raises ConflictError.
- `cancel` of a finished job does nothing.
- `logs(follow=True)` ends when the job has ended, and loses no line.
- An unknown job name raises NotFoundError.
- What cannot be honoured raises UnsupportedError from `plan` (field, line and who can), or is a warning in the plan.
- Exceptions of an SDK are translated where they arise, with `raise … from`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from mlctl.entities.command_job import CommandJob
    from mlctl.entities.compute import Compute
    from mlctl.entities.endpoint import Deployment, Endpoint
    from mlctl.entities.environment import Environment
    from mlctl.entities.image import BuiltImage
    from mlctl.entities.job import JobRecord
    from mlctl.entities.metric import Metric
    from mlctl.entities.online_deployment import OnlineDeployment
    from mlctl.images.packages import Package


@dataclass(frozen=True, slots=True)
class Upload:
    """Something local that submit must bring to the back end. `kind`: code. `path`: absolute."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, as JSON-able data. `payload` is the back end's own; `warnings` are sentences for the user.

    `record` holds the fields of the spec as `az ml job show` prints them (the record's `document`). `spec` is what was
    submitted, as a spec that stands alone (`backends.submitted`).
    """

    backend: str
    kind: str
    name: str
    compute: str
    payload: dict[str, Any]
    record: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LogCursor:
    """A place in a job's log: how many whole lines of each source have been taken."""

    lines: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Whole lines of one log source, as the job wrote them (bytes; nothing is decoded or dropped).

    `source`: path below the job's artifacts, such as `user_logs/std_log.txt`. `first_line` counts from 0.
    The last chunk of a source may lack the final line break.
    """

    source: str
    first_line: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a back end can be used now; `reason` and `hint` say why not and what to do."""

    ok: bool
    reason: str = ""
    hint: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Jobs(Protocol):
    """Command jobs of one back end in one workspace."""

    def plan(self, job: CommandJob, compute: Compute) -> Plan:
        """The plan for a named job (`job.name` is set). Pure. Raises UnsupportedError."""

    def submit(self, plan: Plan) -> JobRecord:
        """Store and queue the job; returns at once. Raises ConflictError when the name is taken."""

    def get(self, name: str) -> JobRecord:
        """The job as it truly is now: a dead supervisor is noticed here. Raises NotFoundError."""

    def logs(
        self, name: str, *, follow: bool = False, since: LogCursor | None = None, rank: int | None = None
    ) -> Iterator[LogChunk]:
        """The log from `since` on; with `follow` until the job has ended. Raises NotFoundError."""

    def cancel(self, name: str) -> JobRecord:
        """Ask the job to end, and wait until it has, or until its grace period is over."""

    def download(self, name: str, *, into: Path, output: str | None = None, everything: bool = False) -> Path:
        """Copy `artifacts/` and named outputs of a finished job. Raises ConflictError when it has not ended."""

    def look_after(self) -> None:
        """Notice jobs that died and move the queue on; cheap, and harmless where it may not write."""

    def metrics(self, name: str) -> list[Metric]:
        """The last value of each metric the job logged, also while it runs. Raises NotFoundError."""

    def waiting_reason(self, record: JobRecord) -> str | None:
        """Why a job that has not started is waiting, in one sentence; None when it is not waiting."""


class Endpoints(Protocol):
    """Online endpoints of one back end in one workspace. What is wanted stands in the store; this makes it so."""

    def plan(self, deployment: OnlineDeployment) -> dict[str, Any]:
        """What is needed to run a deployment, as plain data. Pure. Raises UnsupportedError."""

    def folder(self, name: str) -> Path:
        """The endpoint's folder, made when it is missing: keys, routes, logs."""

    def look_after(self, name: str) -> None:
        """See to it that somebody makes what runs equal to what is wanted; returns at once."""

    def command(self, name: str) -> list[str]:
        """The words of a process that does so until the endpoint is stopped; it ends with 0 when somebody else does."""

    def is_kept(self, name: str) -> bool:
        """Whether somebody does."""

    def router(self, name: str) -> dict[str, Any] | None:
        """What the router says of itself: {"pid", "started", "port"}; None when none answers."""

    def is_routed(self, endpoint: Endpoint) -> bool:
        """Whether the router follows the endpoint's traffic and auth_mode."""

    def stop(self, name: str) -> None:
        """Stop router and replicas, letting requests finish; returns when they are gone. Raises UnavailableError."""

    def remove(self, name: str) -> None:
        """Remove what is left of an endpoint that is stopped."""

    def replicas(self, deployment: Deployment) -> list[dict[str, Any]]:
        """The replicas that run now: {"index", "generation", "port", "pid", "state"}."""

    def logs(self, deployment: Deployment, *, lines: int, container: str) -> list[str]:
        """The last lines of the server's log, or of what happened before it started. Raises NotFoundError."""


@dataclass(frozen=True, slots=True)
class ImageOrder:
    """How an image is to be made. `host`: the engine's address, None for that of the settings. `platform`: os/arch."""

    host: str | None = None
    platform: str | None = None
    no_cache: bool = False


class Images(Protocol):
    """Images of environments, on the engine of one back end. `log` takes whole lines as they come."""

    def build(self, environment: Environment, order: ImageOrder, log: BinaryIO) -> BuiltImage:
        """The image of an environment: the one that is there, else a new one.

        Raises UnavailableError when the build fails or no engine answers, NotFoundError, AuthError, UnsupportedError.
        """

    def package(self, plan: dict[str, Any], package: Package, order: ImageOrder, log: BinaryIO) -> BuiltImage:
        """A deployment's plan (of the same back end) as an image that scores by itself. Raises as `build`."""

    def push(self, image: BuiltImage, target: str, log: BinaryIO) -> tuple[str, str]:
        """Push to `target` (registry/repository[:tag]); the full reference, and the digest the registry tells.

        Without a tag the image's fingerprint is one. Raises AuthError, UnavailableError, UsageError, and NotFoundError
        when the image is not on its engine any more.
        """

    def remove(self, image: BuiltImage) -> bool:
        """Remove it from its engine; False when something there uses it. One that is gone already is removed."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One back end, bound to a workspace."""

    name: str
    jobs: Jobs

    health: HealthCheck
    images: Callable[[], Images] | None = None
    endpoints: Endpoints | None = None


class HealthCheck(Protocol):
    """Looks whether the back end can be used, within a few seconds; with `compute`, that compute of it."""

    def __call__(self, compute: Compute | None = None) -> Health: ...
