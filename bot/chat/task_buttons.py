"""The buttons under the messages about a task, and under the card of a batch."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from telegram import Message

from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.media.video import VideoFile
from bot.messages.callback_data import (
    CheckNow,
    Details,
    OriginalFile,
    SendAgain,
    SendBatchAgain,
    Stop,
    StopBatch,
)
from bot.messages.views import cards, results
from storage.models import DeliveryKind, Task
from storage.outbox import CopyRequest
from storage.watches import WatchState

_POLL_S = 2.0  # how long an answer waits for the poll; the person sees a waiting button meanwhile


async def send_again(press: Press, data: SendAgain) -> Bubble:
    """Deliver a result again that Telegram did not confirm."""
    if refused := await press.refused_in_channel():
        return refused
    accepted = await press.deps.service.send_again(data.watch_id, press.chat_id)
    return press.bubble("result.sending_again" if accepted else "result.not_again")


async def check_now(press: Press, data: CheckNow) -> Bubble:
    """Poll the task now, and show the result if it comes soon; the card shows it as well."""
    deps, asked_at = press.deps, press.deps.clock()
    if not await deps.service.check_again(data.watch_id, press.chat_id):
        return press.bubble("button.not_watched")
    press.context.release()
    with suppress(TimeoutError):
        async with asyncio.timeout(_POLL_S):
            found = await deps.service.polled(data.watch_id, press.chat_id, since=asked_at, timeout_s=_POLL_S)
            if found is not None and found.task.last_poll_at and found.task.last_poll_at >= asked_at:
                return Bubble(text=cards.bubble(found, language=press.language, now=deps.clock()))
    return press.bubble("button.checking")


async def stop(press: Press, data: Stop) -> Bubble:
    """Stop the watch; its card shows who did."""
    found = await press.deps.service.watched(data.watch_id, press.chat_id)
    if found is None or found.watch.state is not WatchState.ACTIVE:
        return press.bubble("button.not_watched")
    allowed, verdict = await press.context.may_stop([found])
    if not allowed:
        return press.refusal(verdict, "rights.stop")
    stopped = await press.context.stop(allowed)
    return press.bubble("button.stopped" if stopped else "button.not_watched")


async def original_file(press: Press, data: OriginalFile) -> Bubble:
    """Send the file of a video as a reply to it, once per press."""
    if refused := await press.refused_in_channel():
        return refused
    message = press.query.message
    request = CopyRequest(
        watch_id=data.watch_id,
        chat_id=press.chat_id,
        kind=DeliveryKind.DOCUMENT,
        press=press.query.id,
        reply_to=message.message_id if message else None,
    )
    accepted = await press.deps.service.send_copy(request)
    return press.bubble("result.sending_file" if accepted else "result.not_again")


async def details(press: Press, data: Details) -> Bubble:
    """Show the details of a task in place of its video's caption, or the caption again."""
    found, message = await press.deps.service.watched(data.watch_id, press.chat_id), press.message
    if found is None or message is None or not (message.video or message.document):
        return press.bubble("button.stale")
    if refused := await press.refused_in_channel():
        return refused
    if data.is_shown:
        press.edit(results.details(found))
    else:
        press.edit(results.caption(found, _video_in(message, found.task), now=press.deps.clock()))
    return Bubble()


async def stop_all(press: Press, data: StopBatch) -> Bubble:
    """Stop what is still awaited; results that are on their way are delivered."""
    found = await press.deps.service.batch(data.batch_id, press.chat_id)
    waiting = [
        each for each in found if each.watch.state is WatchState.ACTIVE and not each.task.status.is_final
    ]
    if not waiting:
        return press.bubble("batch.nothing_to_stop")
    allowed, verdict = await press.context.may_stop(waiting)
    if not allowed:
        return press.refusal(verdict, "rights.stop")
    stopped = await press.context.stop(allowed)
    return press.bubble("batch.stopped", count=len(stopped))


async def send_batch_again(press: Press, data: SendBatchAgain) -> Bubble:
    """Deliver results again that did not arrive, and look again for tasks that were not found."""
    found = await press.deps.service.batch(data.batch_id, press.chat_id)
    if not found:
        return press.bubble("result.not_again")
    allowed, verdict = await press.context.may_stop(found)
    if not allowed:
        return press.refusal(verdict, "rights.again")
    count = await press.deps.service.send_batch_again(data.batch_id, press.chat_id)
    return press.bubble("batch.sending_again", count=count) if count else press.bubble("result.not_again")


def _video_in(message: Message, task: Task) -> VideoFile:
    """The facts about the video in a message, for its caption."""
    if (video := message.video) is None:
        size = message.document.file_size if message.document else None
        return VideoFile(
            source="", is_video=False, size=size, unplayable=task.file.unplayable if task.file else None
        )
    length = video.duration
    return VideoFile(
        source="",
        size=video.file_size,
        width=video.width,
        height=video.height,
        duration_s=length.total_seconds() if isinstance(length, timedelta) else float(length),
    )


HANDLERS: tuple[AnyButtonHandler, ...] = (
    ButtonHandler(data=SendAgain, handle=send_again, writes=True),
    ButtonHandler(data=CheckNow, handle=check_now, writes=True),
    ButtonHandler(data=Stop, handle=stop, writes=True),
    ButtonHandler(data=OriginalFile, handle=original_file, writes=True),
    ButtonHandler(data=Details, handle=details),
    ButtonHandler(data=StopBatch, handle=stop_all, writes=True),
    ButtonHandler(data=SendBatchAgain, handle=send_batch_again, writes=True),
)
