"""Completion: what is offered where, and that it never complains."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.calls import Call


def offered(call: Call, *words: str) -> list[str]:
    answer = call("__complete", "--", *words)
    assert answer.code == 0
    assert answer.err == ""
    return answer.out.splitlines()


def test_words(call: Call) -> None:
    assert offered(call, "w") == ["workspace"]
    assert "job" in offered(call, "")
    assert "__complete" not in offered(call, "")
    assert offered(call, "compute", "de") == ["delete", "detach"]
    assert offered(call, "nothing", "x") == []
    assert offered(call, "compute", "nothing", "x") == []


def test_options(call: Call) -> None:
    assert offered(call, "compute", "list", "--out") == ["--output"]
    assert "--min-instances" not in offered(call, "compute", "create", "--")
    assert "--name" not in offered(call, "compute", "show", "-n", "x", "--n")
    assert offered(call, "doctor", "--str") == ["--strict"]


def test_choices(call: Call) -> None:
    assert offered(call, "compute", "list", "-o", "t") == ["table", "tsv"]
    assert offered(call, "compute", "list", "--output=t") == ["--output=table", "--output=tsv"]
    assert offered(call, "compute", "list", "--output", "=", "t") == ["table", "tsv"]
    assert len(offered(call, "compute", "list", "--output", "=")) == 7


def test_names(call: Call) -> None:
    call("workspace", "create", "-n", "demo")
    call("compute", "create", "-n", "gpu", "--type", "docker")
    call("compute", "create", "-n", "far", "--type", "docker", "-w", "demo")
    assert offered(call, "compute", "show", "-n", "") == ["local", "gpu"]
    assert offered(call, "compute", "show", "--name=g") == ["--name=gpu"]
    assert offered(call, "compute", "show", "-w", "demo", "-n", "f") == ["far"]
    assert offered(call, "compute", "list", "-w", "de") == ["default", "demo"]
    assert offered(call, "workspace", "show", "-n", "d") == ["default", "demo"]
    assert offered(call, "job", "show", "-n", "") == []


def test_kinds_codes_and_back_ends(call: Call) -> None:
    assert offered(call, "validate", "--kind", "pipelineJ") == ["pipelineJob"]
    assert offered(call, "validate", "x.yml", "-k", "comp") == ["computeInstance", "component", "compute"]
    assert offered(call, "explain", "MLC110") == [f"MLC110{digit}" for digit in range(1, 10)]
    assert offered(call, "explain", "unknown_k") == ["unknown_key"]
    assert offered(call, "explain", "unknown_key", "unk") == []
    assert offered(call, "job", "create", "-f", "a.yml", "--backend", "") == ["docker", "local"]
    assert offered(call, "lint", "--backend", "k") == ["kubernetes"]
    others = [f"--backend=docker,{name}" for name in ("local", "kubernetes", "azureml")]
    assert offered(call, "lint", "--backend=docker,") == others
    assert offered(call, "lint", "--backend", "local,d") == ["local,docker"]
    assert offered(call, "schema", "show", "sweep") == ["sweepJob"]
    assert offered(call, "schema", "export", "folder", "sweepJob", "-o", "json", "sw") == ["sweepJob"]
    assert offered(call, "schema", "export", "folder", "sweepJob", "spark") == ["sparkJob", "sparkComponent"]
    assert offered(call, "schema", "export", "sp") == []


def test_files_are_left_to_the_shell(call: Call) -> None:
    assert offered(call, "compute", "create", "-f", "") == []


def test_silence_when_the_store_is_broken(call: Call, tmp_path: Path) -> None:
    database = tmp_path / "home" / "workspaces" / "default" / "mlctl.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"this is no database" * 100)
    assert offered(call, "compute", "show", "-n", "") == []


def test_descriptions_and_new_word(call: Call) -> None:
    assert "config\tSettings" in call("__complete", "--descriptions", "--", "config").out
    assert "list" in call("__complete", "--new-word", "--", "compute").out.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_a_script(call: Call, shell: str) -> None:
    assert "mlctl __complete" in call("completion", "--shell", shell).out


def test_shell_comes_from_the_environment(call: Call) -> None:
    assert "complete -c mlctl" in call("completion", SHELL="/usr/bin/fish").out
    assert call("completion", SHELL="/bin/tcsh").code == 2


def test_install_twice_adds_one_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("alias x=y")
    for _ in range(2):
        done = call("completion", "--shell", "bash", "--install").json
    lines = (tmp_path / ".bashrc").read_text().splitlines()
    assert lines == ["alias x=y", f"source '{done['script']}'"]
    assert Path(done["script"]).read_text().startswith("_mlctl_complete")
    call("completion", "--shell", "fish", "--install")
    assert (tmp_path / ".config" / "fish" / "completions" / "mlctl.fish").exists()


def test_bash_really_completes(tmp_path: Path, call: Call) -> None:
    script = call("completion", "--shell", "bash").out
    program = tmp_path / "bin" / "mlctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlctl "$@"\n')
    program.chmod(0o755)
    tab = "COMP_WORDS=(mlctl compute list -o ta); COMP_CWORD=4; _mlctl_complete; printf '%s\\n' \"${COMPREPLY[@]}\""
    environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "MLCTL_HOME": str(tmp_path / "home")}
    done = subprocess.run(["bash", "-c", script + tab], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["table"]
