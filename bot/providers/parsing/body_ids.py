"""Finds the task's id in the body of a gateway's response that somebody has pasted."""

import json
from collections.abc import Iterator, Mapping, Sequence

from bot.providers.parsing.fields import find

SHORTEST_ID = 6  # characters that an id in a text has at least
_MOST_BODIES = 100  # JSON objects that are parsed in one text
_MOST_TASKS = 100  # of a list that are read
_DEEPEST = 5  # levels below the body
_KEYS = ("task_id", "taskId", "video_id", "videoId", "generation_id", "job_id", "JobId", "id")
_INSIDE = ("output", "data", "task", "result", "response", "video", "job", "detail", "payload", "Response")
_REQUEST_KEYS = {"request_id", "status", "status_url", "response_url", "cancel_url", "queue_position"}
_DECODER = json.JSONDecoder(strict=False)
# A dict as Python prints it becomes JSON of the same length.
_AS_JSON = (("'", '"'), ("None", "null"), ("True", "true"), ("False", "false"))


def bodies(text: str) -> Iterator[tuple[Mapping[str, object], int, int]]:
    """The JSON objects of a text, also as Python prints them, each with its start and its end."""
    as_json = text
    for printed, instead in _AS_JSON:
        as_json = as_json.replace(printed, instead)
    start = text.find("{")
    for _ in range(_MOST_BODIES):
        if start < 0:
            return
        end = start + 1
        for form in (text, as_json):
            try:
                value, end = _DECODER.raw_decode(form, start)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value, start, end
                break
        start = text.find("{", end)


def request_id_of(body: Mapping[str, object]) -> object:
    """The request_id of a body that has nothing else to name a task by; None: there is none."""
    return body.get("request_id") if body.keys() <= _REQUEST_KEYS else None


def ids_in(body: Mapping[str, object], *, depth: int = 0) -> list[object]:
    """The values that name the body's tasks: the outermost id, or one for each task of a list.

    An id inside is the vendor's own.
    """
    for key in _KEYS:
        if _may_be_id(body.get(key)):
            return [body[key]]
    found: list[object] = []
    for key in _INSIDE if depth < _DEEPEST else ():
        inner = body.get(key)
        for each in inner[:_MOST_TASKS] if isinstance(inner, list) else [inner]:
            if isinstance(each, dict):
                found += ids_in(each, depth=depth + 1)
            elif key == "data" and isinstance(each, str):  # jimeng's create response: the id alone
                found.append(each)
    return found


def kind_of_body(body: Mapping[str, object], marks: Mapping[str, Sequence[str]]) -> str | None:
    """The wire format that alone has one of these fields, by kind."""
    fields = dict(body)
    return next((kind for kind, paths in marks.items() for path in paths if any(find(fields, path))), None)


def _may_be_id(value: object) -> bool:
    """A row's number is no id."""
    return isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) >= SHORTEST_ID
