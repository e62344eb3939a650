import struct
from pathlib import Path

import pytest

from bot.media.boxes import Malformed, boxes, faststart
from bot.sandbox.sample_video import make_video
from tests.unit.media.sample_videos import box


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "film.mp4"


def ends(path: Path) -> list[tuple[bytes, int]]:
    return [(each.kind, each.end) for each in boxes(path)]


def test_boxes_are_found_by_their_lengths_including_64_bit_ones(path: Path):
    head = struct.pack(">I4s", 12, b"ftyp") + b"isom"
    great = struct.pack(">I4sQ", 1, b"mdat", 1 << 33)
    path.write_bytes(head + great)
    assert ends(path) == [(b"ftyp", 12), (b"mdat", 12 + (1 << 33))]

    rest = struct.pack(">I4s", 0, b"mdat") + bytes(100)
    path.write_bytes(head + rest)
    assert ends(path) == [(b"ftyp", 12), (b"mdat", 120)]


def test_the_number_of_boxes_is_bounded(path: Path):
    path.write_bytes(box(b"free") * 200_000)

    assert len(boxes(path)) == 100_000


@pytest.mark.parametrize(
    "table",
    [
        struct.pack(">II", 0, 5) + bytes(4),
        struct.pack(">III", 0, 1, 0xFFFFFFF0),
        struct.pack(">II", 0, 0xFFFFFFFF),
    ],
    ids=["longer than its box", "outside of all boxes", "of endless length"],
)
def test_tables_that_contradict_the_file_are_malformed(path: Path, table: bytes):
    index = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stco", table))))))
    path.write_bytes(box(b"ftyp", b"isom") + box(b"mdat", bytes(100)) + index)

    with pytest.raises(Malformed):
        faststart(path, path.parent / "faststart" / path.name)


def test_an_offset_too_large_for_its_table_is_malformed(path: Path):
    table = struct.pack(">III", 0, 1, 0xFFFFFFFF)
    index = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stco", table))))))
    path.write_bytes(box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"mdat", 1 << 33))
    with path.open("r+b") as file:  # a sparse file of 8 GB
        file.seek((1 << 33) + 12)
        file.write(index)

    with pytest.raises(Malformed):
        faststart(path, path.parent / "faststart" / path.name)


def test_a_file_without_moov_or_ftyp_is_malformed(path: Path):
    for content in (box(b"ftyp", b"isom"), make_video()[32:]):
        path.write_bytes(content)
        with pytest.raises(Malformed):
            faststart(path, path.parent / "faststart" / path.name)
