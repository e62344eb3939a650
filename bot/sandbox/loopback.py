"""An HTTP server on loopback that can simulate an outage."""

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.sandbox.change_signal import ChangeSignal
from bot.sandbox.faults import cut
from bot.sandbox.ports import free_port

_BODY_LIMIT = 1 << 30  # bytes; each server has lower limits of its own


class LoopbackServer:
    """HTTP on 127.0.0.1; later starts use the ports of the first one."""

    def __init__(self, *, ports: int = 1) -> None:
        self.change_signal = ChangeSignal()
        self.is_down = False  # True: connections are accepted and closed, as in an outage
        self._ports = [free_port() for _ in range(ports)]
        self._runner: web.AppRunner | None = None

    def routes(self) -> list[web.RouteDef]:
        """The routes of the server."""
        raise NotImplementedError

    async def start(self) -> None:
        """Listen."""

        @web.middleware
        async def unless_away(request: web.Request, handler: Handler) -> web.StreamResponse:
            return cut(request) if self.is_down else await handler(request)

        app = web.Application(client_max_size=_BODY_LIMIT, middlewares=[unless_away])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        for port in self._ports:
            await web.TCPSite(self._runner, "127.0.0.1", port).start()

    async def stop(self) -> None:
        """Stop listening; the state is kept."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def address(self, index: int = 0) -> str:
        """The base URL of a port; nobody listens there before the first start."""
        return f"http://127.0.0.1:{self._ports[index]}"
