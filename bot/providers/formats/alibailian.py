"""Alibaba DashScope's tasks as gateways relay them.

https://www.alibabacloud.com/help/en/model-studio/text-to-video-api-reference
https://www.alibabacloud.com/help/en/model-studio/rate-limit
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from bot.providers.formats.base import FieldPaths, WireFormat
from bot.providers.parsing.ids import UUID
from storage.models import TaskStatus

_REQUEST_ID = re.compile(rb'"request_id" *: *"[^"]*"')  # differs in every response


class Alibailian(WireFormat):
    """`{output: {task_status, …}, usage}`; a failed task has HTTP 200, a deleted one the status UNKNOWN."""

    kind = "alibailian"
    path = "/alibailian/api/v1/tasks/{id}"
    example_id = "86ecf553-d340-4e21-af6e-a0c6a421c010"
    vendor_paths = ("/api/v1/tasks/{id}",)
    id_shape = UUID
    body_marks = ("output.task_status", "output.task_id")
    published_rps = 20.0
    # UNKNOWN: the task is deleted, or never existed.
    status_map: ClassVar[Mapping[str, TaskStatus]] = {"unknown": TaskStatus.NOT_FOUND}
    paths = FieldPaths(
        status=("output.task_status", "output.status", "output.state", "task_status", "status", "state"),
        progress=("output.progress",),
        links=(
            "output.video_url",
            "output.results.video_url",
            "output.output_video_url",
            "output.results.*.url",
        ),
        codes=("output.code", "code"),
        reasons=("output.message", "message"),
        prompt=("output.orig_prompt",),
        submitted=("output.submit_time",),
        started=("output.scheduled_time",),
        finished=("output.end_time",),
        length=("usage.output_video_duration", "usage.video_duration", "usage.duration"),
        size=("usage.size",),
        short_side=("usage.SR",),
        ratio=("usage.ratio",),
    )
    link_life = timedelta(hours=24)

    def fingerprint(self, body: bytes) -> bytes:
        return _REQUEST_ID.sub(b"", body, count=1)
