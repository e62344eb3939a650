"""Small real videos: one that is made at once, a bar over a coloured background; and scenes to look at."""

import functools
import struct
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import av
from av.video.plane import VideoPlane

_SCENES = Path(__file__).parent / "scenes"  # drawn by tests/pictures/scenes.py
_FPS = 12
_DARK, _BRIGHT = 90, 210  # luma


class Colour(Enum):
    """The background colour, as Cb and Cr."""

    BLUE = (190, 110)
    GREEN = (90, 90)
    ORANGE = (70, 180)
    VIOLET = (170, 160)


def make_video(
    colour: Colour = Colour.BLUE,
    *,
    size: tuple[int, int] = (320, 180),
    seconds: float = 2.0,
    index_first: bool = True,
    codec: Literal["libx264", "libx265"] = "libx264",
) -> bytes:
    """Make an MP4; libx265 makes HEVC, which Telegram does not play in place."""
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    flags = {"movflags": "+faststart"} if index_first else {}
    with TemporaryDirectory() as folder:  # faststart reads the file again
        file = Path(folder, "video.mp4")
        with av.open(file, mode="w", options=flags) as container:
            stream = container.add_stream(codec, rate=_FPS, options={"preset": "ultrafast"} | quiet)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            for frame in _frames(colour, size, count=max(round(seconds * _FPS), 1)):
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return file.read_bytes()


@functools.cache
def scene(kind: str) -> bytes:
    """The MP4 that the demo's gateway has for a kind of task: 3 s that end where they begin."""
    return (_SCENES / f"{kind}.mp4").read_bytes()


def with_free_box(video: bytes, payload: bytes) -> bytes:
    """Append a box that players skip, to get a different or larger file of the same video."""
    return video + struct.pack(">I4s", 8 + len(payload), b"free") + payload


def _frames(colour: Colour, size: tuple[int, int], *, count: int) -> Iterator[av.VideoFrame]:
    for number in range(count):
        frame = av.VideoFrame(*size, "yuv420p")
        bar = (size[0] - size[0] // 8) * number // count
        _paint(frame.planes[0], _row(frame.planes[0], bar, size[0] // 8))
        for plane, shade in zip(frame.planes[1:], colour.value, strict=True):
            _paint(plane, bytes([shade]) * plane.line_size)
        yield frame


def _row(plane: VideoPlane, start: int, width: int) -> bytes:
    row = bytearray([_DARK]) * plane.line_size
    row[start : start + width] = bytes([_BRIGHT]) * width
    return bytes(row)


def _paint(plane: VideoPlane, row: bytes) -> None:
    plane.update(row * plane.height)
