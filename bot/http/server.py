"""A small HTTP server for /healthz and /metrics, with bounded connections and request sizes."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.errors import PortTaken
from bot.http.exposition import MetricsPage
from bot.http.report import HealthReport

_STOP_S = 1.0  # for requests in progress
_KEEPALIVE_S = 5.0  # of an idle connection
_CONNECTION_S = 20.0  # maximum age of a connection
_CONNECTIONS = 32  # for one more, the oldest is closed, so that the health check always gets a connection
_LINE_BYTES = 2048  # the request line, and each header
_BODY_BYTES = 1024  # neither page reads a body


@asynccontextmanager
async def http_server(
    health_report: HealthReport, metrics_page: MetricsPage, port: int, host: str = "127.0.0.1"
) -> AsyncIterator[None]:
    """Serve on one local address; raises PortTaken."""

    async def healthz(_: web.Request) -> web.Response:
        problems = await health_report.public_problems()
        body: dict[str, object] = {"ok": not problems, "problems": problems}
        if gateways := health_report.gateways():
            body["gateways"] = gateways
        return web.json_response(body, status=503 if problems else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await metrics_page.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application(client_max_size=_BODY_BYTES)
    application.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(
        application,
        access_log=None,
        handler_cancellation=True,  # requests that wait for a hung disk end with their connections
        shutdown_timeout=_STOP_S,
        keepalive_timeout=_KEEPALIVE_S,
        max_line_size=_LINE_BYTES,
        max_field_size=_LINE_BYTES,
    )
    await runner.setup()
    try:
        listener = await _listen(runner, host, port)
        try:
            yield
        finally:
            listener.close()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    server = runner.server
    assert server is not None  # noqa: S101 - set up by the caller

    def connected() -> web.RequestHandler:
        for oldest in server.connections[: 1 - _CONNECTIONS]:
            _close(oldest)
        handler = server()
        loop.call_later(_CONNECTION_S, _close, handler)
        return handler

    try:
        return await loop.create_server(connected, host, port, backlog=_CONNECTIONS, reuse_address=True)
    except OSError as error:
        raise PortTaken(port, os.strerror(error.errno or 0)) from error


def _close(handler: web.RequestHandler) -> None:
    if handler.transport is not None:
        handler.transport.abort()
