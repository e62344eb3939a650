"""Logging set-up; every line goes through the redactor."""

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import IntEnum, StrEnum

from bot.redaction import Redactor

# What a record may carry in `extra`, each a key of its own in json.
FIELDS = ("action", "delivery_id", "task_id", "provider", "chat_id", "cause")


class LogLevel(IntEnum):
    """The least severe records that are shown."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR

    def __str__(self) -> str:
        return self.name


class LogFormat(StrEnum):
    """How a record is written."""

    CONSOLE = "console"
    JSON = "json"


class RedactingFilter(logging.Filter):
    """Redacts each record: text, fields and traceback."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """secrets: values that must never be seen, whatever stands around them."""
        super().__init__()
        self._redact = Redactor(secrets).redact

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self._redact(_message(record))
        record.args = None
        if record.exc_info:
            record.exc_text = self._redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        if record.stack_info:
            record.stack_info = self._redact(record.stack_info)
        for name in FIELDS:
            if isinstance(value := getattr(record, name, None), str):
                setattr(record, name, self._redact(value))
        return True


def _message(record: logging.LogRecord) -> str:
    """The record's text; a call whose arguments don't fit it must neither raise nor show them unredacted."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args!r}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(level: LogLevel, log_format: LogFormat, secrets: Iterable[str]) -> None:
    """Send every log line to standard error, redacted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.addFilter(RedactingFilter(secrets))
    handler.setFormatter(
        JsonFormatter()
        if log_format is LogFormat.JSON
        else logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # httpx logs each URL at INFO, and it holds the bot token.
    for chatty in ("httpx", "httpcore", "aiohttp.access", "aiosqlite", "telegram.ext"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It logs a traceback with the whole page for each HTML response.
    logging.getLogger("telegram.request").setLevel(logging.CRITICAL)
    # They log users' messages: at DEBUG each response, at CRITICAL updates that they can't parse.
    for raw in ("telegram.Bot", "telegram.ext.ExtBot"):
        logging.getLogger(raw).setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(capture=True)
