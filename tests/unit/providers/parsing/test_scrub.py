import time

import pytest

from bot.providers.parsing.scrub import Scrubber

KEY = "sk-Zq7LmW2xVt9RbK4cYh3N"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"Incorrect API key: {KEY}.", "Incorrect API key: ***."),
        ("Incorrect API key provided: sk-xxxx****xxxx.", "Incorrect API key provided: ***."),
        ("该令牌额度已用尽 TokenStatusExhausted[sk-duK***qqX]", "该令牌额度已用尽 TokenStatusExhausted[***]"),
        ("token Zq7LmW2x is wrong", "token *** is wrong"),
        ("…W2xVt9RbK4cY…", "…***…"),
        ("sent Authorization: Bearer abcd.efgh-1234567", "sent Authorization: Bearer ***"),
        ("Received API Key = sk-...1234, hashed", "Received API Key = ***, hashed"),
        ("another's sk-proj-0123456789abcdef.", "another's ***."),
        ("key abcd****wxyz", "key ***"),
        ("key sk-abcdefgh1234 is wrong", "key *** is wrong"),
        ("LTAI5tAbCdEfGhIj failed", "*** failed"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", "jwt ***"),
    ],
)
def test_keys_and_their_pieces_are_hidden(text: str, clean: str):
    assert Scrubber(KEY)(text, 500) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (
            "can't load https://x.example/a.png?Signature=abc%3D now",
            "can't load https://x.example/a.png?*** now",
        ),
        ("see https://user:secret@x.example/", "see https://***@x.example/"),
        ("got data:image/png;base64,AAAA", "got ***"),
        ("无效的令牌 (request id: 2026050307)", "无效的令牌"),
        ("may be sensitive. Request id: 0217abc", "may be sensitive."),
    ],
)
def test_signed_links_and_request_ids_are_left_out(text: str, clean: str):
    assert Scrubber(KEY)(text, 500) == clean


@pytest.mark.parametrize(
    "text",
    [
        "task-unified-1757169743 failed",
        "disk-error",
        "size 1280*720",
        "当前分组上游负载已饱和",
        "👨‍👩‍👧 *_[<",
    ],
)
def test_harmless_text_stays_as_it_is(text: str):
    assert Scrubber(KEY)(text, 500) == text


@pytest.mark.parametrize(
    "text",
    [
        "SK-II神仙水广告，女孩在海边微笑",
        "SK-II… facial treatment essence bottle, sk-8 park at sunset",
        "a standard bearer marching through the rain",
        "Style: ***cinematic*** sunset",
        "request id: badge on the desk",
    ],
)
def test_what_a_person_wrote_is_left_alone(text: str):
    assert Scrubber(KEY)(text, 500, is_from_vendor=False) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"with my key {KEY}", "with my key ***"),
        ("with his key sk-0123456789abcdefg", "with his key ***"),
        (
            "like https://x.example/a.png?Signature=abc%3D but blue",
            "like https://x.example/a.png?*** but blue",
        ),
    ],
)
def test_keys_and_signed_links_are_hidden_in_what_a_person_wrote_too(text: str, clean: str):
    assert Scrubber(KEY)(text, 500, is_from_vendor=False) == clean


def test_what_cannot_be_shown_becomes_space():
    assert Scrubber(KEY)("a\x00b\ud800c\u202ed\r\n\te", 500) == "a b?c d e"


def test_long_text_is_cut():
    assert Scrubber(KEY)("x" * 600, 500) == "x" * 499 + "…"


def test_a_key_of_a_few_letters_does_not_eat_words():
    assert Scrubber("key")("the key is wrong", 500) == "the key is wrong"


def test_a_short_key_is_hidden_whole():
    assert Scrubber("s3cret")("the s3cret is wrong", 500) == "the *** is wrong"


@pytest.mark.parametrize(
    "piece",
    [" ", "a", "sk-", "http://", "https://x?", "(request id ", "*-", "eyJ-", "Bearer "],
)
def test_no_text_takes_long(piece: str):
    began = time.process_time()
    Scrubber(KEY)(piece * 10**6, 500)
    assert time.process_time() - began < 1
