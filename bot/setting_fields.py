"""Reads the fields of a dataclass from texts; each field's type is Annotated with its reader."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args

from bot.secret_files import SUFFIX
from bot.setting_types import SECRET_TYPES


def names_of(cls: type[Any]) -> list[str]:
    """The names of the fields, and those of the secrets' files."""
    names = [each.name for each in fields(cls)]
    return names + [f"{each.name}{SUFFIX}" for each in fields(cls) if each.type in SECRET_TYPES]


def read_fields(
    cls: type[Any], texts: Mapping[str, str], prefix: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """The values of the fields that are set, and a sentence for each that is wrong or missing.

    An empty text is that of a file that could not be read, which is a mistake already.
    """
    values, mistakes = {}, []
    for each in fields(cls):
        _, read = get_args(each.type)
        if text := texts.get(each.name):
            try:
                values[each.name] = read(text)
            except ValueError as mistake:
                source = ", read from its file," if f"{each.name}{SUFFIX}" in texts else ""
                mistakes.append(f"{prefix}{each.name.upper()}{source} {mistake}.")
        elif each.name in texts:
            continue
        elif each.default is each.default_factory is MISSING:
            mistakes.append(f"{prefix}{each.name.upper()} is missing.")
    return values, mistakes
