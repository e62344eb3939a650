import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.messages.translate import LANGUAGES
from bot.messages.views import stats
from storage.figures import Stats
from storage.models import Cause, DeliveryState, TaskStatus
from storage.usage import DayCounts, Usage, Waits
from storage.watches import WatchState
from tests.unit.messages.reading import utf16_units, visible

NOW = datetime(2026, 11, 29, 8, 20, tzinfo=UTC)
COUNTS = Stats(
    tasks={"unknown": 1, "queued": 2, "running": 4}, watches={"active": 5, "finished": 9}, deliveries={}
)


@pytest.fixture(autouse=True)
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    os.environ.setdefault("TZ", "UTC")
    time.tzset()


def usage(
    *ended: tuple[int, int],
    days: int = 30,
    waits: tuple[Waits, ...] = (),
    failures: dict[str, int] | None = None,
) -> Usage:
    """What ended on the last days; nothing on the days before."""
    counts = [(0, 0)] * (days - len(ended)) + list(ended)
    first = datetime(2026, 11, 30, tzinfo=UTC) - timedelta(days=days, hours=8)
    return Usage(
        days=tuple(
            DayCounts(start=first + timedelta(days=number), succeeded=succeeded, failed=failed)
            for number, (succeeded, failed) in enumerate(counts)
        ),
        waits=waits,
        failures=failures or {},
    )


def wait(provider: str = "wan", median_s: float = 80, p90_s: float = 240) -> Waits:
    return Waits(provider=provider, tasks=1, median_s=median_s, p90_s=p90_s)


def words(found: Usage, language: str = "en") -> list[str]:
    return visible(stats.caption(COUNTS, found, language=language).text).split("\n")


def test_the_caption_says_in_words_what_the_picture_shows():
    assert words(
        usage((1_200, 20), (3, 1), waits=(wait(),), failures={"moderation": 14, "not_found": 7})
    ) == [
        "Last 7 days: 1,203 done, 21 failed",
        "Why tasks failed: Content filter 14, Not found 7",
        "How long tasks take (median / 90% within): wan 1 min 20 s / 4 min",
        "Tasks: Queued 3, Running 4",
        "Watches: waiting 5, finished 9",
        "Deliveries: 0",
    ]


def test_the_caption_in_chinese_has_chinese_signs():
    assert words(usage((3, 2), waits=(wait(),), failures={"moderation": 1, "other": 1}), "zh")[:3] == [
        "最近 7 天：完成 3，失败 2",
        "失败原因：未通过内容审核 1，其他原因 1",
        "任务用时（中位数 / 90% 不超过）：wan 1 分钟 20 秒 / 4 分钟",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_caption_fits_however_much_there_is_to_say(language: str):
    counts = Stats(
        tasks={str(status): 10**9 for status in TaskStatus},
        watches={str(state): 10**9 for state in WatchState},
        deliveries={str(state): 10**9 for state in DeliveryState},
    )
    failures = {str(cause): 10**9 for cause in Cause}
    waits = tuple(wait(f"{number:&<60}", 10**9, 10**9) for number in range(50))
    found = usage(*[(10**9, 10**9)] * 30, waits=waits, failures=failures)

    assert utf16_units(stats.caption(counts, found, language=language).text) <= 1024


def test_without_an_end_the_picture_has_a_note_instead_of_diagrams():
    picture = stats.picture(COUNTS, usage(), language="en", now=NOW)

    assert (picture["days"], picture["waits"], picture["failures"]) == (None, None, None)
    assert (picture["note"], picture["title"]) == ("No task has ended in these days.", "Last 30 days")
    assert [tile["value"] for tile in picture["tiles"]] == ["0", "0", "5", "0"]


def test_a_new_bot_shows_a_week_and_later_the_days_since_the_first_end():
    week = stats.picture(COUNTS, usage((3, 1)), language="en", now=NOW)
    longer = stats.picture(COUNTS, usage((1, 0), *[(0, 0)] * 9), language="en", now=NOW)

    assert week["days"] is not None
    assert week["days"]["bars"] == [(0, 0)] * 6 + [(3, 1)]
    assert (week["title"], week["period"]) == ("Last 7 days", "23 Nov – 29 Nov")
    assert longer["title"] == "Last 10 days"


def test_days_are_those_of_the_time_zone():
    chinese = stats.picture(COUNTS, usage((3, 1), days=3), language="zh", now=NOW)

    assert chinese["days"] is not None
    assert chinese["days"]["labels"] == ["11/27", "11/28", "11/29"]
    assert (chinese["period"], chinese["footer"]) == (
        "11 月 27 日至 11 月 29 日",
        "2026 年 11 月 29 日 16:20 UTC+8",
    )


def test_of_many_providers_the_busiest_are_shown():
    waits = tuple(wait(f"p{number}") for number in range(50))
    picture = stats.picture(COUNTS, usage((50, 0), waits=waits), language="en", now=NOW)

    assert picture["waits"] is not None
    assert [row["name"] for row in picture["waits"]["rows"]] == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert picture["waits"]["left_out"] == "and 44 more providers"


@pytest.mark.parametrize(
    ("median_s", "p90_s", "ends"),
    [
        (80, 240, ("1 min", "10 min")),
        (0, 0, ("1 s", "10 s")),
        (45, 60, ("10 s", "1 min")),
        (9, 40 * 86_400, ("1 s", "100 d")),
        (10**9, 10**9, ("100 d", "1000 d")),
    ],
)
def test_the_axis_of_waits_covers_them(median_s: float, p90_s: float, ends: tuple[str, str]):
    picture = stats.picture(
        COUNTS, usage((1, 0), waits=(wait("wan", median_s, p90_s),)), language="en", now=NOW
    )

    assert picture["waits"] is not None
    ticks = picture["waits"]["ticks"]
    assert (ticks[0][1], ticks[-1][1]) == ends


def test_rare_causes_are_summed_up_as_other_reasons():
    failures = {str(cause): 20 - number for number, cause in enumerate(Cause)}
    total = sum(failures.values())
    picture = stats.picture(COUNTS, usage((0, total), failures=failures), language="en", now=NOW)

    assert picture["failures"] is not None
    rows = picture["failures"]["rows"]
    assert [row["label"] for row in rows] == [
        "Content filter",
        "Copyright",
        "Unsupported input",
        "Timed out at the gateway",
        "No video",
        "Other reasons",
    ]
    assert sum(row["count"] for row in rows) == total
    assert rows[0]["share"] == f"{round(100 * 20 / total)}%"


def test_a_cause_that_a_newer_version_wrote_counts_as_other():
    assert "Why tasks failed: Other reasons 3" in words(
        usage((0, 3), failures={"from_the_future": 1, "other": 2})
    )


def test_a_share_below_one_percent_is_not_zero():
    picture = stats.picture(
        COUNTS, usage((0, 1001), failures={"moderation": 1000, "copyright": 1}), language="en", now=NOW
    )

    assert picture["failures"] is not None
    assert [row["share"] for row in picture["failures"]["rows"]] == ["100%", "<1%"]
