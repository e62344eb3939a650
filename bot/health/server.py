"""A small HTTP server for /healthz and /metrics."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bot.errors import PortTaken
from bot.health.wellness import Wellness
from storage.errors import StoreError

_STOP_S = 1.0  # for who is being answered, or has begun to ask


@asynccontextmanager
async def serving(wellness: Wellness, port: int) -> AsyncIterator[None]:
    """Serve on all addresses; raises PortTaken."""

    async def healthz(_: web.Request) -> web.Response:
        troubles = await wellness.troubles()
        return web.json_response({"ok": not troubles, "troubles": troubles}, status=503 if troubles else 200)

    async def metrics(_: web.Request) -> web.Response:
        try:
            return web.Response(text=await wellness.metrics())
        except StoreError as error:
            return web.Response(text=f"{error}\n", status=503)

    server = web.Application()
    server.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=_STOP_S)
    await runner.setup()
    try:
        await _listen(runner, port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - a container's probe comes from outside
    except OSError as error:
        raise PortTaken(port, os.strerror(error.errno or 0)) from error
