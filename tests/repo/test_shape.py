"""Sizes, names and manners of the code."""

import ast
import tomllib
from collections.abc import Iterator

import pytest

from bot.providers.registry import FORMATS
from tests.repo.tree import PROGRAM, ROOT, files, modules, text

LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
GUARDS = 3  # the item of each of two loops, and one update
CLEANERS = 2  # of what neither an ExitStack nor finally says as well

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    """What is defined there and open to others; what a class overrides is explained by its base."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} <= {"Protocol"}:
                yield from definitions(node.body)


def explains(docstring: str | None) -> bool:
    """Whether it begins with a whole sentence, or is the vendor's page about just this."""
    first = (docstring or "").partition("\n\n")[0]
    return first.endswith((".", ":", "?", "!")) or first.startswith("https://")


def kinds_of(handler: ast.ExceptHandler) -> set[str]:
    """The names of what it catches; "": everything."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(kind) if kind else "" for kind in caught}


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """Whether it catches whatever comes and does not hand it on."""
    last = handler.body[-1]
    is_handed_on = isinstance(last, ast.Raise) and last.exc is None
    return bool(kinds_of(handler) & {"", "Exception", "BaseException"}) and not is_handed_on


def test_no_file_is_longer_than_the_limit():
    for path in files():
        if path.suffix == ".py":
            assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_OF_A_FILE, path


def test_no_function_is_longer_than_the_limit():
    for name, module in modules(*PROGRAM, "tests"):
        for node in ast.walk(module):
            if isinstance(node, Function):
                lines = (node.end_lineno or 0) - node.lineno + 1
                assert lines <= LINES_OF_A_FUNCTION, f"{name}: {node.name} has {lines} lines"


def test_no_file_is_named_utils_helpers_or_common():
    assert [path for path in files() if path.stem.removeprefix("test_") in VAGUE_NAMES] == []


def test_every_public_name_has_a_docstring():
    unexplained = []
    for name, module in modules(*PROGRAM):
        if module.body and not explains(ast.get_docstring(module)):
            unexplained.append(name)
        for node in definitions(module.body):
            if not explains(ast.get_docstring(node)):
                unexplained.append(f"{name}: {node.name}")

    assert unexplained == []


def test_few_places_catch_every_exception():
    places = [
        f"{name}:{node.lineno}"
        for name, module in modules(*PROGRAM)
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    ]

    assert len(places) <= GUARDS, places


def test_few_places_catch_even_a_cancellation_to_hand_it_on():
    places = [
        f"{name}:{node.lineno}"
        for name, module in modules(*PROGRAM)
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler)
        and kinds_of(node) & {"", "BaseException", "BaseExceptionGroup"}
    ]

    assert len(places) <= CLEANERS, places


def test_every_import_is_at_the_top_of_its_module():
    hidden = [
        f"{name}:{node.lineno}"
        for name, module in modules(*PROGRAM)
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in module.body
        if name != "bot/cli.py"  # imports a sub-command where it runs
        and not (name == "storage/factory.py" and "storage.postgres" in ast.unparse(node))  # loads a driver
    ]

    assert hidden == []


@pytest.mark.parametrize("package", PROGRAM)
def test_every_folder_of_the_program_is_a_package(package: str):
    folders = {path.parent for path in files(ROOT / package) if path.suffix == ".py"}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_wire_format_is_in_the_independence_contract():
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [independent] = [contract["modules"] for contract in contracts if contract["type"] == "independence"]

    assert set(independent) == {wire.__module__ for wire in FORMATS.values()}
