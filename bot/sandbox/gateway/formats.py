"""The status responses of the four wire formats.

alibailian  https://www.alibabacloud.com/help/en/model-studio/text-to-video-api-reference
newapi      https://github.com/QuantumNous/new-api, dto/task.go and service/task_polling.go
jimeng      the same envelope, twice, around Volcengine Ark's tasks
ark         Ark's own response: https://www.volcengine.com/docs/82379/1521309
videos      https://github.com/openai/openai-python, src/openai/types/video.py, with the gateways' video_url
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from bot.sandbox.gateway.tasks import GatewayTask, Phase

ARK = "ark"  # the vendor's own form of a jimeng task

Json = dict[str, Any]

_BEIJING = timezone(timedelta(hours=8))  # the time zone of DashScope's times
_LINK_LIFE_S = 24 * 3600
_REQUEST_ID = "ec8f059e-f2e5-4887-bb43-3306cd38f403"


def link_path(task: GatewayTask) -> str:
    """The path and query of the video's link, signed as by this kind's storage."""
    name = quote(task.task_id, safe="")
    begins = int(task.added_at)
    match task.kind:
        case "alibailian":
            query = f"Expires={begins + _LINK_LIFE_S}&OSSAccessKeyId=LTAImake&Signature=q7%2F%2FTe9b%2BsXw%3D"
        case "jimeng" | "newapi":
            date = datetime.fromtimestamp(begins, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
            query = (
                f"X-Tos-Algorithm=TOS4-HMAC-SHA256&X-Tos-Credential=AKLTfake%2F{date[:8]}%2Fcn-beijing%2Ftos"
                f"%2Frequest&X-Tos-Date={date}&X-Tos-Expires={_LINK_LIFE_S}&X-Tos-Signature=0123456789abcdef"
                "&X-Tos-SignedHeaders=host"
            )
        case _:
            query = f"st={begins}&se={begins + _LINK_LIFE_S}&sig=aGVs%2Bbg%3D%3D"
    return f"/files/{task.kind}/{name}.mp4?{query}"


def status_response(task: GatewayTask, link: str, now: float, wire: str | None = None) -> Json:
    """The status response for a known task; wire: ARK; None: its kind."""
    return _FORMATS[wire or task.kind](task, link, now)


def unknown_response(wire: str, task_id: str) -> tuple[int, Json]:
    """HTTP status and body of the response for an unknown task."""
    match wire:
        case _ if wire == ARK:
            message = f"The specified task {task_id} is not found. Request id: {_REQUEST_ID}"
            error = {"code": "NotFound.task", "message": message, "param": "", "type": "NotFound"}
            return 404, {"error": error}
        case "alibailian":
            return 200, {
                "request_id": _REQUEST_ID,
                "output": {"task_id": task_id, "task_status": "UNKNOWN"},
            }
        case "videos":
            error = {"message": "Video not found", "type": "invalid_request_error"}
            return 404, {"error": error | {"param": None, "code": None}}
        case _:
            return 400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}


def _alibailian(task: GatewayTask, link: str, now: float) -> Json:
    phase = task.phase(now)
    names = {Phase.QUEUED: "PENDING"}
    output: Json = {"task_id": task.task_id, "task_status": names.get(phase, phase.upper())}
    output["submit_time"] = _beijing(task.added_at)
    if phase is not Phase.QUEUED:
        output["scheduled_time"] = _beijing(task.started_at)
    if phase is Phase.FAILED:
        output |= {"end_time": _beijing(task.ends_at), "code": "InternalError.Algo", "message": task.fails}
    if phase is not Phase.SUCCEEDED:
        return {"request_id": _REQUEST_ID, "output": output}
    output |= {
        "end_time": _beijing(task.ends_at),
        "orig_prompt": task.prompt,
        "actual_prompt": f"{task.prompt}, in soft light, filmed by a steady hand",
        "video_url": link,
    }
    usage = {"duration": 3, "video_count": 1, "SR": 270}
    return {"request_id": _REQUEST_ID, "output": output, "usage": usage}


def _beijing(moment: float) -> str:
    return datetime.fromtimestamp(moment, tz=_BEIJING).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


_ENVELOPE_STATUS = {
    Phase.QUEUED: ("QUEUED", "20%"),
    Phase.RUNNING: ("IN_PROGRESS", "30%"),
    Phase.SUCCEEDED: ("SUCCESS", "100%"),
    Phase.FAILED: ("FAILURE", "100%"),
}  # a fixed percentage per status, as in new-api


def _envelope(task: GatewayTask, now: float, *, action: str) -> Json:
    phase = task.phase(now)
    status, progress = _ENVELOPE_STATUS[phase]
    return {
        "task_id": task.task_id,
        "action": action,
        "status": status,
        "fail_reason": task.fails if phase is Phase.FAILED else "",
        "submit_time": int(task.added_at),
        "start_time": 0 if phase is Phase.QUEUED else int(task.started_at),
        "finish_time": int(task.ends_at) if phase in {Phase.SUCCEEDED, Phase.FAILED} else 0,
        "progress": progress,
        "data": None,
    }


def _newapi(task: GatewayTask, link: str, now: float) -> Json:
    data = _envelope(task, now, action="generate") | {
        "id": 4711,
        "created_at": int(task.added_at),
        "updated_at": int(now),
        "platform": "54",
        "user_id": 3,
        "group": "default",
        "channel_id": 12,
        "quota": 50000,
        "properties": {"input": task.prompt, "origin_model_name": task.model},
    }
    if task.phase(now) is Phase.SUCCEEDED:
        data["result_url"] = link
        data["data"] = {"id": "cgt-upstream", "model": task.model, "status": "succeeded"}
    if task.phase(now) is Phase.FAILED:
        data["result_url"] = task.fails  # new-api falls back to the reason
    return {"code": "success", "message": "", "data": data}


def _jimeng(task: GatewayTask, link: str, now: float) -> Json:
    outer = _envelope(task, now, action="jimeng-videos")
    if task.phase(now) is Phase.SUCCEEDED:
        made = datetime.fromtimestamp(task.ends_at, tz=_BEIJING).strftime("%Y-%m-%dT%H:%M:%S.%f")
        innermost = {
            "video": link,
            "status": "SUCCESS",
            "created_at": made,
        }
        inner = outer | {"data": innermost, "platform": "jimeng", "search_item": ""}
        outer |= {"start_time": 0, "data": {"code": "success", "data": inner, "message": ""}}
    return {"code": "success", "message": "", "data": outer}


def _ark(task: GatewayTask, link: str, now: float) -> Json:
    phase = task.phase(now)
    response: Json = {
        "id": task.task_id,
        "model": task.model,
        "status": phase.value,
        "created_at": int(task.added_at),
        "updated_at": int(min(now, task.ends_at)),
    }
    if phase is Phase.SUCCEEDED:
        response |= {"content": {"video_url": link}, "error": None, "seed": 10, "duration": 3}
        response |= {"resolution": "270p", "ratio": "16:9", "framespersecond": 24}
    if phase is Phase.FAILED:
        response |= {"error": {"code": "InternalServiceError", "message": task.fails}}
    return response


def _videos(task: GatewayTask, link: str, now: float) -> Json:
    phase = task.phase(now)
    names = {Phase.RUNNING: "in_progress", Phase.SUCCEEDED: "completed"}
    response: Json = {
        "id": task.task_id,
        "object": "video",
        "model": task.model,
        "status": names.get(phase, phase.value),
        "progress": task.progress(now),
        "prompt": task.prompt,
        "created_at": int(task.added_at),
        "seconds": "3",
        "size": "480x270",
        "error": None,
    }
    if phase is Phase.SUCCEEDED:
        response |= {"completed_at": int(task.ends_at), "expires_at": int(task.ends_at) + _LINK_LIFE_S}
        response |= {"video_url": link} if task.has_link else {}
    if phase is Phase.FAILED:
        response |= {"progress": 0, "error": {"code": "generation_failed", "message": task.fails}}
    return response


_FORMATS: dict[str, Callable[[GatewayTask, str, float], Json]] = {
    "alibailian": _alibailian,
    "newapi": _newapi,
    "jimeng": _jimeng,
    ARK: _ark,
    "videos": _videos,
}
