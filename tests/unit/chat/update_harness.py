"""An UpdatePoller between a real HTTP client and the fake Telegram, with handlers that tests can block."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from telegram import Update
from telegram.error import TimedOut

from bot.bot_api.request import BotApiRequest
from bot.chat.dispatcher import AnyApplication, Dispatcher, HeldUpdates, UpdateKind
from bot.chat.update_poller import UpdatePoller
from bot.sandbox.telegram import FakeTelegram
from bot.telemetry import Telemetry
from storage.leadership import Term

ANNA, BORIS = 1001, 1002


class FlakyRequest(BotApiRequest):
    """A real client whose next requests time out."""

    failures_left = 0
    started = 0  # number of requests

    async def do_request(self, *request: Any, **timeouts: Any) -> tuple[int, bytes]:
        self.started += 1
        if self.failures_left:
            self.failures_left -= 1
            raise TimedOut
        return await super().do_request(*request, **timeouts)


@dataclass
class UpdateHarness:
    """An application that records the texts it handles; events in `gates` block handlers by text."""

    telegram: FakeTelegram
    polls: FlakyRequest
    application: AnyApplication
    begun: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    slept_s: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)  # update ids dropped as too many

    failing: set[str] = field(default_factory=set)  # texts whose handlers raise
    unreadable: set[str] = field(default_factory=set)  # texts for which kind_of raises

    def __post_init__(self) -> None:
        self.telemetry = Telemetry(sleep=self._sleep)

    def update_poller(
        self,
        *,
        grace_s: float = 60.0,
        limit_s: float = 60.0,
        fetch_s: float = 60.0,
        term: Term | None = None,
    ) -> UpdatePoller:
        """An UpdatePoller that is not running yet; only /watch and /unwatch write."""
        dispatcher = self.dispatcher(HeldUpdates(), limit_s=limit_s)
        return UpdatePoller(
            self.application,
            dispatcher,
            self.telemetry,
            term or Term(),
            grace_s=grace_s,
            fetch_s=fetch_s,
        )

    def dispatcher(self, held: HeldUpdates, *, limit_s: float = 60.0) -> Dispatcher:
        """The dispatcher of an UpdatePoller."""
        return Dispatcher(
            self.application,
            self.telemetry,
            held,
            kind_of=self._kind_of,
            refuse=lambda update: self.refused.append(update.update_id),
            limit_s=limit_s,
        )

    def hold(self, text: str) -> asyncio.Event:
        """Block the handler of a text until the returned event is set."""
        self.gates[text] = asyncio.Event()
        return self.gates[text]

    async def handle(self, update: Update, _: object) -> None:
        """The handler of all updates."""
        text = update.effective_message.text if update.effective_message else None
        self.begun.append(text or "")
        self.telegram.change_signal.notify()
        if gate := self.gates.get(text or ""):
            await gate.wait()
        if text in self.failing:
            raise ValueError(text)
        self.finished.append(text or "")
        self.telegram.change_signal.notify()

    async def until_begun(self, *texts: str) -> None:
        """Wait until the handlers of exactly these texts have started."""
        await self.telegram.wait_for(lambda: sorted(self.begun) == sorted(texts))

    async def until_finished(self, *texts: str) -> None:
        """Wait until the handlers of exactly these texts have finished."""
        await self.telegram.wait_for(lambda: sorted(self.finished) == sorted(texts))

    @property
    def polls_sent(self) -> list[dict[str, Any]]:
        """The parameters of each getUpdates."""
        return [request.params for request in self.telegram.requests if request.method == "getUpdates"]

    async def until_confirmed(self, count: int) -> None:
        """Wait until so many updates are confirmed."""
        after = 700_000_001 + count
        await self.telegram.wait_for(
            lambda: self.polls_sent and self.polls_sent[-1].get("offset") == str(after)
        )

    async def round_trip(self) -> None:
        """Make a call to Telegram, in which time the loop does all that it can."""
        await self.application.bot.get_me()

    def _kind_of(self, update: Update) -> UpdateKind:
        text = update.effective_message.text if update.effective_message else None
        if text in self.unreadable:
            raise AttributeError(text)
        return UpdateKind.WRITE if "watch" in (text or "") else UpdateKind.READ

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running(update_poller: UpdatePoller) -> AsyncIterator[None]:
    """Run the poller inside the block; cancel it at the end without stop(), as in a crash."""
    loop = asyncio.create_task(update_poller.run())
    try:
        yield
        assert not loop.done(), "the poller has ended"
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
