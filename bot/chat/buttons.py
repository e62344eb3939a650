"""The buttons: read what was pressed, ask the service, answer in a bubble."""

from telegram import Update
from telegram.error import BadRequest

from bot.chat.context import Context
from bot.messages.keyboards import watch_to_check_again, watch_to_send_again
from bot.messages.translate import t


async def on_button(update: Update, context: Context) -> None:
    """A button of a card; the chat that holds the card must own the watch that the button names."""
    query = update.callback_query
    if query is None or update.effective_chat is None:
        return
    key = "result.not_again"
    data, service = query.data or "", context.deps.service
    watch_id, checked_id = watch_to_send_again(data), watch_to_check_again(data)
    is_let_in = context.deps.lets_in(update)
    if not is_let_in and not context.deps.refusals.allows(("button", update.effective_chat.id)):
        return
    if is_let_in:
        await service.heard_from(update.effective_chat.id)
    if watch_id is not None and is_let_in:
        begun = await service.send_again(watch_id, update.effective_chat.id)
        key = "result.sending_again" if begun else key
    elif checked_id is not None and is_let_in:
        begun = await service.check_again(checked_id, update.effective_chat.id)
        key = "stall.checking" if begun else "stall.not_checked"
    context.release()
    try:
        await query.answer(t(context.personal_language, key))
    except BadRequest:
        return  # pressed too long ago for a bubble; what was asked for is done all the same
