"""The HTTP server to which Telegram sends updates: https://core.telegram.org/bots/api#setwebhook."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from hmac import compare_digest

from aiohttp import web

from bot.bot_api.results import Unexpected
from bot.http.listener import Bounds, listening

# Telegram opens one connection for each update that it sends at once, and keeps it; a proxy keeps its own.
_BOUNDS = Bounds(connections=128, connection_s=None, idle_s=75.0, line_bytes=8190)
_BODY_BYTES = 2**20  # an update that quotes a message has 160,000 at most; nginx passes as much by default
_BODY_S = 10.0  # for reading the body
_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name


def webhook_server(
    receive: Callable[[object], Awaitable[float | None]], *, path: str, secret: str, port: int, host: str
) -> AbstractAsyncContextManager[None]:
    """Serve on one local address; raises PortTaken.

    receive: handles an update; returns None when it is handled, else the seconds after which Telegram shall
    repeat it; raises Unexpected if it is none. path: of the URL that Telegram knows, as it arrives here.
    """

    async def post(request: web.Request) -> web.Response:
        if (refused := _refusal(request, path, secret)) is not None:
            return refused
        try:
            async with asyncio.timeout(_BODY_S):
                body = await request.read()
        except TimeoutError:
            return _closing(408)
        except web.RequestPayloadError:
            return _closing(400)
        try:
            raw: object = json.loads(body)
        except (ValueError, RecursionError):
            return web.Response(status=400)
        try:
            retry_after_s = await receive(raw)
        except Unexpected:
            return web.Response(status=400)
        if retry_after_s is None:
            return web.Response()
        return web.Response(status=503, headers={"Retry-After": str(math.ceil(retry_after_s))})

    application = web.Application(client_max_size=_BODY_BYTES)
    application.add_routes([web.route("*", "/{path:.*}", post)])
    return listening(application, port, host, bounds=_BOUNDS, setting="WEBHOOK_PORT")


def _refusal(request: web.Request, path: str, secret: str) -> web.Response | None:
    """The response to a request that is not Telegram's, before its body is read."""
    if request.raw_path.partition("?")[0] != path:
        return web.Response(status=404)
    if request.method != "POST":
        return web.Response(status=405, headers={"Allow": "POST"})
    given = request.headers.get(_SECRET_HEADER, "").encode(errors="replace")
    if not compare_digest(given, secret.encode()):
        return _closing(403)
    return None


def _closing(status: int) -> web.Response:
    """A response without a body that ends the connection, so that the rest of the request is not read."""
    response = web.Response(status=status)
    response.force_close()
    return response
