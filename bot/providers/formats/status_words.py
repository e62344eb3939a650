"""The status map of all formats: raw statuses of gateways and of their upstream vendors.

new-api accepts such a list from its upstreams:
https://github.com/QuantumNous/new-api/blob/main/relay/channel/task/sora/adaptor.go
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from storage.models import TaskStatus

WORD_LIMIT = 64  # characters of a raw status that are read
_SEPARATORS = re.compile(r"[\W_]+")
# TASK_STATUS_SUCCEED, JOB_STATE_FAILED, TaskStatus.COMPLETED, generation_completed
_PREFIX = re.compile(r"(?:task|job|video|generation|prediction)?(?:status|state)?(?=.)")

# Without case, blanks, `_` and `-`. A word that is not listed means RUNNING.
_BY_STATUS: Mapping[TaskStatus, str] = {
    TaskStatus.QUEUED: """
        pending queued queue queueing queuing inqueue waiting wait submitted submitting submit notstart
        notstarted unknown preparing prepare created starting initializing initialized init scheduled
        accepted received throttled 排队 排队中 等待中 已提交 待处理
    """,
    TaskStatus.RUNNING: """
        processing process inprogress progress running generating executing working active started
        rendering postprocessing uploading streaming suspended retrying imagedownloading videogenerating
        videogenerationcompleted videoupsampling videoupsamplingcompleted modal
        处理中 生成中 运行中 进行中 执行中
    """,
    TaskStatus.SUCCEEDED: """
        completed complete success succeeded succeed successful successfully finished finish done
        succed succeded sucess 成功 已成功 已完成 完成 生成成功 任务成功 执行成功 生成完成 任务完成
    """,
    TaskStatus.FAILED: """
        failed failure fail error errored timeout timedout exception aborted rejected moderated
        contentmoderated requestmoderated terminated killed crashed refused denied blocked invalid
        unsuccessful nsfw contentviolation policyviolation generationfailed videoupsamplingfailed
        失败 已失败 生成失败 任务失败 执行失败 超时 已超时 任务超时 异常 出错 错误 审核不通过 审核失败
    """,
    TaskStatus.CANCELLED: """
        cancelled canceled cancel usercancelled usercanceled cancelledbyuser canceledbyuser
        stopped revoked deleted 已取消 取消 已停止 已终止
    """,
    TaskStatus.EXPIRED: "expired expire 已过期 过期",
    TaskStatus.NOT_FOUND: "notfound tasknotfound notexist tasknotexist",
}
WORDS: Mapping[str, TaskStatus] = {
    word: status for status, words in _BY_STATUS.items() for word in words.split()
}


@lru_cache(maxsize=1_024)
def normalized(word: str) -> str:
    """A raw status as a key of WORDS."""
    key = _SEPARATORS.sub("", unicodedata.normalize("NFKC", word[:WORD_LIMIT]).casefold())
    if key in WORDS:
        return key
    short = _PREFIX.sub("", key, count=1)
    return short if short in WORDS else key
