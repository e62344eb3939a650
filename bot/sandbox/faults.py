"""What can go wrong between the bot and a server, planned by whoever plays with the sandbox."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aiohttp import web

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request; without status and cut it is only late."""

    status: int | None = None  # of the false answer; None: no false answer
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False  # the connection ends without an answer
    execute: bool = False  # the request is carried out first, all the same
    delay_s: float = 0.0  # after carrying out if execute, else before anything
    until: asyncio.Event | None = None  # the same, for as long as a test likes


DROPPED = Fault(cut=True)
LOST_ANSWER = Fault(cut=True, execute=True)


def late(seconds: float) -> Fault:
    """The request is carried out, and its answer comes late."""
    return Fault(delay_s=seconds, execute=True)


def held(until: asyncio.Event) -> Fault:
    """The request waits, not carried out yet, until the event is set."""
    return Fault(until=until)


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Fault:
    """Another JSON answer than the true one."""
    text = json.dumps(body, ensure_ascii=False).encode()
    return Fault(
        status=status,
        body=text,
        headers={"Content-Type": "application/json; charset=utf-8"} | dict(headers or {}),
    )


def html_answer(status: int) -> Fault:
    """A proxy's error page instead of an answer."""
    title = f"<title>{status}</title>"
    page = f"<html><head>{title}</head><body><h1>{status}</h1><hr>nginx</body></html>"
    return Fault(status=status, body=page.encode(), headers={"Content-Type": "text/html"})


@dataclass(slots=True, kw_only=True)
class _Planned(Generic[R]):
    name: str
    fault: Fault
    left: float  # how many requests it still strikes
    when: Callable[[R], bool] | None


class FaultPlan(Generic[R]):
    """Which of the coming requests go wrong, and how."""

    def __init__(self) -> None:
        self._planned: list[_Planned[R]] = []

    def add(
        self, name: str, fault: Fault, *, times: int | None = 1, when: Callable[[R], bool] | None = None
    ) -> None:
        """Strike requests that go by the name ("*": by any), so many times (None: until cleared)."""
        left = float("inf") if times is None else times
        self._planned.append(_Planned(name=name, fault=fault, left=left, when=when))

    def clear(self) -> None:
        """From now on all goes well."""
        self._planned.clear()

    def match(self, names: Collection[str], request: R) -> Fault | None:
        """Say what goes wrong with this request, and count it."""
        for planned in self._planned:
            if planned.name != "*" and planned.name not in names:
                continue
            if planned.left > 0 and (planned.when is None or planned.when(request)):
                planned.left -= 1
                return planned.fault
        return None


def cut(request: web.BaseRequest) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # aiohttp wants one; nobody is there to read it


async def apply_fault(
    fault: Fault, request: web.BaseRequest, answer: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer as the fault says; `answer` carries the request out."""
    true_answer = await answer() if fault.execute else None
    await asyncio.sleep(fault.delay_s)
    if fault.until is not None:
        await fault.until.wait()
    if fault.cut:
        return cut(request)
    if fault.status is not None:
        return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
    return await answer() if true_answer is None else true_answer
