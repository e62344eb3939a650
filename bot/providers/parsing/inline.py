"""Videos inside a body (data: URLs): they are cut out before parsing, so that only small texts are parsed."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

MAX_TEXT = 2**20  # bytes of a body without its videos; most have a few thousand
_HEAD = re.compile(rb'"data:[\w.+/;=-]{0,100};base64,')
_SHORTEST_CUT = 4_096  # a shorter one, such as an icon, is parsed with the rest
_MOST_HEADS = 64
_AT_ONCE = 2**18  # characters decoded in one call, as each call holds the GIL
_MOST_PADS = 4  # of base64, where two are the most that are valid
_MARK = "#"  # replaces a payload; not a base64 character


def may_hold_video(body: bytes | bytearray) -> bool:
    """Whether a body, by its first bytes, may contain a video."""
    return _HEAD.search(body) is not None


def cut_videos(body: bytes | bytearray) -> tuple[bytes, tuple[memoryview, ...]] | None:
    """Replace each long payload of a data: link by a mark; return the body and the payloads.

    None if the body without them is too long. The payloads are not copied, as copying holds the GIL.
    """
    whole = memoryview(body)
    kept: list[bytes | memoryview] = []
    payloads: list[memoryview] = []
    at = 0
    for _ in range(_MOST_HEADS):
        head = _HEAD.search(body, at, at + MAX_TEXT)  # the text before a later one would be too long
        if head is None:
            break
        end = body.find(b'"', head.end())
        if end < 0:
            break
        kept.append(whole[at : head.end()])
        if end - head.end() < _SHORTEST_CUT:
            kept.append(whole[head.end() : end])
        else:
            kept.append(f"{_MARK}{len(payloads)}".encode())
            payloads.append(whole[head.end() : end])
        at = end
    kept.append(whole[at:])
    return None if sum(map(len, kept)) > MAX_TEXT else (b"".join(kept), tuple(payloads))


def payload_of(link: str, payloads: Sequence[memoryview]) -> bytes | None:
    """The decoded payload that was cut out of a data: link, or None."""
    number = link.partition(",")[2].removeprefix(_MARK)
    if f",{_MARK}" not in link or not number.isdecimal() or int(number) >= len(payloads):
        return None
    try:
        return b"".join(_decoded(payloads[int(number)])) or None
    except binascii.Error:
        return None


def _decoded(payload: memoryview) -> Iterator[bytes]:
    """Decode base64 in chunks, from a JSON text, where slashes may be escaped."""
    end = len(payload)
    while end > max(0, len(payload) - _MOST_PADS) and payload[end - 1] == ord("="):
        end -= 1
    rest = b""
    for start in range(0, end, _AT_ONCE):
        text = rest + bytes(payload[start : min(start + _AT_ONCE, end)])
        cut = len(text) - text.endswith(b"\\")  # the escaped character is in the next chunk
        clean = text[:cut].replace(b"\\/", b"/")
        whole = len(clean) - len(clean) % 4
        rest = clean[whole:] + text[cut:]
        if b"=" in clean:
            raise binascii.Error
        yield base64.b64decode(clean[:whole], validate=True)
    yield base64.b64decode(rest + b"=" * (-len(rest) % 4), validate=True)
