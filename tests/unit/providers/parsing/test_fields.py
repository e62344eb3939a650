from datetime import UTC, datetime

import pytest

from bot.providers.parsing.fields import (
    BEIJING,
    as_code,
    as_fraction,
    as_length,
    as_number,
    as_percent,
    as_position,
    as_side,
    as_size,
    as_text,
    as_time,
    find,
    first,
)


def test_a_path_leads_through_objects_and_lists():
    response = {"data": {"videos": [{"url": "a"}, {"url": "b"}, 3, {"other": 1}]}}
    assert list(find(response, "data.videos.*.url")) == ["a", "b"]


def test_a_star_stands_for_any_key():
    assert list(find({"map": {"77": {"v": 1}, "78": {"v": 2}}}, "map.*.v")) == [1, 2]


@pytest.mark.parametrize("value", [None, 1, "text", [], {}, {"data": None}, {"data": [{"url": 1}]}])
def test_a_path_that_leads_nowhere_finds_nothing(value: object):
    assert list(find(value, "data.url")) == []


def test_the_search_of_a_wide_body_is_bounded():
    assert len(list(find({"list": [{"x": 1}] * 10_000}, "list.*.x"))) == 50


def test_the_first_place_that_can_be_read_wins():
    assert first({"a": "", "b": 5, "c": "word", "d": "later"}, ("a", "b", "c", "d"), as_text) == "word"


@pytest.mark.parametrize(("value", "text"), [(" a ", "a"), ("", None), ("  ", None), (5, None), (None, None)])
def test_text_is_text(value: object, text: str | None):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "code"), [("X", "X"), (400, "400"), (0, None), ("", None), (True, None), (1.5, None)]
)
def test_a_code_is_a_word_or_a_number_other_than_0(value: object, code: str | None):
    assert as_code(value) == code


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1),
        ("2.5", 2.5),
        (True, None),
        ("", None),
        ("x", None),
        (float("nan"), None),
        (float("inf"), None),
        ("1e999", None),
        pytest.param(10**400, None, id="huge"),
        ("9" * 41, None),
        ([1], None),
        (None, None),
    ],
)
def test_a_number_is_finite(value: object, number: float | None):
    assert as_number(value) == number


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        (37, 37),
        ("37%", 37),
        (" 37 % ", 37),
        ("100", 100),
        (0, 0),
        ("0%", 0),
        (0.93, 93),
        (1, 1),
        (250, 100),
        (-5, 0),
        ("0.5%", 0.5),
        (None, None),
        ("", None),
        ("%", None),
        (True, None),
    ],
)
def test_progress_is_a_percentage(value: object, percent: float | None):
    assert as_percent(value) == (None if percent is None else pytest.approx(percent))


def test_a_fraction_sent_as_text_is_a_fraction_unless_it_has_a_percent_sign():
    assert as_percent("0.42") == pytest.approx(42)
    assert as_percent("0.42%") == pytest.approx(0.42)


@pytest.mark.parametrize(("value", "percent"), [(0.004, 0.4), (0.93, 93), (1, 100), (93, 93), (None, None)])
def test_a_fraction_becomes_a_percentage(value: object, percent: float | None):
    assert as_fraction(value) == (None if percent is None else pytest.approx(percent))


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1764347090, datetime(2025, 11, 28, 16, 24, 50, tzinfo=UTC)),
        ("1764347090", datetime(2025, 11, 28, 16, 24, 50, tzinfo=UTC)),
        (1764347090922, datetime(2025, 11, 28, 16, 24, 50, 922000, tzinfo=UTC)),
        (1764347090922000, datetime(2025, 11, 28, 16, 24, 50, 922000, tzinfo=UTC)),
        ("2025-10-11 18:55:56.952", datetime(2025, 10, 11, 10, 55, 56, 952000, tzinfo=UTC)),
        ("2025/10/11 18:55:56", datetime(2025, 10, 11, 10, 55, 56, tzinfo=UTC)),
        ("2025-08-29T16:52:26.472319", datetime(2025, 8, 29, 8, 52, 26, 472319, tzinfo=UTC)),
        ("2025-10-06T15:10:26.875729Z", datetime(2025, 10, 6, 15, 10, 26, 875729, tzinfo=UTC)),
        ("20250829T085221Z", datetime(2025, 8, 29, 8, 52, 21, tzinfo=UTC)),
    ],
)
def test_times_of_every_form_become_utc(value: object, moment: datetime):
    assert as_time(BEIJING)(value) == moment


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        "",
        "soon",
        None,
        True,
        [],
        1e300,
        86400,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31 23:59:59",
        "2" * 99,
    ],
)
def test_what_is_no_time_of_our_days_is_none(value: object):
    assert as_time(UTC)(value) is None


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("1280x720", (1280, 720)),
        ("1280*720", (1280, 720)),
        (" 720 × 1280 ", (720, 1280)),
        ("small", None),
        ("0x720", None),
        ("99999x1", None),
        (720, None),
    ],
)
def test_a_size_is_two_sides(value: object, size: tuple[int, int] | None):
    assert as_size(value) == size


def test_lengths_sides_and_places_have_bounds():
    assert [as_length(value) for value in ("5.1", 10, 0, 1e9)] == [5.1, 10, None, None]
    assert [as_side(value) for value in ("720", "720p", "1080P", "p", 0, 1e9)] == [
        720,
        720,
        1080,
        None,
        None,
        None,
    ]
    assert [as_position(value) for value in (0, 3, -1, 1e12)] == [0, 3, None, None]


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("45/100", 45.0),
        ("3 / 4", 75.0),
        ("45,5%", 45.5),
        ("45 percent", 45.0),
        ("0.42%", 0.42),
        ("9/0", None),
    ],
)
def test_progress_is_read_from_text(text: str, percent: float | None):
    assert as_percent(text) == percent


@pytest.mark.parametrize("text", ["10s", "10 sec", "10.0 seconds", "10秒"])
def test_a_length_may_name_its_unit(text: str):
    assert as_length(text) == 10.0


@pytest.mark.parametrize(
    "value",
    [
        "Sat, 25 Jul 2026 17:20:00 GMT",
        "2026-07-25 17:20:00 UTC",
        "2026-07-26 01:20:00 +0800 CST",
        "2026-07-26 01:20:00.5 +0800 CST",
        1785000000 * 10**9,
    ],
)
def test_times_are_read_as_servers_print_them(value: object):
    moment = as_time(BEIJING)(value)
    assert moment is not None
    assert moment.replace(microsecond=0) == datetime(2026, 7, 25, 17, 20, tzinfo=UTC)
