"""Parses the boxes of an MP4 or MOV file (ISO/IEC 14496-12) and writes its faststart copy.

The copy moves whole boxes and corrects the chunk offsets in the index (moov); every other byte is unchanged,
so metadata and unknown boxes are kept, and the copy is as large as the file.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

INDEX_LIMIT = 64 << 20  # bytes of an index that is read into memory; an hour of video has some megabytes
_BOX_HEAD = 8  # length and type; 4.2
_LARGE_HEAD = 16  # with a 64-bit length
_MATRIX_AT, _MATRIX_AT_LONG = 40, 52  # bytes from the body of a tkhd box of version 0 and 1; 8.3.2
_MATRIX_SIZE = 36  # bytes
_MAX_BOXES = 100_000  # at the top level
_CHUNK = 1 << 20  # bytes copied in one step
_OFFSETS = {b"stco": "I", b"co64": "Q"}  # 8.7.5
_PARENTS = {b"trak", b"mdia", b"minf", b"stbl"}
# Structural top-level boxes; all others are content of the file and are kept in a remuxed copy.
_STRUCTURE = {
    b"ftyp",
    b"styp",
    b"moov",
    b"moof",
    b"mdat",
    b"mfra",
    b"sidx",
    b"ssix",
    b"free",
    b"skip",
    b"wide",
}
_METADATA = {b"udta", b"meta", b"uuid"}


class Malformed(Exception):
    """The boxes contradict each other."""


@dataclass(frozen=True, slots=True)
class Box:
    """Offsets of a box in its file or parent; end is beyond the end of a truncated file."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(path: Path) -> list[Box]:
    """The top-level boxes of a file."""
    size = path.stat().st_size
    found: list[Box] = []
    at = 0
    with path.open("rb") as file:
        while at + _BOX_HEAD <= size and len(found) < _MAX_BOXES:
            file.seek(at)
            box = _box(file.read(_LARGE_HEAD), at, size)
            if box is None:
                break
            found.append(box)
            at = box.end
    return found


def index_of(path: Path, layout: Sequence[Box]) -> bytes | None:
    """The bytes of the index; None if there is none or it is larger than INDEX_LIMIT."""
    index = next((box for box in layout if box.kind == b"moov"), None)
    if index is None or index.end - index.start > INDEX_LIMIT:
        return None
    with path.open("rb") as file:
        file.seek(index.start)
        return file.read(index.end - index.start)


def matrix_in_index(index: bytes) -> tuple[int, ...] | None:
    """The display matrix of the first video track: a, b, c and d, as 16.16 fixed point; 8.3.2."""
    for trak in _inside(index, _whole(index)):
        if trak.kind != b"trak" or not _is_video(index, trak):
            continue
        for box in _inside(index, trak):
            is_long = index[box.body : box.body + 1] == b"\x01"  # the box's version, with 64-bit times
            at = box.body + (_MATRIX_AT_LONG if is_long else _MATRIX_AT)
            if box.kind == b"tkhd" and at + _MATRIX_SIZE <= box.end:
                a, b, _, c, d = struct.unpack_from(">5i", index, at)
                return a, b, c, d
    return None


def faststart(path: Path, target: Path, *, metadata_from: Path | None = None) -> None:
    """Copy a file with its index right after the first box; raises Malformed.

    metadata_from: a file whose metadata and non-structural boxes replace those of the source.

    1. Find the first box (ftyp) and the index, and put the other file's metadata into the index.
    2. Compute by how many bytes each box moves, and correct the chunk offsets in the index.
    3. Write the first box, the index, all other boxes, and the other file's boxes.
    """
    size = path.stat().st_size
    layout = boxes(path)
    index = index_of(path, layout)
    head = next((box for box in layout if box.kind == b"ftyp"), None)
    if index is None or head is None:
        raise Malformed("no moov or no ftyp box")
    if any(box.kind == b"cmov" for box in _inside(index, _whole(index))):
        raise Malformed("a compressed index")
    extra: list[bytes] = []
    if metadata_from is not None:
        index, extra = _with_metadata_of(metadata_from, index)
    old_index = next(box for box in layout if box.kind == b"moov")
    rest = [box for box in layout if box is not old_index and box is not head]
    index = _corrected(index, _moved([head, *rest], len(index)))
    target.parent.mkdir(exist_ok=True)
    with path.open("rb") as source, target.open("wb") as sink:
        _copy(source, sink, head, size)
        sink.write(index)
        for box in rest:
            _copy(source, sink, box, size)
        for each in extra:
            sink.write(each)


def _box(head: bytes, at: int, limit: int) -> Box | None:
    length, body = int.from_bytes(head[:4], "big"), at + _BOX_HEAD
    if length == 1:  # a 64-bit length follows
        length, body = int.from_bytes(head[8:16], "big"), at + _LARGE_HEAD
    elif length == 0:  # up to the end of the file
        length = limit - at
    if length < body - at:
        return None
    return Box(head[4:8], at, body, at + length)


def _whole(index: bytes) -> Box:
    """The index itself as a box; raises Malformed."""
    box = _box(index[:_LARGE_HEAD], 0, len(index))
    if box is None or box.end > len(index):
        raise Malformed("an index whose length does not match")
    return box


def _inside(data: bytes | bytearray, parent: Box) -> Iterator[Box]:
    """The boxes directly inside a box, up to the first invalid one."""
    at = parent.body
    while at + _BOX_HEAD <= parent.end:
        box = _box(bytes(data[at : at + _LARGE_HEAD]), at, parent.end)
        if box is None or box.end > parent.end:
            return
        yield box
        at = box.end


def _is_video(index: bytes, trak: Box) -> bool:
    for media in _inside(index, trak):
        if media.kind == b"mdia":
            return any(
                box.kind == b"hdlr" and index[box.body + 8 : box.body + 12] == b"vide"
                for box in _inside(index, media)
            )
    return False


def _moved(order: Sequence[Box], gap: int) -> list[tuple[Box, int]]:
    """The shift of each box in bytes; gap is the length of the index, inserted after the first box."""
    moved, at = [], 0
    for number, box in enumerate(order):
        moved.append((box, at - box.start))
        at += box.end - box.start + (gap if number == 0 else 0)
    return sorted(moved, key=lambda each: each[0].start)


def _corrected(index: bytes, moved: Sequence[tuple[Box, int]]) -> bytes:
    """The index with its chunk offsets adjusted to the moved boxes."""
    data = bytearray(index)
    data[:4] = len(data).to_bytes(4, "big") if index[:4] == bytes(4) else index[:4]
    for table in _tables(data, _whole(index)):
        code = _OFFSETS[table.kind]
        count = int.from_bytes(data[table.body + 4 : table.body + 8], "big")
        at, end = table.body + 8, table.body + 8 + count * (4 if code == "I" else 8)
        if end > table.end:
            raise Malformed("a table that is longer than its box")
        offsets = array(code, bytes(data[at:end]))
        if offsets.itemsize * count != end - at:
            raise Malformed("no integer of this size on this machine")
        _swap(offsets)
        try:
            shifted = array(code, _shifted(offsets, moved))
        except OverflowError as error:
            raise Malformed("an offset too large for its table") from error
        _swap(shifted)
        data[at:end] = shifted.tobytes()
    return bytes(data)


def _tables(data: bytearray, parent: Box) -> Iterator[Box]:
    """The tables of chunk offsets of all tracks."""
    for box in _inside(data, parent):
        if box.kind in _PARENTS:
            yield from _tables(data, box)
        elif box.kind in _OFFSETS:
            yield box


def _shifted(offsets: Sequence[int], moved: Sequence[tuple[Box, int]]) -> Iterator[int]:
    """The offsets after the move; a chunk is mostly in the same box as the one before it."""
    box, by = moved[0]
    for offset in offsets:
        if not box.start <= offset < box.end:
            found = next((each for each in moved if each[0].start <= offset < each[0].end), None)
            if found is None:
                raise Malformed("a chunk outside of all boxes")
            box, by = found
        yield offset + by


def _swap(numbers: "array[int]") -> None:
    """Convert between the file's byte order, big-endian, and the machine's."""
    if sys.byteorder == "little":
        numbers.byteswap()


def _with_metadata_of(path: Path, index: bytes) -> tuple[bytes, list[bytes]]:
    """The index with the metadata boxes of another file's index, and that file's non-structural boxes."""
    layout = boxes(path)
    other = index_of(path, layout)
    if other is None:
        return index, []
    kept = [index[box.start : box.end] for box in _inside(index, _whole(index)) if box.kind not in _METADATA]
    metadata = [other[box.start : box.end] for box in _inside(other, _whole(other)) if box.kind in _METADATA]
    body = b"".join(kept + metadata)
    size = path.stat().st_size
    own = [box for box in layout if box.kind not in _STRUCTURE and box.end <= size]
    if sum(box.end - box.start for box in own) > INDEX_LIMIT:
        raise Malformed("more metadata than is read into memory")
    with path.open("rb") as file:
        extra = []
        for box in own:
            file.seek(box.start)
            extra.append(file.read(box.end - box.start))
    return struct.pack(">I4s", _BOX_HEAD + len(body), b"moov") + body, extra


def _copy(source: BinaryIO, sink: BinaryIO, box: Box, size: int) -> None:
    source.seek(box.start)
    left = min(box.end, size) - box.start
    while left > 0 and (chunk := source.read(min(left, _CHUNK))):
        sink.write(chunk)
        left -= len(chunk)
