"""Finds a failed task's reason and code."""

import re

from bot.providers.formats.status_words import WORDS, normalized
from bot.providers.parsing.fields import Json, as_code, as_text, first
from bot.providers.parsing.links import as_failure_text
from bot.providers.parsing.response import parse
from storage.models import TaskStatus

# Common paths; a format's own paths are read first.
_REASONS = (
    "failReason", "fail_reason", "failure_reason", "failureReason", "error.message", "error.msg", "error",
    "error_message", "errorMessage", "error_msg", "err_msg", "fail_msg", "failMsg", "fail_message", "failure",
    "task_status_msg", "status_message", "status_msg", "detail.failure_reason", "output.message",
    "base_resp.status_msg", "reason", "message", "msg",
)  # fmt: skip
_CODES = (
    "error.code", "failureCode", "failure_code", "failCode", "fail_code", "err_code", "errCode", "error_code",
    "errorCode", "ErrorCode", "base_resp.status_code", "code",
)  # fmt: skip
_REASON_KEY = re.compile(r"error|(?<![a-z])err|fail|reason|message|msg|remark|comment|detail", re.IGNORECASE)
_INSIDE_REASON = {"text", "content", "info", "0"}
_CODE = re.compile(r"code|type|id$", re.IGNORECASE)
_REQUEST_KEYS = {"input", "prompt", "request", "params", "parameters", "properties"}
_MOST_VALUES = 500  # that are visited, and per list or object
_DEEPEST = 4  # levels below the task
_LONGEST_JSON = 20_000  # characters of a reason that is parsed as JSON


def reason_of(task: Json) -> str:
    """The reason of the task's failure, "" if there is none."""
    return first(task, _REASONS, as_reason) or _deep_reason(task) or ""


def code_of(task: Json) -> str | None:
    """The failure's code at one of the common paths."""
    return first(task, _CODES, _as_bad_code)


def as_reason(value: object) -> str | None:
    """A text that is a reason: no link and no word for success; for JSON, the message inside."""
    text = as_failure_text(value)
    if text is None or _is_success(text):
        return None
    if text[0] in "{[" and len(text) <= _LONGEST_JSON:
        return _deep_reason({"error": parse(text.encode("utf-8", "replace"))}) or text
    return text


def _deep_reason(task: Json) -> str | None:
    """The outermost text under a key that is named like an error or message (breadth-first search)."""
    queue: list[tuple[object, bool, int]] = [(task, False, 0)]
    for value, is_reason, depth in queue:
        if isinstance(value, str):
            if is_reason and (text := as_failure_text(value)) and not _is_success(text):
                return text
            continue
        if depth > _DEEPEST or len(queue) > _MOST_VALUES:
            continue
        if isinstance(value, list):
            queue.extend((inner, is_reason, depth + 1) for inner in value[:_MOST_VALUES])
        elif isinstance(value, dict):
            queue.extend(
                (inner, bool(_REASON_KEY.search(key)) or (is_reason and key in _INSIDE_REASON), depth + 1)
                for key, inner in list(value.items())[:_MOST_VALUES]
                if key not in _REQUEST_KEYS and not _CODE.search(key)
            )
    return None


def _as_bad_code(value: object) -> str | None:
    code = as_code(value)
    return None if code is None or _is_success(code) else code


def _is_success(text: str) -> bool:
    text = as_text(text) or ""
    return text in {"0", "200", "ok", "OK"} or WORDS.get(normalized(text)) is TaskStatus.SUCCEEDED
