"""Logging set-up and the fields of a record; every line goes through the redactor."""

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TypedDict, Unpack

from bot.redaction import Redactor
from storage.models import Task
from storage.outbox import (
    ClaimedDelivery,
    WatchDelivery,
)


class Fields(TypedDict, total=False):
    """What a record may carry in `extra` besides its action, each a key of its own in json."""

    delivery_id: int
    task_id: int
    task_ids: Sequence[int]  # where it is about several
    provider: str
    chat_id: int | None
    user_id: int | None  # None: a channel, or on behalf of a chat
    cause: str | None


FIELDS = ("action", *Fields.__annotations__)


def log_fields(
    about: ClaimedDelivery | Task | None, action: str, **fields: Unpack[Fields]
) -> dict[str, object]:
    """For the `extra` of a log call; action: a machine's name of what happened."""
    found: dict[str, object] = {"action": action}
    if isinstance(about, ClaimedDelivery):
        found |= {"delivery_id": about.delivery.id, "chat_id": about.delivery.chat_id}
    task = about.task if isinstance(about, WatchDelivery) else about
    if isinstance(task, Task):
        found |= {"task_id": task.id, "provider": task.ref.provider}
    return found | fields


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
        """secrets: values to remove wherever they occur."""
        super().__init__()
        redactor = Redactor(secrets)
        self._redact, self.add_secret = redactor.redact, redactor.add

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # arguments that don't fit must not appear unredacted
            message = f"{record.msg} {record.args!r}"
        record.msg = self._redact(message)
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


def hide_in_logs(secret: str) -> None:
    """Remove a value from all later lines."""
    for handler in logging.getLogger().handlers:
        for each in handler.filters:
            if isinstance(each, RedactingFilter):
                each.add_secret(secret)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
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
    for name in ("httpx", "httpcore", "aiohttp.access", "aiosqlite", "telegram.ext"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs a traceback with the whole page for each HTML response.
    logging.getLogger("telegram.request").setLevel(logging.CRITICAL)
    # They log users' messages: at DEBUG each response, at CRITICAL updates that they can't parse.
    for name in ("telegram.Bot", "telegram.ext.ExtBot"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(capture=True)
