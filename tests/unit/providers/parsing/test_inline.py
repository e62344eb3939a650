"""Videos inside bodies are cut out and decoded in chunks, with the same result as at once."""

import base64
import json

import pytest

from bot.providers.parsing.inline import MAX_TEXT, cut_videos, payload_of

LINK = "data:video/mp4;base64,"
BASE64 = b"QUJD" * 2_000
LARGE = bytes(range(256)) * 4_000


@pytest.mark.parametrize("size", [3_100, 3_101, 3_102, 196_608, 196_609, 400_000, 1_000_001])
@pytest.mark.parametrize("before", range(4))
def test_a_payload_is_decoded_wherever_a_piece_ends(size: int, before: int):
    data = b"\xff\xff\xfe"[:before] + b"\xff" * size  # base64 of "/" alone, each escaped
    text = base64.b64encode(data).replace(b"/", b"\\/")
    cut = cut_videos(b'{"url": "' + LINK.encode() + text + b'"}')
    assert cut
    assert json.loads(cut[0]) == {"url": f"{LINK}#0"}
    assert payload_of(f"{LINK}#0", cut[1]) == data


@pytest.mark.parametrize(
    "payload",
    [
        b"=" * 10_000,
        b"!" * 10_000,
        b"QUJD" * 2_000 + b"=QUJ",
        b"QUJD" * 2_000 + b"\\",
        b"QUJD" * 2_000 + b"Q",
    ],
)
def test_what_is_no_base64_is_no_payload(payload: bytes):
    assert payload_of(f"{LINK}#0", (memoryview(payload),)) is None


def test_padding_that_is_left_out_is_not_missed():
    payload = base64.b64encode(LARGE + b"x").rstrip(b"=")
    assert payload_of(f"{LINK}#0", (memoryview(payload),)) == LARGE + b"x"


def test_a_text_that_is_too_long_without_its_videos_is_not_cut():
    video = b'"' + LINK.encode() + b"QUJD" * 2_000 + b'"'
    assert cut_videos(b"[" + video + b" " * (MAX_TEXT - 100) + b"]")
    assert cut_videos(b"[" + video + b" " * MAX_TEXT + b"]") is None
