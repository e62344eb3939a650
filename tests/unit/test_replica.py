"""A replica handles the updates of the webhook whether it leads or stands by."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

import aiohttp
import pytest

from bot.config import Settings, load_settings
from bot.health.report import HealthReport
from bot.replica import WebhookReplica
from bot.sandbox.ports import free_port
from bot.sandbox.telegram import FakeTelegram
from bot.telemetry import Telemetry
from bot.updates import build_bot, shut_down
from bot.watching.gateway_state import GatewayReport, GatewayStates, GatewayStatus
from bot.watching.leader_state import KnownGateways, LeaderState
from storage.errors import StoreUnavailable
from storage.notifications import Topic
from storage.sqlite.store import SqliteStore
from tests.fakes.clock import NOON
from tests.fakes.places import ANNA, CHANNEL, GROUP

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading certificates takes its time


ID = "7f4e21a6-3c5b-4d21-9a10-0c8a5f6d1e2b"


class FakeNotifications:
    """Notifications of other processes, which a test makes once there is somebody who listens."""

    def __init__(self) -> None:
        self.heard: Callable[[Topic], None]
        self.is_heard = asyncio.Event()

    def send(self, topic: Topic) -> None:
        """Nobody is notified."""

    async def run(self, heard: Callable[[Topic], None]) -> NoReturn:
        self.heard = heard
        self.is_heard.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError


class SharedStore(SqliteStore):
    """A store that other processes write to as well; while it `is_away`, the leader's state can't be read."""

    leader_state: str | None = None
    is_away = False
    is_closed = False

    def __init__(self, *parts: object) -> None:
        super().__init__(*parts)  # type: ignore[arg-type]
        self.notifications = self.others = FakeNotifications()

    async def load_leader_state(self) -> str | None:
        if self.is_away:
            raise StoreUnavailable("The server is away.")
        return self.leader_state

    async def save_leader_state(self, state: str) -> None:
        self.leader_state = state

    async def close(self) -> None:
        self.is_closed = True
        await super().close()


class Scene:
    """A replica that stands by, and what it uses."""

    def __init__(self, store: SharedStore, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.gateways = KnownGateways()
        telemetry = Telemetry()
        health = HealthReport(
            store,
            telemetry,
            self.gateways.reports,
            is_connected=lambda: True,
            folder=Path(),
            clock=store.now,
        )
        self.replica = WebhookReplica(
            settings, _NO_TLS, store, telemetry=telemetry, health=health, gateways=self.gateways
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.replica.run())
        try:
            await self.store.others.is_heard.wait()
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def post(self, text: str) -> int:
        """Send a message to the webhook once it listens; the HTTP status of the response."""
        update = {
            "update_id": 1,
            "message": {
                "message_id": 7,
                "date": int(NOON.timestamp()),
                "chat": {"id": ANNA, "type": "private", "first_name": "Anna"},
                "from": {"id": ANNA, "is_bot": False, "first_name": "Anna"},
                "text": text,
                "entities": [{"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}],
            },
        }
        url = f"http://127.0.0.1:{self.settings.webhook_port}/hook"
        secret = {"X-Telegram-Bot-Api-Secret-Token": self.settings.webhook_secret}
        async with asyncio.timeout(10), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.post(url, json=update, headers=secret) as response:
                        return response.status
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.01)

    async def send(self, text: str) -> int:
        """The same as Telegram does it: again until it is taken."""
        async with asyncio.timeout(10):
            while (status := await self.post(text)) == 503:  # noqa: ASYNC110 - of a server
                await asyncio.sleep(0.01)
        return status

    async def until(self, is_met: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_met():  # noqa: ASYNC110 - of several objects
                await asyncio.sleep(0.01)


@pytest.fixture
async def scene(tmp_path: Path, telegram: FakeTelegram) -> Scene:
    settings = load_settings(
        {
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_API_URL": telegram.url,
            "GATEWAY_BASE_URL": "https://gateway.example",
            "GATEWAY_API_KEY": "key",
            "ALLOWED_CHATS": str(ANNA),
            "DATABASE_URL": f"sqlite:///{tmp_path}/a.db",
            "WEBHOOK_URL": "https://bot.example/hook",
            "WEBHOOK_PORT": str(free_port()),
        }
    )
    store = await SharedStore.open(tmp_path / "a.db")
    await store.leadership.acquire()  # makes the tables
    await store.sync_allowed_chats({ANNA}, at=NOON)  # as the leader does
    return Scene(store, settings)


def written(*reports: GatewayReport, digest: str | None = None) -> str:
    """The leader's state in the database."""
    return LeaderState(gateways=reports, first_admin=digest).to_json()


def away(at: datetime) -> GatewayReport:
    return GatewayReport(names=("wan",), host="gateway.example", status=GatewayStatus.AWAY, since=at)


async def test_it_handles_an_update_while_another_process_leads(scene: Scene):
    async with scene.running():
        assert await scene.send(f"/watch wan {ID}") == 200

        assert len(await scene.store.active_watches(ANNA)) == 1
        assert scene.replica.resources.connected.is_set()


async def test_no_update_is_taken_before_the_database_can_be_read(scene: Scene):
    scene.store.is_away = True
    async with scene.running():
        assert await scene.post(f"/watch wan {ID}") == 503
    assert scene.store.is_closed


async def test_a_notification_of_another_replica_wakes_the_loop_that_it_is_for(scene: Scene):
    resources = scene.replica.resources
    async with scene.running():
        scene.store.others.heard(Topic.DELIVERY)
        assert (resources.wakeup.take_notification(), resources.new_delivery.is_set()) == (False, True)
        scene.store.others.heard(Topic.POLLING)
        assert resources.wakeup.take_notification()


async def test_it_knows_what_the_leader_has_written_until_it_leads_itself(scene: Scene):
    scene.store.leader_state = written(away(NOON), digest="abc")
    async with scene.running():
        await scene.until(lambda: bool(scene.gateways.written))
        assert scene.gateways.problem_of("wan") == "away"
        assert scene.replica.resources.first_admin.digest == "abc"

        access = scene.replica.resources.access
        scene.gateways.own = GatewayStates(clock=scene.store.now)
        scene.store.leader_state = written(digest="def")
        allowed = {ANNA}
        for chat_id in (GROUP, CHANNEL):  # the first reload has ended when the second one has read
            allowed.add(chat_id)
            await scene.store.sync_allowed_chats(allowed, at=NOON)
            scene.store.others.heard(Topic.ACCESS)
            await scene.until(partial(access.allows, chat_id, None))
        assert scene.gateways.problem_of("wan") is None
        assert scene.replica.resources.first_admin.digest == "abc"


async def test_a_leader_keeps_the_webhook_and_writes_what_the_others_need(
    scene: Scene, telegram: FakeTelegram
):
    lasting = scene.replica.resources
    scene.gateways.own = GatewayStates(clock=scene.store.now)
    scene.gateways.own.add(["wan"], "gateway.example")
    term, bot = replace(lasting, connected=asyncio.Event()), build_bot(lasting)
    leading = asyncio.create_task(scene.replica.lead(bot, term))
    try:
        [set_webhook] = await telegram.wait_for(
            lambda: [each for each in telegram.requests if each.method == "setWebhook"]
        )
        assert set_webhook.params["url"] == scene.settings.webhook_url
        assert term.connected.is_set()
        await scene.until(lambda: scene.store.leader_state is not None)
        [gateway] = LeaderState.from_json(scene.store.leader_state).gateways
        assert (gateway.names, gateway.status) == (("wan",), GatewayStatus.UNKNOWN)
    finally:
        leading.cancel()
        with suppress(asyncio.CancelledError):
            await leading
        await shut_down(bot)
