"""kill -9 with everything in hand at once, and a restart: nothing is lost and nothing comes twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from bot.sandbox.faults import Fault, held
from bot.sandbox.gateway.tasks import KINDS, GatewayTask
from bot.sandbox.telegram.server import Request
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

REASON = "The size is not match 1280*720"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentWatch:
    """A /watch that was sent in a chat of its own."""

    chat_id: int
    message_id: int
    task: GatewayTask


class Crash:
    """A bot that was killed; before that, each chat was put into a state of its own."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._never = asyncio.Event()
        self._afterwards = asyncio.Event()

    async def run(self) -> None:
        """Put every chat into its state, kill the bot, and start another."""
        bot = await self.scene.start_bot()
        self.running = await asyncio.gather(*map(self._running, KINDS))
        (
            self.failing,
            self.downloading,
            self.unsent,
            self.unconfirmed,
            self.overtaken,
            self.without_card,
        ) = await asyncio.gather(
            self._watch("newapi", fails=REASON),
            self._downloading(),
            self._uploading(held(self._never)),
            self._uploading(Fault(execute=True, until=self._never)),
            self._uploading(held(self._afterwards)),
            self._without_reply(),
        )
        self.in_line = await self._without_reply("/providers")
        await bot.kill()

        self.late = self._send_watch("videos")
        for watch in (*self.running, self.failing, self.without_card, self.in_line, self.late):
            self.scene.finish(watch.task)
        self._afterwards.set()
        await self.scene.until_video(self.overtaken.chat_id, self.overtaken.message_id)
        await self.scene.start_bot()
        await asyncio.gather(
            *(
                self.scene.poll(watch.chat_id, watch.task)
                for watch in (*self.running, self.failing, self.without_card)
            )
        )

    def _send_watch(self, kind: str, *, fails: str | None = None, chat_id: int | None = None) -> SentWatch:
        chat_id, task = chat_id or self.scene.add_user(), self.scene.task(kind, fails=fails)
        message_id = self.scene.telegram.send(chat_id, f"/watch {kind} {task.task_id}")
        return SentWatch(chat_id=chat_id, message_id=message_id, task=task)

    async def _watch(self, kind: str, *, fails: str | None = None) -> SentWatch:
        watch = self._send_watch(kind, fails=fails)
        await self.scene.first_reply(watch.chat_id, watch.message_id)
        return watch

    async def _running(self, kind: str) -> SentWatch:
        watch = await self._watch(kind)
        self.scene.gateway.advance(watch.task.task_id)
        await self.scene.poll(watch.chat_id, watch.task)
        await self.scene.until_shown(watch.chat_id, watch.message_id, "Running")
        return watch

    async def _downloading(self) -> SentWatch:
        """The announcement is there, the download hangs."""
        watch = await self._watch("jimeng")
        id_ = watch.task.task_id
        self.scene.gateway.fail("files", held(self._never), when=lambda file: file.task_id == id_)
        self.scene.finish(watch.task)
        await self.scene.poll(watch.chat_id, watch.task)
        await self.scene.gateway.wait_for(
            lambda: any(each.route == "files" and each.task_id == id_ for each in self.scene.gateway.requests)
        )
        return watch

    async def _uploading(self, fault: Fault) -> SentWatch:
        """The announcement is there, Telegram does not answer to the upload."""
        watch = await self._watch("alibailian")
        chat, requests = str(watch.chat_id), self.scene.telegram.requests
        self.scene.telegram.fail(
            "editMessageMedia", fault, when=lambda request: request.params["chat_id"] == chat
        )
        self.scene.finish(watch.task)
        await self.scene.poll(watch.chat_id, watch.task)
        await self.scene.wait_for(
            lambda: any(r.method == "editMessageMedia" and r.params["chat_id"] == chat for r in requests)
        )
        return watch

    async def _without_reply(self, *said_before: str) -> SentWatch:
        """Telegram does not answer to what the bot says first in this chat."""
        chat, requests = self.scene.add_user(), self.scene.telegram.requests

        def to_chat(request: Request) -> bool:
            return request.method == "sendMessage" and request.params["chat_id"] == str(chat)

        self.scene.telegram.fail("sendMessage", held(self._never), when=to_chat)
        for text in said_before:
            self.scene.telegram.send(chat, text)
        watch = self._send_watch("newapi", chat_id=chat)
        await self.scene.wait_for(lambda: any(map(to_chat, requests)))
        return watch


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crash(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crash]:
    async with Scene.open(tmp_path_factory.mktemp("crashes"), LOG_LEVEL="DEBUG") as scene:
        crash = Crash(scene)
        await crash.run()
        yield crash


@pytest.mark.parametrize("place", range(len(KINDS)), ids=KINDS)
async def test_a_running_task_is_followed_to_its_video(crash: Crash, place: int):
    await _is_sent_once(crash.scene, crash.running[place])


async def test_a_failure_is_reported_once(crash: Crash):
    scene, watch = crash.scene, crash.failing
    await scene.until_shown(watch.chat_id, watch.message_id, "Failed")
    await scene.until_all_is_sent()
    _, result = scene.replies(watch.chat_id, watch.message_id)
    assert REASON in result.plain_text


async def test_a_command_sent_while_the_bot_was_down_is_answered(crash: Crash):
    await _is_sent_once(crash.scene, crash.late, has_card=None)


async def test_a_video_whose_download_was_interrupted_is_sent_once(crash: Crash):
    await _is_sent_once(crash.scene, crash.downloading)


async def test_a_video_that_did_not_reach_telegram_is_sent_once(crash: Crash):
    await _is_sent_once(crash.scene, crash.unsent)


async def test_a_video_whose_response_was_lost_is_not_sent_again(crash: Crash):
    await _is_sent_once(crash.scene, crash.unconfirmed)


async def test_a_video_that_reached_telegram_after_the_kill_is_not_sent_again(crash: Crash):
    await _is_sent_once(crash.scene, crash.overtaken)


async def test_a_card_that_did_not_reach_telegram_is_sent_once(crash: Crash):
    await _is_sent_once(crash.scene, crash.without_card, has_card=None)


async def test_a_command_queued_behind_another_is_not_lost(crash: Crash):
    await _is_sent_once(crash.scene, crash.in_line, has_card=None)


async def _is_sent_once(scene: Scene, watch: SentWatch, *, has_card: bool | None = True) -> None:
    """See that in the end there is one video, byte for byte, beside the card.

    has_card: None where the task may have ended when the bot first polled it, so that it needed none.
    """
    video = (await scene.until_video(watch.chat_id, watch.message_id)).video
    assert video
    assert video.file.content == watch.task.served.content
    if has_card:
        await scene.until_shown(watch.chat_id, watch.message_id, "Done")
    await scene.until_all_is_sent()
    cards = len(scene.replies(watch.chat_id, watch.message_id)) - 1
    assert cards in ({0, 1} if has_card is None else {int(has_card)})
    assert len(scene.telegram.videos(watch.chat_id)) == 1
