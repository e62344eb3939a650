"""What is a secret anywhere is a secret everywhere, and the longest text costs little."""

import json
import re
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import pytest

from bot.providers.parsing.scrub import Scrubber
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


@pytest.mark.parametrize("key", ["sk-abcdefgh1234", "sk-…1234", "sk-...1234", "sk-abc***xyz"])
def test_an_api_key_in_a_sentence_is_hidden_in_logs_in_a_vendor_s_text_and_in_a_user_s(key: str):
    text = f"key {key} is wrong"

    assert Redactor([]).redact(text) == f"key {REDACTED} is wrong"
    assert Scrubber("")(text, 500) == Scrubber("")(text, 500, is_from_vendor=False) == "key *** is wrong"


def test_a_secret_is_hidden_in_its_encoded_form_as_well():
    assert Redactor(["1:a/b"]).redact("bot1%3Aa%2Fb") == f"bot{REDACTED}"


@pytest.mark.parametrize("secret", ["a\"b\\c'd/e", "pass wörd", "密码/甲", "tab\tbed", "😀 pw"])
@pytest.mark.parametrize(
    "encoded",
    [
        quote,
        json.dumps,
        partial(json.dumps, ensure_ascii=False),
        lambda secret: json.dumps(secret).replace("/", "\\/"),
        repr,
        ascii,
        lambda secret: repr(secret.encode()),
    ],
)
def test_a_secret_is_hidden_however_a_library_writes_it(secret: str, encoded: Callable[[str], str]):
    text = Redactor([secret]).redact(f"wrong login: {encoded(secret)}, sorry")

    assert re.fullmatch(rf"wrong login: b?[\"']?{REDACTED}[\"']?, sorry", text)


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


SECRET = "Zq7LmW2xVt9RbK4cYh3NpQ8s"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Key {s}",
        "Authorization: Basic {s}==",
        "X-Api-Key: {s}",
        '{{"apiKey":"{s}"}}',
        "{{'api_key': '{s}'}}",
        "access_token={s}&x=1",
        "Cookie: session={s}",
        "password={s}",
        "secret：{s}",
        "cdn.example.com/a.mp4?X-Amz-Signature={s}",
        "https%3A%2F%2Fcdn.example.com%2Fa.mp4%3FSignature%3D{s}",
        "https://cdn.example.com/a.mp4;sig={s}",
        "socks5://user:{s}@proxy.example.com:1080",
        "wss://cdn.example.com/x?token={s}",
        "oss://bucket/x?Signature={s}",
        "ghp_{s}",
        "gsk_{s}",
        "xai-{s}",
        "r8_{s}",
        "hf_{s}",
        "key_{s}",
        "SK-{s}",
        "ASIA{s}",
        "1b2c3d4e-aaaa-bbbb-cccc-1234567890ab:{s}",
    ],
)
def test_keys_of_other_shapes_are_hidden(text: str):
    assert SECRET not in hide(text.format(s=SECRET))


@pytest.mark.parametrize(
    "text",
    [
        "token: invalid",
        "API key is missing",
        "completion_tokens: 12345678, total_tokens: 12345678",
        "the key is wrong: expected 32 characters",
        "task_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv",
        "a55bfe14-6e78-4b9d-b97d-128420399ed1: not found",
    ],
)
def test_words_are_no_keys(text: str):
    assert hide(text) == text


def test_a_secret_is_hidden_however_it_is_spelt():
    redactor = Redactor(["p%40ss-word9", "ab/c+d=f12345"])
    for text in (
        "p@ss-word9",
        "p%40ss-word9",
        "ab%2Fc%2Bd%3Df12345",
        "ab%2fc%2bd%3df12345",
        "ab\\/c+d=f12345",
    ):
        assert redactor.redact(f"x {text} y") == f"x {REDACTED} y"


@pytest.mark.parametrize(
    "piece", ["key=", 'key="', "token: ", "key-", "ghp_", "api_", "abcdef12-", "a", "1", "eyJ-"]
)
def test_hiding_takes_linear_time(piece: str):
    began = time.process_time()
    hide((piece * 200_000)[:200_000])
    assert time.process_time() - began < 3
