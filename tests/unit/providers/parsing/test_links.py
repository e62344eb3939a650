import base64
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

import pytest

from bot.providers.parsing.links import (
    as_failure_text,
    as_link,
    decode_inline,
    is_inline,
    link_expiry,
    origin,
    requestable,
)

SIGNED_AT = datetime(2025, 8, 29, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example/a.mp4?Signature=ZmFr%2F%2Fc%3D&b=%20",
        "http://x.example:8080/a",
        "HTTPS://X.EXAMPLE/a",
        "https://x.example/视频.mp4",
        "data:video/mp4;base64,AAAA",
    ],
)
def test_a_link_passes_byte_for_byte(text: str):
    assert as_link(f" {text}\n") == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ok",
        "任务超时",
        "/v1/videos/x",
        "//x.example/a",
        "ftp://x.example/a",
        "https://",
        "https:///a",
        "https://x.example is down",
        "https://x.example/a\nb",
        "https://x.example/\x00",
        "https://x.example/\ud800",
        "https://[::1",
        "data:",
        "https://x.example:99999/",
        "https://a\\@b/",
        "https://x.example/" + "a" * 9000,
        None,
        5,
        ["https://x/"],
    ],
)
def test_a_url_that_cannot_be_requested_is_no_link(value: object):
    assert as_link(value) is None


def test_blanks_in_a_link_are_percent_encoded_and_nothing_else():
    link = "https://x.example/my film.mp4?sig=a+b%2f&x=视频"

    assert as_link(link) == "https://x.example/my%20film.mp4?sig=a+b%2f&x=视频"


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ('https://x.example/a%2fb?sig=q7%2F~|{}^`"<>', 'https://x.example/a%2fb?sig=q7%2F~|{}^`"<>'),
        ("https://x.example/视频 1.mp4?a=%2F", "https://x.example/%E8%A7%86%E9%A2%91%201.mp4?a=%2F"),
        ("/a b\tc", "/a%20b%09c"),
        ("/%E4%BD\udce4\udcbd\udca0", "/%E4%BD%E4%BD%A0"),
        ("https://视频.example:8443/a", "https://xn--cy2a840a.example:8443/a"),
        ("//x.example/é", "//x.example/%C3%A9"),
        ("?a=é", "?a=%C3%A9"),
    ],
)
def test_only_what_a_request_line_may_not_hold_is_percent_encoded(link: str, asked: str):
    assert requestable(link) == asked


def test_a_failures_text_is_not_a_link():
    assert as_failure_text("https://x.example/a.mp4 was refused") == "https://x.example/a.mp4 was refused"
    assert as_failure_text("https://x.example/a.mp4") is None
    assert as_failure_text(" 任务超时 ") == "任务超时"
    assert as_failure_text({"message": "x"}) is None


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://X.example/a", ("https", "x.example", 443)),
        ("http://x.example:3000/a", ("http", "x.example", 3000)),
        ("https://key@x.example/a", None),
        ("https://ⅹ.example/a", None),
        ("nonsense", None),
    ],
)
def test_an_ambiguous_link_has_no_origin(link: str, expected: object):
    assert origin(link) == expected


@pytest.mark.parametrize(
    ("query", "death"),
    [
        ("Expires=1760266939&Signature=x", datetime(2025, 10, 12, 11, 2, 19, tzinfo=UTC)),
        ("X-Tos-Date=20250829T085221Z&X-Tos-Expires=86400", datetime(2025, 8, 30, 8, 52, 21, tzinfo=UTC)),
        ("X-Amz-Date=20250829T085221Z&X-Amz-Expires=3600", datetime(2025, 8, 29, 9, 52, 21, tzinfo=UTC)),
        ("x-oss-date=20250829T085221Z&x-oss-expires=60", datetime(2025, 8, 29, 8, 53, 21, tzinfo=UTC)),
        ("X-Tos-Expires=86400&X-Tos-Signature=00", datetime(2025, 8, 30, 8, 0, tzinfo=UTC)),
        (
            "se=2025-10-12T15%3A04%3A21Z&sig=x",
            datetime(2025, 10, 12, 15, 4, 21, tzinfo=UTC),
        ),
        ("x-expires=1760266939", datetime(2025, 10, 12, 11, 2, 19, tzinfo=UTC)),
        ("Expires=never", None),
        ("X-Tos-Expires=-1", None),
        ("X-Tos-Date=20250829T085221Z&X-Tos-Expires=1e12", None),
        ("", None),
    ],
)
def test_a_signed_links_expiry_is_read_from_its_query(query: str, death: datetime | None):
    assert link_expiry(f"https://x.example/a.mp4?{query}", signed_at=SIGNED_AT) == death


def test_a_life_without_a_beginning_has_no_end():
    assert link_expiry("https://x.example/a?X-Tos-Expires=86400", signed_at=None) is None


@pytest.mark.parametrize(
    ("link", "data"),
    [
        ("data:video/mp4;base64," + base64.b64encode(b"video").decode(), b"video"),
        ("data:video/mp4;base64,dmlkZW8", b"video"),
        ("data:video/mp4;base64,dmlk%5AW8=", b"video"),
        ("data:,plain%20bytes", b"plain bytes"),
        ("data:video/mp4;base64,", None),
        ("data:video/mp4;base64,A", None),
        ("data:video/mp4;base64,é", None),
    ],
)
def test_inline_bytes_are_decoded(link: str, data: bytes | None):
    assert is_inline(link)
    assert decode_inline(link) == data


@pytest.mark.parametrize("before", range(6))
def test_a_long_inline_text_is_decoded_wherever_a_piece_ends(before: int):
    text = "x" * before + "%41yyyyyyyyyyyyyyyyyy%%2" * 16_000
    assert decode_inline(f"data:,{text}") == unquote_to_bytes(text)


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("https://c.example/👩\u200d🎤.mp4", "https://c.example/👩%E2%80%8D🎤.mp4"),
        ("https://c.example/a\u3000b.mp4", "https://c.example/a%E3%80%80b.mp4"),
        ("https://c.example/a\u202eb.mp4", "https://c.example/a%E2%80%AEb.mp4"),
        ("`https://c.example/a.mp4?s=%2F`", "https://c.example/a.mp4?s=%2F"),
        (" <https://c.example/a.mp4> ", "https://c.example/a.mp4"),
        ("https://c\u200d.example/a.mp4", None),
        ("https://c.example/a\nb.mp4", None),
        ("https://c.example/a\ud800.mp4", None),
    ],
)
def test_marks_that_hide_in_a_link_are_encoded_and_quotes_around_it_are_none_of_it(
    value: str, link: str | None
):
    assert as_link(value) == link


def test_inline_text_of_nothing_but_escapes_is_no_video():
    assert decode_inline("data:video/mp4," + "%41" * 50_001) is None
    assert decode_inline("data:video/mp4," + "%41" * 50_000) == b"A" * 50_000
