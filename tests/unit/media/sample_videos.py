"""Sample videos beyond those of the sandbox, and edits of MP4 files."""

import struct
import zlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

_UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_QUARTER_TURN = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
_HALF_TURN = struct.pack(">9i", -1 << 16, 0, 0, 0, -1 << 16, 0, 0, 0, 1 << 30)


def turned(sample: bytes, *, quarters: int) -> bytes:
    """Set a rotation matrix of one or two clockwise quarters, as phones do: ISO/IEC 14496-12, 8.3.2."""
    return with_matrix(sample, {1: _QUARTER_TURN, 2: _HALF_TURN}[quarters])


def with_matrix(sample: bytes, matrix: bytes) -> bytes:
    """Replace the display matrix, nine numbers."""
    at = sample.index(_UPRIGHT, sample.index(b"tkhd"))
    return sample[:at] + matrix + sample[at + len(matrix) :]


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of these parts."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def kinds_of(sample: bytes) -> list[bytes]:
    """The types of the top-level boxes."""
    return [kind for kind, _ in _boxes(sample)]


def with_packed_index(sample: bytes) -> bytes:
    """Compress the index at the end of a file, as QuickTime does."""
    parts = _boxes(sample)
    assert parts[-1][0] == b"moov"
    index = box(b"moov", parts[-1][1])
    packed = box(b"cmvd", struct.pack(">I", len(index)), zlib.compress(index))
    return sample[: -len(index)] + box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), packed))


def repeating(sample: bytes, times: int) -> bytes:
    """A file whose tables repeat its first chunk so many times, 1 MB each."""
    chunk = 1_000_000
    sizes, media = sample.index(b"stsz") + 12, sample.index(b"mdat") + 4
    shot = sample[media : media + int.from_bytes(sample[sizes + 4 : sizes + 8], "big")]
    filler = chunk - len(shot) - 4
    filling = box(b"mdat", shot, struct.pack(">I", filler), b"\x0c".ljust(filler, b"\xff"))
    head = next(body for kind, body in _boxes(sample) if kind == b"ftyp")
    index = next(body for kind, body in _boxes(sample) if kind == b"moov")
    at = len(box(b"ftyp", head)) + 8
    tables = {
        b"stts": bytes(4) + struct.pack(">III", 1, times, 100),
        b"stsc": bytes(4) + struct.pack(">IIII", 1, 1, 1, 1),
        b"stsz": bytes(4) + struct.pack(">II", chunk, times),
        b"stco": bytes(4) + struct.pack(">I", times) + struct.pack(">I", at) * times,
        b"ctts": None,
        b"stss": None,
    }
    return box(b"ftyp", head) + filling + box(b"moov", _with_tables(index, tables))


def copied(sample: bytes, path: Path, container: str, **options: str) -> None:
    """Remux a file into another container."""
    source_path = path.with_name("source.mp4")
    source_path.write_bytes(sample)
    with (
        av.open(str(source_path)) as source,
        av.open(str(path), "w", format=container, options=options) as sink,
    ):
        copies = {stream.index: sink.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                sink.mux(packet)
    source_path.unlink()


def shifted(sample: bytes, by: int) -> bytes:
    """Shift all chunk offsets of a file."""
    at = sample.index(b"stco") + 8
    count = int.from_bytes(sample[at : at + 4], "big")
    offsets = struct.unpack_from(f">{count}I", sample, at + 4)
    moved = struct.pack(f">{count}I", *(offset + by for offset in offsets))
    return sample[: at + 4] + moved + sample[at + 4 + len(moved) :]


def stretched(path: Path, shape: Fraction) -> None:
    """Write a video of 64×64 pixels with this pixel aspect ratio."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        picture.codec_context.sample_aspect_ratio = shape
        _paint(container, picture, "yuv420p")


def with_black_start(path: Path, *, black: int) -> None:
    """Write a video that starts with so many black frames, followed by bright ones."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        for number in range(black + 5):
            frame = av.VideoFrame(64, 64, "yuv420p")
            for plane, shade in zip(frame.planes, (16 if number < black else 200, 128, 128), strict=True):
                plane.update(bytes([shade]) * plane.buffer_size)
            container.mux(picture.encode(frame))
        container.mux(picture.encode())


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + length]))
        at += length
    return found


def _with_tables(data: bytes, tables: Mapping[bytes, bytes | None]) -> bytes:
    parts = []
    for kind, body in _boxes(data):
        if kind in {b"trak", b"mdia", b"minf", b"stbl"}:
            parts.append(box(kind, _with_tables(body, tables)))
        elif (new := tables.get(kind, body)) is not None:
            parts.append(box(kind, new))
    return b"".join(parts)


def with_pictures(path: Path, codec: str, pixels: str, container_format: str | None = None) -> None:
    """Write a video without audio in this codec and pixel format."""
    with av.open(str(path), "w", format=container_format) as container:
        picture = container.add_stream(codec, rate=10)
        assert isinstance(picture, VideoStream)
        _paint(container, picture, pixels)


def with_sound(
    path: Path, codec: Literal["aac", "libmp3lame", "libopus"], *, index_first: bool = True
) -> None:
    """Write a video with a second of silence in this audio codec."""
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


def with_pictures_held_back(path: Path, container: str) -> None:
    """Write a video of 20 frames with audio and B-frames."""
    with av.open(str(path), "w", format=container) as sink:
        picture = sink.add_stream("libx264", rate=10, options={"preset": "medium", "bf": "3"})
        sound = sink.add_stream("aac", rate=48000)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame(64, 64, "yuv420p")
            for plane, shade in zip(frame.planes, (60 + 5 * number, 128, 128), strict=True):
                plane.update(bytes([shade]) * plane.buffer_size)
            sink.mux(picture.encode(frame))
        sink.mux(picture.encode())
        silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        silence.sample_rate, silence.time_base = 48000, Fraction(1, 48000)
        for channel in silence.planes:
            channel.update(bytes(channel.buffer_size))
        for number in range(94):
            silence.pts = number * silence.samples
            sink.mux(sound.encode(silence))
        sink.mux(sound.encode())


def packets(path: Path) -> list[tuple[int, int | None, bytes]]:
    """All packets of a file, sorted: stream, pts, bytes."""
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
