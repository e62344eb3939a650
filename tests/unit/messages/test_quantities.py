import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from bot.messages.quantities import duration, moment, size


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (-3.0, "0 s", "0 秒"),
        (0.9, "0 s", "0 秒"),
        (45.7, "45 s", "45 秒"),
        (80, "1 min 20 s", "1 分钟 20 秒"),
        (120, "2 min", "2 分钟"),
        (3_900, "1 h 5 min", "1 小时 5 分钟"),
        (3_605, "1 h", "1 小时"),
        (86_400 * 2 + 3_600 * 3 + 59, "2 d 3 h", "2 天 3 小时"),
    ],
)
def test_durations_have_two_units_at_most(seconds, english, chinese):
    assert (duration("en", seconds), duration("zh", seconds)) == (english, chinese)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (812_345, "812 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (2_123_456, "2.1 MB"),
        (999_949_999, "999.9 MB"),
        (999_950_000, "1.0 GB"),
        (2_000_000_000, "2.0 GB"),
    ],
)
def test_sizes_are_in_decimal_units(count, expected):
    assert size(count) == expected


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's time zone, as the start sets it from TZ."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "2025-10-12 19:02 UTC"),
        ("Asia/Shanghai", "2025-10-13 03:02 UTC+8"),
        ("Asia/Kolkata", "2025-10-13 00:32 UTC+5:30"),
        ("America/St_Johns", "2025-10-12 16:32 UTC-2:30"),
        ("Pacific/Marquesas", "2025-10-12 09:32 UTC-9:30"),
    ],
    indirect=["zone"],
)
@pytest.mark.usefixtures("zone")
def test_a_time_is_shown_in_the_readers_zone_or_else_as_text_in_that_of_the_process(text: str):
    at = datetime(2025, 10, 13, 3, 2, 59, tzinfo=timezone(timedelta(hours=8)))

    assert moment(at) == f'<tg-time unix="1760295779" format="dt">{text}</tg-time>'
    assert moment(at.astimezone(UTC)) == moment(at)


def test_a_time_that_telegram_cannot_show_is_text():
    assert moment(datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)).startswith("<tg-time")
    assert moment(datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)) == "2038-01-19 03:14 UTC"
