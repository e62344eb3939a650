"""The tour: two people, four kinds of task, one failure; and the verdict on what arrived."""

import asyncio
import time
from dataclasses import dataclass

from bot.sandbox.environment import ANNA, GROUP, LIN, Sandbox
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.telegram.chats import Message

_REASON = "The request failed because the output video may contain sensitive information."
_ANSWER_S = 5.0  # how long a person waits for an answer before going on
_PAUSE_S = 0.6  # between two things that a person says
_ENDS_S = 60.0  # for all tasks to be told
_QUIET_S = 1.5  # afterwards, in which nothing may come twice
_GOES_ON = ("⏳", "🎬")  # how a card begins whose task has not ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A task whose end a chat waits for."""

    chat_id: int
    task: GatewayTask


class Tour:
    """Plays what people do and judges what the bot did."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._stage = sandbox
        self._awaited: list[Awaited] = []

    async def play(self) -> bool:
        """Play it to the end; True if every video arrived, each once, and the failure told its reason."""
        began = time.monotonic()
        await self._ask(ANNA, "/start")
        await self._ask(ANNA, "/providers")
        # In two private chats, since one bears a call a second, and its cards come last.
        first = self._task(ANNA, "alibailian", seconds=6)
        await self._ask(ANNA, f"/watch wan {first.task_id}")
        await self._ask(LIN, f"/watch newapi {self._task(LIN, 'newapi', seconds=5).task_id}")
        shared = self._task(ANNA, "jimeng", seconds=6)
        await self._ask(ANNA, f"/watch jimeng {shared.task_id}")
        failing = self._task(LIN, "jimeng", seconds=4, fails=_REASON)
        await self._ask(LIN, f"/watch seedance {failing.task_id}")
        await self._ask(ANNA, f"/watch sora {self._task(ANNA, 'videos', seconds=5).task_id}")
        self._awaited.append(Awaited(chat_id=GROUP, task=shared))
        await self._ask(GROUP, f"/watch@reelwatch_bot jimeng {shared.task_id}", user=LIN)
        await self._ask(ANNA, f"/watch wan {first.task_id}")
        await self._ask(ANNA, "/tasks")
        try:
            await self._stage.telegram.wait_for(
                lambda: all(self._told(awaited) and self._is_shown(awaited) for awaited in self._awaited),
                timeout_s=_ENDS_S * self._stage.pace,
            )
            await asyncio.sleep(_QUIET_S * self._stage.pace)
        except TimeoutError:
            self._stage.screen.tell("Not every end was told in time.")
        return self._verdict(time.monotonic() - began)

    def _task(self, chat_id: int, kind: str, *, seconds: float, fails: str | None = None) -> GatewayTask:
        task = self._stage.new_task(kind, seconds=seconds, fails=fails)
        self._awaited.append(Awaited(chat_id=chat_id, task=task))
        return task

    async def _ask(self, chat_id: int, text: str, *, user: int | None = None) -> None:
        """Say it, and wait for an answer as people do."""
        message_id = self._stage.telegram.say(chat_id, text, user=user)
        try:
            await self._stage.telegram.wait_for(
                lambda: any(each.message_id > message_id for each in self._stage.from_bot(chat_id)),
                timeout_s=_ANSWER_S,
            )
        except TimeoutError:
            self._stage.screen.tell(f"(no answer within {_ANSWER_S:.0f} s)")
        await asyncio.sleep(_PAUSE_S * self._stage.pace)

    def _times(self, awaited: Awaited) -> int:
        """How often the chat got the task's video, compared byte for byte."""
        videos = [message.video for message in self._stage.telegram.videos(awaited.chat_id)]
        return sum(video.file.content == awaited.task.served.content for video in videos if video)

    def _told(self, awaited: Awaited) -> bool:
        if awaited.task.fails is None:
            return self._times(awaited) > 0
        return any(awaited.task.fails in message.words for message in self._answers(awaited))

    def _is_shown(self, awaited: Awaited) -> bool:
        """Whether no card says any more that the task goes on."""
        return not any(message.words.startswith(_GOES_ON) for message in self._answers(awaited))

    def _answers(self, awaited: Awaited) -> list[Message]:
        asked = {
            message.message_id
            for message in self._stage.telegram.messages(awaited.chat_id)
            if not message.from_bot and awaited.task.task_id in message.words
        }
        return [message for message in self._stage.from_bot(awaited.chat_id) if message.reply_to in asked]

    def _verdict(self, seconds: float) -> bool:
        films = [awaited for awaited in self._awaited if awaited.task.fails is None]
        once = sum(self._times(awaited) == 1 for awaited in films)
        arrived = sum(len(self._stage.telegram.videos(chat_id)) for chat_id in (ANNA, LIN, GROUP))
        reasons = all(self._told(awaited) for awaited in self._awaited if awaited.task.fails)
        good = once == len(films) == arrived and reasons
        looks = sum(request.route == "status" for request in self._stage.gateway.requests)
        self._stage.screen.tell()
        self._stage.screen.title(
            f"{'✓' if good else '✗'} {once} of {len(films)} videos arrived exactly once, byte for byte;"
            f" the failed task {'told' if reasons else 'did not tell'} its reason."
        )
        self._stage.screen.tell(
            f"  {seconds:.0f} s, {looks} status queries for {len(self._stage.gateway.tasks)} tasks."
        )
        return good
