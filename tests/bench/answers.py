"""Gateways' responses for a task, in their real size."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.bench.kinds import KINDS, Phase

Json = dict[str, Any]

REQUEST_ID = "00000000-0000-4000-8000-000000000000"  # DashScope's, different in every response
_BEIJING = timezone(timedelta(hours=8))  # the zone of DashScope's times
_PROMPT = "A paper boat drifts down a rainy street at dusk, seen from above, reflections of shop signs"


def body(kind: str, task_id: str, phase: Phase, *, begun: int, link: str = "") -> bytes:
    """The whole response; begun: in unix seconds."""
    return json.dumps(_FORMATS[kind](task_id, phase, begun, link), separators=(",", ":")).encode()


def _alibailian(task_id: str, phase: Phase, begun: int, link: str) -> Json:
    words = {Phase.QUEUED: "PENDING", Phase.RUNNING: "RUNNING", Phase.SUCCEEDED: "SUCCEEDED"}
    output: Json = {
        "task_id": task_id,
        "task_status": words[phase],
        "submit_time": _beijing(begun),
        "scheduled_time": _beijing(begun + 1),
    }
    if phase is not Phase.SUCCEEDED:
        return {"request_id": REQUEST_ID, "output": output}
    output |= {"end_time": _beijing(begun + 152), "video_url": link, "orig_prompt": _PROMPT}
    usage = {"video_duration": 5, "video_ratio": "1280*720", "video_count": 1, "SR": 720}
    return {"request_id": REQUEST_ID, "output": output, "usage": usage}


def _beijing(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, _BEIJING):%Y-%m-%d %H:%M:%S}.123"


def _newapi(task_id: str, phase: Phase, begun: int, link: str) -> Json:
    task = _envelope(task_id, phase, begun, action="generate") | {
        "id": 4711,
        "created_at": begun,
        "updated_at": begun + 45,
        "platform": "54",
        "user_id": 3,
        "group": "default",
        "channel_id": 12,
        "quota": 50000,
        "properties": {"input": _PROMPT, "origin_model_name": "doubao-seedance-1-0-pro-250528"},
        "data": _ark(phase, begun, link),
    }
    return {"code": "success", "message": "", "data": task | {"result_url": link}}


def _jimeng(task_id: str, phase: Phase, begun: int, link: str) -> Json:
    task = _envelope(task_id, phase, begun, action="jimeng-videos") | {"data": None}
    if phase is Phase.SUCCEEDED:
        video = {"video": link, "status": "SUCCESS", "created_at": _beijing(begun + 152)}
        task["data"] = {
            "code": "success",
            "message": "",
            "data": task | {"platform": "jimeng", "data": video},
        }
    return {"code": "success", "message": "", "data": task}


def _videos(task_id: str, phase: Phase, begun: int, link: str) -> Json:
    words = {Phase.QUEUED: "queued", Phase.RUNNING: "in_progress", Phase.SUCCEEDED: "completed"}
    return {
        "id": task_id,
        "object": "video",
        "model": "sora-2",
        "status": words[phase],
        "progress": _PERCENT[phase],
        "prompt": _PROMPT,
        "created_at": begun,
        "completed_at": begun + 152 if phase is Phase.SUCCEEDED else None,
        "expires_at": None,
        "seconds": "5",
        "size": "1280x720",
        "quality": "standard",
        "remixed_from_video_id": None,
        "error": None,
        "video_url": link or None,
    }


_PERCENT = {Phase.QUEUED: 20, Phase.RUNNING: 50, Phase.SUCCEEDED: 100}


def _envelope(task_id: str, phase: Phase, begun: int, *, action: str) -> Json:
    words = {Phase.QUEUED: "QUEUED", Phase.RUNNING: "IN_PROGRESS", Phase.SUCCEEDED: "SUCCESS"}
    return {
        "task_id": task_id,
        "action": action,
        "status": words[phase],
        "fail_reason": "",
        "submit_time": begun,
        "start_time": 0 if phase is Phase.QUEUED else begun + 20,
        "finish_time": begun + 152 if phase is Phase.SUCCEEDED else 0,
        "progress": f"{_PERCENT[phase]}%",
    }


def _ark(phase: Phase, begun: int, link: str) -> Json:
    """Volcengine Ark's task as new-api relays it: https://www.volcengine.com/docs/82379/1521309."""
    content = {"content": {"video_url": link}} if phase is Phase.SUCCEEDED else {}
    return content | {
        "id": "cgt-20260110070640-abcde",
        "model": "doubao-seedance-1-0-pro-250528",
        "status": phase.value,
        "usage": {"completion_tokens": 108900, "total_tokens": 108900},
        "created_at": begun,
        "updated_at": begun + 20,
        "seed": 37212,
        "resolution": "720p",
        "ratio": "16:9",
        "duration": 5,
        "framespersecond": 24,
        "service_tier": "default",
        "execution_expires_after": 172800,
    }


_FORMATS: dict[str, Callable[[str, Phase, int, str], Json]] = dict(
    zip(KINDS, (_alibailian, _newapi, _jimeng, _videos), strict=True)
)
