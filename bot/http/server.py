"""The HTTP server of /healthz and /metrics."""

from contextlib import AbstractAsyncContextManager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.http.exposition import MetricsPage
from bot.http.listener import Bounds, listening
from bot.http.report import HealthReport

_BOUNDS = Bounds(connections=32, connection_s=20.0, idle_s=5.0, line_bytes=2048)
_BODY_BYTES = 1024  # neither page reads a body


def http_server(
    health_report: HealthReport, metrics_page: MetricsPage, port: int, host: str = "127.0.0.1"
) -> AbstractAsyncContextManager[None]:
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
    return listening(application, port, host, bounds=_BOUNDS, setting="HEALTH_PORT")
