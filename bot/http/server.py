"""The HTTP server of /livez, /readyz and /metrics."""

from contextlib import AbstractAsyncContextManager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.health.report import HealthReport
from bot.health.states import Liveness, Readiness
from bot.http.exposition import MetricsPage
from bot.http.listener import Bounds, listening

_BOUNDS = Bounds(connections=32, connection_s=20.0, idle_s=5.0, line_bytes=2048)
_BODY_BYTES = 1024  # no page reads a body


def http_server(
    health_report: HealthReport, metrics_page: MetricsPage, port: int, host: str = "127.0.0.1"
) -> AbstractAsyncContextManager[None]:
    """Serve on one local address; raises PortTaken. Each page responds to GET and HEAD."""

    async def livez(_: web.Request) -> web.Response:
        return _page(await health_report.live())

    async def readyz(_: web.Request) -> web.Response:
        return _page(await health_report.ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await metrics_page.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application(client_max_size=_BODY_BYTES)
    application.add_routes(
        [
            web.get("/livez", livez),
            web.get("/readyz", readyz),
            web.get("/healthz", readyz),
            web.get("/metrics", metrics),
        ]
    )
    return listening(application, port, host, bounds=_BOUNDS, setting="HEALTH_PORT")


def _page(state: Liveness | Readiness) -> web.Response:
    return web.json_response(state.as_json(), status=200 if state.is_ok else 503)
