"""The Makefile asks for what it needs in one sentence, and leaves no half-made environment."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, text

TOO_OLD = "#!/bin/sh\nexit 1\n"
WITHOUT_VENV = f"""#!/bin/sh
case "$2" in
    venv) mkdir -p "$3/bin" && touch "$3/pyvenv.cfg" && ln -s "{sys.executable}" "$3/bin/python"; exit 1 ;;
esac
exit 0
"""


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def program(path: Path, script: str) -> Path:
    path.write_text(script)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("target", ["demo", "run", "test"])
def test_a_python_that_is_too_old_is_reported_before_anything_is_created(tmp_path, target):
    python, venv = program(tmp_path / "python", TOO_OLD), tmp_path / "venv"

    done = make(target, f"PYTHON={python}", f"VENV={venv}")

    assert done.returncode != 0
    sentence, *rest = done.stderr.splitlines()
    assert sentence.startswith("Reelwatch needs Python 3.11 or newer")
    assert str(python) in sentence
    assert all(line.startswith("make") for line in rest)
    assert not venv.exists()


def test_an_incomplete_environment_is_removed(tmp_path):
    python, venv = program(tmp_path / "python", WITHOUT_VENV), tmp_path / "venv"

    done = make("demo", f"PYTHON={python}", f"VENV={venv}")

    assert "python3-venv" in done.stderr
    assert not venv.exists()


@pytest.mark.parametrize("script", [None, TOO_OLD])
def test_an_unusable_environment_is_recreated(tmp_path, script):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    if script is not None:
        program(venv / "bin" / "python", script)

    make("help", f"VENV={venv}")

    assert not venv.exists()


def test_a_folder_that_is_not_an_environment_is_never_removed(tmp_path):
    make("help", f"VENV={tmp_path}")

    assert tmp_path.exists()


def test_help_describes_every_target():
    phony = re.search(r"^\.PHONY: (.*)", text("Makefile"), re.MULTILINE)
    assert phony

    listed = [line.split()[0] for line in make("help").stdout.splitlines()]

    assert sorted(listed) == sorted(phony[1].split())
