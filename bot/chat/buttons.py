"""Handles button presses: parse the callback data, call the service, answer the callback query."""

from telegram import Update
from telegram.error import BadRequest

from bot.chat.context import Context
from bot.messages.keyboards import watch_to_check_again, watch_to_send_again
from bot.messages.translate import t


async def on_button(update: Update, context: Context) -> None:
    """Handle a button of a card; the watch that it names must belong to the card's chat."""
    query = update.callback_query
    if query is None or update.effective_chat is None:
        return
    key = "result.not_again"
    data, service = query.data or "", context.deps.service
    watch_id, checked_id = watch_to_send_again(data), watch_to_check_again(data)
    is_allowed = context.deps.allows(update)
    if not is_allowed and not context.deps.refusals.allows(("button", update.effective_chat.id)):
        return
    if is_allowed:
        await service.heard_from(update.effective_chat.id)
    if watch_id is not None and is_allowed:
        accepted = await service.send_again(watch_id, update.effective_chat.id)
        key = "result.sending_again" if accepted else key
    elif checked_id is not None and is_allowed:
        accepted = await service.check_again(checked_id, update.effective_chat.id)
        key = "stall.checking" if accepted else "stall.not_checked"
    context.release()
    try:
        await query.answer(t(context.personal_language, key))
    except BadRequest:
        return  # the callback query is too old to be answered; the action is done
