"""Sets the log up, and the fields of a record; docs/logs.md lists the events."""

import logging
import sys
import threading
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from types import TracebackType
from typing import Any, Unpack

from bot.log_lines import ConsoleFormatter, Fields, JsonFormatter, RedactingFilter
from bot.log_repeats import RepeatLimit
from bot.log_writer import LogWriter
from storage.models import Task
from storage.outbox import ClaimedDelivery, WatchDelivery

log = logging.getLogger(__name__)

_OURS = ("bot", "storage")


def log_fields(
    about: ClaimedDelivery | Task | None, event: str, **fields: Unpack[Fields]
) -> dict[str, object]:
    """For the `extra` of a log call; event: a name for machines, of a row in docs/logs.md."""
    found: dict[str, object] = {"event": event}
    if isinstance(about, ClaimedDelivery):
        address = about.delivery.address
        found |= {"delivery_id": about.delivery.id, "kind": about.delivery.kind}
        found |= {"chat_id": address.chat_id, "thread_id": address.thread_id}
    task = about.task if isinstance(about, WatchDelivery) else about
    if isinstance(task, Task):
        found |= {"task": task.ref.external_id, "provider": task.ref.provider}
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


def hide_in_logs(secret: str) -> None:
    """Remove a value from all later lines."""
    for handler in logging.getLogger().handlers:
        for each in handler.filters:
            if isinstance(each, RedactingFilter):
                each.add_secret(secret)


def set_up_logging(level: LogLevel, log_format: LogFormat, secrets: Iterable[str]) -> None:
    """Send every log line to standard error, redacted; also warnings and exceptions that nothing catches."""
    handler = LogWriter()
    handler.setLevel(level)
    if level > LogLevel.DEBUG:
        handler.addFilter(RepeatLimit())
    handler.addFilter(RedactingFilter(secrets))
    handler.setFormatter(JsonFormatter() if log_format is LogFormat.JSON else ConsoleFormatter())
    # Libraries report each request and each step of theirs at INFO.
    is_debug = level is LogLevel.DEBUG
    logging.basicConfig(level=level if is_debug else logging.WARNING, handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    # httpx logs each URL at INFO, and it holds the bot token.
    for name in ("httpx", "httpcore", "aiohttp.access", "aiosqlite", "telegram.ext"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs a traceback with the whole page for each HTML response.
    logging.getLogger("telegram.request").setLevel(logging.CRITICAL)
    # They log users' messages: at DEBUG each response, at CRITICAL updates that they can't parse.
    for name in ("telegram.Bot", "telegram.ext.ExtBot"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(capture=True)
    sys.excepthook = _on_uncaught
    threading.excepthook = lambda thrown: _on_uncaught_elsewhere("a thread", thrown)
    sys.unraisablehook = lambda thrown: _on_uncaught_elsewhere("a finalizer", thrown)


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical(
        "The program ends because of a bug: %s. Please report it with this traceback.",
        kind.__name__,
        exc_info=(kind, error, trace),
        extra=log_fields(None, "crashed", cause=kind.__name__),
    )


def _on_uncaught_elsewhere(where: str, thrown: Any) -> None:
    """thrown: what threading.excepthook and sys.unraisablehook are called with."""
    log.error(
        "An exception in %s was not handled. Please report it with this traceback.",
        where,
        exc_info=(thrown.exc_type, thrown.exc_value or thrown.exc_type(), thrown.exc_traceback),
        extra=log_fields(None, "bug", cause=thrown.exc_type.__name__),
    )
