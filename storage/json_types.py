"""Whether a value read from JSON is of a type: a dataclass as it is stored, an enum, a time, a plain type."""

import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

Check = Callable[[Any], bool]

_YEARS = range(1970, 3000)  # more can't be calculated with: a time has to stay within 1 to 9999
_LARGEST = 1e15  # of a float; no NaN and no infinity, which JSON does not have


@cache
def check_of(hint: Any) -> Check:
    """The check for a type, such as an annotation of a dataclass; raises TypeError for one that has none."""
    if get_origin(hint) in {Union, types.UnionType}:
        checks = tuple(check_of(each) for each in get_args(hint))
        return lambda value: any(check(value) for check in checks)
    if get_origin(hint) in {tuple, list}:
        item = check_of(get_args(hint)[0])
        return lambda value: isinstance(value, list) and all(item(each) for each in value)
    if hint is types.NoneType:
        return lambda value: value is None
    if hint is float:
        return lambda value: type(value) in {float, int} and abs(value) <= _LARGEST
    if hint is datetime:
        return is_time
    if is_dataclass(hint):
        return _check_of_dataclass(hint)
    if hint in {bool, int, str, dict}:
        return lambda value: type(value) is hint
    if issubclass(hint, StrEnum):
        words = frozenset(map(str, hint))
        return lambda value: isinstance(value, str) and value in words
    raise TypeError(hint)


def is_time(value: Any) -> bool:
    """Whether it is a time with its offset from UTC."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return False
    return at is not None and at.tzinfo is not None and at.year in _YEARS


def _check_of_dataclass(hint: Any) -> Check:
    hints = get_type_hints(hint)
    checks = {each.name: check_of(hints[each.name]) for each in fields(hint)}
    required = {each.name for each in fields(hint) if each.default is MISSING}

    def check(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and required <= value.keys()
            and all(name in checks and checks[name](part) for name, part in value.items())
        )

    return check
