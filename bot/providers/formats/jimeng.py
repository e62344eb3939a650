"""Volcengine Ark's Seedance tasks: as gateways of the gpt-best family wrap them, or as Ark itself sends them.

https://doc.aimanyi.top/api-326415501.html, https://www.volcengine.com/docs/82379/1521309
"""

from datetime import timedelta

from bot.providers.formats.base import FieldPaths, WireFormat


class Jimeng(WireFormat):
    """`{code, data: {status, data: {code, data: {status, data: {video}}}}}`; the outermost status decides.

    Ark's own, with another path: `{id, status, content: {video_url}, error}`.
    """

    kind = "jimeng"
    path = "/jimeng/fetch/{id}"
    example_id = "cgt-20250702112233-x7k2p"
    vendor_paths = ("/api/v3/contents/generations/tasks/{id}",)
    id_shape = r"cgt-\d{14}-[a-z0-9]{3,12}"
    paths = FieldPaths(
        progress=("progress", "data.data.progress"),  # a constant per status
        links=(
            "data.data.data.video",
            "data.data.data.video_url",
            "data.data.video",
            "data.data.video_url",
            "data.video",
            "data.video_url",
            "video",
            "video_url",
            "data.videos.*.url",
            "task_result.videos.*.url",
            "data.task_result.videos.*.url",
            "data.metadata.data.task_map.*.item_list.*.transcoded_video.origin.video_url",
            "data.item_list.*.video.transcoded_video.origin.video_url",
            "data.data.item_list.*.video.transcoded_video.origin.video_url",
            "data.content.video_url",
            "content.video_url",
            "result_url",
            "url",
            "fail_reason",
        ),
        codes=("error.code", "data.error.code", "data.data.error.code"),
        reasons=("fail_reason", "error.message", "error", "task_status_msg", "result_url", "message"),
        fallback_reasons=(
            "data.data.fail_reason",
            "data.fail_reason",
            "data.error.message",
            "data.data.error.message",
            "data.data.data.error.message",
            "data.error",
            "data.message",
        ),
        prompt=("prompt",),
        model=("model", "data.model", "data.data.data.model"),
        # The outer times are the wrapper's: its finish is the task's start.
        submitted=("data.data.submit_time", "submit_time", "created_at"),
        started=("data.data.start_time", "start_time"),
        finished=("data.data.finish_time", "data.data.data.created_at", "finish_time", "updated_at"),
        length=("data.duration", "data.data.duration", "data.data.data.duration", "duration"),
        size=("size",),
        short_side=("resolution", "data.resolution"),
        ratio=("ratio", "data.ratio"),
    )
    link_life = timedelta(hours=24)
