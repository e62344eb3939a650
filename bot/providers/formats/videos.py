"""OpenAI's Videos path: OpenAI's object, web-Sora's `detail`, Veo's steps, new-api's copy, xAI's form.

https://platform.openai.com/docs/api-reference/videos, https://doc.aimanyi.top/api-370109885.html,
https://docs.x.ai/developers/rest-api-reference/inference/videos, https://apidocs.qnaigc.com/237751553d0,
https://docs.inworld.ai/api-reference/videoAPI/retrieve-video
"""

import re
from datetime import UTC
from http import HTTPStatus

from bot.providers.account import CONTENT_PATH
from bot.providers.formats.base import FieldPaths, WireFormat
from bot.providers.parsing.fields import Json, as_fraction, as_text, find, first
from bot.providers.parsing.ids import UUID
from bot.providers.parsing.response import Response
from storage.models import TaskStatus

_MEASURED = ("detail.pending_info.progress_pct", "detail.progress_pct")
_INNER_STATUS = ("detail.pending_info.status", "detail.status")
_NEW_API_ID = re.compile(r"task_[0-9A-Za-z]{32}")
# One constant per status: new-api's relay/channel/task/taskcommon.
_NEW_API_PROGRESS = {0.0, 10.0, 20.0, 30.0, 50.0, 100.0}
_XAI_REFUSAL = "imagine:content-moderated"


class Videos(WireFormat):
    """A flat task; its video may have to be fetched from `/content` with the key."""

    kind = "videos"
    path = "/v1/videos/{id}"
    example_id = "video_68d7512d07848190b3e45da0ecbebcde"
    id_shape = (
        rf"(?:video|gen|sora|veo)_[A-Za-z0-9+=_-]{{16,500}}|task_[A-Za-z0-9]{{16,64}}|{UUID}|\d{{14,20}}"
        # A relay's prefix of the model: veo3.1-fast:1785350082-trii1OXZc3
        r"|(?:sora|veo|grok|kling|wan|hailuo|minimax|runway|gen|luma|ray|vidu|pika|pixverse|hunyuan|imagine)"
        r"[A-Za-z0-9.-]{0,40}:[A-Za-z0-9_-]{10,100}"
    )
    has_request_ids = True  # xAI's
    content_path = CONTENT_PATH
    zone = UTC
    paths = FieldPaths(
        status=("status", "state", "task_status", "detail.status"),
        progress=("progress",),
        queue_position=("detail.pending_info.progress_pos_in_queue",),
        links=(
            "video_url",
            "url",
            "metadata.url",  # the failure's text if the task failed
            "output.url",
            "detail.url",
            "detail.video_url",
            "detail.output.media_url",
            "result_url",
            "content_url",
            "content.video_url",
            "video.url",
            "output.videos.*.url",
            "task_result.videos.*.url",
            "fail_reason",
        ),
        expires=("output.videos.*.url_expires_at", "expires_at"),
        codes=("error.code", "error.type"),
        reasons=(
            "error.message",
            "error",
            "detail.pending_info.failure_reason",
            "detail.draft_info.reason_str",
            "detail.failure_reason",
            "fail_reason",
            "metadata.url",
            "result_url",
            "message",
        ),
        prompt=("prompt", "detail.input.prompt", "detail.pending_info.prompt"),
        model=("model",),
        submitted=("created_at", "submit_time", "detail.pending_info.created_at"),
        started=("started_at", "start_time"),
        finished=(
            "completed_at",
            "failed_at",
            "finished_at",
            "finish_time",
            "detail.draft_info.created_at",
            "status_update_time",
        ),
        length=(
            "seconds",
            "duration",
            "n_seconds",
            "metadata.duration",
            "usage.video_duration",
            "usage.duration",
            "video.duration",
            "task_result.videos.*.duration",
        ),
        size=("size",),
        width=("width", "detail.pending_info.width", "metadata.width"),
        height=("height", "detail.pending_info.height", "metadata.height"),
        short_side=("usage.SR",),
        ratio=("usage.ratio",),
    )

    def json_of(self, response: Response) -> Json:
        """As the base, but xAI's HTTP status 202 means pending, and a 400 may be a moderated video."""
        if response.status not in {HTTPStatus.ACCEPTED, HTTPStatus.BAD_REQUEST}:
            return super().json_of(response)
        body = response.json
        fields = body if isinstance(body, dict) else {}
        is_empty = not response.body.strip()
        if response.status == HTTPStatus.ACCEPTED and (is_empty or isinstance(body, dict)):
            return fields if "error" in fields or "code" in fields else {"status": "pending", **fields}
        if fields.get("code") == _XAI_REFUSAL:
            return {**fields, "status": "moderated"}
        return super().json_of(response)

    def raw_status(self, task: Json) -> str | None:
        """As the base, but xAI's body may have only an id, or a done video that was moderated."""
        word = super().raw_status(task)
        if word is None:
            return "pending" if task.keys() == {"request_id"} else None
        refused = any(kept is False for kept in find(task, "video.respect_moderation"))
        return "moderated" if refused and self.map_status(word) is TaskStatus.SUCCEEDED else word

    def status_of(self, word: str, task: Json) -> TaskStatus:
        """As the base, but web-Sora is pending until the end, and only its inner status is running."""
        status = super().status_of(word, task)
        if status is TaskStatus.QUEUED:
            inner = (first(task, (path,), as_text) for path in _INNER_STATUS)
            if any(self.map_status(word) is TaskStatus.RUNNING for word in inner if word):
                return TaskStatus.RUNNING
        return status

    def progress_of(self, task: Json, external_id: str) -> tuple[float | None, bool]:
        """Web-Sora's fraction, else the percentage; new-api's constants are not measured."""
        measured = first(task, _MEASURED, as_fraction)
        if measured is not None:
            return measured, True
        progress = self.raw_progress(task)
        new_api = "task_id" in task or _NEW_API_ID.fullmatch(external_id) is not None
        return progress, progress is not None and not (new_api and progress in _NEW_API_PROGRESS)

    def model_of(self, external_id: str) -> str | None:
        """The model in the prefix of some ids: `sora-2:task_…`."""
        model, colon, _ = external_id.partition(":")
        return model or None if colon else None
