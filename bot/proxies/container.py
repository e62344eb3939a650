"""Whether this process runs in a container, where 127.0.0.1 is the container itself."""

import re
from pathlib import Path

_RUNTIMES = re.compile(r"docker|containerd|kubepods|libpod|lxc")


def is_in_container(root: Path = Path("/")) -> bool:
    """Whether Docker, Podman, Kubernetes or LXC started this process; root: of the file system."""
    if any((root / name).exists() for name in (".dockerenv", "run/.containerenv")):
        return True
    try:
        return _RUNTIMES.search((root / "proc/1/cgroup").read_text("utf-8", "replace")) is not None
    except OSError:
        return False
