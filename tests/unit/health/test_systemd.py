"""The protocol of sd_notify over real datagram sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from bot.health.report import HealthReport
from bot.health.store_check import GOOD_FOR_S
from bot.health.systemd import ServiceManager, keep_notified
from bot.telemetry import HUNG_S, Telemetry
from bot.watching.gateway_state import GatewayReport, GatewayStatus
from storage.errors import StoreFull
from storage.leadership import Leadership
from tests.fakes.clock import NOON, SteadyClock
from tests.fakes.leadership import FakeLeadership, replica
from tests.unit.health.fake_store import FakeStore

HALF_S = 0.05  # of WATCHDOG_USEC


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


def manager(receiver: socket.socket, **environment: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": receiver.getsockname()} | environment, process_id=42)


def received(receiver: socket.socket) -> list[dict[str, str]]:
    """The notifications so far."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            lines = receiver.recv(65_536).decode().split("\n")
            found.append(dict(line.split("=", 1) for line in lines))
    return found


def test_states_are_sent_as_one_datagram(receiver: socket.socket):
    assert manager(receiver).notify(READY="1", STATUS="Watching 12 tasks")

    assert received(receiver) == [{"READY": "1", "STATUS": "Watching 12 tasks"}]


def test_an_abstract_socket_is_known_by_its_at_sign():
    name = f"reelwatch-{uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.setblocking(False)

        assert ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).notify(READY="1")
        assert received(receiver) == [{"READY": "1"}]


@pytest.mark.parametrize("address", [None, "", "@", "relative", "vsock:2:9"])
def test_without_a_usable_socket_nothing_is_sent(address: str | None):
    absent = ServiceManager({} if address is None else {"NOTIFY_SOCKET": address})

    assert not absent.is_present
    assert not absent.notify(READY="1")


def test_a_socket_that_nobody_reads_does_not_block(receiver: socket.socket):
    full = manager(receiver)

    assert any(not full.notify(STATUS="x" * 1000) for _ in range(100_000))


def test_a_socket_that_is_gone_is_no_error(tmp_path: Path):
    assert not ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).notify(READY="1")


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "41"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_meant_for_the_process_that_it_names(
    receiver: socket.socket, environment: dict[str, str], watchdog_s: float | None
):
    assert manager(receiver, **environment).watchdog_s == watchdog_s


class Bot:
    """A bot that keeps a service manager notified."""

    def __init__(self, receiver: socket.socket, folder: Path, leadership: Leadership | None = None) -> None:
        self.clock = SteadyClock()
        self.telemetry = Telemetry(clock=self.clock)
        self.gateways: list[GatewayReport] = []
        self.receiver = receiver
        self.store = FakeStore(leadership)
        self.report = HealthReport(
            self.store,
            self.telemetry,
            lambda: self.gateways,
            is_connected=lambda: True,
            folder=folder,
            clock=lambda: NOON,
        )

    async def next(self, name: str) -> str:
        """Wait for the next notification with a state of that name, and return its value."""
        received(self.receiver)
        async with asyncio.timeout(30):
            while True:
                for states in received(self.receiver):
                    if name in states:
                        return states[name]
                await asyncio.sleep(HALF_S / 5)


@pytest.fixture
async def bot(receiver: socket.socket, tmp_path: Path) -> AsyncIterator[Bot]:
    bot = Bot(receiver, tmp_path)
    watched = manager(receiver, WATCHDOG_USEC=str(int(2e6 * HALF_S)))
    keeping = asyncio.create_task(keep_notified(watched, bot.report))
    yield bot
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


async def test_ready_is_said_once_the_loops_run(bot: Bot, receiver: socket.socket):
    bot.telemetry.beat("start")
    await bot.next("STATUS")
    await bot.next("STATUS")
    assert not any("READY" in states for states in received(receiver))

    bot.telemetry.beat("polling")
    bot.telemetry.end("start")
    assert await bot.next("READY") == "1"
    await bot.next("STATUS")
    assert not any("READY" in states for states in received(receiver))


async def test_a_bot_that_cannot_start_its_loops_as_the_disk_is_full_is_ready_and_not_restarted(bot: Bot):
    bot.telemetry.beat("start")
    await bot.next("STATUS")
    bot.store.error = StoreFull("The disk is full.")
    bot.clock.advance(GOOD_FOR_S)
    assert await bot.next("READY") == "1"
    await bot.next("STATUS")
    assert await bot.next("STATUS") == "The disk of the database is full or fails"
    assert await bot.next("WATCHDOG") == "1"


async def test_the_watchdog_is_kept_quiet_while_nothing_hangs(bot: Bot, receiver: socket.socket):
    bot.telemetry.beat("polling")
    bot.telemetry.set_problem("telegram", "no response")
    assert await bot.next("WATCHDOG") == "1"

    bot.clock.advance(HUNG_S + 1)
    await bot.next("STATUS")
    received(receiver)
    await asyncio.sleep(5 * HALF_S)
    assert [states for states in received(receiver) if "WATCHDOG" in states] == []

    bot.telemetry.beat("polling")
    assert await bot.next("WATCHDOG") == "1"


async def test_the_status_says_what_the_bot_does_and_what_is_wrong(bot: Bot):
    assert await bot.next("STATUS") == "Watching 0 tasks"

    bot.telemetry.set_problem("telegram", "no response")
    bot.gateways.append(
        GatewayReport(names=("wan",), host="gw.example", status=GatewayStatus.AWAY, since=NOON)
    )
    await bot.next("STATUS")
    said = await bot.next("STATUS")
    assert said.startswith("Watching 0 tasks; Telegram has been away since ")
    assert said.endswith("; wan does not respond")


async def test_without_a_service_manager_nothing_runs(tmp_path: Path, receiver: socket.socket):
    await keep_notified(ServiceManager({}), Bot(receiver, tmp_path).report)


async def test_a_process_that_stands_by_is_ready_and_says_who_leads(receiver: socket.socket, tmp_path: Path):
    leadership = FakeLeadership()
    leadership.known = [replica("a:1", is_leader=True)]
    bot = Bot(receiver, tmp_path, leadership)
    keeping = asyncio.create_task(
        keep_notified(manager(receiver, WATCHDOG_USEC=str(int(2e6 * HALF_S))), bot.report)
    )

    assert await bot.next("READY") == "1"
    assert await bot.next("STATUS") == "Standing by, and a:1 leads"
    keeping.cancel()
