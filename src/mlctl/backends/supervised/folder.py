"""The folder of one job, `jobs/<name>` in the workspace. Pure: names only.

code/                      working directory: the unpacked snapshot
inputs/<name>              mounted or downloaded inputs
named-outputs/<name>       outputs by name
artifacts/                 the default output: outputs/ logs/ user_logs/ and what MLflow logs
artifacts/user_logs/std_log.txt            stdout and stderr; std_log_process_<rank>.txt when distributed
artifacts/azureml-logs/20_image_build_log.txt   how the environment or the image was built
artifacts/system_logs/supervisor.log       the supervisor's own words
environment/               the job's own Python environment (local), removed at the end
home/                      HOME of the job where the caller's is not to be seen (docker)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

BUILD_LOG = "azureml-logs/20_image_build_log.txt"
USER_LOG = "user_logs/std_log.txt"
SUPERVISOR_LOG = "system_logs/supervisor.log"


def rank_log(rank: int) -> str:
    """Log file of one process of a distributed job, below the artifacts."""
    return f"user_logs/std_log_process_{rank:02d}.txt"


@dataclass(frozen=True, slots=True)
class JobFolder:
    """Names inside a job's folder. `root` is absolute."""

    root: PurePosixPath

    @property
    def code(self) -> PurePosixPath:
        """Working directory of the job."""
        return self.root / "code"

    @property
    def artifacts(self) -> PurePosixPath:
        """The default output, and MLflow's artifact folder for the job's run."""
        return self.root / "artifacts"

    @property
    def environment(self) -> PurePosixPath:
        """The job's own Python environment (local back end)."""
        return self.root / "environment"

    @property
    def home(self) -> PurePosixPath:
        """HOME of the job inside a container."""
        return self.root / "home"

    def input(self, name: str) -> PurePosixPath:
        """Where the input `name` appears."""
        return self.root / "inputs" / name

    def named_output(self, name: str) -> PurePosixPath:
        """Where the output `name` is kept."""
        return self.root / "named-outputs" / name
