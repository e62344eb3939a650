"""Lays out the picture of /stats: a heading, tiles with numbers, and a card per diagram."""

import math
from collections.abc import Callable

from bot.drawing.canvas import CARD, LINE, TONES, Canvas, fitted, text_width
from bot.drawing.content import Days, Failures, StatsPicture, Tile, Waits

_WIDTH = 640.0
_MARGIN = 24.0
_GAP = 14.0  # between cards
_PADDING = 20.0  # within cards
_LEFT = _MARGIN + _PADDING
_RIGHT = _WIDTH - _LEFT
_SMALL = 13.0
_RADIUS = 12.0
_CARD_HEAD = 58.0  # from the top of a card to its diagram
_ROW = 28.0
_NAME = 150.0  # the width of names in rows
_NUMBER = 104.0  # and of the columns with durations
_DIAGRAM = 132.0  # the height of the bars per day
_AXIS = 24.0
_MOST_TICKS = 4

_Part = tuple[float, Callable[[Canvas, float], None]]  # its height, and how it is drawn from y on


def draw(picture: StatsPicture) -> bytes:
    """The picture as PNG."""
    parts: list[_Part] = [
        (62.0, lambda canvas, y: _heading(canvas, y, picture)),
        (76.0, lambda canvas, y: _tiles(canvas, y, picture["tiles"])),
    ]
    if picture["note"]:
        parts.append((120.0, lambda canvas, y: _note(canvas, y, picture["note"])))
    if (days := picture["days"]) is not None:
        parts.append((_CARD_HEAD + _DIAGRAM + _AXIS + 14, lambda canvas, y: _days(canvas, y, days)))
    if (waits := picture["waits"]) is not None:
        parts.append((_waits_height(waits), lambda canvas, y: _waits(canvas, y, waits)))
    if (failures := picture["failures"]) is not None:
        height = _CARD_HEAD + _ROW * len(failures["rows"]) + 10
        parts.append((height, lambda canvas, y: _failures(canvas, y, failures)))
    canvas = Canvas(_WIDTH, _MARGIN + sum(height + _GAP for height, _ in parts) + 28)
    y = _MARGIN
    for height, part in parts:
        part(canvas, y)
        y += height + _GAP
    canvas.text((_RIGHT + _PADDING, y + 8), picture["footer"], size=_SMALL, tone="quiet", anchor="rs")
    return canvas.png()


def _heading(canvas: Canvas, y: float, picture: StatsPicture) -> None:
    canvas.text((_MARGIN, y + 26), picture["title"], size=27, is_bold=True)
    canvas.text((_MARGIN, y + 52), picture["period"], tone="quiet")


def _tiles(canvas: Canvas, y: float, tiles: list[Tile]) -> None:
    width = (_WIDTH - 2 * _MARGIN - _GAP * (len(tiles) - 1)) / len(tiles)
    for number, tile in enumerate(tiles):
        x = _MARGIN + number * (width + _GAP)
        canvas.box((x, y), (x + width, y + 76), fill=CARD, radius=_RADIUS, outline=LINE)
        size = 25 * min(1.0, (width - 24) / text_width(tile["value"], size=25, is_bold=True))
        canvas.text((x + 16, y + 38), tile["value"], size=size, tone=tile["tone"], is_bold=True)
        label = fitted(tile["label"], width - 24, size=_SMALL)
        canvas.text((x + 16, y + 61), label, size=_SMALL, tone="quiet")


def _note(canvas: Canvas, y: float, note: str) -> None:
    _card(canvas, y, 120, "")
    canvas.text((_WIDTH / 2, y + 65), note, tone="quiet", anchor="ms")


def _card(canvas: Canvas, y: float, height: float, title: str) -> None:
    canvas.box((_MARGIN, y), (_WIDTH - _MARGIN, y + height), fill=CARD, radius=_RADIUS, outline=LINE)
    canvas.text((_LEFT, y + 32), title, size=17, is_bold=True)


def _days(canvas: Canvas, y: float, days: Days) -> None:
    _card(canvas, y, _CARD_HEAD + _DIAGRAM + _AXIS + 14, days["title"])
    x = _RIGHT
    for tone, label in (("bad", days["failed"]), ("good", days["succeeded"])):
        canvas.text((x, y + 31), label, size=_SMALL, tone="quiet", anchor="rs")
        x -= text_width(label, size=_SMALL) + 11
        canvas.dot((x, y + 26.5), radius=4.5, fill=TONES[tone])
        x -= 20
    step, top = _scale(max(map(sum, days["bars"]), default=0))
    base = y + _CARD_HEAD + _DIAGRAM
    left = _LEFT + text_width(f"{top:,}", size=_SMALL) + 10
    for value in range(0, top + 1, step):
        level = base - _DIAGRAM * value / top
        canvas.line((left, level), (_RIGHT, level), fill=LINE)
        canvas.text((left - 10, level + 4.5), f"{value:,}", size=_SMALL, tone="quiet", anchor="rs")
    slot = (_RIGHT - left) / len(days["bars"])
    width = min(slot * 0.68, 40)
    every = math.ceil(max(text_width(label, size=_SMALL) for label in days["labels"]) * 1.35 / slot)
    for number, (succeeded, failed) in enumerate(days["bars"]):
        middle = left + slot * (number + 0.5)
        _bar(canvas, (middle - width / 2, base), width, [h * _DIAGRAM / top for h in (succeeded, failed)])
        if (len(days["bars"]) - 1 - number) % every == 0:
            label = days["labels"][number]
            half = text_width(label, size=_SMALL) / 2
            canvas.text(
                (min(middle, _RIGHT - half), base + 20), label, size=_SMALL, tone="quiet", anchor="ms"
            )


def _bar(canvas: Canvas, at: tuple[float, float], width: float, heights: list[float]) -> None:
    """One bar of two parts, from its lower left corner; what is not zero can be seen."""
    x, base = at
    for height, tone in zip(heights, ("good", "bad"), strict=True):
        if height > 0:
            shown = max(height, 2.0)
            canvas.box(
                (x, base - shown), (x + width, base - 0.5), fill=TONES[tone], radius=min(2.5, shown / 2)
            )
            base -= shown


def _scale(largest: int) -> tuple[int, int]:
    """The distance of the lines of an axis from 0, and its end: whole numbers that are easy to read."""
    steps = (factor * 10**power for power in range(12) for factor in (1, 2, 5))
    step = next(step for step in steps if step * _MOST_TICKS >= largest)
    return step, step * max(1, math.ceil(largest / step))


def _waits_height(waits: Waits) -> float:
    return _CARD_HEAD + _ROW * len(waits["rows"]) + _AXIS + (36 if waits["left_out"] else 6)


def _waits(canvas: Canvas, y: float, waits: Waits) -> None:
    _card(canvas, y, _waits_height(waits), waits["title"])
    left, right = _LEFT + _NAME + 14, _RIGHT - 2 * _NUMBER - 6
    for x, heading, is_ring in (
        (_RIGHT - _NUMBER, waits["median"], False),
        (_RIGHT, waits["p90"], True),
    ):
        canvas.text((x, y + 31), heading, size=_SMALL, tone="quiet", anchor="rs")
        _marker(canvas, (x - text_width(heading, size=_SMALL) - 11, y + 26.5), is_ring=is_ring)
    first, last = waits["ticks"][0][0], waits["ticks"][-1][0]

    def place(seconds: float) -> float:
        share = math.log(max(seconds, first) / first) / math.log(last / first)
        return left + min(share, 1.0) * (right - left)

    top, base = y + _CARD_HEAD - 8, y + _CARD_HEAD + _ROW * len(waits["rows"])
    shown_to = -math.inf
    for seconds, label in waits["ticks"]:
        canvas.line((place(seconds), top), (place(seconds), base), fill=LINE)
        half = text_width(label, size=12) / 2
        if place(seconds) - half > shown_to + 6:
            canvas.text((place(seconds), base + 17), label, size=12, tone="quiet", anchor="ms")
            shown_to = place(seconds) + half
    for number, row in enumerate(waits["rows"]):
        middle = y + _CARD_HEAD + _ROW * (number + 0.5) - 3
        canvas.text((_LEFT, middle + 5), fitted(row["name"], _NAME))
        start, end = place(row["median_s"]), place(row["p90_s"])
        canvas.line((start, middle), (end, middle), fill="#b9cfee", width=5)
        _marker(canvas, (end, middle), is_ring=True)
        _marker(canvas, (start, middle), is_ring=False)
        canvas.text((_RIGHT - _NUMBER, middle + 5), row["median"], is_bold=True, anchor="rs")
        canvas.text((_RIGHT, middle + 5), row["p90"], anchor="rs")
    canvas.text((_LEFT, base + _AXIS + 14), waits["left_out"], size=_SMALL, tone="quiet")


def _marker(canvas: Canvas, at: tuple[float, float], *, is_ring: bool) -> None:
    """A disc for the median, a ring for 90 %."""
    canvas.dot(at, radius=5.5, fill=CARD if is_ring else TONES["calm"], outline=TONES["calm"])


def _failures(canvas: Canvas, y: float, failures: Failures) -> None:
    _card(canvas, y, _CARD_HEAD + _ROW * len(failures["rows"]) + 10, failures["title"])
    name = 1.5 * _NAME
    left, right = _LEFT + name + 14, _RIGHT - _NUMBER - 10
    largest = max(row["count"] for row in failures["rows"])
    for number, row in enumerate(failures["rows"]):
        middle = y + _CARD_HEAD + _ROW * (number + 0.5) - 3
        canvas.text((_LEFT, middle + 5), fitted(row["label"], name))
        end = left + max(4.0, (right - left) * row["count"] / largest)
        canvas.box((left, middle - 7), (end, middle + 7), fill=TONES["bad"], radius=3)
        canvas.text((_RIGHT - 54, middle + 5), f"{row['count']:,}", is_bold=True, anchor="rs")
        canvas.text((_RIGHT, middle + 5), row["share"], tone="quiet", anchor="rs")
