"""The repository as files."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = ("bot", "storage")


def text(name: str) -> str:
    """A file's text, by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file that belongs to the repository."""
    ignored = [".git", *(line.rstrip("/") for line in text(".gitignore").split())]
    for path in sorted(folder.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


@cache
def modules(*folders: str) -> tuple[tuple[str, ast.Module], ...]:
    """The Python files of these folders, by their paths from the root."""
    return tuple(
        (str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8")))
        for folder in folders
        for path in files(ROOT / folder)
        if path.suffix == ".py"
    )
