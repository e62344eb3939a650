"""Display size and thumbnail of a video: square pixels, rotated as players rotate it."""

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
_MAX_PACKETS = 300  # packets that are decoded to find a frame that is not black
_MAX_CPU_S = 8.0
_BLACK = 32  # luma; black is 16
_ONE = 1 << 16  # matrices hold 16.16 fixed-point numbers
_TOLERANCE = 0.02  # of a matrix entry from a whole number
_MAX_PIXEL_ASPECT = 10  # width : height of a pixel, or the inverse; beyond it counts as 1
# FFmpeg filters by matrix (a, b, c, d): x' = ax + cy, y' = bx + dy; ISO/IEC 14496-12, 8.3.2.
_FILTERS = {
    (1, 0, 0, 1): (),
    (-1, 0, 0, 1): (("hflip", ""),),
    (1, 0, 0, -1): (("vflip", ""),),
    (-1, 0, 0, -1): (("hflip", ""), ("vflip", "")),
    (0, 1, -1, 0): (("transpose", "clock"),),
    (0, -1, 1, 0): (("transpose", "cclock"),),
    (0, 1, 1, 0): (("transpose", "cclock_flip"),),
    (0, -1, -1, 0): (("transpose", "clock_flip"),),
}
_Rotation = tuple[int, int, int, int]


def picture_of(container: InputContainer) -> VideoStream:
    """The video stream, preferring one that is not cover art; LookupError if there is none."""
    covers = Disposition.attached_pic
    return (
        next((each for each in container.streams.video if not each.disposition & covers), None)
        or (container.streams.video[0])
    )


def rotation_of(matrix: tuple[int, ...] | None) -> _Rotation:
    """Round a matrix to a rotation by quarters, possibly mirrored; any other matrix is ignored."""
    upright = (1, 0, 0, 1)
    if matrix is None:
        return upright
    rounded = [round(each / _ONE) for each in matrix]
    if any(abs(each / _ONE - whole) > _TOLERANCE for each, whole in zip(matrix, rounded, strict=True)):
        return upright
    a, b, c, d = rounded
    return (a, b, c, d) if (a, b, c, d) in _FILTERS else upright


def matrix_in_frame(frame: VideoFrame) -> tuple[int, ...] | None:
    """The display matrix in a frame's side data, for containers other than MP4 and MOV."""
    side_data: Any = frame.side_data  # PyAV's type hints cover one kind of side data only
    found = next((each for each in side_data if each.type is Type.DISPLAYMATRIX), None)
    if found is None:
        return None
    a, b, _, c, d = struct.unpack_from("=5i", bytes(found))
    return a, b, c, d


def display_size(stream: VideoStream, rotation: _Rotation) -> tuple[int, int]:
    """Width and height in square pixels, after rotation."""
    width, height = _square_size(stream)
    return (height, width) if rotation[0] == 0 else (width, height)


def frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The decodable frames, limited by packets and CPU time; damaged frames are skipped."""
    end_s = time.process_time() + _MAX_CPU_S
    for count, packet in enumerate(container.demux(stream), 1):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            decoded = []
        for frame in decoded:
            if not frame.is_corrupt and isinstance(frame, VideoFrame):
                yield frame
        if count >= _MAX_PACKETS or time.process_time() > end_s:
            return


def write_thumbnail(
    candidates: Iterator[VideoFrame], stream: VideoStream, rotation: _Rotation, path: Path
) -> Path | None:
    """Write the first frame that is not black, else the first; None if there is none or it is too large."""
    chosen = None
    for frame in candidates:
        small = _small(frame, stream)
        chosen = chosen or small
        if not _is_black(small):
            chosen = small
            break
    if chosen is None:
        return None
    _rotated(chosen, rotation).save(str(path))
    if path.stat().st_size <= THUMBNAIL_LIMIT:
        return path
    path.unlink()
    return None


def _square_size(stream: VideoStream) -> tuple[int, int]:
    """Width and height in square pixels, before rotation."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, _MAX_PIXEL_ASPECT) <= aspect <= _MAX_PIXEL_ASPECT:
        aspect = Fraction(1)
    return max(1, round(stream.width * aspect)), stream.height


def _small(frame: VideoFrame, stream: VideoStream) -> VideoFrame:
    """Scale a frame to Telegram's limits, with square pixels."""
    size = _square_size(stream)
    scale = min(1.0, THUMBNAIL_SIDE / max(size))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in size)
    return frame.reformat(width=width, height=height, format="yuvj420p")


def _is_black(frame: VideoFrame) -> bool:
    plane = frame.planes[0]
    luma = bytes(plane)
    rows = (luma[at : at + frame.width] for at in range(0, plane.line_size * frame.height, plane.line_size))
    return all(max(row) < _BLACK for row in rows)


def _rotated(frame: VideoFrame, rotation: _Rotation) -> VideoFrame:
    """Apply the rotation with FFmpeg's filters."""
    if not _FILTERS[rotation]:
        return frame
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
    )
    steps = [graph.add(name, arguments or None) for name, arguments in _FILTERS[rotation]]
    graph.link_nodes(source, *steps, graph.add("buffersink")).configure()
    frame.pts = 0
    graph.push(frame)
    rotated = graph.vpull()
    assert isinstance(rotated, VideoFrame)  # noqa: S101 - for the type checker
    return rotated
