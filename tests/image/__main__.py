"""python -m tests.image: build the image and check it, or say in a line what this machine lacks for that."""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.image.building import BASE, BASE_GIVEN, build_base, run, try_base

_PROGRAMS = ["buildah", "podman", *([] if BASE_GIVEN else ["debootstrap"])]
_CHECKS = Path(__file__).with_name("image_checks.py")
_UNIFIED = Path("/sys/fs/cgroup/unified")  # both versions of cgroups are mounted, which crun refuses
_CLONE_NEWNS = 0x00020000
_MS_PRIVATE, _MS_REC = 1 << 18, 1 << 14


def main() -> int:
    """Run the checks; 0 if all pass, or if this machine can't run containers."""
    if lacking := [name for name in _PROGRAMS if not shutil.which(name)]:
        print(
            f"Skipped: the image's checks need {' and '.join(lacking)}: apt-get install {' '.join(lacking)}"
        )
        return 0
    if (
        os.geteuid() != 0
        or subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode
    ):
        print("Skipped: the image's checks run containers, which this user may not do here.")
        return 0
    if _UNIFIED.is_mount():
        _hide(_UNIFIED)
    begun = time.monotonic()
    try:
        build_base()
        try_base()
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(f"Skipped: no base image can be made or run here. {str(error)[-500:]}")
        return 0
    print(f"The base image took {time.monotonic() - begun:.0f} s.", flush=True)
    try:
        return pytest.main(
            ["--durations=0", "--durations-min=1", "-p", "no:cacheprovider", "-rP", str(_CHECKS)]
        )
    finally:
        run("podman", "rmi", "--force", BASE)


def _hide(mount: Path) -> None:
    """Unmount it for this process and its children only."""
    libc = ctypes.CDLL(None, use_errno=True)
    steps = (
        libc.unshare(_CLONE_NEWNS),
        libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None),
        libc.umount2(bytes(mount), 0),
    )
    if any(steps):
        raise OSError(ctypes.get_errno(), f"{mount} can't be hidden")


if __name__ == "__main__":
    sys.exit(main())
