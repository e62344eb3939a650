"""A log line is one line, bounded and readable, whatever a gateway or a user sent."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.log_lines import LONGEST_LINE, ConsoleFormatter, JsonFormatter, RedactingFilter
from bot.redaction import REDACTED

KEY = "hunter2-gateway-key"
HOSTILE = "ok\n2026-01-01 00:00:00+00:00 INFO    All is well\r\x1b[2J\x9b31m\u202egpj.exe\u2028\x00\x7f end"
AT = 1_700_000_000.123


def record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("bot.x", logging.WARNING, "", 0, message, arguments, None)
    made.created = AT
    for name, value in ({"event": "library"} | fields).items():
        setattr(made, name, value)
    return made


def console(made: logging.LogRecord) -> str:
    RedactingFilter([KEY]).filter(made)
    return ConsoleFormatter().format(made)


def as_json(made: logging.LogRecord) -> str:
    RedactingFilter([KEY]).filter(made)
    return JsonFormatter().format(made)


@pytest.fixture
def _shanghai() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Shanghai"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("_shanghai")
def test_the_console_has_the_time_with_its_zone_and_json_has_utc():
    assert console(record("Hello")) == "2023-11-15 06:13:20+08:00 WARNING Hello"
    assert json.loads(as_json(record("完成 %s\nin two lines", KEY, event="delivered"))) == {
        "time": "2023-11-14T22:13:20.123Z",
        "level": "WARNING",
        "event": "delivered",
        "message": f"完成 {REDACTED}\nin two lines",
    }


def test_a_librarys_line_bears_its_name():
    made = record("Hello")
    del vars(made)["event"]

    assert console(made).endswith(" WARNING bot.x: Hello")
    line = json.loads(as_json(made))
    assert (line["event"], line["logger"]) == ("library", "bot.x")


def test_fields_are_keys_of_the_json_and_redacted():
    fields: dict[str, Any] = {"provider": "wan", "cause": f"refused {KEY}", "chat_id": None}

    line = json.loads(as_json(record("failed", **fields, tasks=["a", KEY])))

    assert (line["provider"], line["cause"]) == ("wan", f"refused {REDACTED}")
    assert line["tasks"] == ["a", REDACTED]
    assert "chat_id" not in line


@pytest.mark.parametrize("write", [console, as_json])
def test_foreign_text_can_neither_begin_a_line_nor_control_a_terminal(
    write: Callable[[logging.LogRecord], str],
):
    line = write(record("It said %s", HOSTILE, cause=HOSTILE))

    assert line.isprintable()
    assert len(line.splitlines()) == 1
    if write is as_json:
        assert json.loads(line)["message"] == f"It said {HOSTILE}"


def failed(message: str) -> logging.LogRecord:
    made = record("It failed")
    try:
        raise RuntimeError(message)  # noqa: TRY301 - its traceback is the point
    except RuntimeError as error:
        made.exc_info = (RuntimeError, error, error.__traceback__)
    return made


def test_no_line_of_a_traceback_begins_at_the_margin():
    first, *rest = console(failed(HOSTILE)).split("\n")

    assert first.endswith(" It failed")
    assert any("RuntimeError: ok" in line for line in rest)
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_a_traceback_is_a_field_of_the_json():
    assert json.loads(as_json(failed("boom")))["exception"].endswith("RuntimeError: boom")


@pytest.mark.parametrize("text", ["x", "\x00", "\n", "界", "😀", "\ud800", "word "])
@pytest.mark.parametrize("write", [console, as_json])
def test_a_megabyte_becomes_a_bounded_line_of_valid_utf_8(
    write: Callable[[logging.LogRecord], str], text: str
):
    huge = text * (1_000_000 // len(text))
    made = failed(huge)
    made.msg, made.args = "It said %s", (huge,)
    made.cause, made.tasks, made.path = huge, [huge] * 1000, huge
    begun = time.process_time()

    line = write(made).encode()

    assert time.process_time() - begun < 0.5
    assert len(line) <= (LONGEST_LINE if write is as_json else 60_000)
    if write is as_json:
        assert json.loads(line)["exception"].startswith("Traceback")


def test_a_line_says_how_many_were_left_out_before_it():
    made = record("Again")
    made.left_out = 7

    assert console(made).endswith(" Again (left out before this line: 7 of the same kind)")
    assert json.loads(as_json(made))["left_out"] == 7


def test_the_sentence_about_the_end_stands_alone_on_the_console():
    made = record("TELEGRAM_BOT_TOKEN is missing.", is_sentence=True)

    assert console(made) == "TELEGRAM_BOT_TOKEN is missing."
    assert json.loads(as_json(made))["message"] == "TELEGRAM_BOT_TOKEN is missing."
