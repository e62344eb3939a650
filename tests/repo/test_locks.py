"""The lock files are in step with pyproject.toml and with each other."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repo.tree import text

RUN, DEV = "requirements.lock", "requirements-dev.lock"

Pins = dict[str, dict[str, str]]  # package → version → for which machines


def pins_of(lock: str) -> Pins:
    """What a lock file pins."""
    pins: Pins = {}
    for line in entries(lock):
        pin = Requirement(line.partition(" --hash=")[0])
        [version] = pin.specifier
        assert version.operator == "==", line
        pins.setdefault(canonicalize_name(pin.name), {})[version.version] = str(pin.marker)
    return pins


def entries(lock: str) -> list[str]:
    """A lock file's requirements, each in one line with its hashes."""
    bare = re.sub(r"^ *#.*\n", "", text(lock), flags=re.MULTILINE)
    return re.sub(r" *\\\n *", " ", bare).splitlines()


def wanted(*, dev: bool) -> list[Requirement]:
    """What pyproject.toml asks for."""
    project = tomllib.loads(text("pyproject.toml"))
    names = project["project"]["dependencies"] + (project["dependency-groups"]["dev"] if dev else [])
    return [Requirement(name) for name in names]


@pytest.mark.parametrize(("lock", "dev"), [(RUN, False), (DEV, True)])
def test_a_lock_pins_every_dependency_to_a_satisfying_version(lock: str, *, dev: bool):
    pins = pins_of(lock)

    for requirement in wanted(dev=dev):
        versions = pins.get(canonicalize_name(requirement.name), {})
        assert versions, f"{requirement.name} is not in {lock}"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_tests_and_program_use_the_same_versions():
    run, dev = pins_of(RUN), pins_of(DEV)

    assert {name: set(dev.get(name, ())) for name in run} == {name: set(pins) for name, pins in run.items()}


@pytest.mark.parametrize("lock", [RUN, DEV])
def test_every_python_gets_the_same_versions(lock: str):
    """Else the image, whose Python is newer than that of a developer, runs what nobody has tested."""
    assert {name: versions for name, versions in pins_of(lock).items() if len(versions) > 1} == {}


@pytest.mark.parametrize("lock", [RUN, DEV])
def test_every_pin_is_hashed(lock: str):
    assert [entry for entry in entries(lock) if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", [RUN, DEV])
def test_a_lock_names_no_index(lock: str):
    assert "://" not in text(lock)
    assert {option for entry in entries(lock) for option in re.findall(r"--[a-z-]+", entry)} == {"--hash"}
