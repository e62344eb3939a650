"""/healthz and /metrics over real HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession
from prometheus_client import CONTENT_TYPE_LATEST

from bot.errors import PortTaken
from bot.http.exposition import MetricsPage
from bot.http.report import HealthReport
from bot.http.server import http_server
from bot.telemetry import Telemetry
from storage.store import Store
from tests.fakes.clock import SteadyClock
from tests.unit.http.lost_store import DISK, LostStore


@dataclass(frozen=True)
class Probe:
    """An HTTP client of a running server."""

    session: ClientSession
    port: int

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}") as response:
            return response.status, await response.text()


def serving(store: Store | LostStore, telemetry: Telemetry, port: int) -> AbstractAsyncContextManager[None]:
    """A server of the health and the metrics."""
    return http_server(HealthReport(store, telemetry), MetricsPage(store, telemetry, disk=DISK), port)


async def probing(store: Store | LostStore, telemetry: Telemetry) -> AsyncIterator[Probe]:
    """A server on a free port, and a client."""
    port = free_port()
    async with serving(store, telemetry, port), ClientSession() as session:
        yield Probe(session, port)


def free_port() -> int:
    """A port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


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


async def test_a_bot_whose_loops_run_is_healthy(probe: Probe, telemetry: Telemetry, seconds: SteadyClock):
    telemetry.beat("polling")
    seconds.advance(60)

    assert await probe.get("/healthz") == (200, '{"ok": true, "problems": {}}')


async def test_a_loop_without_a_recent_heartbeat_makes_it_unhealthy(
    probe: Probe, telemetry: Telemetry, seconds: SteadyClock
):
    telemetry.beat("polling")
    telemetry.beat("updates")
    seconds.advance(91)
    telemetry.beat("updates")

    assert await probe.get("/healthz") == (
        503,
        '{"ok": false, "problems": {"polling": "has not run for 91 s"}}',
    )


async def test_a_problem_makes_it_unhealthy_until_it_is_cleared(probe: Probe, telemetry: Telemetry):
    telemetry.set_problem("telegram", "403 page about /bot1234567:hunter2/getMe")
    assert await probe.get("/healthz") == (503, '{"ok": false, "problems": {"telegram": "fails"}}')

    telemetry.set_problem("telegram", None)
    assert (await probe.get("/healthz"))[0] == 200


async def test_a_store_that_is_not_writable_makes_it_unhealthy(probe_of_a_lost_store: Probe):
    assert await probe_of_a_lost_store.get("/healthz") == (
        503,
        '{"ok": false, "problems": {"database": "fails"}}',
    )


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
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: bot\r\nContent-Length: 100\r\n\r\n")
            assert b"200 OK" in await reader.readline()
            timeout.reschedule(asyncio.get_running_loop().time() + 5)
        writer.close()


async def test_idle_connections_do_not_block_the_health_check(probe: Probe):
    idle = [await asyncio.open_connection("127.0.0.1", probe.port) for _ in range(100)]

    assert (await probe.get("/healthz"))[0] == 200

    async with asyncio.timeout(5):
        assert await idle[0][0].read() == b""
    open_still = sum(not reader.at_eof() and not writer.is_closing() for reader, writer in idle)
    assert open_still <= 32
    for _, writer in idle:
        writer.close()


async def test_a_request_with_long_headers_is_refused(probe: Probe):
    async with probe.session.get(
        f"http://127.0.0.1:{probe.port}/healthz", headers={"X-Long": "a" * 5000}
    ) as response:
        assert response.status == 400


async def test_it_listens_on_loopback_by_default(probe: Probe):
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.2", probe.port)
