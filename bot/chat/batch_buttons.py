"""The buttons under the card of a batch."""

from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.messages.callback_data import SendBatchAgain, StopBatch
from storage.models import WatchState


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
    stopped = await press.deps.service.stop(allowed, by=press.context.actor_name)
    press.deps.audit.stopped(press.chat_id, press.user_id, stopped)
    return press.bubble("batch.stopped", count=len(stopped))


async def send_again(press: Press, data: SendBatchAgain) -> Bubble:
    """Deliver results again that did not arrive, and look again for tasks that were not found."""
    found = await press.deps.service.batch(data.batch_id, press.chat_id)
    if not found:
        return press.bubble("result.not_again")
    allowed, verdict = await press.context.may_stop(found)
    if not allowed:
        return press.refusal(verdict, "rights.again")
    count = await press.deps.service.send_batch_again(data.batch_id, press.chat_id)
    return press.bubble("batch.sending_again", count=count) if count else press.bubble("result.not_again")


HANDLERS: tuple[AnyButtonHandler, ...] = (
    ButtonHandler(data=StopBatch, handle=stop_all, writes=True),
    ButtonHandler(data=SendBatchAgain, handle=send_again, writes=True),
)
