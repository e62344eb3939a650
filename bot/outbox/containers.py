"""Which container a file's first bytes are of."""

from pathlib import Path

SNIFFED = 4096  # bytes that tell it
MP4, MOV, MKV, FLV = ".mp4", ".mov", ".mkv", ".flv"
READABLE = {MP4, MOV, MKV, FLV}  # that may hold what can be played in place
_EBML = b"\x1a\x45\xdf\xa3"  # RFC 8794
_DOCTYPE = b"\x42\x82"
_OTHERS = (
    (".webp", 8, b"WEBPVP8"),
    (".avi", 8, b"AVI "),
    (".flv", 0, b"FLV\x01"),
    (".ts", 0, b"\x47\x40"),
    (".gif", 0, b"GIF8"),
)
SUFFIXES = (MP4, MOV, MKV, ".webm", *(each[0] for each in _OTHERS))
# Boxes that an MP4 or MOV may begin with: ISO/IEC 14496-12, 4.3 and annex.
FIRST_BOXES = {
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"uuid", b"sidx", b"ssix",
    b"prft", b"emsg", b"pdin", b"meta", b"jumb", b"pnot",
}  # fmt: skip
_BOX_HEAD = 8


def suffix_of(path: Path) -> str | None:
    """The ending that a file's first bytes call for; None of a page or a message, which is no video."""
    with path.open("rb") as file:
        head = file.read(SNIFFED)
    if head[4:8] in FIRST_BOXES:
        return _of_boxes(path, head)
    if head.startswith(_EBML):
        return _of_ebml(head)
    if head[8:12] == b"WEBP":
        return ".webp" if b"ANIM" in head[:64] else None  # else it is a picture
    return next((suffix for suffix, at, magic in _OTHERS if head[at : at + len(magic)] == magic), None)


def _of_boxes(path: Path, head: bytes) -> str | None:
    """MP4 or MOV by the brand, wherever among the first boxes that stands; without a brand it is a MOV."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        for _ in range(16):
            file.seek(at)
            box = file.read(16)
            if box[4:8] == b"ftyp":
                brand = box[8:12]
                if brand in {b"avif", b"avis", b"heic", b"mif1", b"msf1"}:
                    return None  # a picture
                return MOV if brand == b"qt  " else MP4
            if box[4:8] in {b"moof", b"sidx"}:
                return MP4
            length = int.from_bytes(box[:4], "big")
            if length == 1:
                length = int.from_bytes(box[8:16], "big")
            at += length
            if length < _BOX_HEAD or at >= size:
                break
    return MP4 if head[4:8] == b"styp" else MOV


def _of_ebml(head: bytes) -> str:
    at = head.find(_DOCTYPE, 0, 64)
    return MKV if at >= 0 and head[at + 3 : at + 11] == b"matroska" else ".webm"
