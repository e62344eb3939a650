"""A load balancer on loopback: each request goes to the next replica in turn."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Self

import aiohttp
from aiohttp import web

_RESPONSE_S = 20.0


class Balancer:
    """Passes requests on; one whose response is lost is answered with 502, as nginx does with a POST."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.replicas: Sequence[int] = ()  # their ports
        self.port = 0
        self.passed: list[tuple[int, int]] = []  # of each request: the replica's port, the status
        self._session = session
        self._turns = itertools.count()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Listen on loopback."""
        # A connection that the replica has just closed would lose a request.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            balancer = cls(session)
            application = web.Application(client_max_size=2**21)
            application.add_routes([web.post("/{path:.*}", balancer._pass)])
            runner = web.AppRunner(
                application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
            )
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            balancer.port = int(runner.addresses[0][1])
            try:
                yield balancer
            finally:
                await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.Response:
        body, first = await request.read(), next(self._turns)
        for turn in range(first, first + len(self.replicas)):
            port = self.replicas[turn % len(self.replicas)]
            try:
                response = await self._post(port, request, body)
            except aiohttp.ClientConnectorError:
                continue  # nobody listens there: the next one gets it
            except (aiohttp.ClientError, TimeoutError):
                response = web.Response(status=502)
            self.passed.append((port, response.status))
            return response
        return web.Response(status=503, headers={"Retry-After": "2"})

    async def _post(self, port: int, request: web.Request, body: bytes) -> web.Response:
        async with self._session.post(
            f"http://127.0.0.1:{port}{request.path}",
            data=body,
            headers={name: value for name, value in request.headers.items() if name != "Host"},
            timeout=aiohttp.ClientTimeout(total=_RESPONSE_S),
        ) as response:
            kept = {name: response.headers[name] for name in ("Retry-After",) if name in response.headers}
            return web.Response(status=response.status, body=await response.read(), headers=kept)
