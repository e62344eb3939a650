from pathlib import Path

import pytest

from bot.media.containers import suffix_of
from tests.unit.media.sample_videos import box

MP4_HEAD, MOV_HEAD = box(b"ftyp", b"isom", bytes(8)), box(b"ftyp", b"qt  ", bytes(8))
RIFF = b"RIFF\x00\x01\x00\x00"


@pytest.mark.parametrize("first", [b"styp", b"free", b"skip", b"uuid", b"wide", b"mdat", b"sidx", b"emsg"])
def test_an_mp4_is_detected_whatever_its_first_box(tmp_path: Path, first: bytes):
    path = tmp_path / "file"
    path.write_bytes(box(first, bytes(100)) + MP4_HEAD)

    assert suffix_of(path) == ".mp4"


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (MP4_HEAD, ".mp4"),
        (MOV_HEAD, ".mov"),
        (box(b"wide") + MOV_HEAD, ".mov"),
        (box(b"moov", bytes(100)) + box(b"mdat", bytes(10)), ".mov"),
        (box(b"mdat", bytes(100)) + box(b"moov", bytes(10)), ".mov"),
        (box(b"styp", b"msdh") + box(b"moof", bytes(20)), ".mp4"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", ".mkv"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", ".webm"),
        (b"FLV\x01\x05\x00\x00\x00\x09", ".flv"),
        (RIFF + b"WEBPVP8X" + bytes(14) + b"ANIM", ".webp"),
        (RIFF + b"AVI LIST", ".avi"),
        (b"\x47\x40\x00\x10", ".ts"),
        ((b"\x0d\x9e\xe2\x02\x47\x40\x11\x10" + bytes(184)) * 2, ".m2ts"),
        (b"PAGEG@ME OVER" + bytes(300), None),
        (b"\x00\x00\x01\xba\x44\x00\x04\x00", ".mpg"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", ".wmv"),
        (b"OggS\x00\x02" + bytes(20) + b"\x01\x2a\x80theora", ".ogv"),
        (b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead", None),
        (box(b"junk", bytes(20)) + MP4_HEAD, ".mp4"),
        (box(b"udta", bytes(20)) + box(b"PICT", bytes(9)) + MOV_HEAD, ".mov"),
        (box(b"junk", bytes(20)) + box(b"what", bytes(20)), None),
        (b"\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a" + box(b"ftyp", b"jp2 ", bytes(8)), None),
        (b"GIF89a", ".gif"),
        (RIFF + b"WEBPVP8L" + bytes(100), None),
        (RIFF + b"WAVEfmt ", None),
        (box(b"ftyp", b"avif", bytes(8)), None),
        (b"<!DOCTYPE html><html></html>", None),
        (b'{"status": "processing"}', None),
        (b"", None),
    ],
)
def test_a_format_is_detected_by_its_first_bytes(tmp_path: Path, content: bytes, suffix: str | None):
    path = tmp_path / "file"
    path.write_bytes(content)

    assert suffix_of(path) == suffix
