"""Handles button presses: finds the handler by the type of the callback data, and answers with its bubble."""

from telegram import Update
from telegram.error import BadRequest

from bot.chat import access_buttons, chat_settings, history, lookup_buttons, task_buttons, task_list
from bot.chat.context import Context
from bot.chat.press import AnyButtonHandler, Bubble, Press
from bot.messages.callback_data import CallbackData

HANDLERS: tuple[AnyButtonHandler, ...] = (
    *task_buttons.HANDLERS,
    *task_list.HANDLERS,
    *access_buttons.HANDLERS,
    *lookup_buttons.HANDLERS,
    *chat_settings.HANDLERS,
    *history.HANDLERS,
)


async def on_button(update: Update, context: Context) -> None:
    """Handle a press. What a button names must belong to its chat: each handler checks that."""
    query, chat, deps = update.callback_query, update.effective_chat, context.deps
    if query is None or chat is None:
        return
    press = Press(context=context, query=query)
    if deps.allowed.filter(update):
        await deps.service.on_update_from(chat.id)
        bubble = await _run(press, query.data or "")
    elif deps.refusals.allows(("button", chat.id)):
        bubble = press.bubble("button.stale")
    else:
        return
    context.release()
    try:
        await query.answer(bubble.text or None, show_alert=bubble.is_alert)
    except BadRequest:
        return  # the callback query is too old to be answered; the action is done


def writes(data: str) -> bool:
    """Whether the button with this callback data changes the database."""
    found = _handler_of(data)
    return found is not None and found[0].writes


async def _run(press: Press, data: str) -> Bubble:
    """Stale and foreign buttons only get a bubble."""
    found = _handler_of(data)
    if found is None:
        return press.bubble("button.stale")
    handler, parsed = found
    return await handler.handle(press, parsed)


def _handler_of(data: str) -> tuple[AnyButtonHandler, CallbackData] | None:
    for handler in HANDLERS:
        if (parsed := handler.data.parse(data)) is not None:
            return handler, parsed
    return None
