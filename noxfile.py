"""What a developer runs: `nox -l` lists it. CI runs the same commands through `.ci/run`."""

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting and the direction of imports."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """The test suite; further words go to pytest."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Ratios of what users wait for, on a built wheel without extras; a folder of specs may follow."""
    session.install("build")
    wheels = session.create_tmp()
    session.run("python", "-m", "build", "--wheel", "--outdir", wheels, silent=True)
    session.run("python", "tests/bench/bench.py", wheels)
    # azure-ai-ml does what mlctl is compared with; its telemetry wants pkg_resources
    reference = session.create_tmp() + "/reference"
    session.run("python", "-m", "venv", reference, silent=True)
    session.run(f"{reference}/bin/pip", "install", "-q", "azure-ai-ml==1.35.2", "setuptools<80", external=True)
    session.run("python", "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--find-links", wheels, "mlctl")
    session.install("typer>=0.27,<0.29", "rich", "pyyaml", "jsonschema-rs", "jmespath")
    session.run("python", "tests/bench/assets.py", f"{session.bin}/python")
    session.run(
        "python", "tests/bench/validation.py", f"{session.bin}/python", f"{reference}/bin/python", *session.posargs
    )
    session.install("httptools>=0.6.4,<1", "uvloop>=0.20")
    session.run("python", "tests/bench/serving.py", session.create_tmp())
    # the size of the acceptance: workers, the driver and the supervisor are killed, and each file is scored once
    session.install("-e", ".[dev]")
    batch = ["-q", "tests/live/test_batch.py", "-k", "whatever"]
    session.run("python", "-m", "pytest", *batch, env={"MLCTL_TEST_BATCH_FILES": "10000"})
