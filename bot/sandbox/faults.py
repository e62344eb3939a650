"""Fault injection: planned failures of requests to the fake servers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aiohttp import web

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failure of one request; without status and cut the response is only delayed."""

    status: int | None = None  # of a false response; None: the true response
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False  # close the connection without a response
    execute: bool = False  # execute the request first
    delay_s: float = 0.0  # after the execution if execute, else before
    until: asyncio.Event | None = None  # a delay until the event is set


DROPPED = Fault(cut=True)
LOST_RESPONSE = Fault(cut=True, execute=True)


def held(until: asyncio.Event) -> Fault:
    """The request is not executed until the event is set."""
    return Fault(until=until)


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Fault:
    """A false JSON response."""
    text = json.dumps(body, ensure_ascii=False).encode()
    return Fault(
        status=status,
        body=text,
        headers={"Content-Type": "application/json; charset=utf-8"} | dict(headers or {}),
    )


def html_response(status: int) -> Fault:
    """A proxy's error page instead of the response."""
    title = f"<title>{status}</title>"
    page = f"<html><head>{title}</head><body><h1>{status}</h1><hr>nginx</body></html>"
    return Fault(status=status, body=page.encode(), headers={"Content-Type": "text/html"})


@dataclass(slots=True, kw_only=True)
class _Planned(Generic[R]):
    name: str
    fault: Fault
    left: float  # how many more requests fail
    when: Callable[[R], bool] | None


class FaultPlan(Generic[R]):
    """The planned faults of the next requests."""

    def __init__(self) -> None:
        self._planned: list[_Planned[R]] = []

    def add(
        self, name: str, fault: Fault, *, times: int | None = 1, when: Callable[[R], bool] | None = None
    ) -> None:
        """Fail the next `times` requests with a name ("*": any); times=None: until clear()."""
        left = float("inf") if times is None else times
        self._planned.append(_Planned(name=name, fault=fault, left=left, when=when))

    def clear(self) -> None:
        """Remove all faults."""
        self._planned.clear()

    def match(self, names: Collection[str], request: R) -> Fault | None:
        """Return the fault of this request, if any, and count it."""
        for planned in self._planned:
            if planned.name != "*" and planned.name not in names:
                continue
            if planned.left > 0 and (planned.when is None or planned.when(request)):
                planned.left -= 1
                return planned.fault
        return None


def cut(request: web.BaseRequest) -> web.Response:
    """Close the connection without a response."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # aiohttp requires one; it is not sent


async def apply_fault(
    fault: Fault, request: web.BaseRequest, execute: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Respond with the fault; `execute` executes the request."""
    response = await execute() if fault.execute else None
    await asyncio.sleep(fault.delay_s)
    if fault.until is not None:
        await fault.until.wait()
    if fault.cut:
        return cut(request)
    if fault.status is not None:
        return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
    return await execute() if response is None else response
