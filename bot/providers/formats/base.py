"""WireFormat: the base of all wire formats, which reads a Snapshot by a format's field paths."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from http import HTTPStatus
from typing import ClassVar

from bot.logs import log_fields
from bot.providers.account import Account
from bot.providers.base import BadResponse, TaskMissing
from bot.providers.formats.envelopes import find_task, has_task_field, names_task, other_status_in
from bot.providers.formats.reasons import as_reason, code_of, reason_of
from bot.providers.formats.status_words import WORD_LIMIT, WORDS, normalized
from bot.providers.parsing.causes import failure_cause
from bot.providers.parsing.fields import (
    BEIJING,
    Json,
    as_code,
    as_length,
    as_percent,
    as_position,
    as_side,
    as_size,
    as_text,
    as_time,
    find,
    first,
)
from bot.providers.parsing.find_link import is_other_file, only_video_link
from bot.providers.parsing.ids import created_at_from_id
from bot.providers.parsing.links import as_link, is_inline, link_expiry
from bot.providers.parsing.response import (
    MESSAGE_LIMIT,
    Response,
    error_in,
    parse_response,
)
from bot.providers.parsing.scrub import Scrubber
from storage.models import Cause, Media, Snapshot, TaskError, TaskStatus

log = logging.getLogger(__name__)

# A value at one of these may be the time that the task took, if one of the next ones is the same.
_DURATIONS = ("duration", "data.duration", "metadata.duration", "usage.duration")
_TIMES_TAKEN = (
    "metadata.total_time", "metadata.predict_time", "total_time", "predict_time", "metrics.predict_time",
    "metrics.total_time", "elapsed", "elapsed_time", "time_taken", "inference_time_s", "usage.total_time",
    "cost_time", "costTime", "actual_time", "execution_time", "executionTime", "processing_time",
    "process_time", "generation_time", "timings.inference",
)  # fmt: skip
# Fallbacks, if the format's own paths have no value.
_OTHER_PROGRESS = (
    "progress", "progress_percent", "progressPercent", "progress_percentage", "percentage", "percent",
)  # fmt: skip
_OTHER_PROGRESS_KEYS = frozenset(_OTHER_PROGRESS)
_OTHER_QUEUES = ("queue_position", "queuePosition", "position_in_queue", "queue_info.position")
_OTHER_SUBMITTED = (
    "created_at", "createdAt", "created", "submit_time", "submitTime", "submitted_at", "create_time",
    "createTime", "gmt_create",
)  # fmt: skip
_OTHER_FINISHED = (
    "completed_at", "completedAt", "completed", "finished_at", "finishedAt", "finish_time", "finishTime",
    "complete_time", "completeTime", "end_time", "endTime", "ended_at",
)  # fmt: skip
_SAME_S = 1.0  # a length that differs by less from the time taken is that time
_EMPTY_REASONS = {"task failed", "upstream returned error", "upstream returned unrecognized message"}
_PROMPT_LIMIT = 1_000  # characters
_MODEL_LIMIT = 100  # characters
_MOST_LOGGED = 100  # unknown statuses
_PORTRAIT_RATIOS = {"9:16", "3:4", "2:3", "9:21", "4:5"}


class UnsureFailure(BadResponse):
    """A failure that names no task: it may be about the request."""

    def __init__(self, message: str, *, snapshot: Snapshot) -> None:
        super().__init__(message, cause=Cause.ODD_ANSWER)
        self.snapshot = snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPaths:
    """A format's fields, as dotted paths from the task; the first path with a usable value is read."""

    status: tuple[str, ...] = ("status", "state", "task_status")
    progress: tuple[str, ...] = ()
    queue_position: tuple[str, ...] = ()
    links: tuple[str, ...] = ()  # the video itself, never a preview or an input
    expires: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    fallback_reasons: tuple[str, ...] = ()  # if reasons have no value, or a generic one
    prompt: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    submitted: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()
    length: tuple[str, ...] = ()
    size: tuple[str, ...] = ()  # "1280x720"
    width: tuple[str, ...] = ()
    height: tuple[str, ...] = ()
    short_side: tuple[str, ...] = ()  # 720 for 720p
    ratio: tuple[str, ...] = ()  # "16:9"


class WireFormat:
    """A wire format, for one account."""

    kind: ClassVar[str]
    path: str  # of a task's status, with {id} for the id
    example_id: ClassVar[str]  # of the shape that its gateways' ids have
    vendor_paths: ClassVar[tuple[str, ...]] = ()  # where the vendor itself serves the same tasks
    id_shape: ClassVar[str]  # a regular expression of the ids that are known, whole
    body_marks: ClassVar[tuple[str, ...]] = ()  # dotted paths of fields that no other format's body has
    has_request_ids: ClassVar[bool] = False  # a create response may name the task by its request_id only
    status_map: ClassVar[Mapping[str, TaskStatus]] = {}  # overrides WORDS
    paths: ClassVar[FieldPaths]
    published_rps: ClassVar[float | None] = None  # the vendor's rate limit, requests per second
    zone: ClassVar[tzinfo] = BEIJING  # of times without one
    link_life: ClassVar[timedelta | None] = None  # of links without an expiry of their own
    content_path: ClassVar[str | None] = None  # where the gateway serves videos itself

    def __init__(self, account: Account, path: str = "") -> None:
        """path: the account's own; empty: the format's."""
        self.account = account
        self.path = path or self.path
        self.scrub = Scrubber(account.key)
        self._logged: set[str] = set()

    def json_of(self, response: Response) -> Json:
        """Return the JSON object of a successful response; raises ProviderError for any other."""
        return parse_response(response, self.scrub, base_url=self.account.base_url)

    def read_response(self, response: Response, external_id: str) -> Snapshot:
        """Read the task's snapshot from a response; raises ProviderError if it contains none.

        1. Some servers send a failed task with an HTTP status of 4xx or 5xx and the whole task as the body:
           https://github.com/vllm-project/vllm-omni (entrypoints/openai/api_server.py)
        2. Otherwise the status decides whether the body is read as a task or as an error.
        3. A failure whose body names no task may be about the request: it is read as an error, or as
           UnsureFailure if it does not match a known one.
        """
        is_error = not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES
        if is_error and isinstance(response.json, dict) and self._is_ended(response.json, external_id):
            return self.read(response.json, external_id)
        body = self.json_of(response)
        snapshot = self.read(body, external_id)
        if not snapshot.status.is_final or snapshot.status is TaskStatus.SUCCEEDED:
            return snapshot
        has_fields = has_task_field(self.unwrap(body)) or has_task_field(body)
        # Only a video can be moderated.
        is_vague = not has_fields and "moderated" not in normalized(snapshot.raw_status)
        if is_vague:
            error = error_in(body, self.scrub, snapshot.raw_status)
            raise UnsureFailure(error.message, snapshot=snapshot) if isinstance(error, BadResponse) else error
        return snapshot

    def _is_ended(self, body: Json, external_id: str) -> bool:
        """Whether an error's body is the task itself, with a final status."""
        task = self.unwrap(body)
        if not names_task(task, external_id) and not str(task.get("object")).startswith("video"):
            return False
        word = self.raw_status(task)
        known = self.map_status(word) if word else None
        return known is not None and known.is_final and known is not TaskStatus.NOT_FOUND

    def read(self, response: Json, external_id: str) -> Snapshot:
        """Read the task's snapshot from a successful response; raises ProviderError if it has no status."""
        task = self.unwrap(response)
        word = self.raw_status(task)
        if word is None:
            raise error_in(response, self.scrub, "no status in the response")
        status = self.status_of(word, task)
        ended_badly = status.is_final and status is not TaskStatus.SUCCEEDED
        error = self._error(word, status, task) if ended_badly else None
        if error is not None and status is TaskStatus.NOT_FOUND:
            raise TaskMissing(error.message or self.scrub(word, WORD_LIMIT), cause=Cause.TASK_MISSING)
        submitted = self._time(task, self.paths.submitted) or created_at_from_id(external_id)
        submitted = submitted or self._time(task, _OTHER_SUBMITTED)
        finished = self._time(task, self.paths.finished) if status.is_final else None
        if status.is_final and finished is None:
            finished = self._time(task, _OTHER_FINISHED)
        if finished and submitted and finished < submitted:
            finished = None
        progress, measured = self.progress_of(task, external_id)
        started = None if status is TaskStatus.QUEUED else self._time(task, self.paths.started)
        width, height = self._dimensions(task)
        queue_paths = self.paths.queue_position + (_OTHER_QUEUES if status is TaskStatus.QUEUED else ())
        return Snapshot(
            status=status,
            raw_status=self.scrub(word, WORD_LIMIT),
            progress=progress,
            progress_measured=measured,
            media=self._media(task, external_id, finished) if status is TaskStatus.SUCCEEDED else None,
            error=error,
            prompt=self._text(task, self.paths.prompt, _PROMPT_LIMIT),
            model=self._text(task, self.paths.model, _MODEL_LIMIT) or self.model_of(external_id),
            submitted_at=submitted,
            started_at=started,
            finished_at=finished,
            video_s=self._length(task, finished, (submitted, started)),
            width=width,
            height=height,
            queue_position=first(task, queue_paths, as_position),
        )

    def fingerprint(self, body: bytes) -> bytes:
        """The part of a body that identifies its content; equal fingerprints are parsed once."""
        return body

    def link_in(self, response: Json) -> str | None:
        """The video's link, http(s) or data:, in any status."""
        return self.video_in(self.unwrap(response))

    def video_in(self, task: Json) -> str | None:
        """The video's link: at the format's paths, else the only link in the task that is named like a video.

        An image or a page at the format's paths is the last resort.
        """
        links = [link for path in self.paths.links for found in find(task, path) if (link := as_link(found))]
        videos = (link for link in links if not is_other_file(link))
        return next(videos, None) or only_video_link(task) or next(iter(links), None)

    def address(self, link: str, external_id: str) -> str:
        """The URL to request for a link; one of the gateway's own is rebased on its base URL."""
        return self.account.content_url(self.account.rebase_link(link), external_id)

    def unwrap(self, response: Json) -> Json:
        """The task inside a `{code, message, data}` envelope, or the body itself if it is the task."""
        return find_task(response, self.paths.status)

    def raw_status(self, task: Json) -> str | None:
        """The task's status as sent."""
        return first(task, self.paths.status, as_text) or other_status_in(task)

    def status_of(self, word: str, task: Json) -> TaskStatus:
        """Map the task's raw status; an unknown one is logged once and means RUNNING."""
        known = self.map_status(word)
        if known is not None:
            return known
        shown = self.scrub(word, WORD_LIMIT)
        if shown not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(shown)
            log.warning(
                "%s sent an unknown status, treated as running: %s",
                self.account.name,
                shown,
                extra=log_fields(None, "status_unknown", provider=self.account.name, status=shown),
            )
        return TaskStatus.RUNNING

    def progress_of(self, task: Json, external_id: str) -> tuple[float | None, bool]:
        """Progress as 0 to 100, and whether it is measured."""
        return self.raw_progress(task), False

    def raw_progress(self, task: Json) -> float | None:
        """Progress at the format's paths or a common one."""
        progress = first(task, self.paths.progress, as_percent)
        if progress is None and not _OTHER_PROGRESS_KEYS.isdisjoint(task):
            return first(task, _OTHER_PROGRESS, as_percent)
        return progress

    def model_of(self, external_id: str) -> str | None:
        """The model, if the id contains it."""
        return None

    def map_status(self, word: str) -> TaskStatus | None:
        """The status for a raw status, or None if it is unknown."""
        key = normalized(word)
        return self.status_map.get(key) or WORDS.get(key)

    def _error(self, word: str, status: TaskStatus, task: Json) -> TaskError:
        code = first(task, self.paths.codes, as_code) or code_of(task)
        reason = first(task, self.paths.reasons, as_reason)
        if reason is None or reason.casefold() in _EMPTY_REASONS:
            raw = first(task, self.paths.fallback_reasons, as_reason)
            reason = ": ".join(part for part in (reason, raw) if part)
        reason = reason or reason_of(task)
        failed = status is TaskStatus.FAILED
        return TaskError(
            message=self.scrub(reason or code or "", MESSAGE_LIMIT),
            code=self.scrub(code, WORD_LIMIT) if code else None,
            cause=failure_cause(word, code or "", reason) if failed else Cause.OTHER,
        )

    def _media(self, task: Json, external_id: str, finished: datetime | None) -> Media | None:
        link = self.video_in(task)
        stated = self._time(task, self.paths.expires)
        if link is None and self.content_path is not None:
            link = self.account.url(self.content_path, external_id)
        if link is None:
            return None
        if is_inline(link):
            return Media(url=None, expires_at=stated)
        link = self.address(link, external_id)
        default = finished + self.link_life if finished and self.link_life else None
        expires = link_expiry(link, signed_at=finished) or stated or default
        return Media(url=link, needs_auth=self.account.is_own_origin(link), expires_at=expires)

    def _length(
        self, task: Json, finished: datetime | None, starts: tuple[datetime | None, ...]
    ) -> float | None:
        """The video's length, unless the value is the time that the task took."""
        length_s = first(task, self.paths.length, as_length)
        if length_s is None or length_s not in (first(task, (path,), as_length) for path in _DURATIONS):
            return length_s
        taken = [as_length(found) for path in _TIMES_TAKEN for found in find(task, path)]
        if finished:
            taken.extend((finished - start).total_seconds() for start in starts if start)
        return None if any(s and abs(s - length_s) < _SAME_S for s in taken) else length_s

    def _dimensions(self, task: Json) -> tuple[int | None, int | None]:
        size = first(task, self.paths.size, as_size)
        width, height = size or (None, None)
        width = width or first(task, self.paths.width, as_side)
        height = height or first(task, self.paths.height, as_side)
        side = first(task, self.paths.short_side, as_side)
        if width or height or side is None:
            return width, height
        return (side, None) if first(task, self.paths.ratio, as_text) in _PORTRAIT_RATIOS else (None, side)

    def _text(self, task: Json, paths: tuple[str, ...], limit: int) -> str | None:
        text = first(task, paths, as_text)
        return self.scrub(text, limit, is_from_vendor=False) or None if text else None

    def _time(self, task: Json, paths: tuple[str, ...]) -> datetime | None:
        return first(task, paths, as_time(self.zone))
