from io import BytesIO

import pytest
from PIL import Image

from bot.drawing.canvas import SCALE, Canvas, fitted, text_width
from bot.drawing.canvas import _font as font
from bot.messages.translate import LANGUAGES, catalogue

_MISSING = "\U0010fffd"  # a private character, which no font has
_DRAWN = ("stats.", "duration.", "status.")  # the texts of the picture


def test_the_picture_has_several_pixels_per_unit():
    canvas = Canvas(100, 40)
    canvas.box((10, 10), (50, 30), fill="#ff0000")

    image = Image.open(BytesIO(canvas.png()))

    assert image.size == (100 * SCALE, 40 * SCALE)
    assert image.getpixel((30 * SCALE, 20 * SCALE)) == (255, 0, 0)
    assert image.getpixel((5 * SCALE, 20 * SCALE)) != (255, 0, 0)


def test_a_text_that_fits_is_left_alone_and_a_longer_one_is_cut_off():
    assert fitted("short", 100) == "short"

    cut = fitted("a_very_long_name_of_a_provider", 100)

    assert cut.startswith("a_very")
    assert cut.endswith("...")
    assert text_width(cut) <= 100


@pytest.mark.parametrize("is_bold", [False, True])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fonts_have_every_character_of_the_texts_in_the_picture(language: str, is_bold: bool):
    texts = "".join(text for key, text in catalogue(language).items() if key.startswith(_DRAWN))
    printable = "".join(map(chr, range(ord(" "), ord("~") + 1)))
    drawn = font(20, is_bold=is_bold)
    missing = bytes(drawn.getmask(_MISSING))

    without = [
        char for char in sorted(set(texts + printable) - {" "}) if bytes(drawn.getmask(char)) == missing
    ]

    assert without == [], "make the fonts again: see bot/drawing/fonts/README.md"
