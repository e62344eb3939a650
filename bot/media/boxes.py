"""The boxes of an MP4 or MOV file (ISO/IEC 14496-12), and a copy of it with the index in front.

The copy moves whole boxes and corrects the index's chunk offsets: every other byte stays, so no title, no
label and no box that nobody here knows is lost, and the copy is as large as the file.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

INDEX_LIMIT = 64 << 20  # bytes of an index that is read into memory; an hour's film has some megabytes
_BOX_HEAD = 8  # length and type; 4.2
_GREAT_HEAD = 16
_MOST_BOXES = 100_000
_CHUNK = 1 << 20
_OFFSETS = {b"stco": "I", b"co64": "Q"}  # 8.7.5
_PARENTS = {b"trak", b"mdia", b"minf", b"stbl"}
# What tells how a film is stored; all else at the top of a file or an index is its own to tell.
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
_TOLD = {b"udta", b"meta", b"uuid"}


class Malformed(Exception):
    """The boxes contradict each other."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a box lies in its file or parent; end is past the file's own end if it was cut."""

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
        while at + _BOX_HEAD <= size and len(found) < _MOST_BOXES:
            file.seek(at)
            box = _box(file.read(_GREAT_HEAD), at, size)
            if box is None:
                break
            found.append(box)
            at = box.end
    return found


def index_of(path: Path, layout: Sequence[Box]) -> bytes | None:
    """The index's bytes, unless there is none of a size to be read."""
    index = next((box for box in layout if box.kind == b"moov"), None)
    if index is None or index.end - index.start > INDEX_LIMIT:
        return None
    with path.open("rb") as file:
        file.seek(index.start)
        return file.read(index.end - index.start)


def matrix_of(index: bytes) -> tuple[int, ...] | None:
    """How players turn the picture: a, b, c and d of the first video track's matrix, as 16.16; 8.3.2."""
    for trak in _inside(index, _whole(index)):
        if trak.kind != b"trak" or not _is_video(index, trak):
            continue
        for box in _inside(index, trak):
            at = box.body + (52 if index[box.body : box.body + 1] == b"\x01" else 40)
            if box.kind == b"tkhd" and at + 36 <= box.end:
                a, b, _, c, d = struct.unpack_from(">5i", index, at)
                return a, b, c, d
    return None


def faststart(path: Path, target: Path, *, told_by: Path | None = None) -> None:
    """Copy a film with its index behind the first box; Malformed.

    told_by: a film whose own boxes and notes the copy is to have in place of its notes.
    """
    size = path.stat().st_size
    layout = boxes(path)
    index = index_of(path, layout)
    head = next((box for box in layout if box.kind == b"ftyp"), None)
    if index is None or head is None:
        raise Malformed("no index or no head")
    if any(box.kind == b"cmov" for box in _inside(index, _whole(index))):
        raise Malformed("a packed index")
    extra: list[bytes] = []
    if told_by is not None:
        index, extra = _with_notes_of(told_by, index)
    old = next(box for box in layout if box.kind == b"moov")
    rest = [box for box in layout if box is not old and box is not head]
    moved = _moved([head, *rest], len(index))
    index = _corrected(index, moved)
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
    if length == 1:  # the real length follows in eight bytes
        length, body = int.from_bytes(head[8:16], "big"), at + _GREAT_HEAD
    elif length == 0:  # as far as the file goes
        length = limit - at
    if length < body - at:
        return None
    return Box(head[4:8], at, body, at + length)


def _whole(index: bytes) -> Box:
    box = _box(index[:_GREAT_HEAD], 0, len(index))
    if box is None or box.end > len(index):
        raise Malformed("an index of another length")
    return box


def _inside(data: bytes | bytearray, parent: Box) -> Iterator[Box]:
    at = parent.body
    while at + _BOX_HEAD <= parent.end:
        box = _box(bytes(data[at : at + _GREAT_HEAD]), at, parent.end)
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
    """By how much each box goes on; the index of that length comes behind the first."""
    moved, at = [], 0
    for number, box in enumerate(order):
        moved.append((box, at - box.start))
        at += box.end - box.start + (gap if number == 0 else 0)
    return sorted(moved, key=lambda each: each[0].start)


def _corrected(index: bytes, moved: Sequence[tuple[Box, int]]) -> bytes:
    """The index with its chunk offsets as they are when the boxes have moved."""
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
            raise Malformed("no such numbers on this machine")
        _swap(offsets)
        try:
            shifted = array(code, _shifted(offsets, moved))
        except OverflowError as error:
            raise Malformed("an offset that is too great for its table") from error
        _swap(shifted)
        data[at:end] = shifted.tobytes()
    return bytes(data)


def _tables(data: bytearray, parent: Box) -> Iterator[Box]:
    for box in _inside(data, parent):
        if box.kind in _PARENTS:
            yield from _tables(data, box)
        elif box.kind in _OFFSETS:
            yield box


def _shifted(offsets: Sequence[int], moved: Sequence[tuple[Box, int]]) -> Iterator[int]:
    box, by = moved[0]
    for offset in offsets:
        if not box.start <= offset < box.end:
            found = next((each for each in moved if each[0].start <= offset < each[0].end), None)
            if found is None:
                raise Malformed("a chunk outside of all boxes")
            box, by = found
        yield offset + by


def _swap(numbers: "array[int]") -> None:
    if sys.byteorder == "little":
        numbers.byteswap()


def _with_notes_of(path: Path, index: bytes) -> tuple[bytes, list[bytes]]:
    """The index with the notes of another film's index, and that film's own top-level boxes."""
    layout = boxes(path)
    other = index_of(path, layout)
    if other is None:
        return index, []
    kept = [index[box.start : box.end] for box in _inside(index, _whole(index)) if box.kind not in _TOLD]
    told = [other[box.start : box.end] for box in _inside(other, _whole(other)) if box.kind in _TOLD]
    body = b"".join(kept + told)
    size = path.stat().st_size
    own = [box for box in layout if box.kind not in _STRUCTURE and box.end <= size]
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
