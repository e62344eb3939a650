"""/healthz and /metrics over real HTTP."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession

from bot.errors import PortTaken
from bot.http.report import HealthReport
from bot.http.server import http_server
from bot.telemetry import Telemetry
from storage.models import TaskRef, WatchRequest
from storage.store import Store
from tests.fakes.clock import NOON, SteadyClock
from tests.unit.http.lost_store import LostStore


@dataclass(frozen=True)
class Probe:
    """An HTTP client of a running server."""

    session: ClientSession
    port: int

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}") as response:
            return response.status, await response.text()


async def probing(health_report: HealthReport) -> AsyncIterator[Probe]:
    """A server on a free port, and a client."""
    port = free_port()
    async with http_server(health_report, port), ClientSession() as session:
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
    async for probe in probing(HealthReport(store, telemetry)):
        yield probe


@pytest.fixture
async def probe_of_a_lost_store(telemetry: Telemetry) -> AsyncIterator[Probe]:
    async for probe in probing(HealthReport(LostStore(), telemetry)):
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


async def test_metrics_contain_counters_and_the_stats_of_the_store(
    probe: Probe, store: Store, telemetry: Telemetry, seconds: SteadyClock
):
    ref = TaskRef(provider="wan", external_id="t1")
    request = WatchRequest(ref=ref, chat_id=1, thread_id=None, message_id=1, user_id=1, language="en")
    await store.add_watch(request, at=NOON)
    telemetry.count("polls", 3)
    seconds.advance(2.5)

    status, text = await probe.get("/metrics")

    assert status == 200
    assert {
        "reelwatch_uptime_seconds 2.500",
        "reelwatch_polls_total 3",
        'reelwatch_tasks{status="unknown"} 1',
        'reelwatch_watches{state="active"} 1',
        'reelwatch_deliveries{state="pending"} 1',
    } <= set(text.splitlines())


async def test_every_line_of_the_metrics_is_in_prometheus_text_format(probe: Probe, telemetry: Telemetry):
    telemetry.count("polls_failed")

    _, text = await probe.get("/metrics")

    assert text.endswith("\n")
    for line in text.splitlines():
        assert re.fullmatch(r'[a-z_]+(\{[a-z]+="[a-z_]+"\})? \d+(\.\d+)?', line), line


async def test_metrics_without_a_store_are_an_error_and_no_traceback(probe_of_a_lost_store: Probe):
    assert await probe_of_a_lost_store.get("/metrics") == (503, "The database cannot be read.\n")


async def test_a_port_that_is_taken_is_an_error_at_once(store: Store, telemetry: Telemetry):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = http_server(HealthReport(store, telemetry), taken.getsockname()[1])
        with pytest.raises(PortTaken, match="Address already in use"):
            await server.__aenter__()


async def test_an_incomplete_request_does_not_delay_the_stop(store: Store, telemetry: Telemetry):
    port = free_port()
    async with asyncio.timeout(None) as patience:
        async with http_server(HealthReport(store, telemetry), port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: bot\r\nContent-Length: 100\r\n\r\n")
            assert b"200 OK" in await reader.readline()
            patience.reschedule(asyncio.get_running_loop().time() + 5)
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
