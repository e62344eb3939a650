"""Workflows follow GitHub's schema; a release has the version and the notes of its tag."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, text

SCRIPT = ROOT / ".github/release_notes.py"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-12-01

### Added

- More.

## [1.1.0] - 2026-11-01

### Fixed

- A fault.
"""


def notes(folder: Path, tag: str, *, version: str) -> subprocess.CompletedProcess[str]:
    """Run the script on a repository of this version."""
    (folder / "bot").mkdir(exist_ok=True)
    (folder / "bot/__init__.py").write_text(f'"""A bot."""\n\n__version__ = "{version}"\n')
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    command = [sys.executable, str(SCRIPT), tag]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_workflow_follows_the_schema():
    check = Path(sys.executable).with_name("check-jsonschema")

    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]
    subprocess.run([check, "--builtin-schema", "vendor.github-workflows", *WORKFLOWS], check=True)


def test_every_action_has_a_version():
    used = re.findall(r"uses: (.+)", "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS))

    assert len(used) >= 10
    assert [name for name in used if not name.startswith("./") and not re.search(r"@v\d+", name)] == []


def test_a_workflow_may_write_only_where_it_publishes():
    assert "write" not in text(".github/workflows/ci.yml")
    before_publishing, _, publishing = text(".github/workflows/release.yml").partition("  publish:\n")
    assert ": write" not in before_publishing
    assert re.findall(r"(\S+): write", publishing) == ["contents", "packages", "id-token", "attestations"]


def test_what_is_installed_from_elsewhere_never_runs_where_a_job_may_write():
    _, _, publishing = text(".github/workflows/release.yml").partition("  publish:\n")

    assert re.findall(r"run: (?:make|pip|pipx|uv)\b.*", publishing) == []
    for path in WORKFLOWS:
        steps = path.read_text(encoding="utf-8")
        assert steps.count("actions/checkout@") == steps.count("persist-credentials: false")


def test_every_target_of_make_in_a_workflow_exists():
    steps = re.findall(
        r"run: make (\S+)", "".join(text(f".github/workflows/{path.name}") for path in WORKFLOWS)
    )
    targets = {name for name in steps if "$" not in name} - {".venv/.dev"}

    assert targets
    assert [name for name in targets if f"\n{name}:" not in text("Makefile")] == []


def test_the_notes_are_the_section_of_the_version(tmp_path: Path):
    done = notes(tmp_path, "v1.2.0", version="1.2.0")

    assert (done.returncode, done.stdout) == (0, "### Added\n\n- More.\n")


@pytest.mark.parametrize(
    ("tag", "version", "why"),
    [
        ("v1.2.1", "1.2.0", "The tag v1.2.1 is not"),
        ("1.2.0", "1.2.0", "The tag 1.2.0 is not"),
        ("v1.3.0", "1.3.0", "CHANGELOG.md has no text"),
    ],
)
def test_a_tag_without_its_version_or_section_is_refused(tmp_path: Path, tag: str, version: str, why: str):
    done = notes(tmp_path, tag, version=version)

    assert done.returncode == 1
    assert done.stderr.startswith(why)
    assert len(done.stderr.splitlines()) == 1


def test_the_changelog_has_the_shape_that_the_notes_are_cut_from():
    headlines = re.findall(r"^## (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    kinds = re.findall(r"^### (.+)$", text("CHANGELOG.md"), re.MULTILINE)

    assert headlines[0] == "[Unreleased]"
    assert [
        line for line in headlines[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line)
    ] == []
    assert {*kinds} <= KINDS
