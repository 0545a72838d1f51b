"""Shell sessions with the installed `mlctl`, as users of `az ml` write them.

Each `*.sh` runs under `bash -eu` in an empty folder with a home of its own, with `mlctl` on the PATH, and must exit
with 0. `expect WANTED GOT` compares; `fails CODE COMMAND…` wants an exit code; `one_document` reads stdin.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Mlctl

SCRIPTS = sorted(Path(__file__).parent.glob("*.sh"))

PRELUDE = r"""
set -euo pipefail
expect() {
  if [ "$1" != "$2" ]; then
    printf 'line %s: expected %q, got %q\n' "${BASH_LINENO[0]}" "$1" "$2" >&2
    exit 99
  fi
}
fails() {
  local wanted=$1 code=0
  shift
  "$@" >out.txt 2>err.txt || code=$?
  if [ "$code" != "$wanted" ]; then
    printf 'line %s: exit %s instead of %s: %s\n' "${BASH_LINENO[0]}" "$code" "$wanted" "$*" >&2
    cat err.txt >&2
    exit 99
  fi
}
one_document() {
  "$PYTHON" -c 'import json, sys; json.loads(sys.stdin.read())'
}
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script(script: Path, mlctl: Mlctl) -> None:
    bash = shutil.which("bash")
    assert bash, "the scripts need bash"
    programs = str(Path(sys.executable).parent)
    assert Path(programs, "mlctl").exists(), "mlctl is not installed beside this Python"
    # the script keeps its line numbers: the prelude is read before it
    prelude = mlctl.folder.parent / "prelude.sh"
    prelude.write_text(PRELUDE)
    done = subprocess.run(
        [bash, "-c", '. "$1"; . "$2"', "session", str(prelude), str(script)],
        cwd=mlctl.folder,
        env={**mlctl.environ, "PATH": f"{programs}{os.pathsep}{mlctl.environ['PATH']}", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"{script.name}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
