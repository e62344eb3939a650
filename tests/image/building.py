"""Builds the image by buildah on a base image made by debootstrap, packages from this machine's index."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.repo.tree import ROOT

BASE = "localhost/reelwatch-checks-python"  # in place of python:3.13-slim, as no registry may be within reach
BASE_GIVEN = os.environ.get("BASE_IMAGE", "")  # where a registry is within reach, the real one
IMAGE = "localhost/reelwatch-checks"
LABELS = {
    "VERSION": "9.8.7",
    "REVISION": "abc123",
    "CREATED": "2026-01-02T03:04:05Z",
    "SOURCE": "https://e.example",
}
# As in compose.yaml.
BOUNDS = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp", "--cap-drop=ALL"),
    *("--security-opt=no-new-privileges", "--memory=1g", "--pids-limit=256"),
    # podman's own defaults are above what a sandbox allows
    *("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"),
)
_SUITE = "trixie"  # Debian's release with Python 3.13
_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
_INDEXES = ("index-url", "extra-index-url")


def run(*command: str | Path, timeout_s: float = 300.0) -> str:
    """Run a program and return its output; its errors are shown if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise AssertionError(
            f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def build_base() -> None:
    """Pull the given base image, or make one with Debian's python and pip."""
    if BASE_GIVEN:
        run("podman", "pull", BASE_GIVEN)
        run("podman", "tag", BASE_GIVEN, BASE)
        return
    with tempfile.TemporaryDirectory(prefix="reelwatch-checks-") as folder:
        root = Path(folder, "root")
        run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, root)
        (root / "usr/bin/python").symlink_to("python3")
        shutil.rmtree(root / "var/cache/apt")
        archive = Path(folder, "root.tar")
        run("tar", "-C", root, "-cf", archive, ".")
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        run("podman", "import", "--change", f"ENV {path}", archive, BASE)


def try_base() -> None:
    """Run a container of the base image, which shows whether this machine can."""
    run("podman", "run", "--rm", "--network=none", *BOUNDS, BASE, "true")


def build_image(tag: str = IMAGE) -> None:
    """Build the image as the Dockerfile says; its timestamps are those of the epoch."""
    with tempfile.TemporaryDirectory(prefix="reelwatch-checks-") as folder:
        config = Path(folder, "pip.conf")
        values = pip_config()
        lines = (f"{name} = {value}" for name, value in values.items() if name not in {"require-hashes"})
        config.write_text("\n".join(["[global]", *lines, ""]))
        mounts = [f"--volume={config}:/etc/pip.conf:ro"]
        mounts += [f"--volume={path}:{path}:ro" for path in sorted(set(_paths_in(values)))]
        arguments = {"BASE_IMAGE": BASE, **LABELS}
        run(
            *("buildah", "build", "--isolation=chroot", "--network=host", "--format=docker", "--timestamp=0"),
            *("--no-cache", "--pull-never", f"--tag={tag}", *mounts),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            ROOT,
        )


def pip_config() -> dict[str, str]:
    """What pip is set to on this machine, by files and environment."""
    lines = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    pairs = (line.partition("=") for line in lines)
    return {name.rpartition(".")[2]: value.strip("'\"") for name, _, value in pairs}


def indexes() -> list[str]:
    """The addresses of package indexes on this machine, which may not be in the image."""
    return [word for name, value in pip_config().items() if name in _INDEXES for word in value.split()]


def _paths_in(values: dict[str, str]) -> Iterator[str]:
    """The files and folders that pip's configuration names: packages, certificates, constraints."""
    for value in values.values():
        for word in value.split():
            path = word.removeprefix("file://")
            if path.startswith("/") and Path(path).exists():
                # An index of files links to a folder beside it.
                yield str(Path(path).parent) if path != word else path
