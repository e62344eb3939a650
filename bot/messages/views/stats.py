"""The reply to /stats: the content of the picture, and its caption, which says the same in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce

from bot.drawing.content import Days, FailureRow, Failures, StatsPicture, Tile, WaitRow
from bot.drawing.content import Waits as WaitsContent
from bot.messages.limits import CAPTION_UNITS, escape_line, one_line, take_fitting
from bot.messages.lines import join_lines
from bot.messages.quantities import duration, zone
from bot.messages.translate import t
from bot.messages.view import View
from storage.figures import Stats
from storage.models import Cause, DeliveryState, TaskStatus
from storage.usage import DayCounts, Usage, Waits
from storage.watches import WatchState

_FEWEST_DAYS = 7  # shown, even if nothing ended on the first of them
_MOST_ROWS = 6  # of providers, and of causes
_ROWS_IN_WORDS = 5
_NAME_UNITS = 24
_PERCENT = 100
_KNOWN = {*map(str, Cause), *map(str, TaskStatus)}  # a newer version may have written another
# Seconds: 1 s, 10 s, 1 min, 10 min, 1 h, 6 h, 1 d, 10 d, 100 d, 1000 d.
_TICKS_S = (1, 10, 60, 600, 3_600, 21_600, 86_400, 864_000, 8_640_000, 86_400_000)


def caption(stats: Stats, usage: Usage, *, language: str) -> View:
    """The caption: what ended, why tasks failed, how long they took, and how many there are now."""
    title, succeeded, failed = _totals(usage, language)
    ended = t(language, "stats.ended", title=title, succeeded=f"{succeeded:,}", failed=f"{failed:,}")
    failures = _causes(usage, language)[:_ROWS_IN_WORDS]
    waits = [
        t(
            language,
            "stats.wait",
            provider=escape_line(each.provider, _NAME_UNITS),
            median=duration(language, each.median_s),
            p90=duration(language, each.p90_s),
        )
        for each in usage.waits[:_ROWS_IN_WORDS]
    ]
    lines = [
        f"<b>{ended}</b>",
        _line("stats.failures", [f"{label} {count:,}" for label, count in failures], language),
        _line("stats.waits_in_words", waits, language),
        _counts("stats.tasks", stats.tasks, "status", language=language),
        _counts("stats.watches", stats.watches, "stats.watch", language=language),
        _counts("stats.deliveries", stats.deliveries, "stats.delivery", language=language),
    ]
    return View(text=join_lines(take_fitting([line for line in lines if line], CAPTION_UNITS)))


def picture(stats: Stats, usage: Usage, *, language: str, now: datetime) -> StatsPicture:
    """The content of the picture."""
    title, succeeded, failed = _totals(usage, language)
    days = _shown(usage)
    unsent = sum(stats.deliveries.get(state, 0) for state in DeliveryState if state.is_unsent)
    first, local = days[0].start.astimezone(), now.astimezone()
    has_ended = bool(succeeded or failed)
    return StatsPicture(
        title=title,
        period=t(
            language,
            "stats.period",
            first_day=first.day,
            first_month=t(language, f"stats.month.{first.month}"),
            day=local.day,
            month=t(language, f"stats.month.{local.month}"),
        ),
        tiles=[
            Tile(value=f"{succeeded:,}", label=t(language, "stats.done"), tone="good"),
            Tile(value=f"{failed:,}", label=t(language, "stats.failed"), tone="bad"),
            Tile(
                value=f"{stats.watches.get(WatchState.ACTIVE, 0):,}",
                label=t(language, "stats.watching"),
                tone="calm",
            ),
            Tile(value=f"{unsent:,}", label=t(language, "stats.unsent"), tone="calm"),
        ],
        days=_days(days, language) if has_ended else None,
        waits=_waits(usage.waits, language) if usage.waits else None,
        failures=_failures(_causes(usage, language), language) if failed else None,
        note="" if has_ended else t(language, "stats.none"),
        footer=t(
            language,
            "stats.as_of",
            day=local.day,
            month=t(language, f"stats.month.{local.month}"),
            year=local.year,
            time=f"{local:%H:%M}",
            zone=zone(local),
        ),
    )


def _totals(usage: Usage, language: str) -> tuple[str, int, int]:
    """The title, and how many tasks succeeded and failed in the period."""
    return (
        t(language, "stats.title", count=len(_shown(usage))),
        sum(day.succeeded for day in usage.days),
        sum(day.failed for day in usage.days),
    )


def _shown(usage: Usage) -> Sequence[DayCounts]:
    """The days without those before the first task ended, but a week at least; all if none has."""
    first = next((index for index, day in enumerate(usage.days) if day.succeeded or day.failed), 0)
    return usage.days[max(0, min(first, len(usage.days) - _FEWEST_DAYS)) :]


def _days(days: Sequence[DayCounts], language: str) -> Days:
    return Days(
        title=t(language, "stats.days"),
        succeeded=t(language, "stats.done"),
        failed=t(language, "stats.failed"),
        bars=[(day.succeeded, day.failed) for day in days],
        labels=[
            t(
                language,
                "stats.day",
                day=start.day,
                month=t(language, f"stats.month.{start.month}"),
            )
            for start in (day.start.astimezone() for day in days)
        ],
    )


def _waits(waits: Sequence[Waits], language: str) -> WaitsContent:
    shown = waits[:_MOST_ROWS]
    shortest, longest = min(each.median_s for each in shown), max(each.p90_s for each in shown)
    first = max((index for index, tick_s in enumerate(_TICKS_S) if tick_s <= shortest), default=0)
    last = next((index for index, tick_s in enumerate(_TICKS_S) if tick_s >= longest), len(_TICKS_S) - 1)
    ticks_s = _TICKS_S[min(first, len(_TICKS_S) - 2) : max(last, first + 1) + 1]
    left_out = len(waits) - len(shown)
    return WaitsContent(
        title=t(language, "stats.waits"),
        median=t(language, "stats.median"),
        p90=t(language, "stats.p90"),
        rows=[
            WaitRow(
                name=one_line(each.provider, 2 * _NAME_UNITS),
                median_s=each.median_s,
                p90_s=each.p90_s,
                median=duration(language, each.median_s),
                p90=duration(language, each.p90_s),
            )
            for each in shown
        ],
        ticks=[(float(tick_s), duration(language, tick_s)) for tick_s in ticks_s],
        left_out=t(language, "stats.more_providers", count=left_out) if left_out else "",
    )


def _failures(causes: Sequence[tuple[str, int]], language: str) -> Failures:
    total = sum(count for _, count in causes)
    shown = list(causes)
    if len(causes) > _MOST_ROWS:
        shown = list(causes[: _MOST_ROWS - 1])
        shown.append((t(language, "stats.cause.other"), total - sum(count for _, count in shown)))
    return Failures(
        title=t(language, "stats.failures"),
        rows=[
            FailureRow(
                label=label,
                count=count,
                share=t(language, "stats.share", percent=round(_PERCENT * count / total) or "<1"),
            )
            for label, count in shown
        ],
    )


def _causes(usage: Usage, language: str) -> list[tuple[str, int]]:
    """The failures by the text of their cause, most frequent first, other reasons last."""
    by_text: Counter[str] = Counter()  # two causes may have the same text
    for cause, count in usage.failures.items():
        by_text[t(language, f"stats.cause.{cause if cause in _KNOWN else Cause.OTHER}")] += count
    other = t(language, f"stats.cause.{Cause.OTHER}")
    return sorted(by_text.items(), key=lambda item: (item[0] == other, -item[1]))


def _counts(title: str, counts: Mapping[str, int], words: str, *, language: str) -> str:
    by_text: Counter[str] = Counter()  # two statuses may have the same text
    for name, count in counts.items():
        by_text[t(language, f"{words}.{name}")] += count
    return _line(title, [f"{text} {count}" for text, count in by_text.items()] or ["0"], language) or ""


def _line(title: str, items: Sequence[str], language: str) -> str | None:
    """A title and what belongs to it; None if nothing does."""
    if not items:
        return None
    joined = reduce(lambda first, rest: t(language, "stats.list", first=first, rest=rest), items)
    return t(language, "stats.line", title=t(language, title), items=joined)
