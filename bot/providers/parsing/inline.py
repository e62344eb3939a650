"""Videos inside an answer: cut out of the body before it is parsed, so that only small texts are parsed."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

MAX_TEXT = 2**20  # bytes of an answer without the videos in it; most answers have a few thousand
_HEAD = re.compile(rb'"data:[\w.+/;=-]{0,100};base64,')
_SHORTEST_CUT = 4_096  # a shorter one, such as an icon, is parsed with the rest
_MOST_HEADS = 64
_AT_ONCE = 2**18  # characters decoded in one call, as each holds the interpreter
_MOST_PADS = 4  # of base64; two are the most that mean something
_MARK = "#"  # in place of what was cut out; no base64 has it


def may_hold_video(body: bytes | bytearray) -> bool:
    """Whether an answer that has begun like this may hold the video itself."""
    return _HEAD.search(body) is not None


def cut_videos(body: bytes | bytearray) -> tuple[bytes, tuple[memoryview, ...]] | None:
    """The body with a mark in place of each long payload of a data: link, and the payloads.

    None where the text without them is too long. The payloads are not copied: copying holds the interpreter.
    """
    whole = memoryview(body)
    kept: list[bytes | memoryview] = []
    payloads: list[memoryview] = []
    at = 0
    for _ in range(_MOST_HEADS):
        head = _HEAD.search(body, at, at + MAX_TEXT)  # one that comes later stands in too long a text
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
    """The payload that was cut out of a data: link, decoded, or None if there is none."""
    number = link.partition(",")[2].removeprefix(_MARK)
    if f",{_MARK}" not in link or not number.isdecimal() or int(number) >= len(payloads):
        return None
    try:
        return b"".join(_decoded(payloads[int(number)])) or None
    except binascii.Error:
        return None


def _decoded(payload: memoryview) -> Iterator[bytes]:
    """Decode base64 in a JSON text, in which each slash may be escaped, piece by piece."""
    end = len(payload)
    while end > max(0, len(payload) - _MOST_PADS) and payload[end - 1] == ord("="):
        end -= 1
    rest = b""
    for start in range(0, end, _AT_ONCE):
        text = rest + bytes(payload[start : min(start + _AT_ONCE, end)])
        cut = len(text) - text.endswith(b"\\")  # what it escapes is in the next piece
        clean = text[:cut].replace(b"\\/", b"/")
        whole = len(clean) - len(clean) % 4
        rest = clean[whole:] + text[cut:]
        if b"=" in clean:
            raise binascii.Error
        yield base64.b64decode(clean[:whole], validate=True)
    yield base64.b64decode(rest + b"=" * (-len(rest) % 4), validate=True)
