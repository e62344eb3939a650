"""Finds the task in a body: at its root, in `{code, message, data}`, or deeper.

Vendors' forms: Google's operations (`done`), Tencent Cloud's `Response.Status`, Volcengine's `data.task`.
"""

from collections.abc import Iterator

from bot.providers.formats.status_words import WORDS, normalized
from bot.providers.parsing.fields import Json, as_text, find, first
from bot.providers.parsing.response import unpacked
from storage.models import TaskStatus

ID_KEYS = ("id", "task_id", "taskId", "video_id")
_ENVELOPES = (
    "data", "output", "task", "result", "response", "video", "job", "detail", "task_result", "payload",
    "Response", "Data", "Result", "Output", "Resp",
)  # fmt: skip
_DEEPEST = 3
_MOST_INNER = 64  # objects per level; bodies have a few
_TASK_KEYS = frozenset({
    "id", "task_id", "taskId", "video_id", "videoId", "object", "progress", "model", "prompt", "action",
    "output",
    "created_at", "updated_at", "completed_at", "failed_at", "submit_time", "start_time", "finish_time",
    "submitTime", "startTime", "finishTime", "created", "createdAt", "fail_reason", "failReason",
    "failure_reason", "failureReason", "seconds", "duration", "size", "usage", "metadata", "url", "video_url",
    "result_url", "video", "platform", "task_status", "task_status_msg", "task_result", "expires_at", "done",
})  # fmt: skip
# Fallbacks, if the format's own paths have no status.
_OTHER_STATUSES = (
    "taskStatus", "task_state", "taskState", "job_status", "jobStatus", "video_status", "Status", "State",
    "TaskStatus", "status.state", "status.status", "status.name", "metadata.state",
)  # fmt: skip
# Raw statuses, normalized, that may be those of the HTTP call rather than of the task.
_ENVELOPE_WORDS = {
    "ok", "200", "true", *(word for word, status in WORDS.items() if status is TaskStatus.SUCCEEDED),
}  # fmt: skip


def find_task(body: Json, paths: tuple[str, ...]) -> Json:
    """Return the task in a body, or the body itself if none is found.

    paths: the format's paths of the status.
    1. A body with a status and without a code is the task, unless the status is only an envelope's.
    2. Else `data`, if it has a status.
    3. Else the outermost inner object with a status, at the format's paths or a common one.
    """
    word, found = first(body, paths, as_text), body.get("data")
    data = found if isinstance(found, dict) and first(found, paths, as_text) is not None else None
    if word is not None and "code" not in body:
        named = data is not None and has_id(data)
        if has_task_field(body) or not (named or normalized(word) in _ENVELOPE_WORDS):
            return body
    if data is not None:
        return data
    inner = next((task for task in _inside(body) if first(task, paths, as_text) is not None), None)
    if word is not None:
        return body if inner is None or "code" in body else inner
    if inner is None and other_status_in(body) is None:
        inner = next((task for task in _inside(body) if other_status_in(task) is not None), None)
    return body if inner is None else inner


def other_status_in(task: Json) -> str | None:
    """The raw status at a path that the format does not name."""
    word = first(task, _OTHER_STATUSES, as_text)
    done = task.get("done")
    if word is not None or not isinstance(done, bool):
        return word
    return ("failed" if task.get("error") else "done") if done else "running"


def has_task_field(body: Json) -> bool:
    """Whether an object has a task's id or any of its fields."""
    return not _TASK_KEYS.isdisjoint(body)


def has_id(body: Json) -> bool:
    """Whether an object has an id."""
    return any(key in body for key in ID_KEYS)


def names_task(body: Json, external_id: str) -> bool:
    """Whether an object, or its `detail`, has this id."""
    ids = [body.get(key) for key in (*ID_KEYS, "request_id")]
    ids += [inner for name in ID_KEYS for inner in find(body, f"detail.{name}")]
    return any(text == external_id or external_id.endswith(f":{text}") for text in ids if text)


def _inside(body: Json) -> Iterator[Json]:
    """Objects under the keys that gateways use for the task, outer ones first."""
    level: list[Json] = [body]
    for _ in range(_DEEPEST):
        errors = [_object(outer.get("error")) for outer in level]
        failed = [error for error in errors if error is not None and has_id(error)]
        inner = [_object(outer.get(name)) for outer in level for name in _ENVELOPES]
        level = [task for task in inner if task][:_MOST_INNER]
        yield from level
        yield from failed


def _object(value: object) -> Json | None:
    """An object; also the only element of a list, or encoded as text."""
    if not value or isinstance(value, int | float):
        return None
    value = unpacked(value)
    return value if isinstance(value, dict) else None
