from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.callback_data import LIMIT, CallbackData, SendAgain

LARGEST = 10**18 - 1


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint(CallbackData):
    PREFIX: ClassVar[str] = "paint"
    VERSION: ClassVar[int] = 2
    number: int
    is_dry: bool
    color: Color
    shade: Color | None = None
    page: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(CallbackData):
    PREFIX: ClassVar[str] = "paint"
    ratio: float


def test_callback_data_is_prefix_version_and_fields():
    packed = Paint(number=-1001, is_dry=True, color=Color.BLUE, name="a b").pack()

    assert packed == "paint2|-1001|1|blue|||a b"
    assert Paint.parse(packed) == Paint(number=-1001, is_dry=True, color=Color.BLUE, name="a b")


@given(
    st.builds(
        Paint,
        number=st.integers(-LARGEST, LARGEST),
        is_dry=st.booleans(),
        color=st.sampled_from(Color),
        shade=st.none() | st.sampled_from(Color),
        page=st.none() | st.integers(0, 999),
        name=st.text(st.characters(codec="utf-8", exclude_characters="|"), max_size=4),
    )
)
def test_what_is_packed_is_parsed_back(action: Paint):
    assert Paint.parse(action.pack()) == action
    assert len(action.pack().encode()) <= LIMIT


@given(st.text())
def test_any_text_is_parsed_to_an_action_that_packs_to_it_or_to_none(data: str):
    for text in (data, f"paint2|{data}", f"again1|{data}"):
        for action in (Paint, SendAgain):
            parsed = action.parse(text)
            assert parsed is None or parsed.pack() == text


@pytest.mark.parametrize(
    "data",
    [
        "",
        "again1",
        "again1|",
        "again|1",
        "again2|1",
        "again1|1|2",
        "again1|-0",
        "again1|01",
        "again1| 1",
        "again1|1.0",
        "again1|１",
        "again1|1 or 1=1",
        "check1|1",
        "again:1",
        f"again1|{10**18}",
        "again1|" + "9" * 58,
        "again1|\ud800",
    ],
)
def test_stale_foreign_and_invalid_data_is_none(data: str):
    assert SendAgain.parse(data) is None


@pytest.mark.parametrize(
    "data", ["paint2|1|2|red|||", "paint2|1|1|green|||", "paint2||1|red|||", "paint2|1||red|||"]
)
def test_a_field_with_a_value_of_another_type_is_none(data: str):
    assert Paint.parse(data) is None


@pytest.mark.parametrize("name", ["x" * (LIMIT + 1 - len("paint2|1|1|red|||")), "视" * 16, "a|b", "\ud800"])
def test_data_that_is_too_long_or_ambiguous_is_refused_when_it_is_built(name: str):
    assert Paint(number=1, is_dry=True, color=Color.RED, name="x" * (LIMIT - len("paint2|1|1|red|||"))).pack()
    with pytest.raises(ValueError, match="Not valid as callback data"):
        Paint(number=1, is_dry=True, color=Color.RED, name=name).pack()


def test_a_number_beyond_those_of_a_row_is_refused_when_it_is_built():
    with pytest.raises(ValueError, match="Not valid as callback data"):
        SendAgain(watch_id=LARGEST + 1).pack()


def test_a_field_of_another_type_is_refused():
    with pytest.raises(TypeError, match="float"):
        Share(ratio=0.5).pack()
