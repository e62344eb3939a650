"""python -m tests.bench.gateway: a fake gateway, which records its requests."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import quantiles
from typing import Any

from bot.sandbox.sample_video import make_video
from tests.bench.answers import REQUEST_ID, body
from tests.bench.bare import Order, Request, Respond, response, serve
from tests.bench.kinds import Phase, bench_tasks

_NOT_FOUND = response(b'{"code":"task_not_exist","message":"task_not_exist"}', status="400 Bad Request")
_SIGNATURE = "X-Tos-Date={:%Y%m%dT%H%M%SZ}&X-Tos-Expires=86400&X-Tos-Signature=0123456789abcdef"


@dataclass(slots=True)
class Asked:
    """A task and its polls; times are those of the monotonic clock."""

    kind: str
    answer: bytes
    asked_at: float | None = None
    ended_at: float | None = None
    told_at: float | None = None  # when its end was first sent


@dataclass(slots=True)
class Window:
    """The requests since it was opened."""

    opened_at: float
    pace_s: float
    polls: int = 0
    late_s: list[float] = field(default_factory=list)


class Gateway:
    """Thousands of tasks that run until a command ends them."""

    def __init__(self) -> None:
        self._tasks: dict[str, Asked] = {}
        self._window = Window(time.monotonic(), 0.0)
        self._sample = make_video()
        self._begun = int(time.time())  # all tasks
        self._answer_s = 0.0

    def handle(self, request: Request, respond: Respond) -> None:
        """Respond to a status query after the configured delay, and serve videos."""
        name = request.path.rpartition("/")[2]
        if request.path.startswith("/files/"):
            respond(response(self._sample, content_type="video/mp4"))
            return
        task = self._tasks.get(name)
        if task is None:
            respond(_NOT_FOUND)
            return
        now = time.monotonic()
        self._note(task, now)
        answer = task.answer
        if task.kind == "alibailian":
            answer = answer.replace(REQUEST_ID.encode(), f"{time.time_ns():036d}".encode(), 1)
        if self._answer_s:
            asyncio.get_running_loop().call_later(self._answer_s, respond, answer)
        else:
            respond(answer)

    def apply_order(self, order: Order) -> Any:
        """begin: tasks; open: start counting; polls: the counts; end: a task; ends: those ended."""
        match order["do"]:
            case "begin":
                self._answer_s = order["answer_s"]
                self._tasks = {
                    task.task_id: Asked(task.kind, self._answer(task.kind, task.task_id, Phase.RUNNING))
                    for task in bench_tasks(order["tasks"])
                }
            case "open":
                self._window = Window(time.monotonic(), order["pace_s"])
            case "polls":
                return self._report()
            case "asked":
                return any(task.asked_at is not None for task in self._tasks.values()) or None
            case "end":
                self._end(order["task_id"], order["address"])
            case "ends":
                return {
                    task_id: [task.ended_at, task.told_at]
                    for task_id, task in self._tasks.items()
                    if task.ended_at is not None
                }
        return None

    def _note(self, task: Asked, now: float) -> None:
        window = self._window
        window.polls += 1
        if task.asked_at is not None:
            window.late_s.append(now - task.asked_at - window.pace_s - self._answer_s)
        task.asked_at = now
        if task.ended_at is not None and task.told_at is None:
            task.told_at = now

    def _end(self, task_id: str, address: str) -> None:
        task = self._tasks[task_id]
        link = f"{address}/files/{task_id}.mp4?{_SIGNATURE.format(datetime.now(UTC))}"
        task.answer = self._answer(task.kind, task_id, Phase.SUCCEEDED, link)
        task.ended_at = time.monotonic()

    def _answer(self, kind: str, task_id: str, phase: Phase, link: str = "") -> bytes:
        return response(body(kind, task_id, phase, begun=self._begun, link=link))

    def _report(self) -> dict[str, Any]:
        window = self._window
        late = quantiles(window.late_s, n=100) if len(window.late_s) > 1 else None
        return {
            "polls": window.polls,
            "span_s": time.monotonic() - window.opened_at,
            "late_s": late and [late[49], late[94], late[98]],
        }


if __name__ == "__main__":
    gateway = Gateway()
    asyncio.run(serve(gateway.handle, gateway.apply_order))
