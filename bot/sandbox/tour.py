"""The tour: two users, four kinds of task, one failure; checks that every result arrived once."""

import asyncio
import time
from dataclasses import dataclass

from bot.sandbox.environment import ANNA, GROUP, LIN, Sandbox
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.telegram.chats import Message

_REASON = "The request failed because the output video may contain sensitive information."
_REPLY_S = 5.0  # how long a user waits for a reply
_PAUSE_S = 0.6  # between two messages of a user
_LIMIT_S = 90.0  # for the tour
_ENDS_S = 60.0  # until all results have arrived
_QUIET_S = 1.5  # afterwards, to detect duplicates
_UNFINISHED = ("⏳", "🎬")  # the first character of the card of an unfinished task


class Tours:
    """Plays the tour, one at a time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._turn = asyncio.Lock()
        self._again: asyncio.Task[bool] | None = None

    async def play(self) -> bool:
        """Run the tour; True if it went well."""
        async with self._turn:
            try:
                async with asyncio.timeout(_LIMIT_S):
                    return await Tour(self._sandbox).play()
            except TimeoutError:
                self._sandbox.screen.print_line(f"The tour was not over within {_LIMIT_S:.0f} s.")
                return False

    def play_again(self) -> bool:
        """Start the tour, unless it is being played; returns whether it was started."""
        if self._turn.locked() or (self._again is not None and not self._again.done()):
            return False
        self._again = asyncio.create_task(self.play())
        return True

    def stop(self) -> None:
        """Stop a tour that was started again."""
        if self._again is not None:
            self._again.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedResult:
    """A task whose result a chat expects."""

    chat_id: int
    task: GatewayTask


class Tour:
    """Sends the users' commands and checks the bot's messages."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._expected: list[ExpectedResult] = []

    async def play(self) -> bool:
        """Run the tour; True if every video arrived exactly once and the failure with its reason."""
        started = time.monotonic()
        await self._send(ANNA, "/start")
        await self._send(ANNA, "/providers")
        # In two private chats, since each is limited to a call per second.
        first = self._task(ANNA, "alibailian", seconds=6)
        await self._send(ANNA, f"/watch wan {first.task_id}")
        await self._send(LIN, f"/watch newapi {self._task(LIN, 'newapi', seconds=5).task_id}")
        shared = self._task(ANNA, "jimeng", seconds=6)
        await self._send(ANNA, f"/watch jimeng {shared.task_id}")
        failing = self._task(LIN, "jimeng", seconds=4, fails=_REASON)
        await self._send(LIN, f"/watch seedance {failing.task_id}")
        await self._send(ANNA, f"/watch sora {self._task(ANNA, 'videos', seconds=5).task_id}")
        self._expected.append(ExpectedResult(chat_id=GROUP, task=shared))
        await self._send(GROUP, f"/watch@reelwatch_bot jimeng {shared.task_id}", user=LIN)
        await self._send(ANNA, f"/watch wan {first.task_id}")
        await self._send(ANNA, "/tasks")
        try:
            await self._sandbox.telegram.wait_for(
                lambda: all(self._is_reported(each) and self._card_is_final(each) for each in self._expected),
                timeout_s=_ENDS_S * self._sandbox.pace,
            )
            await asyncio.sleep(_QUIET_S * self._sandbox.pace)
        except TimeoutError:
            self._sandbox.screen.print_line("Not all results arrived in time.")
        return self._report(time.monotonic() - started)

    def _task(self, chat_id: int, kind: str, *, seconds: float, fails: str | None = None) -> GatewayTask:
        task = self._sandbox.new_task(kind, seconds=seconds, fails=fails)
        self._expected.append(ExpectedResult(chat_id=chat_id, task=task))
        return task

    async def _send(self, chat_id: int, text: str, *, user: int | None = None) -> None:
        """Send a command and wait for a reply."""
        message_id = self._sandbox.telegram.send(chat_id, text, user=user)
        try:
            await self._sandbox.telegram.wait_for(
                lambda: any(each.message_id > message_id for each in self._sandbox.bot_messages(chat_id)),
                timeout_s=_REPLY_S,
            )
        except TimeoutError:
            self._sandbox.screen.print_line(f"(no reply within {_REPLY_S:.0f} s)")
        await asyncio.sleep(_PAUSE_S * self._sandbox.pace)

    def _video_count(self, expected: ExpectedResult) -> int:
        """How often the chat received the task's video, compared byte for byte."""
        videos = [message.video for message in self._sandbox.telegram.videos(expected.chat_id)]
        return sum(video.file.content == expected.task.served.content for video in videos if video)

    def _is_reported(self, expected: ExpectedResult) -> bool:
        if expected.task.fails is None:
            return self._video_count(expected) > 0
        return any(expected.task.fails in message.plain_text for message in self._replies(expected))

    def _card_is_final(self, expected: ExpectedResult) -> bool:
        """Whether no card shows the task as unfinished."""
        return not any(message.plain_text.startswith(_UNFINISHED) for message in self._replies(expected))

    def _replies(self, expected: ExpectedResult) -> list[Message]:
        requests = {
            message.message_id
            for message in self._sandbox.telegram.messages(expected.chat_id)
            if not message.from_bot and expected.task.task_id in message.plain_text
        }
        return [
            message
            for message in self._sandbox.bot_messages(expected.chat_id)
            if message.reply_to in requests
        ]

    def _report(self, seconds: float) -> bool:
        expected = [result for result in self._expected if result.task.fails is None]
        once = sum(self._video_count(result) == 1 for result in expected)
        arrived = sum(
            message.video is not None for result in self._expected for message in self._replies(result)
        )
        reasons = all(self._is_reported(result) for result in self._expected if result.task.fails)
        is_good = once == len(expected) == arrived and reasons
        tasks = {result.task.task_id for result in self._expected}
        polls = sum(map(self._sandbox.gateway.polls, tasks))
        self._sandbox.screen.print_line()
        self._sandbox.screen.title(
            f"{'✓' if is_good else '✗'} {once} of {len(expected)} videos arrived exactly once, byte for byte;"
            f" the failure was reported {'with' if reasons else 'without'} its reason."
        )
        self._sandbox.screen.print_line(f"  {seconds:.0f} s, {polls} status queries for {len(tasks)} tasks.")
        return is_good
