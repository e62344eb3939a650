"""Films of kinds that the sandbox does not make."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

_UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_QUARTER_TURN = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
_HALF_TURN = struct.pack(">9i", -1 << 16, 0, 0, 0, -1 << 16, 0, 0, 0, 1 << 30)


def turned(film: bytes, *, quarters: int) -> bytes:
    """Have players turn a film clockwise once or twice, as telephones do: ISO/IEC 14496-12, 8.3.2."""
    at = film.index(_UPRIGHT, film.index(b"tkhd"))
    matrix = {1: _QUARTER_TURN, 2: _HALF_TURN}[quarters]
    return film[:at] + matrix + film[at + len(matrix) :]


def with_pictures(path: Path, codec: Literal["libx264", "libsvtav1"], pixels: str) -> None:
    """Make a silent film in this codec and format of pixels."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=10)
        _paint(container, picture, pixels)


def with_sound(
    path: Path, codec: Literal["aac", "libmp3lame", "libopus"], *, index_first: bool = True
) -> None:
    """Make a film of noise with a second of silence in this codec."""
    options = {"movflags": "faststart"} if index_first else {}
    with av.open(str(path), "w", options=options) as container:
        picture = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        sound = container.add_stream(codec, rate=48000)
        _paint(container, picture, "yuv420p")
        silence = av.AudioFrame(format="fltp", layout="stereo", samples=960)
        silence.sample_rate, silence.time_base = 48000, Fraction(1, 48000)
        for channel in silence.planes:
            channel.update(bytes(channel.buffer_size))
        for number in range(50):
            silence.pts = number * silence.samples
            container.mux(sound.encode(silence))
        container.mux(sound.encode())


def packets(path: Path) -> list[tuple[int, int | None, bytes]]:
    """What a film holds, apart from where it stands in the file: stream, time, bytes."""
    with av.open(str(path)) as container:
        found = [(packet.stream_index, packet.pts, bytes(packet)) for packet in container.demux()]
    return sorted(packet for packet in found if packet[2])


def _paint(container: OutputContainer, picture: VideoStream, pixels: str) -> None:
    picture.width, picture.height, picture.pix_fmt = 64, 64, pixels
    for number in range(10):
        frame = av.VideoFrame(64, 64, pixels)
        for plane in frame.planes:
            plane.update(bytes([20 * number]) * plane.buffer_size)
        container.mux(picture.encode(frame))
    container.mux(picture.encode())
