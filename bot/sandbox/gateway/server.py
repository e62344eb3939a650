"""The fake gateway: the four wire formats and two vendors on one port, and the video files on another."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.sandbox.faults import Fault, FaultPlan, apply_fault, json_response
from bot.sandbox.gateway.files import serve_file, storage_error
from bot.sandbox.gateway.formats import ARK, link_path, status_response, unknown_response
from bot.sandbox.gateway.tasks import KINDS, GatewayTask, Phase, ServedFile
from bot.sandbox.loopback import LoopbackServer
from bot.sandbox.sample_video import Colour, make_video, with_free_box

T = TypeVar("T")
FAKE_KEY = "sk-fake-key-of-the-sandbox"
PROMPTS = {
    "alibailian": "A paper boat on the waves at sunset",
    "newapi": "Snow falls on a forest in the moonlight",
    "jimeng": "热气球飘过雪山，白云缓缓移动",
    "videos": "A lighthouse in a storm, waves <higher> than the rocks",
}
MODELS = {
    "alibailian": "wan2.5-t2v-preview",
    "newapi": "doubao-seedance-1-0-pro-250528",
    "jimeng": "jimeng-video-3.0",
    "videos": "sora-2",
}
COLOURS = dict(zip(KINDS, Colour, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequest:
    """A request that the bot made."""

    route: str  # status, content, or files
    kind: str
    task_id: str
    headers: Mapping[str, str]
    at: float = field(default_factory=time.monotonic, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastResponse:
    """The response to the last poll of a task."""

    at: float  # unix seconds
    status: int | None  # None: the connection was closed without one
    body: str


class FakeGateway(LoopbackServer):
    """A gateway on loopback."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(ports=2)
        self.key = FAKE_KEY
        self.tasks: dict[tuple[str, str], GatewayTask] = {}
        self.requests: list[GatewayRequest] = []
        self.last_responses: dict[tuple[str, str], LastResponse] = {}  # by kind and task id
        self._polls: Counter[str] = Counter()  # by task id
        self._replays: dict[str, Fault] = {}  # by path and query, as requested
        self._faults: FaultPlan[GatewayRequest] = FaultPlan()
        self._clock = clock

    @property
    def url(self) -> str:
        """The value for GATEWAY_BASE_URL; valid after the first start."""
        return self.address()

    @property
    def files_url(self) -> str:
        """The base URL of the video files: another origin than the API."""
        return self.address(1)

    def routes(self) -> list[web.RouteDef]:
        """The status queries of the gateways, DashScope and Ark, the files, and replayed responses."""
        return [
            web.get("/alibailian/api/v1/tasks/{task_id}", self._status("alibailian")),
            web.get("/v1/video/generations/{task_id}", self._status("newapi")),
            web.get("/jimeng/fetch/{task_id}", self._status("jimeng")),
            web.get("/v1/videos/{task_id}", self._status("videos")),
            web.get("/api/v1/tasks/{task_id}", self._status("alibailian")),
            web.get("/api/v3/contents/generations/tasks/{task_id}", self._status("jimeng", ARK)),
            web.get("/v1/videos/{task_id}/content", self._content),
            web.get("/files/{kind}/{task_id}.mp4", self._file),
            web.get("/{path:.*}", self._replay),
        ]

    def add(
        self,
        kind: str,
        task_id: str,
        *,
        seconds: float | None = 6.0,
        fails: str | None = None,
        video: bytes = b"",
    ) -> GatewayTask:
        """Add a task that ends after so many seconds (None: only by advance()); its fields may be changed."""
        task = GatewayTask(
            kind=kind,
            task_id=task_id,
            served=ServedFile(content=video or with_free_box(make_video(COLOURS[kind]), task_id.encode())),
            added_at=self._clock(),
            seconds=seconds,
            fails=fails,
            prompt=PROMPTS[kind],
            model=MODELS[kind],
        )
        self.tasks[kind, task_id] = task
        return task

    def advance(self, task_id: str) -> Phase:
        """Move a task to its next phase: queued, running, ended."""
        [task] = [task for task in self.tasks.values() if task.task_id == task_id]
        return task.advance(self._clock())

    def link(self, task: GatewayTask) -> str:
        """The URL of a task's video."""
        return f"{self.files_url}{link_path(task)}"

    def replay(self, path: str, *, http_status: int, headers: Mapping[str, str], body: object) -> None:
        """Respond to this path with a recorded response; a string body is sent as it is, others as JSON."""
        fault = json_response(http_status, body, headers)
        if isinstance(body, str):
            fault = Fault(status=http_status, headers=headers, body=body.encode())
        self._replays[path] = fault

    def fail(
        self,
        name: str,
        fault: Fault,
        *,
        times: int | None = 1,
        when: Callable[[GatewayRequest], bool] | None = None,
    ) -> None:
        """Fail the next requests of a route, kind, task id or "*"; times=None: until clear_faults()."""
        self._faults.add(name, fault, times=times, when=when)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    async def wait_for(self, condition: Callable[[], T], *, timeout_s: float = 10.0) -> T:
        """Return the first true value of the condition; it is evaluated after every request."""
        return await self.change_signal.wait_for(condition, timeout_s=timeout_s)

    def polls(self, task_id: str) -> int:
        """How often the bot polled this task."""
        return self._polls[task_id]

    def forget(self, *, requests: int, tasks: int) -> None:
        """Forget all but the newest requests, and the oldest of too many tasks if they have ended."""
        del self.requests[:-requests]
        now = self._clock()
        ended = [key for key, task in self.tasks.items() if task.phase(now) is task.end]
        for key in ended[: max(0, len(self.tasks) - tasks)]:
            del self.tasks[key]
        for key in self.last_responses.keys() - self.tasks.keys():
            del self.last_responses[key]
        for task_id in self._polls.keys() - {task_id for _, task_id in self.tasks}:
            del self._polls[task_id]

    def _status(self, kind: str, wire: str | None = None) -> Handler:
        """wire: the form of the response, if it is not the kind's."""

        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, "status", kind, wire)

        return serve

    async def _content(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "content", "videos")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "files", request.match_info["kind"])

    async def _replay(self, request: web.Request) -> web.StreamResponse:
        async def respond() -> web.StreamResponse:
            raise web.HTTPNotFound

        fault = self._replays.get(request.raw_path)
        return await respond() if fault is None else await apply_fault(fault, request, respond)

    async def _serve(
        self, request: web.Request, route: str, kind: str, wire: str | None = None
    ) -> web.StreamResponse:
        """Record the request, and respond truly or with the planned fault."""
        recorded = GatewayRequest(
            route=route,
            kind=kind,
            task_id=request.match_info["task_id"],
            headers=dict(request.headers),
        )
        self.requests.append(recorded)
        self._polls[recorded.task_id] += route == "status"
        self.change_signal.notify()

        async def respond() -> web.StreamResponse:
            return await self._respond(request, recorded, wire or kind)

        fault = self._faults.match((route, kind, recorded.task_id), recorded)
        if fault is None:
            fault = self._replays.get(request.raw_path)
        response = await (respond() if fault is None else apply_fault(fault, request, respond))
        if route == "status" and isinstance(response, web.Response):
            self._keep(recorded, response, is_cut=fault is not None and fault.cut)
        return response

    def _keep(self, recorded: GatewayRequest, response: web.Response, *, is_cut: bool) -> None:
        self.last_responses[recorded.kind, recorded.task_id] = LastResponse(
            at=self._clock(),
            status=None if is_cut else response.status,
            body="" if is_cut else response.text or "",
        )
        self.change_signal.notify()

    async def _respond(self, request: web.Request, recorded: GatewayRequest, wire: str) -> web.StreamResponse:
        task = self.tasks.get((recorded.kind, recorded.task_id))
        if recorded.route == "files":
            return await self._respond_with_file(request, task)
        if recorded.headers.get("Authorization") != f"Bearer {self.key}":
            error = {"code": "", "message": "无效的令牌 (request id: 2026)", "type": "new_api_error"}
            return _json(401, {"error": error})
        if recorded.route == "content":
            return await self._respond_with_content(request, task)
        if task is None:
            return _json(*unknown_response(wire, recorded.task_id))
        return _json(200, status_response(task, self.link(task), self._clock(), wire))

    async def _respond_with_content(
        self, request: web.Request, task: GatewayTask | None
    ) -> web.StreamResponse:
        # https://github.com/QuantumNous/new-api, controller/video_proxy.go
        if task is None:
            return _json(404, {"error": {"message": "Task not found", "type": "invalid_request_error"}})
        phase = task.phase(self._clock())
        if phase is not Phase.SUCCEEDED:
            message = f"Task is not completed yet, current status: {phase.upper()}"
            return _json(400, {"error": {"message": message, "type": "invalid_request_error"}})
        return await serve_file(request, task.served)

    async def _respond_with_file(self, request: web.Request, task: GatewayTask | None) -> web.StreamResponse:
        if task is None or task.phase(self._clock()) is not Phase.SUCCEEDED:
            return storage_error(404, "NoSuchKey", "The specified key does not exist.")
        if "Authorization" in request.headers:
            return storage_error(400, "InvalidArgument", "Only one authentication mechanism is allowed.")
        if request.raw_path != link_path(task):
            message = "The request signature we calculated does not match the signature you provided."
            return storage_error(403, "SignatureDoesNotMatch", message)
        return await serve_file(request, task.served)


def _json(status: int, body: object) -> web.Response:
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, ensure_ascii=False))
