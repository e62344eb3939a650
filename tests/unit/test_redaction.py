"""What is a secret anywhere is a secret everywhere, and the longest text costs little."""

import time

import pytest

from bot.providers.scrub import Scrubber
from bot.redaction import LONGEST, REDACTED, Redactor, hide


@pytest.mark.parametrize(
    "text",
    [
        "key sk-hunter2hunter2 is wrong",
        "sk-hunter21234",
        "LTAIhunter2hunter2",
        "eyJhbGhunter2.hunter2",
        "https://cdn.example/a.mp4?sig=hunter2",
        "https://cdn.example/a.mp4#hunter2",
        "http://a.example/x,http://me:hunter2@b.example/",
        "HTTPS://me:hunter2@b.example/",
        "bot1234567:AAhunter2hunter2hunter2hunter2hunt",
        "Authorization: Bearer hunter2",
        "data:video/mp4;base64,hunter2",
    ],
)
def test_logs_and_chats_hide_the_same(text: str):
    assert "hunter2" not in Redactor([]).redact(text)
    assert "hunter2" not in Scrubber("")(text, 500)


def test_a_secret_is_hidden_in_its_encoded_form_as_well():
    assert Redactor(["1:a/b"]).redact("bot1%3Aa%2Fb") == f"bot{REDACTED}"


@pytest.mark.parametrize(
    "text", ["the bearer of bad news", "disk-error", "task-unified-1757169743", "12:30:15"]
)
def test_words_stay(text: str):
    assert hide(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1:",
        "http://",
        "http://a",
        "http:\\/\\/",
        "bearer ",
        "bearer  ",
        "sk-",
        "data:",
        "eyJ",
        "a",
        "a.",
        "?",
        "@",
        "https:/",
    ],
)
def test_a_text_of_any_length_costs_little_and_is_bounded(piece: str):
    began_s = time.process_time()

    shown = Redactor(["hunter2"]).redact(piece * 200_000)

    assert len(shown) <= LONGEST + 10
    assert time.process_time() - began_s < 3


def test_the_end_of_a_long_text_is_kept_and_a_cut_shows_no_part_of_a_secret():
    secret = "hunter2" * 20
    text = "x" * 99_950 + secret + "y" * 200_000 + " the end"

    shown = Redactor([secret]).redact(text)

    assert shown.endswith(" the end")
    assert "hunter2" not in shown
