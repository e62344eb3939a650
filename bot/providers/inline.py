"""Videos inside an answer: cut out of the body before it is parsed, so that only small texts are parsed."""

import base64
import binascii
import re
from collections.abc import Sequence

MAX_TEXT = 2**20  # bytes of an answer without the videos in it; most answers have a few thousand
_HEAD = re.compile(rb'"data:[\w.+/;=-]{0,100};base64,')
_SHORTEST_CUT = 4_096  # a shorter one, such as an icon, is parsed with the rest
_MOST_HEADS = 64
_DECODED_AT_ONCE = 2**20  # characters; decoding holds the interpreter
_MARK = "#"  # in place of what was cut out; no base64 has it


def may_hold_video(body: bytes | bytearray) -> bool:
    """Whether an answer that has begun like this may hold the video itself."""
    return _HEAD.search(body) is not None


def cut_videos(body: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The body with a mark in place of each long payload of a data: link, and the payloads."""
    kept: list[bytes] = []
    payloads: list[bytes] = []
    at = 0
    for _ in range(_MOST_HEADS):
        head = _HEAD.search(body, at, at + MAX_TEXT)  # one that comes later stands in too long a text
        if head is None:
            break
        end = body.find(b'"', head.end())
        if end < 0:
            break
        kept.append(body[at : head.end()])
        if end - head.end() < _SHORTEST_CUT:
            kept.append(body[head.end() : end])
        else:
            kept.append(f"{_MARK}{len(payloads)}".encode())
            payloads.append(body[head.end() : end])
        at = end
    kept.append(body[at:])
    return b"".join(kept), tuple(payloads)


def payload_of(link: str, payloads: Sequence[bytes]) -> bytes | None:
    """The payload that was cut out of a data: link, decoded, or None if there is none."""
    number = link.partition(",")[2].removeprefix(_MARK)
    if f",{_MARK}" not in link or not number.isdecimal() or int(number) >= len(payloads):
        return None
    text = payloads[int(number)].replace(b"\\/", b"/").rstrip(b"=")
    text += b"=" * (-len(text) % 4)
    try:
        pieces = [
            base64.b64decode(text[start : start + _DECODED_AT_ONCE], validate=True)
            for start in range(0, len(text), _DECODED_AT_ONCE)
        ]
    except binascii.Error:
        return None
    return b"".join(pieces) or None
