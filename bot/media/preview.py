"""How a film is seen: its size with square pixels, turned as players turn it, and a preview of it."""

import struct
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

THUMBNAIL_SIDE = 320  # pixels; https://core.telegram.org/bots/api#inputmediavideo
THUMBNAIL_LIMIT = 190_000  # bytes, below Telegram's 200 kB
_MOST_FRAMES = 300  # that are looked at for one that shows something
_MOST_CPU_S = 8.0
_BLACK = 32  # luma; black is 16
_ONE = 1 << 16  # a matrix holds 16.16 numbers
_NEAR = 0.02
_STRANGEST = 10  # a pixel is at most so many times as wide as high, or as high as wide
# By a, b, c and d: x' = ax + cy, y' = bx + dy; ISO/IEC 14496-12, 8.3.2.
_TURNS = {
    (1, 0, 0, 1): (),
    (-1, 0, 0, 1): (("hflip", ""),),
    (1, 0, 0, -1): (("vflip", ""),),
    (-1, 0, 0, -1): (("hflip", ""), ("vflip", "")),
    (0, 1, -1, 0): (("transpose", "clock"),),
    (0, -1, 1, 0): (("transpose", "cclock"),),
    (0, 1, 1, 0): (("transpose", "cclock_flip"),),
    (0, -1, -1, 0): (("transpose", "clock_flip"),),
}
_SharedUpload = tuple[int, int, int, int]


def picture_of(container: InputContainer) -> VideoStream:
    """The film's picture, not its cover; LookupError where there is none."""
    covers = Disposition.attached_pic
    return (
        next((each for each in container.streams.video if not each.disposition & covers), None)
        or (container.streams.video[0])
    )


def turn_of(matrix: tuple[int, ...] | None) -> _SharedUpload:
    """A matrix as a quarter turn or mirror; one that is neither counts for nothing."""
    upright = (1, 0, 0, 1)
    if matrix is None:
        return upright
    rounded = [round(each / _ONE) for each in matrix]
    if any(abs(each / _ONE - whole) > _NEAR for each, whole in zip(matrix, rounded, strict=True)):
        return upright
    a, b, c, d = rounded
    return (a, b, c, d) if (a, b, c, d) in _TURNS else upright


def matrix_of(frame: VideoFrame) -> tuple[int, ...] | None:
    """The matrix that came with a frame, from containers that have no index of boxes."""
    side_data: Any = frame.side_data  # PyAV's own types name one kind only
    found = next((each for each in side_data if each.type is Type.DISPLAYMATRIX), None)
    if found is None:
        return None
    a, b, _, c, d = struct.unpack_from("=5i", bytes(found))
    return a, b, c, d


def seen_size(stream: VideoStream, turn: _SharedUpload) -> tuple[int, int]:
    """Width and height with square pixels, upright."""
    width, height = _square(stream)
    return (height, width) if turn[0] == 0 else (width, height)


def frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Those that decode, not more than some; what is damaged is left out."""
    end_s = time.process_time() + _MOST_CPU_S
    for count, packet in enumerate(container.demux(stream), 1):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            decoded = []
        for frame in decoded:
            if not frame.is_corrupt and isinstance(frame, VideoFrame):
                yield frame
        if count >= _MOST_FRAMES or time.process_time() > end_s:
            return


def preview(shots: Iterator[VideoFrame], stream: VideoStream, turn: _SharedUpload, path: Path) -> Path | None:
    """Write the first frame that is not black, else the first; None where there is none to be had."""
    chosen = None
    for shot in shots:
        small = _small(shot, stream)
        chosen = chosen or small
        if not _is_black(small):
            chosen = small
            break
    if chosen is None:
        return None
    _upright(chosen, turn).save(str(path))
    if path.stat().st_size <= THUMBNAIL_LIMIT:
        return path
    path.unlink()
    return None


def _square(stream: VideoStream) -> tuple[int, int]:
    shape = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, _STRANGEST) <= shape <= _STRANGEST:
        shape = Fraction(1)
    return max(1, round(stream.width * shape)), stream.height


def _small(frame: VideoFrame, stream: VideoStream) -> VideoFrame:
    """A frame within Telegram's bounds, with square pixels."""
    seen = _square(stream)
    scale = min(1.0, THUMBNAIL_SIDE / max(seen))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in seen)
    return frame.reformat(width=width, height=height, format="yuvj420p")


def _is_black(frame: VideoFrame) -> bool:
    plane = frame.planes[0]
    luma = bytes(plane)
    rows = (luma[at : at + frame.width] for at in range(0, plane.line_size * frame.height, plane.line_size))
    return all(max(row) < _BLACK for row in rows)


def _upright(frame: VideoFrame, turn: _SharedUpload) -> VideoFrame:
    """The frame as players turn it."""
    if not _TURNS[turn]:
        return frame
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
    )
    steps = [graph.add(name, arguments or None) for name, arguments in _TURNS[turn]]
    graph.link_nodes(source, *steps, graph.add("buffersink")).configure()
    frame.pts = 0
    graph.push(frame)
    turned = graph.vpull()
    assert isinstance(turned, VideoFrame)  # noqa: S101 - for the type checker
    return turned
