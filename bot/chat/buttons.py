"""Handles button presses: parse the callback data, call the service, answer the callback query."""

from telegram import Update
from telegram.error import BadRequest

from bot.chat.context import Context
from bot.messages.keyboards import watch_to_check_again, watch_to_send_again
from bot.messages.translate import t
from bot.watching.service import Service


async def on_button(update: Update, context: Context) -> None:
    """Handle a button of a card; the watch that it names must belong to the card's chat."""
    query, chat, deps = update.callback_query, update.effective_chat, context.deps
    if query is None or chat is None:
        return
    if deps.allowed.filter(update):
        await deps.service.on_update_from(chat.id)
        key = await _run(deps.service, chat.id, query.data or "")
    elif deps.refusals.allows(("button", chat.id)):
        key = "result.not_again"
    else:
        return
    context.release()
    try:
        await query.answer(t(context.personal_language, key))
    except BadRequest:
        return  # the callback query is too old to be answered; the action is done


async def _run(service: Service, chat_id: int, data: str) -> str:
    """Do what the button is for; return the key of the text that answers it."""
    if (watch_id := watch_to_send_again(data)) is not None:
        accepted = await service.send_again(watch_id, chat_id)
        return "result.sending_again" if accepted else "result.not_again"
    if (watch_id := watch_to_check_again(data)) is not None:
        accepted = await service.check_again(watch_id, chat_id)
        return "stall.checking" if accepted else "stall.not_checked"
    return "result.not_again"
