"""The tasks of the fake gateway as the page shows them."""

import contextlib
import json
from typing import Any

from bot.sandbox.gateway import FakeGateway
from bot.sandbox.gateway.formats import unknown_response
from bot.sandbox.gateway.tasks import GatewayTask, Phase

Json = dict[str, Any]

_LONGEST_BODY = 20_000  # characters of a response that are shown
_REQUEST_ID = unknown_response("alibailian", "")[1]["request_id"]
_PATHS = {
    "alibailian": "/alibailian/api/v1/tasks/{id}",
    "newapi": "/v1/video/generations/{id}",
    "jimeng": "/jimeng/fetch/{id}",
    "videos": "/v1/videos/{id}",
}


def task_view(gateway: FakeGateway, task: GatewayTask, *, now: float) -> Json:
    """A task with its timeline, what can be pasted of it, and the last response to the bot."""
    phase = task.phase(now)
    path = _PATHS[task.kind].format(id=task.task_id)
    last = gateway.last_responses.get((task.kind, task.task_id))
    return {
        "kind": task.kind,
        "id": task.task_id,
        "phase": phase,
        "progress": task.progress(now),
        "addedAt": task.added_at,
        "startedAt": task.started_at if phase is not Phase.QUEUED else None,
        "endedAt": task.ends_at if phase in {Phase.SUCCEEDED, Phase.FAILED} else None,
        "seconds": task.seconds,
        "canAdvance": task.seconds is None and phase in {Phase.QUEUED, Phase.RUNNING},
        "polls": gateway.polls(task.task_id),
        "downloads": task.served.downloads,
        "created": created_response(task),
        "curl": f"curl {gateway.url}{path} -H 'Authorization: Bearer $GATEWAY_API_KEY'",
        "last": last and {"at": last.at, "status": last.status, "body": _indented(last.body)},
    }


def created_response(task: GatewayTask) -> str:
    """What the gateway has answered when the task was submitted."""
    body: Json
    match task.kind:
        case "alibailian":
            body = {"output": {"task_status": "PENDING", "task_id": task.task_id}, "request_id": _REQUEST_ID}
        case "videos":
            body = {"id": task.task_id, "object": "video", "model": task.model, "status": "queued"}
        case "jimeng":
            body = {"code": "success", "message": "", "data": task.task_id}
        case _:
            body = {"id": task.task_id, "task_id": task.task_id, "object": "video", "model": task.model}
    return json.dumps(body, ensure_ascii=False)


def _indented(body: str) -> str:
    with contextlib.suppress(ValueError):
        body = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    return body if len(body) <= _LONGEST_BODY else f"{body[:_LONGEST_BODY]}…"
