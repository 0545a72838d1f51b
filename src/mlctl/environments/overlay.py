"""A job's own thin environment over a built one.

It is a virtual environment of its own (own `python`, own site-packages, own pip) whose site-packages has a `.pth` line
that adds those of the built environment behind it. pip installs into, upgrades in and removes from the thin one only:
it never touches a distribution outside `sys.prefix` (pip's "Not uninstalling … outside environment"). Costs a few
milliseconds, as only the small console scripts are copied.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

_NOT_COPIED = re.compile(r"python[\d.]*t?|activate.*|deactivate.*|pydoc\.bat|\..*")
_HEADER = re.compile(
    rb"""\A\#!(?P<plain>[^\n]*)\n(?:'''exec'\ (?P<quoted>"[^"\n]*"|'[^'\n]*'|\S+)\ "\$0"\ "\$@"\n'\ '''\n)?""",
    re.VERBOSE,
)
_SHORT_HEADER = 127
"""Older kernels cut the first line of a script there."""

_ACTIVATE = """\
# run as: . {script}
deactivate () {{
    if [ -n "${{_OLD_VIRTUAL_PATH+x}}" ]; then PATH="$_OLD_VIRTUAL_PATH"; export PATH; unset _OLD_VIRTUAL_PATH; fi
    if [ -n "${{_OLD_VIRTUAL_PS1+x}}" ]; then PS1="$_OLD_VIRTUAL_PS1"; unset _OLD_VIRTUAL_PS1; fi
    unset VIRTUAL_ENV
    hash -r 2>/dev/null
    if [ "${{1:-}}" != nondestructive ]; then unset -f deactivate; fi
}}
deactivate nondestructive
VIRTUAL_ENV={folder}
export VIRTUAL_ENV
_OLD_VIRTUAL_PATH="$PATH"
PATH="$VIRTUAL_ENV/bin:$PATH"
export PATH
unset PYTHONHOME
if [ -n "${{PS1:-}}" ]; then _OLD_VIRTUAL_PS1="$PS1"; PS1="(job) $PS1"; fi
hash -r 2>/dev/null
"""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A job's own environment. `path_prefix` goes before PATH; `variables` are to be set, PYTHONHOME to be unset."""

    folder: Path
    python: Path
    path_prefix: str
    variables: dict[str, str] = field(default_factory=dict)


def create_overlay(base: Path, target: Path, *, interpreter: str, version: str) -> Overlay:
    """Make the environment `target` over the built one in `base`; one that is there already is replaced.

    `interpreter`: the base interpreter (no virtual environment's); `version`: its full version. Raises OSError.
    """
    if target.exists():
        shutil.rmtree(target)
    minor = ".".join(version.split(".")[:2])
    bin_folder = target / "bin"
    packages = target / "lib" / f"python{minor}" / "site-packages"
    packages.mkdir(parents=True)
    bin_folder.mkdir()
    (target / "lib64").symlink_to("lib")
    (target / "pyvenv.cfg").write_text(
        f"home = {Path(interpreter).parent}\nimplementation = CPython\nversion_info = {version}\n"
        f"version = {version}\ninclude-system-site-packages = false\n",
        encoding="utf-8",
    )
    base_packages = base / "lib" / f"python{minor}" / "site-packages"
    # addsitedir, so that .pth files of the built environment (editable installs, setuptools) work too
    (packages / "_mlctl_base.pth").write_text(
        f"import site; site.addsitedir({os.fspath(base_packages)!r})\n", encoding="utf-8"
    )
    (bin_folder / "python").symlink_to(interpreter)
    for name in ("python3", f"python{minor}"):
        (bin_folder / name).symlink_to("python")
    _copy_scripts(base / "bin", bin_folder)
    for name in ("share", "etc"):
        _mirror(base / name, target / name)
    script = shlex.quote(os.fspath(bin_folder / "activate"))
    (bin_folder / "activate").write_text(
        _ACTIVATE.format(script=script, folder=shlex.quote(os.fspath(target))), encoding="utf-8"
    )
    return Overlay(target, bin_folder / "python", os.fspath(bin_folder), {"VIRTUAL_ENV": os.fspath(target)})


def rewrite_script(data: bytes, base_bin: str, target_bin: str) -> bytes | None:
    """A console script with the interpreter of `base_bin` replaced by that of `target_bin`; None when it is none."""
    header = _HEADER.match(data)
    if header is None:
        return None
    line = header["quoted"] or header["plain"]
    program = os.fsdecode(line).strip().strip("\"'")
    if header["quoted"] is None:
        program = program if program.startswith(base_bin + "/") and Path(program).exists() else program.split(" ")[0]
    folder, _, name = program.rpartition("/")
    if folder != base_bin:
        return None
    options = os.fsdecode(header["plain"]).strip()[len(program) :] if header["quoted"] is None else ""
    return _header_for(f"{target_bin}/{name}", options.strip()) + data[header.end() :]


def _header_for(python: str, options: str) -> bytes:
    line = os.fsencode(f"#!{python} {options}".rstrip() + "\n")
    if len(line) <= _SHORT_HEADER and not re.search(r"\s", python):
        return line
    # too long for the kernel, or with a space: a text that is both sh and Python
    words = f"'''exec' {shlex.quote(python)} {options}".rstrip()
    return os.fsencode(f"#!/bin/sh\n{words} \"$0\" \"$@\"\n' '''\n")


def _copy_scripts(base_bin: Path, target_bin: Path) -> None:
    with os.scandir(base_bin) as entries:
        for entry in entries:
            if _NOT_COPIED.fullmatch(entry.name) or not entry.is_file():
                continue
            target = target_bin / entry.name
            text = _read_script(entry.path)
            fresh = text and rewrite_script(text, os.fspath(base_bin), os.fspath(target_bin))
            if fresh:
                target.write_bytes(fresh)
                target.chmod(0o755)
            else:
                target.symlink_to(entry.path)


def _read_script(path: str) -> bytes | None:
    """The whole text of a script; None for anything that does not start with `#!`, such as a program."""
    with Path(path).open("rb") as file:
        start = file.read(2)
        return start + file.read() if start == b"#!" else None


def _mirror(base: Path, target: Path) -> None:
    """Real folders with links to the files: Jupyter and others look for their data below sys.prefix."""
    for folder, _, files in os.walk(base):
        place = target / os.path.relpath(folder, base)
        place.mkdir(parents=True, exist_ok=True)
        for name in files:
            (place / name).symlink_to(Path(folder, name))
