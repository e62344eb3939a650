"""How a log record becomes one line: redacted, bounded, without control characters, as text or as JSON."""

import json
import logging
import re
import traceback
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypedDict

from bot.redaction import Redactor

LONGEST_LINE = 16_000  # bytes of JSON: Docker splits lines of more than 16 KiB
_MESSAGE_CHARACTERS = 2_000
_TRACE_CHARACTERS = 8_000
_TEXT_CHARACTERS = 200  # of a field
_ITEMS = 20  # of a field that is a list
_ITEM_CHARACTERS = 64
_READ = 20_000  # characters of a message or traceback that are searched for secrets; the middle is left out
_READ_OF_A_FIELD = 1_000
_INDENT = "    "  # of a traceback's lines: a line that begins at the margin is always one of ours
LIBRARY = "library"  # the event of records that are not the bot's own

# Control characters, line separators, marks that change the direction of writing, halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Fields(TypedDict, total=False):
    """What a record may carry in `extra` besides its event, each a key of its own in JSON."""

    provider: str
    providers: Sequence[str]  # name and host
    host: str
    task: str  # the gateway's id
    tasks: Sequence[str]
    chat_id: int | None
    thread_id: int | None
    user_id: int | None  # None: a channel, or on behalf of a chat
    delivery_id: int
    kind: str  # of a delivery
    form: str  # how a video was delivered: video, file, link
    status: str
    http_status: int | None
    cause: str | None
    late_s: float | None  # from the task's end at the gateway to its message in the chat
    after_s: float | None  # how long the task, the outage or the pause lasted
    size: int | None  # bytes
    count: int
    waiting: int
    watched: int
    setting: str
    value: str
    version: str
    python: str
    schema: int
    path: str
    mode: str  # how updates are received
    epoch: int | None  # of a leader's term
    replica: str  # the name of another process that shares the database
    uptime_s: float
    videos: int
    left_out: int  # similar lines before this one that were not written


FIELDS = tuple(Fields.__annotations__)


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
        record.msg = self._redact(message, _READ)
        record.args = None
        if record.exc_info:
            trace = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            record.exc_text = self._redact(trace, _READ)
            record.exc_info = None
        if record.stack_info:
            record.stack_info = self._redact(record.stack_info, _READ)
        for name in FIELDS:
            match getattr(record, name, None):
                case str() as text:
                    setattr(record, name, self._redact(text, _READ_OF_A_FIELD))
                case list() | tuple() as items:
                    texts = [self._redact(str(item), _READ_OF_A_FIELD) for item in items[:_ITEMS]]
                    shown = [_cut(text, _ITEM_CHARACTERS) for text in texts]
                    setattr(record, name, shown)
        return True


class ConsoleFormatter(logging.Formatter):
    """The time with its zone, the level and a sentence; a library's name before its words.

    A record with the attribute `is_sentence` is its sentence alone.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "seconds")
        name = "" if hasattr(record, "event") else f"{record.name}: "
        message = _cut(_escaped(_cut(record.getMessage(), _MESSAGE_CHARACTERS)), _MESSAGE_CHARACTERS)
        if left_out := getattr(record, "left_out", 0):
            message += f" (left out before this line: {left_out} of the same kind)"
        traces = [text for text in (record.exc_text, record.stack_info) if text]
        trace = [
            _INDENT + _escaped(line) for text in traces for line in _cut(text, _TRACE_CHARACTERS).split("\n")
        ]
        lead = "" if hasattr(record, "is_sentence") else f"{at} {record.levelname:<7} {name}"
        return "\n".join([f"{lead}{message}", *trace])


class JsonFormatter(logging.Formatter):
    """One JSON object a line, of at most LONGEST_LINE bytes; the time is UTC (RFC 3339)."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event = getattr(record, "event", None)
        line: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "event": event or LIBRARY,
            "message": _cut(record.getMessage(), _MESSAGE_CHARACTERS),
        }
        if event is None:
            line["logger"] = record.name
        for name in FIELDS:
            if (value := getattr(record, name, None)) is not None:
                line[name] = _cut(value, _TEXT_CHARACTERS) if isinstance(value, str) else value
        if record.exc_text:
            line["exception"] = _cut(record.exc_text, _TRACE_CHARACTERS)
        if record.stack_info:
            line["stack"] = _cut(record.stack_info, _TRACE_CHARACTERS)
        while len((text := _json(line)).encode()) > LONGEST_LINE:
            longest = max(line, key=lambda name: len(_json(line[name])))
            line[longest] = _cut(str(line[longest]), len(str(line[longest])) // 2)
        return text


def _json(value: object) -> str:
    text = _SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False, default=str))
    return _UNSAFE.sub(lambda unsafe: f"\\u{ord(unsafe[0]):04x}", text)


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda unsafe: unsafe[0].encode("unicode_escape").decode(), text)


def _cut(text: str, limit: int) -> str:
    """The text, or its beginning and end where it is longer: both ends of a traceback are of use."""
    return text if len(text) <= limit else f"{text[: limit // 2]} … {text[len(text) - limit // 2 :]}"


def spelled(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, unit_s in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
