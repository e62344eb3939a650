"""Why a failed task failed, in the vendor's words, wherever in the task they stand."""

import re

from bot.providers.formats.status_words import WORDS, normalized
from bot.providers.parsing.fields import Json, as_code, as_text, first
from bot.providers.parsing.links import as_failure_text
from bot.providers.parsing.response import parse
from storage.models import TaskStatus

# The places that are common; those of a format are asked before these.
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
_TELLING = re.compile(r"error|(?<![a-z])err|fail|reason|message|msg|remark|comment|detail", re.IGNORECASE)
_INSIDE_TELLING = {"text", "content", "info", "0"}
_CODE = re.compile(r"code|type|id$", re.IGNORECASE)
_OF_THE_QUESTION = {"input", "prompt", "request", "params", "parameters", "properties"}
_MOST_VALUES = 500
_DEEPEST = 4
_LONGEST_JSON = 20_000


def reason_of(task: Json) -> str:
    """What the task says of its failure, "" for nothing."""
    return first(task, _REASONS, as_reason) or _deep_reason(task) or ""


def code_of(task: Json) -> str | None:
    """The failure's code at one of the places that are common."""
    return first(task, _CODES, _as_bad_code)


def as_reason(value: object) -> str | None:
    """A text that tells a reason: no link, no word for success; the message where the text is JSON."""
    text = as_failure_text(value)
    if text is None or _is_success(text):
        return None
    if text[0] in "{[" and len(text) <= _LONGEST_JSON:
        return _deep_reason({"error": parse(text.encode("utf-8", "replace"))}) or text
    return text


def _deep_reason(task: Json) -> str | None:
    """The outermost text under a key that speaks of failure."""
    waiting: list[tuple[object, bool, int]] = [(task, False, 0)]
    for value, telling, depth in waiting:
        if isinstance(value, str):
            if telling and (text := as_failure_text(value)) and not _is_success(text):
                return text
            continue
        if depth > _DEEPEST or len(waiting) > _MOST_VALUES:
            continue
        if isinstance(value, list):
            waiting.extend((inner, telling, depth + 1) for inner in value[:_MOST_VALUES])
        elif isinstance(value, dict):
            waiting.extend(
                (inner, bool(_TELLING.search(key)) or (telling and key in _INSIDE_TELLING), depth + 1)
                for key, inner in list(value.items())[:_MOST_VALUES]
                if key not in _OF_THE_QUESTION and not _CODE.search(key)
            )
    return None


def _as_bad_code(value: object) -> str | None:
    code = as_code(value)
    return None if code is None or _is_success(code) else code


def _is_success(text: str) -> bool:
    text = as_text(text) or ""
    return text in {"0", "200", "ok", "OK"} or WORDS.get(normalized(text)) is TaskStatus.SUCCEEDED
