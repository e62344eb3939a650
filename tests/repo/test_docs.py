"""The pages under docs/ are in step with the repository."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.repo.tree import PROGRAM, ROOT, files, text


def test_every_link_to_a_file_resolves():
    for page in files():
        if page.suffix == ".md":
            links = re.findall(r"\]\((?!https://|#)([^)#]+)", page.read_text(encoding="utf-8"))
            assert [link for link in links if not (page.parent / link).exists()] == [], page


def test_every_address_that_has_a_certificate_checked_names_the_file_of_cas():
    for page in files():
        if page.suffix == ".md":
            checked = re.findall(r"postgresql://\S+verify-\S+", page.read_text(encoding="utf-8"))
            assert [address for address in checked if "sslrootcert=" not in address] == [], page


@pytest.mark.parametrize(
    "page",
    [
        "docs/architecture.md",
        "docs/decisions.md",
        "docs/performance.md",
        "docs/reliability.md",
        "docs/security.md",
        "docs/zh/security.md",
        "CONTRIBUTING.md",
    ],
)
def test_every_file_named_in_a_page_exists(page: str):
    named = re.findall(r"`((?:bot|storage|tests|docs)/[\w./-]*)`", text(page))

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", PROGRAM)
def test_the_architecture_lists_every_package_and_module(package: str):
    rooms = {path.relative_to(ROOT / package).parts[0] for path in files(ROOT / package)} - {"__init__.py"}
    plan = text("docs/architecture.md").partition("## Imports")[0]

    assert [room for room in rooms if room not in plan] == []


def test_the_architecture_lists_the_layers_in_order():
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    plan = " ".join(text("docs/architecture.md").split())

    for contract in contracts:
        if contract["type"] == "layers":
            assert " → ".join(contract["layers"]) in plan


def test_every_dependency_has_its_reason():
    project = tomllib.loads(text("pyproject.toml"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    reasons = text("docs/decisions.md").partition("## The dependencies")[2]

    names = [Requirement(each).name for each in wanted]
    assert [name for name in names if not re.search(rf"^\|.*\b{name}\b.* \|", reasons, re.MULTILINE)] == []
