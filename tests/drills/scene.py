"""The environment of a drill: both fake servers, watches, and the verdict."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from bot.sandbox.gateway import FakeGateway
from bot.sandbox.gateway.ids import new_id
from bot.sandbox.gateway.tasks import GatewayTask, Phase
from bot.sandbox.telegram import FakeTelegram
from tests.drills.bot_processes import Bot
from tests.drills.database import end_lease, known_texts
from tests.e2e.database import SceneDatabase, open_database

KINDS = ("alibailian", "newapi", "jimeng", "videos")
PATIENCE_S = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of some watches."""

    lost: int  # videos that never arrived
    doubled: int  # videos that arrived twice
    strays: int  # text messages left over by a crash
    open_cards: int  # cards that do not show the final status

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(
            lost=self.lost + other.lost,
            doubled=self.doubled + other.doubled,
            strays=self.strays + other.strays,
            open_cards=self.open_cards + other.open_cards,
        )

    @property
    def is_good(self) -> bool:
        """Whether nothing is lost or doubled and every card is final; a stray text message is allowed."""
        return not (self.lost or self.doubled or self.open_cards)


NOTHING = Verdict(lost=0, doubled=0, strays=0, open_cards=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentWatch:
    """A /watch that was sent."""

    chat_id: int
    message_id: int
    task: GatewayTask
    sent_at: float = field(default_factory=time.monotonic)


class DrillScene:
    """Both servers, the database, and the users' watches."""

    def __init__(
        self, folder: Path, database: SceneDatabase, *, local: bool = False, **settings: str
    ) -> None:
        """local: the Bot API server shares the bot's disk. settings: of every bot, in addition."""
        self._more_settings = settings
        self.folder = folder
        self.database = database
        self.local = local
        self.telegram = FakeTelegram(local=local)
        self.gateway = FakeGateway()
        self.watches: list[SentWatch] = []
        self._abandoned: set[tuple[int, int]] = set()  # messages that no bot can edit, by chat

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, *, local: bool = False, **settings: str) -> AsyncIterator[Self]:
        """Start the servers."""
        async with open_database(folder) as database:
            scene = cls(folder, database, local=local, **settings)
            await scene.telegram.start()
            await scene.gateway.start()
            try:
                yield scene
            finally:
                await scene.telegram.stop()
                await scene.gateway.stop()

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables of a bot."""
        return {
            "TELEGRAM_BOT_TOKEN": self.telegram.token,
            "TELEGRAM_API_URL": self.telegram.url,
            "TELEGRAM_LOCAL_MODE": str(self.local).lower(),
            "GATEWAY_BASE_URL": self.gateway.url,
            "GATEWAY_API_KEY": self.gateway.key,
            "DATABASE_URL": self.database.url,
            "DATA_DIR": str(self.folder),
            "ALLOWED_CHATS": "*",
            "DOWNLOAD_ALLOW_PRIVATE": "true",
        } | self._more_settings

    @property
    def polls(self) -> int:
        """The number of getUpdates and setWebhook calls."""
        return sum(request.method in {"getUpdates", "setWebhook"} for request in self.telegram.requests)

    def watch(
        self,
        kind: str,
        chat_id: int,
        *,
        is_done: bool = True,
        seconds: float | None = None,
        is_command: bool = True,
        user: int | None = None,
    ) -> SentWatch:
        """Send /watch for a new task, which is done already or progresses when advanced, or takes seconds.

        is_command: False: the message is another one, as of a watch that is in the database already.
        user: who sends it in a group.
        """
        task = self.gateway.add(kind, new_id(kind, time.time()), seconds=seconds)
        if is_done and seconds is None:
            self.finish(task)
        if chat_id not in self.telegram.state.chats:
            self.telegram.private_chat(chat_id)
        text = f"/watch {kind} {task.task_id}" if is_command else "Thank you!"
        said = self.telegram.send(chat_id, text, user=user)
        self.watches.append(SentWatch(chat_id=chat_id, message_id=said, task=task))
        return self.watches[-1]

    def repeat_watches(self) -> None:
        """Repeat every /watch."""
        self.watches = [
            replace(
                each,
                message_id=self.telegram.send(each.chat_id, f"/watch {each.task.kind} {each.task.task_id}"),
            )
            for each in self.watches
        ]

    async def kill(self, bot: Bot) -> None:
        """kill -9; another bot may lead at once, and can't edit the texts whose ids were not stored."""
        await bot.kill()
        await end_lease(self.database)
        await self.note_abandoned()

    async def note_abandoned(self) -> None:
        """Note the texts whose ids are not in the database: the bot was lost before it stored them."""
        known = await known_texts(self.database)
        sent = {
            (chat_id, message.message_id)
            for chat_id in {watch.chat_id for watch in self.watches}
            for message in self.telegram.messages(chat_id)
            if message.from_bot and not message.video
        }
        self._abandoned = sent - known

    def finish(self, task: GatewayTask) -> None:
        """End a task."""
        while self.gateway.advance(task.task_id) is not Phase.SUCCEEDED:
            pass

    def is_answered(self) -> bool:
        """Whether every watch has a reply."""
        return all(
            any(message.reply_to == each.message_id for message in self.telegram.messages(each.chat_id))
            for each in self.watches
        )

    def is_settled(self) -> bool:
        """Whether every watch has a video and a final card."""
        verdict = self.verdict()
        return not (verdict.lost or verdict.open_cards)

    def is_delivered(self) -> bool:
        """Whether every watch has a video."""
        return not self.verdict().lost

    async def settle(self, *, patience_s: float = PATIENCE_S, with_cards: bool = True) -> None:
        """Wait until every watch has a video and a final card, or the timeout ends."""
        is_over = self.is_settled if with_cards else self.is_delivered
        try:
            await self.telegram.wait_for(is_over, timeout_s=patience_s)
        except TimeoutError:
            return

    async def out_of_order(self) -> int:
        """How many watches started before one that was requested earlier in the same chat."""
        rows = await self.database.rows("SELECT chat_id, request_message_id FROM watches ORDER BY id")
        latest: dict[int, int] = {}
        late = 0
        for chat_id, message_id in rows:
            late += message_id < latest.get(chat_id, 0)
            latest[chat_id] = max(message_id, latest.get(chat_id, 0))
        return late

    def verdict(self) -> Verdict:
        """The verdict on all watches so far."""
        return sum((self._judge(watch) for watch in self.watches), NOTHING)

    def _judge(self, watch: SentWatch) -> Verdict:
        replies = [m for m in self.telegram.messages(watch.chat_id) if m.reply_to == watch.message_id]
        videos = [m for m in replies if m.video and m.video.file.content == watch.task.served.content]
        # The reply to a repeated /watch is one sentence without the id, and not a card.
        texts = [m for m in replies if not m.video and "on its way" not in m.plain_text]
        cards = [m for m in texts if watch.task.task_id in m.plain_text]
        editable = [m for m in cards if (watch.chat_id, m.message_id) not in self._abandoned]
        finals = [m for m in editable if "Done" in m.plain_text]
        return Verdict(
            lost=int(not videos),
            doubled=max(0, len(videos) - 1),
            strays=len(replies) - len(videos) - min(len(editable), 1) if videos else 0,
            open_cards=int(bool(editable) and not finals),  # a task that had ended by its first poll has none
        )
