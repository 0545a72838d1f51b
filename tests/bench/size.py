"""How large an installation is without pip and setuptools: `python tests/bench/size.py VENV`; fails above the limit."""

import sys
from pathlib import Path

LIMIT_MB = 60
LIMIT_PACKAGES = 25
_NOT_OURS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def main(venv: Path) -> int:
    packages = next(venv.glob("lib/python3*/site-packages"))
    ours = [entry for entry in packages.iterdir() if not entry.name.split("-")[0].lower().startswith(_NOT_OURS)]
    files = [path for entry in ours for path in ([entry] if entry.is_file() else entry.rglob("*")) if path.is_file()]
    files += [path for path in (venv / "bin").iterdir() if path.is_file() and not path.is_symlink()]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    count = sum(entry.name.endswith(".dist-info") for entry in ours)
    print(f"base install: {megabytes:.1f} MB, {count} packages (limits: {LIMIT_MB} MB, {LIMIT_PACKAGES})")
    return int(megabytes > LIMIT_MB or count > LIMIT_PACKAGES)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
