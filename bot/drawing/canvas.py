"""A canvas for text and rounded shapes, with Pillow."""

import io
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # pixels per unit, for screens with fine pixels
_OVERSAMPLING = 2  # Pillow draws shapes without smooth edges: drawn larger and reduced
_FONTS = Path(__file__).with_name("fonts")

BACKGROUND = "#f2f4f7"
CARD = "#ffffff"
LINE = "#e3e7ed"
TONES = {
    "ink": "#1c2430",
    "quiet": "#6b7686",
    "good": "#17917a",
    "bad": "#e2603c",
    "calm": "#3a78c9",
}

Point = tuple[float, float]


class Canvas:
    """Draws in units of which the picture has width x height; each becomes SCALE pixels."""

    def __init__(self, width: float, height: float) -> None:
        self._factor = SCALE * _OVERSAMPLING
        size = round(width * self._factor), round(height * self._factor)
        self._image = Image.new("RGB", size, BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        at: Point,
        text: str,
        *,
        size: float = 15,
        tone: str = "ink",
        is_bold: bool = False,
        anchor: str = "ls",
    ) -> None:
        """Write one line; anchor: which of its points is at `at`, "ls" is the left end of the baseline.

        https://pillow.readthedocs.io/en/stable/handbook/text-anchors.html
        """
        x, y = at
        where = x * self._factor, y * self._factor
        self._draw.text(
            where, text, fill=TONES[tone], font=_font(size * self._factor, is_bold=is_bold), anchor=anchor
        )

    def box(
        self, start: Point, end: Point, *, fill: str, radius: float = 0, outline: str | None = None
    ) -> None:
        """Draw a rectangle with rounded corners."""
        self._draw.rounded_rectangle(
            (*self._scaled(start), *self._scaled(end)),
            radius=radius * self._factor,
            fill=fill,
            outline=outline,
            width=self._factor if outline else 0,
        )

    def line(self, start: Point, end: Point, *, fill: str, width: float = 1) -> None:
        """Draw a straight line."""
        self._draw.line(
            (*self._scaled(start), *self._scaled(end)), fill=fill, width=round(width * self._factor)
        )

    def dot(self, at: Point, *, radius: float, fill: str, outline: str | None = None) -> None:
        """Draw a disc."""
        self._draw.circle(
            self._scaled(at), radius * self._factor, fill=fill, outline=outline, width=2 * self._factor
        )

    def png(self) -> bytes:
        """The picture."""
        width, height = (side // _OVERSAMPLING for side in self._image.size)
        target = io.BytesIO()
        self._image.resize((width, height), Image.Resampling.BOX).save(target, "PNG")
        return target.getvalue()

    def _scaled(self, point: Point) -> Point:
        return point[0] * self._factor, point[1] * self._factor


def text_width(text: str, *, size: float = 15, is_bold: bool = False) -> float:
    """The width of a line in units."""
    return float(_font(size * 10, is_bold=is_bold).getlength(text)) / 10


def fitted(text: str, width: float, *, size: float = 15, is_bold: bool = False) -> str:
    """The text, cut off with "..." if it is wider than that many units."""
    if text_width(text, size=size, is_bold=is_bold) <= width:
        return text
    while text and text_width(f"{text}...", size=size, is_bold=is_bold) > width:
        text = text[:-1]
    return f"{text.rstrip()}..."


@cache
def _font(size: float, *, is_bold: bool) -> ImageFont.FreeTypeFont:
    name = "Bold.otf" if is_bold else "Regular.otf"
    return ImageFont.truetype(_FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)
