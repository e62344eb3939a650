"""The door as it really is built, between a recording Telegram and a real archive."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from telegram import Update
from telegram.ext import Application

from bot.chat.context import Context, HandlerDeps, context_types
from bot.chat.replies import Replies
from bot.chat.router import install
from bot.providers.catalog import Catalog
from bot.providers.registry import ProviderConfig
from bot.watching.access import Access
from bot.watching.service import Service
from storage.errors import StoreUnavailable
from storage.models import UNLIMITED, Snapshot, TaskStatus, WatchLimits
from storage.sqlite.store import SqliteStore
from tests.fakes.telegram_request import Parameters, RecordingRequest
from tests.unit.messages.reading import visible

NOW = datetime(2025, 10, 12, 11, 2, 0, tzinfo=UTC)
ANN = 42  # may use the bot, by her user id
BORIS = 43  # an admin
EVE = 66  # a stranger
GROUP = -1001
FOREIGN_GROUP = -1002
CHANNEL = -1003


def named(name: str, kind: str, host: str = "gw.example") -> ProviderConfig:
    """A provider that is only talked about."""
    return ProviderConfig(name=name, kind=kind, base_url=f"https://{host}", api_key="sk-x")


class ChatHarness:
    """People who write to the bot, and what it answers."""

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
        self.problems: dict[str, str] = {}  # of gateways, by provider
        self.service = Service(
            store, clock=self.clock, notify_polling=self._ring, notify_delivery=lambda: None, limits=limits
        )
        self.access = Access(store, everyone=everyone, ids=allowed_ids, admin_ids=admin_ids, clock=self.clock)
        defaults: dict[str, Any] = {
            "service": self.service,
            "catalog": Catalog(providers),
            "clock": self.clock,
            "health": self._health,
            "replies": Replies(sleep=self._sleep),
            "problem_of": self.problems.get,
            "language": "auto",
            "access": self.access,
        }
        self.deps = HandlerDeps(**(defaults | settings))
        self.application: Application[Any, Context, Any, Any, Any, Any] = (
            Application.builder()
            .token("99:secret")
            .request(self.request)
            .get_updates_request(RecordingRequest())
            .updater(None)
            .job_queue(None)
            .context_types(context_types(self.deps))
            .build()
        )
        install(self.application)
        self.answers_as: TaskStatus | None = None  # what the clock's loop finds when it is rung for
        self._looks: set[asyncio.Task[None]] = set()
        self._updates = 0
        self.slept_s: list[float] = []  # before answers that Telegram refused for a while

    def clock(self) -> datetime:
        """The same moment all through a test."""
        return NOW

    async def tell(self, message: Mapping[str, Any], *, kind: str = "message") -> list[str]:
        """Give the bot an update; the visible texts of its answers."""
        self._updates += 1
        before = len(self.request.sent)
        update = Update.de_json({"update_id": self._updates, kind: dict(message)}, self.application.bot)
        await self.application.process_update(update)
        await self.deps.replies.drain()
        return [visible(sent["text"]) for sent in self.request.sent[before:]]

    @property
    def last(self) -> Parameters:
        """The parameters of the last message that was sent."""
        return self.request.sent[-1]

    def _ring(self) -> None:
        if self.answers_as is not None:
            look = asyncio.create_task(self._look(self.answers_as))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look(self, status: TaskStatus) -> None:
        """One turn of the clock's loop."""
        quota = dict.fromkeys(self.deps.catalog.names, 100)
        for task in await self.store.claim_due(quota, at=NOW, lease_s=60):
            snapshot = Snapshot(status=status, raw_status=str(status).upper())
            await self.store.apply(
                replace(task, status=status, snapshot=snapshot, last_poll_at=NOW, next_poll_at=NOW), []
            )

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)

    async def _health(self) -> Mapping[str, str]:
        return {"up": "5 s"}


class ChatHarnesses:
    """Makes worlds over one archive and looks after their ends."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self._made: list[ChatHarness] = []

    async def make(self, *providers: ProviderConfig, **settings: Any) -> ChatHarness:
        """A world with these providers; settings are Door's, and who may what."""
        harness = ChatHarness(self.store, list(providers), **settings)
        await harness.access.load()
        await harness.application.initialize()
        self._made.append(harness)
        return harness

    async def end(self) -> None:
        """Stop all, and fail if Telegram was asked for something odd."""
        for harness in self._made:
            await harness.application.shutdown()
            assert harness.request.unexpected == []


class BrokenService(Service):
    """A service whose archive cannot be reached."""

    def __init__(self) -> None:
        """Needs nothing, for it never gets that far."""

    async def _fail(self, *_: object, **__: object) -> Any:
        raise StoreUnavailable("The disk is full.")

    watch = active = poll_now = stop = stats = language_of = send_again = heard_from = _fail
