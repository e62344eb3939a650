"""What a replica does whether it leads or stands by: it handles the updates of the webhook.

Telegram sends each update to any of the replicas, which writes it to the database with a store that does not
depend on the leadership, and notifies the leader. Only the leader polls, delivers and keeps the webhook.
"""

import asyncio
import ssl
from contextlib import suppress

from telegram import Update
from telegram.ext import ExtBot

from bot.backoff import STORE_BACKOFF
from bot.config import Settings
from bot.health.report import HealthReport
from bot.outbox.rate_limiter import ChatRateLimiter
from bot.polling.wakeup import Wakeup
from bot.telemetry import Telemetry
from bot.updates import (
    build_access,
    build_application,
    connect,
    keep_webhook,
    receiving,
    shut_down,
    webhook_receiver,
)
from bot.watching.first_admin import FirstAdmin
from bot.watching.gateway_state import GatewayStates
from bot.watching.leader_state import KnownGateways, LeaderState, keep_written
from bot.watching.reloading import Reloader
from bot.workers import Resources
from storage.errors import StoreError
from storage.leadership import Term
from storage.notifications import Topic
from storage.store import Store

_WAKE_S = 5.0  # between two wake-ups of the delivery worker


class WebhookReplica:
    """The handlers of updates, and what they remember, which outlasts the terms."""

    def __init__(
        self,
        settings: Settings,
        tls: ssl.SSLContext,
        store: Store,
        *,
        telemetry: Telemetry,
        health: HealthReport,
        gateways: KnownGateways,
    ) -> None:
        """store: that can be written without leading. gateways: with its own states while it leads."""
        self._store = store
        self._gateways = gateways
        self._reloader = Reloader(self._reload)
        access = build_access(settings, store)
        self.resources = Resources(
            settings=settings,
            store=store,
            term=Term(),
            access=access,
            first_admin=FirstAdmin(store, access, clock=store.now),
            telemetry=telemetry,
            health=health,
            tls=tls,
            wakeup=Wakeup(),
            new_delivery=asyncio.Event(),
            gateways=GatewayStates(clock=store.now),
            rate_limiter=ChatRateLimiter(),
            connected=asyncio.Event(),
        )
        self._application, self._deps = build_application(self.resources, gateways.problem_of)
        self._receiver = webhook_receiver(
            self._application, self._deps, self.resources, prepare=self._reload_before_refusal
        )

    async def run(self) -> None:
        """Handle updates until cancelled; raises PortTaken and TokenRefused."""
        store, telemetry = self._store, self.resources.telemetry
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(store.notifications.run(self._heard))
                async with receiving(self._receiver, self._application, self._deps, self.resources):
                    telemetry.end("updates")  # no loop of this process waits for updates
                    await self._first_reload()
                    self._receiver.open()
                    await self._reloader.run()
        finally:
            await shut_down(self._application)
            with suppress(StoreError):  # it has no leases
                await store.close()

    async def lead(self, bot: ExtBot[None], term: Resources) -> None:
        """Do what only the leader does about updates, from the first response of Telegram until cancelled."""
        await connect(bot, term.telemetry)
        term.connected.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_written(term.store, self._state))
            group.create_task(self._wake_delivery())
            await keep_webhook(bot, term, self._receiver)

    async def _wake_delivery(self) -> None:
        """Wake the delivery worker from time to time, as notifications of other replicas may be lost.

        Polling checks as often by itself.
        """
        while True:
            await asyncio.sleep(_WAKE_S)
            self.resources.new_delivery.set()

    def _state(self) -> LeaderState:
        first_admin = self.resources.first_admin
        return LeaderState(
            gateways=tuple(self._gateways.reports()),
            first_admin=first_admin.digest if first_admin.is_awaited else None,
        )

    def _heard(self, topic: Topic) -> None:
        match topic:
            case Topic.POLLING:
                self.resources.wakeup.notify()
            case Topic.DELIVERY:
                self.resources.new_delivery.set()
            case Topic.ACCESS:
                self._reloader.notify()

    async def _first_reload(self) -> None:
        """Wait until the database can be read and is of this version."""
        failures = 0
        while True:
            try:
                await self._reloader.reload()
            except StoreError:  # which the leadership reports
                failures += 1
                await asyncio.sleep(STORE_BACKOFF.delay_s(failures))
            else:
                return

    async def _reload(self) -> None:
        await self.resources.access.reload()
        if self._gateways.own is None:
            state = LeaderState.from_json(await self._store.load_leader_state())
            self._gateways.written = state.gateways
            self.resources.first_admin.digest = state.first_admin

    async def _reload_before_refusal(self, update: Update) -> None:
        """Another replica may just have let in who has no access here."""
        if not self._deps.allowed.filter(update):
            await self._reloader.reload()
