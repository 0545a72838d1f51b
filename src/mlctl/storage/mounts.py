"""A place of files shown at another path of this machine: bound there by root, else copied read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from mlctl.errors import ConflictError, UnavailableError
from mlctl.store.database import translate_os_error

RO_MOUNT, RW_MOUNT = "ro_mount", "rw_mount"
BOUND, COPIED = "bound", "copied"


def show_at(place: Path, point: Path, *, mode: str, name: str | None = None) -> tuple[Path, str]:
    """Show a file or a folder at `point`: a folder becomes the point itself, a file stands in it, as `name` if given.

    Returns where it is now, and how: bound (umount ends it) or copied. Without the right to mount, read-only is a copy
    without write rights, and writing is refused (UnavailableError). Raises ConflictError when something is there.
    """
    try:
        point.mkdir(parents=True, exist_ok=True)
        if any(point.iterdir()) or os.path.ismount(point):
            raise ConflictError(f"{point} is not empty", hint="give another --mount-point, or unmount what is there")
        target = point if place.is_dir() else point / (name or place.name)
        if _bind(place, target, read_only=mode == RO_MOUNT):
            return target, BOUND
        if mode == RW_MOUNT:
            raise UnavailableError(
                f"{place} cannot be mounted at {point}: only root may, on Linux",
                hint=f"use {place} itself, or --mode ro_mount for a copy",
            )
        _copy_read_only(place, target)
    except OSError as error:
        raise translate_os_error(error, point) from error
    return target, COPIED


def _bind(place: Path, target: Path, *, read_only: bool) -> bool:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    if place.is_file():
        target.touch()
    bound = _mount("--bind", str(place), str(target))
    if bound and read_only and not _mount("-o", "remount,bind,ro", str(target)):
        subprocess.run(["umount", str(target)], capture_output=True, check=False)
        bound = False
    if not bound and place.is_file():
        target.unlink()
    return bound


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


def _copy_read_only(place: Path, target: Path) -> None:
    if place.is_file():
        shutil.copyfile(place, target)
        target.chmod(0o444)
        return
    shutil.copytree(place, target, symlinks=True, dirs_exist_ok=True)
    for folder, _, names in os.walk(target):
        for name in names:
            if not Path(folder, name).is_symlink():
                Path(folder, name).chmod(0o444)
    for folder, _, _ in os.walk(target, topdown=False):
        Path(folder).chmod(0o555)
