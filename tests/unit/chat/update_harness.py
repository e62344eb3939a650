"""The listener between a real HTTP client and the make-believe Telegram, its handler held up at will."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from telegram import Update
from telegram.error import TimedOut

from bot.bot_api.request import BotApiRequest
from bot.chat.dispatcher import Dispatcher, UpdateKind
from bot.chat.held import HeldUpdates
from bot.chat.update_poller import AnyApplication, UpdatePoller
from bot.sandbox.telegram import FakeTelegram
from bot.telemetry import Telemetry

ANNA, BORIS = 1001, 1002


class StumblingRequest(BotApiRequest):
    """A real client whose next answers are lost on the way."""

    stumbles = 0
    begun = 0  # how many requests it was given

    async def do_request(self, *request: Any, **timeouts: Any) -> tuple[int, bytes]:
        self.begun += 1
        if self.stumbles:
            self.stumbles -= 1
            raise TimedOut
        return await super().do_request(*request, **timeouts)


@dataclass
class UpdateHarness:
    """An application that notes what it handles, and as long as `gates` say, does not finish."""

    telegram: FakeTelegram
    polls: StumblingRequest
    application: AnyApplication
    telemetry: Telemetry = field(default_factory=Telemetry)
    begun: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    slept_s: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)  # the ids of updates that were too many

    unreadable: set[str] = field(default_factory=set)  # texts whose kind cannot be told

    def update_poller(self, *, patience_s: float = 60.0, limit_s: float = 60.0) -> UpdatePoller:
        """A listener that has not begun; commands but /watch and /unwatch only read."""
        held = HeldUpdates()
        dispatcher = self.dispatcher(held, limit_s=limit_s)
        return UpdatePoller(
            self.application, dispatcher, held, self.telemetry, patience_s=patience_s, sleep=self._sleep
        )

    def dispatcher(self, held: HeldUpdates, *, limit_s: float = 60.0) -> Dispatcher:
        """What a listener hands its updates to."""
        return Dispatcher(
            self.application,
            self.telemetry,
            held,
            kind_of=self._kind_of,
            refuse=lambda update: self.refused.append(update.update_id),
            limit_s=limit_s,
        )

    def hold(self, text: str) -> asyncio.Event:
        """Let the handling of a text take until the event is set."""
        self.gates[text] = asyncio.Event()
        return self.gates[text]

    async def handle(self, update: Update, _: object) -> None:
        """The handler of whatever comes."""
        text = update.effective_message.text if update.effective_message else None
        self.begun.append(text or "")
        self.telegram.change_signal.notify()
        if gate := self.gates.get(text or ""):
            await gate.wait()
        self.finished.append(text or "")
        self.telegram.change_signal.notify()

    async def until_begun(self, *texts: str) -> None:
        """Wait until exactly these are being handled or have been."""
        await self.telegram.wait_for(lambda: sorted(self.begun) == sorted(texts))

    async def until_finished(self, *texts: str) -> None:
        """Wait until exactly these have been handled."""
        await self.telegram.wait_for(lambda: sorted(self.finished) == sorted(texts))

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The parameters of each getUpdates."""
        return [request.params for request in self.telegram.requests if request.method == "getUpdates"]

    async def until_confirmed(self, count: int) -> None:
        """Wait until so many updates are confirmed."""
        after = 700_000_001 + count
        await self.telegram.wait_for(lambda: self.asked and self.asked[-1].get("offset") == str(after))

    async def supersede(self) -> None:
        """Ask Telegram something and wait for the answer: by then the loop has begun what it begins."""
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
async def open_to_people(update_poller: UpdatePoller) -> AsyncIterator[None]:
    """The listener runs for as long as this lasts; cut off then, as by a crash."""
    loop = asyncio.create_task(update_poller.run())
    try:
        yield
        assert not loop.done(), "the listener has ended"
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
