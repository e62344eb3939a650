"""Where in an answer the task stands: at its root, in `{code, message, data}`, or deeper.

Of vendors: Google's operations (`done`), Tencent Cloud's `Response.Status`, Volcengine's `data.task`.
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
_MOST_INNER = 64  # objects of one level; answers have a few
_TASK_KEYS = frozenset({
    "id", "task_id", "taskId", "video_id", "videoId", "object", "progress", "model", "prompt", "action",
    "output",
    "created_at", "updated_at", "completed_at", "failed_at", "submit_time", "start_time", "finish_time",
    "submitTime", "startTime", "finishTime", "created", "createdAt", "fail_reason", "failReason",
    "failure_reason", "failureReason", "seconds", "duration", "size", "usage", "metadata", "url", "video_url",
    "result_url", "video", "platform", "task_status", "task_status_msg", "task_result", "expires_at", "done",
})  # fmt: skip
# Asked where the format's own places hold no word.
_OTHER_STATUSES = (
    "taskStatus", "task_state", "taskState", "job_status", "jobStatus", "video_status", "Status", "State",
    "TaskStatus", "status.state", "status.status", "status.name", "metadata.state",
)  # fmt: skip
_ENVELOPE_WORDS = {"ok", "200", "true"}  # besides those for success


def task_in(answer: Json, places: tuple[str, ...]) -> Json:
    """The task, or the answer itself where none is found; places: of the status, as the format names them."""
    word, found = first(answer, places, as_text), answer.get("data")
    data = found if isinstance(found, dict) and first(found, places, as_text) is not None else None
    if word is not None and "code" not in answer:
        named = data is not None and names_any_task(data)
        if tells_of_task(answer) or not (named or _is_envelope_word(word)):
            return answer
    if data is not None:
        return data
    inner = next((task for task in _inside(answer) if first(task, places, as_text) is not None), None)
    if word is not None:
        return answer if inner is None or "code" in answer else inner
    if inner is None and other_word_in(answer) is None:
        inner = next((task for task in _inside(answer) if other_word_in(task) is not None), None)
    return answer if inner is None else inner


def other_word_in(task: Json) -> str | None:
    """The status where the format does not name it."""
    word = first(task, _OTHER_STATUSES, as_text)
    done = task.get("done")
    if word is not None or not isinstance(done, bool):
        return word
    return ("failed" if task.get("error") else "done") if done else "running"


def tells_of_task(answer: Json) -> bool:
    """Whether an object holds a task's id or any of its fields."""
    return not _TASK_KEYS.isdisjoint(answer)


def names_any_task(answer: Json) -> bool:
    """Whether an object holds an id."""
    return any(key in answer for key in ID_KEYS)


def names_task(answer: Json, external_id: str) -> bool:
    """Whether an object, or its `detail`, holds this very id."""
    ids = [answer.get(key) for key in (*ID_KEYS, "request_id")]
    ids += [inner for name in ID_KEYS for inner in find(answer, f"detail.{name}")]
    return any(text == external_id or external_id.endswith(f":{text}") for text in ids if text)


def _is_envelope_word(word: str) -> bool:
    key = normalized(word)
    return key in _ENVELOPE_WORDS or WORDS.get(key) is TaskStatus.SUCCEEDED


def _inside(answer: Json) -> Iterator[Json]:
    """Objects under the names that gateways use for the task, outer ones first."""
    level: list[Json] = [answer]
    for _ in range(_DEEPEST):
        errors = [_object(outer.get("error")) for outer in level]
        failed = [error for error in errors if error is not None and names_any_task(error)]
        inner = [_object(outer.get(name)) for outer in level for name in _ENVELOPES]
        level = [task for task in inner if task][:_MOST_INNER]
        yield from level
        yield from failed


def _object(value: object) -> Json | None:
    """An object, also alone in a list, or as text."""
    if not value or isinstance(value, int | float):
        return None
    value = unpacked(value)
    return value if isinstance(value, dict) else None
