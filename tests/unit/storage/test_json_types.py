"""A value read from JSON is of a type, or it is not."""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import pytest

from storage.json_types import check_of, is_time


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    at: datetime | None = None
    of: "Colour | None" = None


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [0, 10**30], [True, 1.0, "1", None]),
        (float, [0, 1.5, -1e15], [True, "1.5", None, math.nan, math.inf, 1e16, 10**400]),
        (bool, [True, False], [0, 1, "true"]),
        (str, ["", "a"], [1, None]),
        (int | None, [1, None], ["a"]),
        (Colour, ["red"], ["blue", "RED", 1, None]),
        (list[str], [[], ["a"]], ["a", [1], None]),
        (tuple[str, ...], [[], ["a"]], [("a",), [1]]),
        (dict, [{}, {"a": 1}], [[], None]),
        (
            Part,
            [{"name": "a"}, {"name": "a", "at": None, "of": "red"}],
            [{}, {"name": 1}, {"name": "a", "of": "blue"}, {"name": "a", "more": 1}, []],
        ),
    ],
)
def test_a_value_is_of_the_type_or_not(hint: Any, good: list[Any], bad: list[Any]):
    assert [value for value in good if not check_of(hint)(value)] == []
    assert [value for value in bad if check_of(hint)(value)] == []


def test_a_type_that_has_no_check_is_a_mistake_of_the_program():
    with pytest.raises(TypeError):
        check_of(bytes)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.5+08:00"])
def test_a_time_has_its_offset(text: str):
    assert is_time(text)


@pytest.mark.parametrize(
    "value", ["2026-01-01T00:00:00", "yesterday", "", 1, None, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
)
def test_anything_else_is_no_time(value: object):
    assert not is_time(value)
