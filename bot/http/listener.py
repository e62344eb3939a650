"""Serves an aiohttp application on one address, with bounded connections and request sizes."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from bot.errors import PortTaken

_MALFORMED = (HttpProcessingError, web.RequestPayloadError)


class _WithoutMalformed(logging.Filter):
    """Drops what aiohttp logs about malformed requests, as scanners of the internet send them all day."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is about anything else."""
        return not (record.exc_info and isinstance(record.exc_info[1], _MALFORMED))


_REQUESTS_LOG = logging.getLogger(f"{__name__}.requests")
_REQUESTS_LOG.addFilter(_WithoutMalformed())

_STOP_S = 1.0  # for requests in progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What clients of a server may use."""

    # For one more, the oldest idle one is closed, else the oldest: a new client always gets a connection.
    connections: int
    connection_s: float | None  # maximum age of a connection; None: no limit
    idle_s: float  # of a connection without a complete request line and headers
    line_bytes: int  # of the request line, and of each header


@asynccontextmanager
async def listening(
    application: web.Application, port: int, host: str, *, bounds: Bounds, setting: str
) -> AsyncIterator[None]:
    """Serve on one local address; raises PortTaken, which names the setting of the port.

    The size of bodies is bounded by the application's client_max_size.
    """
    busy: set[web.RequestHandler] = set()

    @web.middleware
    async def note_busy(request: web.Request, handler: Handler) -> web.StreamResponse:
        busy.add(request.protocol)
        try:
            return await handler(request)
        finally:
            busy.discard(request.protocol)

    application.middlewares.append(note_busy)
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_REQUESTS_LOG,
        handler_cancellation=True,  # requests that wait for a hung disk end with their connections
        shutdown_timeout=_STOP_S,
        keepalive_timeout=bounds.idle_s,
        max_line_size=bounds.line_bytes,
        max_field_size=bounds.line_bytes,
    )
    await runner.setup()
    try:
        try:
            listener = await _listen(runner, host, port, bounds=bounds, busy=busy)
        except OSError as error:
            raise PortTaken(setting, port, os.strerror(error.errno or 0)) from error
        try:
            yield
        finally:
            listener.close()
    finally:
        await runner.cleanup()


async def _listen(
    runner: web.AppRunner, host: str, port: int, *, bounds: Bounds, busy: Set[web.RequestHandler]
) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    server = runner.server
    assert server is not None  # noqa: S101 - set up by the caller

    def connected() -> web.RequestHandler:
        open_ = sorted(server.connections, key=busy.__contains__)  # idle ones first, each from the oldest on
        for one in open_[: len(open_) + 1 - bounds.connections]:
            _close(one)
        handler = server()
        if bounds.connection_s is not None:
            loop.call_later(bounds.connection_s, _close, handler)
        return handler

    return await loop.create_server(connected, host, port, backlog=bounds.connections, reuse_address=True)


def _close(handler: web.RequestHandler) -> None:
    if handler.transport is not None:
        handler.transport.abort()
