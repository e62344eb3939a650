"""/livez, /readyz and /metrics over real HTTP."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client import CONTENT_TYPE_LATEST

from bot.errors import PortTaken
from bot.health.report import HealthReport
from bot.http.exposition import MetricsPage
from bot.http.server import http_server
from bot.sandbox.ports import free_port
from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport, GatewayStatus
from storage.store import Store
from tests.fakes.clock import NOON, SteadyClock
from tests.unit.http.lost_store import LostStore, sources


@dataclass(frozen=True)
class Probe:
    """An HTTP client of a running server."""

    session: ClientSession
    port: int

    async def get(self, path: str, *, method: str = "GET") -> tuple[int, str]:
        """Status and body."""
        async with self.session.request(method, f"http://127.0.0.1:{self.port}{path}") as response:
            return response.status, await response.text()


def serving(store: Store | LostStore, telemetry: Telemetry, port: int) -> AbstractAsyncContextManager[None]:
    """A server of the health and the metrics."""
    report = HealthReport(
        store,
        telemetry,
        lambda: [
            GatewayReport(names=("wan",), host="gw.example", status=GatewayStatus.UP, since=NOON),
        ],
        is_connected=lambda: True,
        folder=Path("/"),
        clock=lambda: NOON,
    )
    return http_server(report, MetricsPage(sources(store), telemetry), port)


async def probing(store: Store | LostStore, telemetry: Telemetry) -> AsyncIterator[Probe]:
    """A server on a free port, and a client."""
    port = free_port()
    async with serving(store, telemetry, port), ClientSession() as session:
        yield Probe(session, port)


@pytest.fixture
def seconds() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def telemetry(seconds: SteadyClock) -> Telemetry:
    return Telemetry(clock=seconds)


@pytest.fixture
async def probe(store: Store, telemetry: Telemetry) -> AsyncIterator[Probe]:
    async for probe in probing(store, telemetry):
        yield probe


@pytest.fixture
async def probe_of_a_lost_store(telemetry: Telemetry) -> AsyncIterator[Probe]:
    async for probe in probing(LostStore(), telemetry):
        yield probe


async def test_a_bot_whose_loops_run_is_alive_and_ready(probe: Probe, telemetry: Telemetry):
    telemetry.beat("polling")

    status, body = await probe.get("/livez")
    assert (status, json.loads(body)) == (
        200,
        {
            "ok": True,
            "summary": "The bot is alive: its loops run and the database takes writes.",
            "database": "ok",
            "loops": {"polling": "ok"},
        },
    )
    status, body = await probe.get("/readyz")
    assert (status, json.loads(body)) == (
        200,
        {
            "ok": True,
            "summary": "The bot is ready: it is alive, and Telegram and the providers respond.",
            "database": "ok",
            "loops": {"polling": "ok"},
            "telegram": "ok",
            "providers": {"wan": "up"},
        },
    )


async def test_an_outage_of_telegram_concerns_only_readiness(probe: Probe, telemetry: Telemetry):
    telemetry.set_problem("telegram", "403 page about /bot1234567:hunter2/getMe")

    assert (await probe.get("/livez"))[0] == 200
    status, body = await probe.get("/readyz")
    assert (status, json.loads(body)["telegram"]) == (503, "away")
    assert "hunter2" not in body


async def test_healthz_is_another_name_of_readyz(probe: Probe, telemetry: Telemetry):
    assert await probe.get("/healthz") == await probe.get("/readyz")
    telemetry.set_problem("telegram", "no response")
    assert await probe.get("/healthz") == await probe.get("/readyz")


async def test_a_loop_that_hangs_concerns_both(probe: Probe, telemetry: Telemetry, seconds: SteadyClock):
    telemetry.beat("polling")
    seconds.advance(60)

    for path in ("/livez", "/readyz"):
        status, body = await probe.get(path)
        assert (status, json.loads(body)["loops"]) == (503, {"polling": "hung"})


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_a_store_that_is_not_writable_concerns_both(probe_of_a_lost_store: Probe, path: str):
    status, body = await probe_of_a_lost_store.get(path)

    assert (status, json.loads(body)["database"]) == (503, "failing")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/metrics"])
async def test_pages_respond_to_get_and_head_only(probe: Probe, path: str):
    assert await probe.get(path, method="HEAD") == (200, "")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert (await probe.get(path, method=method))[0] == 405


async def test_the_metrics_are_served_as_prometheus_text(probe: Probe):
    async with probe.session.get(f"http://127.0.0.1:{probe.port}/metrics") as response:
        assert response.headers["Content-Type"] == CONTENT_TYPE_LATEST
        assert b"\n# TYPE reelwatch_updates_total counter\n" in await response.read()


async def test_metrics_without_a_database_are_served(probe_of_a_lost_store: Probe):
    status, text = await probe_of_a_lost_store.get("/metrics")

    assert status == 200
    assert '\nreelwatch_component_up{component="database"} 0.0\n' in text


async def test_a_port_that_is_taken_is_an_error_at_once(store: Store, telemetry: Telemetry):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = serving(store, telemetry, taken.getsockname()[1])
        with pytest.raises(PortTaken, match="Address already in use"):
            await server.__aenter__()


async def test_an_incomplete_request_does_not_delay_the_stop(store: Store, telemetry: Telemetry):
    port = free_port()
    async with asyncio.timeout(None) as timeout:
        async with serving(store, telemetry, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: bot\r\nContent-Length: 100\r\n\r\n")
            assert b"200 OK" in await reader.readline()
            timeout.reschedule(asyncio.get_running_loop().time() + 30)
        writer.close()


async def test_idle_connections_do_not_block_the_health_check(probe: Probe):
    idle = [await asyncio.open_connection("127.0.0.1", probe.port) for _ in range(100)]

    assert (await probe.get("/livez"))[0] == 200

    async with asyncio.timeout(30):
        assert await idle[0][0].read() == b""
        while sum(not reader.at_eof() for reader, _ in idle) > 32:  # noqa: ASYNC110 - it closes more
            await asyncio.sleep(0.01)
    for _, writer in idle:
        writer.close()


async def test_a_request_with_long_headers_is_refused(probe: Probe):
    async with probe.session.get(
        f"http://127.0.0.1:{probe.port}/livez", headers={"X-Long": "a" * 5000}
    ) as response:
        assert response.status == 400


async def test_it_listens_on_loopback_by_default(probe: Probe):
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.2", probe.port)
