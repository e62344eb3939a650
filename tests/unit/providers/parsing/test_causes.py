import pytest

from bot.providers.parsing.causes import cause_in, failure_cause, limit_cause, refusal_cause
from storage.models import Cause


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        ("DataInspectionFailed", "Output data may contain inappropriate content.", Cause.MODERATION),
        ("content_policy_violation", "", Cause.MODERATION),
        ("imagine:content-moderated", "", Cause.MODERATION),
        ("", "内容审核未通过：检测到真人形象", Cause.MODERATION),
        ("", "the input text may contain sensitive information", Cause.MODERATION),
        ("IPInfringementSuspect", "", Cause.COPYRIGHT),
        (
            "OutputVideoSensitiveContentDetected.PolicyViolation",
            "the output video may be related to copyright restrictions",
            Cause.COPYRIGHT,
        ),
        ("InvalidParameter", "The size is not match 1280*720", Cause.BAD_INPUT),
        ("InvalidParameter.DataInspection", "Unable to download the media resource", Cause.BAD_INPUT),
        ("", "图片尺寸不支持", Cause.BAD_INPUT),
        ("", "任务超时（1440分钟）", Cause.TASK_TIMEOUT),
        ("", "upstream timed out", Cause.TASK_TIMEOUT),
        ("", "用户额度不足", Cause.KEY_EXHAUSTED),
        ("generation_failed", "", Cause.GENERATION),
        ("", "task failed", Cause.GENERATION),
        ("", "", Cause.GENERATION),
        ("", "something never heard of", Cause.OTHER),
    ],
)
def test_a_failures_cause_is_found_by_its_text(code: str, message: str, cause: Cause):
    assert failure_cause("failed", code, message) is cause


def test_the_status_word_itself_may_be_the_reason():
    assert failure_cause("timeout", "", "") is Cause.TASK_TIMEOUT


@pytest.mark.parametrize(
    ("status", "code", "message", "cause"),
    [
        (401, "", "无效的令牌", Cause.KEY_INVALID),
        (401, "", "该令牌额度已用尽", Cause.KEY_EXHAUSTED),
        (401, "", "该令牌已过期", Cause.KEY_INVALID),
        (401, "access_denied", "", Cause.NOT_ALLOWED),
        (402, "", "", Cause.KEY_EXHAUSTED),
        (403, "", "用户已被封禁", Cause.NOT_ALLOWED),
        (403, "", "该令牌无权访问模型 x", Cause.NOT_ALLOWED),
        (403, "insufficient_user_quota", "", Cause.KEY_EXHAUSTED),
        (403, "invalid_api_key", "", Cause.KEY_INVALID),
        (403, "Arrearage", "Access denied", Cause.KEY_EXHAUSTED),
        (403, "", "", Cause.NOT_ALLOWED),
    ],
)
def test_a_refusals_cause_is_found_by_status_and_text(status: int, code: str, message: str, cause: Cause):
    assert refusal_cause(status, code, message) is cause


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        ("rate_limit_exceeded", "", Cause.RATE_LIMITED),
        ("rate_limit_exceeded", "Please add a payment method: …/account/billing", Cause.RATE_LIMITED),
        ("", "Rate limit reached for sora-2. Visit …/account/billing", Cause.RATE_LIMITED),
        ("insufficient_quota", "Rate limit reached", Cause.KEY_EXHAUSTED),
        ("Throttling.AllocationQuota", "Allocated quota exceeded", Cause.RATE_LIMITED),
        ("insufficient_quota", "You exceeded your current quota", Cause.KEY_EXHAUSTED),
        ("pre_consume_token_quota_failed", "当前分组上游负载已饱和", Cause.KEY_EXHAUSTED),
        ("", "", Cause.RATE_LIMITED),
    ],
)
def test_rate_limits_are_distinguished_from_exhausted_quota(code: str, message: str, cause: Cause):
    assert limit_cause(code, message) is cause


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        ("task_not_exist", "", Cause.TASK_MISSING),
        ("", "任务不存在", Cause.TASK_MISSING),
        ("Throttling", "", Cause.RATE_LIMITED),
        ("Arrearage", "", Cause.KEY_EXHAUSTED),
        ("InvalidApiKey", "", Cause.KEY_INVALID),
        ("access_denied", "", Cause.NOT_ALLOWED),
        ("InvalidParameter", "bad", None),
        ("", "", None),
    ],
)
def test_words_speak_where_the_http_status_is_silent(code: str, message: str, cause: Cause | None):
    assert cause_in(code, message) is cause
