"""A canvas for flat shapes, in the planes of a video's frame; drawn larger and reduced for smooth edges."""

import math
from collections.abc import Sequence
from typing import Self

import av

Point = tuple[float, float]
Rgb = tuple[int, int, int]
Yuv = tuple[int, int, int]

_OVERSAMPLING = 2


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """A colour between two; share: of the other, 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


class Canvas:
    """Shapes are given in pixels of the frame; what is drawn later lies above."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._width, self._height = width * _OVERSAMPLING, height * _OVERSAMPLING
        self._frame = av.VideoFrame(self._width, self._height, "yuv420p")
        self._strides = [plane.line_size for plane in self._frame.planes]
        self._planes = [bytearray(plane.buffer_size) for plane in self._frame.planes]

    def copy(self) -> Self:
        """Another canvas with the same content."""
        other = type(self)(*self._size)
        other._planes = [bytearray(plane) for plane in self._planes]
        return other

    def frame(self) -> av.VideoFrame:
        """The content as a frame."""
        for plane, content in zip(self._frame.planes, self._planes, strict=True):
            plane.update(bytes(content))
        width, height = self._size
        return self._frame.reformat(width=width, height=height, interpolation="AREA")

    def gradient(self, top: Rgb, bottom: Rgb) -> None:
        """Fill everything, from the colour at the top to that at the bottom."""
        for row in range(self._height):
            self._span(row, 0, self._width, _yuv(mix(top, bottom, row / self._height)))

    def disc(self, centre: Point, radius: float, colour: Rgb, *, flat: float = 1.0) -> None:
        """Fill a circle, or an ellipse; flat: its height for a width of 1."""
        across, down, radius = centre[0] * _OVERSAMPLING, centre[1] * _OVERSAMPLING, radius * _OVERSAMPLING
        shade, tall = _yuv(colour), radius * flat
        for row in range(math.ceil(down - tall), math.floor(down + tall) + 1):
            half = radius * math.sqrt(max(1 - ((row - down) / tall) ** 2, 0))
            self._span(row, across - half, across + half, shade)

    def polygon(self, points: Sequence[Point], colour: Rgb) -> None:
        """Fill a convex polygon."""
        corners = [(x * _OVERSAMPLING, y * _OVERSAMPLING) for x, y in points]
        edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
        shade = _yuv(colour)
        top, bottom = min(y for _, y in corners), max(y for _, y in corners)
        for row in range(max(math.ceil(top), 0), min(math.floor(bottom), self._height - 1) + 1):
            crossed = [
                x0 + (x1 - x0) * (row - y0) / (y1 - y0)
                for (x0, y0), (x1, y1) in edges
                if y0 != y1 and min(y0, y1) <= row <= max(y0, y1)
            ]
            if crossed:
                self._span(row, min(crossed), max(crossed), shade)

    def sea(self, level: float, colour: Rgb, *, height: float, length: float, phase: float) -> None:
        """Fill what is below a wave; phase: 0 to 1 moves it by its length."""
        shade, length = _yuv(colour), length * _OVERSAMPLING
        level, height = level * _OVERSAMPLING, height * _OVERSAMPLING
        for row in range(math.ceil(level - height), math.floor(level + height) + 1):
            rise = math.asin(min(max((level - row) / height, -1.0), 1.0)) / math.tau
            start = (rise + phase) % 1.0 - 1.0
            while start * length < self._width:
                self._span(row, start * length, (start + 0.5 - 2 * rise) * length, shade)
                start += 1.0
        for row in range(math.floor(level + height) + 1, self._height):
            self._span(row, 0, self._width, shade)

    def _span(self, row: int, start: float, end: float, shade: Yuv) -> None:
        first, last = max(round(start), 0), min(round(end), self._width)
        if not 0 <= row < self._height or first >= last:
            return
        luma = row * self._strides[0]
        self._planes[0][luma + first : luma + last] = bytes((shade[0],)) * (last - first)
        first, last = first // 2, (last + 1) // 2
        if row % 2 == 0:
            for index in (1, 2):
                chroma = row // 2 * self._strides[index]
                self._planes[index][chroma + first : chroma + last] = bytes((shade[index],)) * (last - first)


def _yuv(colour: Rgb) -> Yuv:
    """BT.601, limited range."""
    red, green, blue = colour
    return (
        round(16 + 0.257 * red + 0.504 * green + 0.098 * blue),
        round(128 - 0.148 * red - 0.291 * green + 0.439 * blue),
        round(128 + 0.439 * red - 0.368 * green - 0.071 * blue),
    )
