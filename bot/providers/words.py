"""Status words of gateways and of the vendors behind them, in one table for all formats.

new-api accepts such a list from its upstreams:
https://github.com/QuantumNous/new-api/blob/main/relay/channel/task/sora/adaptor.go
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from storage.models import TaskStatus

WORD_LIMIT = 64  # characters of a word that are looked at
_SEPARATORS = re.compile(r"[\W_]+")

# Without case, blanks, `_` and `-`. A word that stands nowhere here means that the task runs.
_BY_STATUS: Mapping[TaskStatus, str] = {
    TaskStatus.QUEUED: """
        pending queued queue queueing queuing inqueue waiting wait submitted submitting submit notstart
        notstarted unknown preparing prepare created starting initializing initialized init scheduled
        accepted received 排队中 等待中 已提交 待处理
    """,
    TaskStatus.RUNNING: """
        processing process inprogress progress running generating executing working active started
        rendering suspended retrying imagedownloading videogenerating videogenerationcompleted
        videoupsampling videoupsamplingcompleted modal 处理中 生成中 运行中 进行中
    """,
    TaskStatus.SUCCEEDED: """
        completed complete success succeeded succeed successful successfully finished finish done
        成功 已完成 完成 生成成功
    """,
    TaskStatus.FAILED: """
        failed failure fail error errored timeout timedout exception aborted rejected moderated
        contentmoderated requestmoderated terminated videogenerationfailed videoupsamplingfailed
        generationfailed taskfailed 失败 生成失败 任务失败
    """,
    TaskStatus.CANCELLED: "cancelled canceled cancel usercancelled usercanceled 已取消 取消",
    TaskStatus.EXPIRED: "expired expire 已过期",
    TaskStatus.NOT_FOUND: "notfound tasknotfound notexist tasknotexist",
}
WORDS: Mapping[str, TaskStatus] = {
    word: status for status, words in _BY_STATUS.items() for word in words.split()
}


@lru_cache(maxsize=1_024)
def plain(word: str) -> str:
    """A word as it stands in the table."""
    return _SEPARATORS.sub("", word[:WORD_LIMIT].casefold())
