"""new-api's unified path: the documented flat object, the envelope that servers send, and forks of both.

https://docs.newapi.pro, https://github.com/QuantumNous/new-api/blob/main/relay/relay_task.go,
https://github.com/QuantumNous/new-api/blob/main/controller/video_proxy.go
"""

from bot.providers.account import CONTENT_PATH
from bot.providers.formats.base import FieldPaths, WireFormat


class NewApi(WireFormat):
    """`{code, message, data: task}` or the task itself; the task's data is the upstream's raw body."""

    kind = "newapi"
    path = "/v1/video/generations/{id}"
    example_id = "task_pK3vXw8RzQm1LtB6nYc4HdSg7JfA2eUo"
    # Kling's and MiniMax's ids are numbers.
    id_shape = r"task_[A-Za-z0-9]{16,64}|\d{14,20}"
    body_marks = ("content.result_url", "result_url")
    content_path = CONTENT_PATH  # the only access to a Vertex channel's videos
    paths = FieldPaths(
        progress=("progress",),  # a constant per status: 10, 20, 30, 50, 100
        links=(
            "url",
            "result_url",  # the failure's text if the task failed
            "content_url",
            "video_url",
            "metadata.url",
            "content.result_url",
            "content.video_url",
            "video.url",
            "fail_reason",  # older new-api
            "data.content.video_url",
            "data.output.video_url",
            "data.data.task_result.videos.*.url",
            "data.task_result.videos.*.url",
            "data.data.video_url",
            "data.video_url",
        ),
        expires=("expires_at",),
        codes=("error.code", "error.type", "data.error.code", "data.output.code"),
        reasons=("fail_reason", "error.message", "error", "result_url", "metadata.url", "message"),
        fallback_reasons=(
            "data.error.message",
            "data.error",
            "data.output.message",
            "data.data.task_status_msg",
            "data.task_status_msg",
            "data.fail_reason",
            "data.message",
        ),
        prompt=("prompt", "properties.input"),
        model=("model", "properties.origin_model_name", "properties.upstream_model_name", "data.model"),
        submitted=("submit_time", "created_at"),
        started=("start_time", "started_at"),
        finished=("finish_time", "finished_at", "completed_at", "updated_at"),
        length=(
            "metadata.duration",
            "seconds",
            "duration",
            "usage.output_video_duration",
            "usage.video_duration",
            "usage.duration",
            "task_result.videos.*.duration",
            "data.duration",
            "data.usage.duration",
            "data.data.task_result.videos.*.duration",
        ),
        size=("size", "metadata.size", "usage.size"),
        width=("metadata.width", "width"),
        height=("metadata.height", "height"),
        short_side=("usage.SR", "data.usage.SR"),
        ratio=("usage.ratio", "ratio", "data.ratio"),
    )
