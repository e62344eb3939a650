"""Maps error codes and messages, in English and Chinese, to a Cause.

Codes: https://help.aliyun.com/en/model-studio/error-code, https://www.volcengine.com/docs/82379/1299023,
https://platform.openai.com/docs/guides/error-codes, and new-api's types/error.go.
"""

import re
from http import HTTPStatus

from storage.models import Cause

_NO_QUOTA = (
    "insufficient_quota", "insufficient_user_quota", "pre_consume_token_quota_failed", "quota_not_enough",
    "tokenstatusexhausted", "arrearage", "overdue", "insufficient balance", "insufficient credit",
    "insufficient fund", "insufficient_balance", "out of credit", "billing", "exceeded your current quota",
    "quota exhausted", "quota has been exhausted", "quota is not enough",
    "额度已用尽", "额度不足", "余额不足", "配额不足", "剩余额度", "欠费", "积分不足",
)  # fmt: skip
_DENIED = (
    "access_denied", "accessdenied", "access denied", "forbidden", "permission", "not allowed",
    "not authorized", "whitelist", "banned", "封禁", "无权", "没有权限", "白名单", "不允许", "分组",
)  # fmt: skip
_WRONG_KEY = (
    "invalid_api_key", "invalidapikey", "invalid api", "incorrect api key", "api key", "api-key", "apikey",
    "authenticationerror", "令牌",
)  # fmt: skip
_THROTTLED = (
    "throttling", "rate_limit", "ratelimit", "rate limit", "too many requests", "请求过于频繁", "限流",
)  # fmt: skip
_NO_TASK = (
    "task_not_exist", "task_not_found", "tasknotfound", "task not exist", "task not found",
    "task does not exist", "video_not_found", "video not found",
    "record not found", "no such task", "no such video", "task is not found", "job not found", "unknown task",
    "任务不存在", "找不到任务", "未找到任务", "记录不存在",
)  # fmt: skip
_NO_TASK_CODES = {"notfound", "resourcenotfound"}
# "Video with id x not found", "The task id is not exist", "task_id x 不存在"
_NO_TASK_TEXT = re.compile(
    r"\b(?:task|video|job|record|generation|prediction|operation)(?:[ _-]?id)?\b.{0,80}?"
    r"(?:not found|not exist|n't exist|no longer exist|不存在)|(?:任务|视频).{0,60}?(?:不存在|未找到|找不到)"
)
_OTHER_MISSING = re.compile(
    r"model|channel|route|path|url|key|user|token|group|file|image|模型|渠道|令牌|用户|分组|图"
)
_COPYRIGHT = (
    "ipinfringement", "copyright", "intellectual property", "infring", "版权", "侵权", "知识产权",
)  # fmt: skip
_NOT_FETCHED = ("invalidparameter.datainspection", "download the media", "download media")
_MODERATED = (
    "datainspection", "data_inspection", "content_policy", "content polic", "content_filter",
    "content filter", "violat", "moderation", "moderated", "sensitive", "inappropriate", "safety", "nsfw",
    "guardrail", "unsafe", "risk control", "risk_control", "risk not pass", "audit",
    "prohibited", "real person",
    "审核", "敏感", "违规", "风控", "不合规", "真人", "色情", "涉黄", "暴力",
)  # fmt: skip
_TIMED_OUT = ("timeout", "timed out", "time out", "time_out", "deadline exceeded", "超时")
_BAD_INPUT = (
    "invalidparameter", "invalid_parameter", "invalid parameter", "invalid_request", "invalid request",
    "bad request", "bad_request", "badrequest", "invalidimage", "invalidvideo", "invalidurl",
    "invalid image", "invalid_image", "invalid url", "invalid input", "unsupported", "not support",
    "not match", "too large", "too long", "exceeds", "must be", "out of range", "resolution", "missing",
    "参数", "尺寸", "格式", "不支持", "分辨率",
)  # fmt: skip
_GENERATION_FAILED = (
    "generation_failed", "generation failed", "task failed", "task_failed", "internal", "server error",
    "server_error", "upstream", "channel info", "unknown error", "processing_error",
    "生成失败", "任务失败", "内部错误", "渠道",
)  # fmt: skip

# The first row with a match in the lower-case status, code or message is used.
_TASK_FAILURES = (
    (Cause.COPYRIGHT, _COPYRIGHT),
    (Cause.BAD_INPUT, _NOT_FETCHED),
    (Cause.MODERATION, _MODERATED),
    (Cause.TASK_TIMEOUT, _TIMED_OUT),
    (Cause.KEY_EXHAUSTED, _NO_QUOTA),
    (Cause.BAD_INPUT, _BAD_INPUT),
    (Cause.GENERATION, _GENERATION_FAILED),
)


def failure_cause(word: str, code: str, message: str) -> Cause:
    """The cause of a failed task; word: its raw status, code and message: the vendor's, "" for none."""
    text = f"{word} {code} {message}".casefold()
    default = Cause.OTHER if code or message else Cause.GENERATION
    return next((cause for cause, needles in _TASK_FAILURES if _has(text, needles)), default)


def refusal_cause(status: int, code: str, message: str) -> Cause:
    """The cause of a 401, 402 or 403."""
    text = f"{code} {message}".casefold()
    if status == HTTPStatus.PAYMENT_REQUIRED or _has(text, _NO_QUOTA):
        return Cause.KEY_EXHAUSTED
    if status == HTTPStatus.FORBIDDEN:
        return Cause.KEY_INVALID if _has(text, _WRONG_KEY) and not _has(text, _DENIED) else Cause.NOT_ALLOWED
    return Cause.NOT_ALLOWED if _has(code.casefold(), _DENIED) else Cause.KEY_INVALID


def limit_cause(code: str, message: str) -> Cause:
    """Whether a 429 means too many requests or exhausted quota."""
    return _limit_in(code, message) or Cause.RATE_LIMITED


def cause_in(code: str, message: str) -> Cause | None:
    """The cause by code and message alone, for an HTTP status without a meaning; None: unknown."""
    text = f"{code} {message}".casefold()
    if _has(text, _NO_TASK) or _is_task_missing(code.casefold(), message.casefold()):
        return Cause.TASK_MISSING
    if limit := _limit_in(code, message):
        return limit
    if _has(code.casefold(), _WRONG_KEY):
        return Cause.KEY_INVALID
    if _has(code.casefold(), _DENIED):
        return Cause.NOT_ALLOWED
    return None


def _is_task_missing(code: str, message: str) -> bool:
    """Whether a free text means that the task does not exist."""
    if _OTHER_MISSING.search(message):
        return False
    return code.replace("_", "") in _NO_TASK_CODES or _NO_TASK_TEXT.search(message) is not None


def _limit_in(code: str, message: str) -> Cause | None:
    """A rate limit is checked before quota: OpenAI's rate limit messages also mention payment."""
    text = f"{code} {message}".casefold()
    if _has(text, _THROTTLED) and not _has(code.casefold(), _NO_QUOTA):
        return Cause.RATE_LIMITED
    return Cause.KEY_EXHAUSTED if _has(text, _NO_QUOTA) else None


def _has(text: str, needles: tuple[str, ...]) -> bool:
    return any(needle in text for needle in needles)
