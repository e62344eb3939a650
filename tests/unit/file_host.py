"""A file server with responses set by the test."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from bot.sandbox.loopback import LoopbackServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FileHost(LoopbackServer):
    """Passes every request to `handler` and records it."""

    def __init__(self, *, ports: int = 1) -> None:
        super().__init__(ports=ports)
        self.handler: Handler = self._unexpected
        self.requests: list[web.Request] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/{path:.*}", self._record)]

    def respond_with(
        self, body: bytes = b"", *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Set the response to all requests."""

        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers=headers)

        self.handler = handler

    async def _record(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.handler(request)

    async def _unexpected(self, request: web.Request) -> web.StreamResponse:
        raise AssertionError(f"unexpected request: {request.path}")
