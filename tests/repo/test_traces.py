"""No file names the machine or the mirror that the repository was made with."""

import re

from tests.repo.tree import ROOT, files

TRACES = re.compile(
    r"""
    (?<![\w.~-])/(?:root|home|Users|work|opt|mnt)/\w  # somebody's folders
    # package registries, not the module of that name
    | \b(?:pypi|registry(?!\.(?:py|[A-Z_]+)\b)|mirrors?|nexus|artifactory)(?:\.[\w-]+)+\b(?!\()
    | \bfiles\.pythonhosted\b
    """,
    re.VERBOSE,
)


def test_no_file_names_a_folder_of_a_machine_or_a_package_registry():
    found = []
    for path in files():
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), start=1):
            found += [f"{path.relative_to(ROOT)}:{number}: {hit[0]}" for hit in TRACES.finditer(line)]

    assert found == []
