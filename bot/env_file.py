"""Reads .env: its values, and each line that can't be parsed."""

import io
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Original, parse_stream


def read_env_file(path: Path) -> tuple[Mapping[str, str | None], list[str]]:
    """The values, and a mistake for each line that can't be parsed; raises OSError and UnicodeDecodeError."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}, []
    good, mistakes = "", []
    for line in parse_stream(io.StringIO(text)):
        if line.error:
            mistakes.append(f"Line {_line_of(line.original)} of {path} cannot be parsed: check its quotes.")
        elif line.key is not None and line.value is None:
            mistakes.append(f"Line {_line_of(line.original)} of {path} has no '='.")
        else:
            good += line.original.string
    return dotenv_values(stream=io.StringIO(good)), mistakes


def _line_of(original: Original) -> int:
    """The line on which the statement begins; the parser counts from the empty lines before it."""
    string = original.string
    return original.line + string[: len(string) - len(string.lstrip())].count("\n")
