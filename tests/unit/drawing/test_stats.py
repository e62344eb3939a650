from io import BytesIO

import pytest
from PIL import Image, ImageColor

from bot.drawing.canvas import BACKGROUND, SCALE, TONES
from bot.drawing.content import StatsPicture
from bot.drawing.stats import draw
from tests.unit.drawing.pictures import EMPTY, days, failures, waits

Box = tuple[int, int, int, int]


def drawn(picture: StatsPicture) -> Image.Image:
    return Image.open(BytesIO(draw(picture)))


def area(image: Image.Image, tone: str) -> int:
    """How many pixels have exactly this colour."""
    wanted = ImageColor.getrgb(TONES[tone])
    return sum(count for count, colour in image.getcolors(maxcolors=1 << 24) or [] if colour == wanted)


def test_the_picture_is_as_wide_as_a_telegram_photo_and_as_high_as_its_parts():
    empty, full = drawn(EMPTY), drawn(EMPTY | {"note": "", "days": days((1, 1)), "waits": waits(("a", 2, 9))})

    assert empty.width == full.width == 640 * SCALE
    assert full.height > empty.height
    assert full.getpixel((3, 3)) == ImageColor.getrgb(BACKGROUND)


def test_the_largest_picture_is_within_the_limits_of_a_photo():
    most = EMPTY | {
        "note": "",
        "days": days(*[(9_999, 999)] * 30),
        "waits": waits(*[("a_long_name" * 9, 0.0, 10.0**9)] * 6, left_out="and 44 more providers"),
        "failures": failures(*[("A long cause " * 9, 10**6)] * 6),
    }

    png = draw(most)

    width, height = Image.open(BytesIO(png)).size
    assert height < 2 * width
    assert len(png) < 1 << 20


@pytest.mark.parametrize(("bars", "tone"), [(((5, 0), (2, 0)), "good"), (((0, 5), (0, 2)), "bad")])
def test_bars_are_as_high_as_their_counts(bars: tuple[tuple[int, int], ...], tone: str):
    one = area(drawn(EMPTY | {"days": days(bars[0], (0, 0))}), tone)
    both = area(drawn(EMPTY | {"days": days(*bars)}), tone)
    legend = area(drawn(EMPTY | {"days": days((0, 0), (0, 0))}), tone)

    assert (both - legend) / (one - legend) == pytest.approx(1.4, abs=0.05)


def test_a_single_failure_among_many_tasks_can_be_seen():
    without, with_one = (drawn(EMPTY | {"days": days((100_000, count))}) for count in (0, 1))

    assert area(with_one, "bad") > area(without, "bad")


def test_waits_beyond_the_axis_end_at_its_end():
    assert drawn(EMPTY | {"waits": waits(("a", 0.0, 10.0**9))}).width == 640 * SCALE


def test_the_bars_of_failures_are_as_long_as_their_counts():
    one = area(drawn(EMPTY | {"failures": failures(("a", 10))}), "bad")
    two = area(drawn(EMPTY | {"failures": failures(("a", 10), ("b", 5))}), "bad")

    assert two / one == pytest.approx(1.5, abs=0.05)


def test_a_large_number_is_made_to_fit_its_tile():
    tiles = [tile | {"value": "1,234,567,890"} for tile in EMPTY["tiles"]]

    assert drawn(EMPTY | {"tiles": tiles}).width == 640 * SCALE
