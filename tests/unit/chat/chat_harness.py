"""The real handlers with a recording Telegram client and a real store."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from telegram import Update
from telegram.ext import Application

from bot.chat.access_filter import AccessFilter
from bot.chat.audit import Audit
from bot.chat.context import Context, HandlerDeps, context_types
from bot.chat.dispatcher import HeldUpdates
from bot.chat.message_limit import MessageLimit
from bot.chat.once_per import OncePer
from bot.chat.reply_queue import ReplyQueue
from bot.chat.rights import Rights
from bot.chat.router import install
from bot.drawing.content import StatsPicture
from bot.messages.views.health_status import Health
from bot.providers.catalog import Catalog
from bot.providers.registry import ProviderConfig
from bot.watching.access import Access
from bot.watching.access_requests import AccessRequests
from bot.watching.first_admin import FirstAdmin
from bot.watching.service import Service
from storage.errors import StoreError, StoreUnavailable
from storage.models import Snapshot, TaskStatus
from storage.sqlite.store import SqliteStore
from storage.watches import UNLIMITED, WatchLimits
from tests.fakes.health import WELL
from tests.fakes.telegram_request import Parameters, RecordingRequest
from tests.unit.messages.reading import visible

NOW = datetime(2025, 10, 12, 11, 2, 0, tzinfo=UTC)
ANN = 42  # may use the bot, by her user id
BORIS = 43  # an admin
EVE = 66  # without access
GROUP = -1001
FOREIGN_GROUP = -1002
CHANNEL = -1003


def named(name: str, kind: str, host: str = "gw.example") -> ProviderConfig:
    """A provider that is never polled."""
    return ProviderConfig(name=name, kind=kind, base_url=f"https://{host}", api_key="sk-x")


class ChatHarness:
    """Passes users' messages to the handlers and records the replies."""

    def __init__(
        self,
        store: SqliteStore,
        providers: list[ProviderConfig],
        *,
        limits: WatchLimits = UNLIMITED,
        everyone: bool = False,
        allowed_ids: Collection[int] = (ANN, GROUP, CHANNEL),
        admin_ids: Collection[int] = (BORIS,),
        **settings: Any,
    ) -> None:
        self.store = store
        self.request = RecordingRequest()
        self.pictures: list[StatsPicture] = []  # that were drawn
        self.problems: dict[str, str] = {}  # of gateways, by provider
        self.service = Service(
            store,
            clock=self.clock,
            notify_polling=self._notify_polling,
            notify_delivery=lambda: None,
            limits=limits,
        )
        self.access = Access(store, everyone=everyone, ids=allowed_ids, admin_ids=admin_ids, clock=self.clock)
        defaults: dict[str, Any] = {
            "service": self.service,
            "catalog": Catalog(providers),
            "clock": self.clock,
            "health": self._health,
            "reply_queue": ReplyQueue(sleep=self._sleep),
            "held": HeldUpdates(),
            "refusals": OncePer(3600.0),
            "busy_replies": OncePer(60.0),
            "rights": Rights(self.access),
            "audit": Audit(),
            "allowed": AccessFilter(self.access),
            "stats_days": 30,
            "draw": self._draw,
            "problem_of": self.problems.get,
            "language": "auto",
            "access": self.access,
            "requests": AccessRequests(
                store, self.access, language="auto", clock=self.clock, notify=lambda: None
            ),
            "first_admin": FirstAdmin(store, self.access, clock=self.clock),
            "message_limit": MessageLimit(clock=lambda: 0.0),
        }
        self.deps = HandlerDeps(**(defaults | settings))
        self.application = self._application()
        self.poll_result: TaskStatus | None = None  # the status that a requested poll returns
        self._polls: set[asyncio.Task[None]] = set()
        self._updates = 0
        self.slept_s: list[float] = []  # after RetryAfter errors

    def clock(self) -> datetime:
        """A fixed time."""
        return NOW

    async def receive(
        self, message: Mapping[str, Any], *, kind: str = "message", is_repeated: bool = False
    ) -> list[str]:
        """Process an update; return the visible texts of the replies.

        Messages are numbered from 7 on. is_repeated: it is the last message again.
        """
        self._updates += not is_repeated
        before = len(self.request.sent)
        number = {"message_id": 6 + self._updates} if "text" in message else {}
        update = Update.de_json(
            {"update_id": self._updates, kind: {**message, **number}}, self.application.bot
        )
        await self.application.process_update(update)
        await self.deps.reply_queue.drain()
        return [visible(sent.get("text") or sent["caption"]) for sent in self.request.sent[before:]]

    @property
    def last(self) -> Parameters:
        """The parameters of the last message that was sent."""
        return self.request.sent[-1]

    def _application(self) -> Application[Any, Context, Any, Any, Any, Any]:
        application = (
            Application.builder()
            .token("99:secret")
            .request(self.request)
            .get_updates_request(RecordingRequest())
            .updater(None)
            .job_queue(None)
            .context_types(context_types(self.deps))
            .build()
        )
        install(application, self.deps.allowed)
        return application

    def _notify_polling(self) -> None:
        if self.poll_result is not None:
            poll = asyncio.create_task(self._poll(self.poll_result))
            self._polls.add(poll)
            poll.add_done_callback(self._polls.discard)

    async def _poll(self, status: TaskStatus) -> None:
        """One round of the polling loop."""
        quota = dict.fromkeys(self.deps.catalog.names, 100)
        for task in await self.store.claim_due(quota, at=NOW, lease_s=60):
            snapshot = Snapshot(status=status, raw_status=str(status).upper())
            await self.store.apply(
                replace(task, status=status, snapshot=snapshot, last_poll_at=NOW, next_poll_at=NOW), []
            )

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)

    async def _draw(self, picture: StatsPicture) -> bytes:
        self.pictures.append(picture)
        return b"PNG"

    async def _health(self) -> Health:
        return WELL


class ChatHarnesses:
    """Creates harnesses over one store and closes them."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self._made: list[ChatHarness] = []

    async def make(self, *providers: ProviderConfig, **settings: Any) -> ChatHarness:
        """A harness with these providers; settings: of HandlerDeps, and access."""
        harness = ChatHarness(self.store, list(providers), **settings)
        await harness.access.load()
        await harness.application.initialize()
        self._made.append(harness)
        return harness

    async def end(self) -> None:
        """Shut down all; fails if an unexpected Telegram method was called."""
        for harness in self._made:
            await harness.application.shutdown()
            assert harness.request.unexpected == []


class BrokenService(Service):
    """A service whose store is unavailable."""

    def __init__(self, error: StoreError | None = None) -> None:
        """No dependencies: every call raises."""
        self._error = error or StoreUnavailable("The disk is full.")

    async def _fail(self, *_: object, **__: object) -> Any:
        raise self._error

    watch_all = active = poll_now = stop = stats = usage = language_of = send_again = on_update_from = _fail
