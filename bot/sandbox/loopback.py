"""A server on this machine's own loopback address, which can be away."""

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.sandbox.change_signal import ChangeSignal
from bot.sandbox.faults import cut

_BODY_LIMIT = 1 << 30  # bytes; each server has limits of its own below that


class LoopbackServer:
    """HTTP on 127.0.0.1, at ports that the system picks at the first start and that stay the same."""

    def __init__(self, *, ports: int = 1) -> None:
        self.change_signal = ChangeSignal()
        self.away = False  # True: connections are taken and cut, as by a dead upstream
        self._ports = [0] * ports
        self._runner: web.AppRunner | None = None

    def routes(self) -> list[web.RouteDef]:
        """What the server answers to."""
        raise NotImplementedError

    async def start(self) -> None:
        """Listen."""

        @web.middleware
        async def unless_away(request: web.Request, handler: Handler) -> web.StreamResponse:
            return cut(request) if self.away else await handler(request)

        app = web.Application(client_max_size=_BODY_LIMIT, middlewares=[unless_away])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        for port in self._ports:
            await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self._ports = [address[1] for address in self._runner.addresses]

    async def stop(self) -> None:
        """Refuse connections from now on; what is known stays known."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def address(self, index: int = 0) -> str:
        """Say where it listens; only after the first start."""
        return f"http://127.0.0.1:{self._ports[index]}"
