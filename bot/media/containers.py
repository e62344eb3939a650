"""Detects the container format of a file from its first bytes."""

import re
from collections.abc import Sequence
from pathlib import Path

SNIFFED = 4096  # bytes that are read for it
MP4, MOV, MKV, FLV = ".mp4", ".mov", ".mkv", ".flv"
READABLE = {MP4, MOV, MKV, FLV}  # may contain streams that Telegram plays inline, once remuxed
_EBML = b"\x1a\x45\xdf\xa3"  # RFC 8794
_SEGMENT = b"\x18\x53\x80\x67"
_DOCTYPE = b"\x42\x82"
_OTHERS = (
    (".webp", 8, b"WEBPVP8"),
    (".avi", 8, b"AVI "),
    (".flv", 0, b"FLV\x01"),
    (".ts", 0, b"\x47\x40"),
    (".mpg", 0, b"\x00\x00\x01\xba"),
    (".mpg", 0, b"\x00\x00\x01\xb3"),
    (".wmv", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    (".ogv", 28, b"\x80theora"),
    (".gif", 0, b"GIF8"),
)
_M2TS, _M2TS_PACKET = ".m2ts", 192  # transport stream packets with a four-byte timestamp
SUFFIXES = (MP4, MOV, MKV, ".webm", _M2TS, *dict.fromkeys(each[0] for each in _OTHERS))
# Boxes that an MP4 or MOV may start with: ISO/IEC 14496-12, 4.3 and annex.
FIRST_BOXES = {
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"uuid", b"sidx", b"ssix",
    b"prft", b"emsg", b"pdin", b"meta", b"jumb", b"pnot",
}  # fmt: skip
_IMAGES = {
    b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"jp2 ", b"jpx ", b"crx ",
}  # fmt: skip
# Each MP4 or MOV contains one of these.
_CERTAIN = {b"ftyp", b"moov", b"moof", b"mdat"}
_NAME = re.compile(rb"[A-Za-z0-9 _.-]{4}")
_BOX_HEAD = 8
_LARGE_HEAD = 16
_MAX_FIRST = 16


def suffix_of(path: Path) -> str | None:
    """The suffix of the detected format; None if the content is not a video, e.g. an HTML page."""
    with path.open("rb") as file:
        head = file.read(SNIFFED)
    first = _first_boxes(path)
    if head[4:8] in FIRST_BOXES or any(kind in _CERTAIN for kind, _ in first):
        return _of_boxes(first, head)
    if head.startswith(_EBML):
        at = head.find(_DOCTYPE, 0, 64)
        return MKV if at >= 0 and head[at + 3 : at + 11] == b"matroska" else ".webm"
    if head[8:12] == b"WEBP":
        return ".webp" if b"ANIM" in head[:64] else None  # else a still image
    if head[4:5] == head[4 + _M2TS_PACKET : 5 + _M2TS_PACKET] == b"\x47" and head[5:6] == b"\x40":
        return _M2TS
    return next((suffix for suffix, at, magic in _OTHERS if head[at : at + len(magic)] == magic), None)


def _of_boxes(first: Sequence[tuple[bytes, bytes]], head: bytes) -> str | None:
    """MP4 or MOV by the brand in the ftyp box, wherever that is; a file without a brand is a MOV."""
    for kind, body in first:
        if kind == b"ftyp":
            brand = body[:4]
            if brand in _IMAGES:
                return None  # an image
            return MOV if brand == b"qt  " else MP4
        if kind in {b"moof", b"sidx"}:
            return MP4
    return MP4 if head[4:8] == b"styp" else MOV


def _first_boxes(path: Path) -> list[tuple[bytes, bytes]]:
    """Type and first body bytes of the first boxes, up to the first invalid one."""
    size = path.stat().st_size
    at = 0
    found: list[tuple[bytes, bytes]] = []
    with path.open("rb") as file:
        while len(found) < _MAX_FIRST and at < size:
            file.seek(at)
            box = file.read(_LARGE_HEAD)
            length = int.from_bytes(box[:4], "big")
            if not _NAME.fullmatch(box[4:8]):
                break
            found.append((box[4:8], box[8:]))
            if length == 1:
                length = int.from_bytes(box[8:16], "big")
            if length < _BOX_HEAD:
                break
            at += length
    return found


def ebml_end(path: Path) -> int:
    """The declared end offset of a Matroska file's segment; 0 if its size is unknown. RFC 8794."""
    with path.open("rb") as file:
        head = file.read(SNIFFED)
    if not head.startswith(_EBML):
        return 0
    at, length = _ebml_size(head, len(_EBML))
    at += length or 0
    if head[at : at + 4] != _SEGMENT:
        return 0
    at, length = _ebml_size(head, at + len(_SEGMENT))
    return 0 if length is None else at + length


def _ebml_size(head: bytes, at: int) -> tuple[int, int | None]:
    """The offset after an EBML size field, and the size; None: unknown."""
    width = 9 - head[at].bit_length() if at < len(head) and head[at] else 0
    if not width:
        return at, None
    unknown = (1 << 7 * width) - 1
    size = int.from_bytes(head[at : at + width], "big") & unknown
    return at + width, None if size == unknown else size
