"""The error handler of all update handlers: logs the details and replies with one sentence."""

import logging
from contextlib import suppress

from telegram import Update
from telegram.error import TelegramError

from bot.chat.context import Context
from bot.logs import log_fields
from bot.messages.translate import t
from bot.messages.views import replies
from storage.errors import LeadershipLost, StoreError, StoreUnavailable, StoreUnreachable

log = logging.getLogger(__name__)


async def on_error(update: object, context: Context) -> None:
    """Log a handler's exception; apologize in a reply, or in a press's bubble, unless Telegram failed."""
    error = context.error
    update_id = update.update_id if isinstance(update, Update) else None
    chat = update.effective_chat if isinstance(update, Update) else None
    chat_id, cause, key = chat.id if chat else None, type(error).__name__, "wrong.unexpected"
    if isinstance(error, LeadershipLost):
        _is_postponed(update, context)
        return  # the update is not confirmed, so the next leader gets it
    if isinstance(error, StoreUnreachable) and update_id is not None and context.deps.held.repeat(update_id):
        return  # the connection was lost, maybe for a moment; what the handler stored it can store again
    if isinstance(error, TelegramError):
        log.warning(
            "Telegram did not take the answer to a command (update %s) in chat %s: %s",
            update_id,
            chat_id,
            error,
            extra=log_fields(None, "update_unanswered", chat_id=chat_id, cause=cause),
        )
        return
    if isinstance(error, StoreError):
        key = "wrong.database"
        if isinstance(error, StoreUnavailable) and _is_postponed(update, context):
            key = "wrong.database_later"
            if not context.deps.refusals.allows(("database", chat.id if chat else None)):
                return  # said and logged for this chat
        log.warning(
            "A command (update %s) in chat %s was not carried out, and its sender was told: %s",
            update_id,
            chat_id,
            error,
            extra=log_fields(None, "update_failed", chat_id=chat_id, cause=cause),
        )
    elif isinstance(error, TimeoutError):
        log.error(
            "A command (update %s) in chat %s took too long and was given up.",
            update_id,
            chat_id,
            extra=log_fields(None, "update_timeout", chat_id=chat_id),
        )
    else:
        log.error(
            "A bug kept a command (update %s) in chat %s from being carried out.",
            update_id,
            chat_id,
            exc_info=error,
            extra=log_fields(None, "update_error", chat_id=chat_id, cause=cause),
        )
    if isinstance(update, Update) and update.callback_query is not None:
        with suppress(TelegramError):
            await update.callback_query.answer(t(context.personal_language, key), show_alert=True)
    elif isinstance(update, Update) and update.effective_message is not None:
        context.reply(replies.sentence(key, language=context.personal_language))


def _is_postponed(update: object, context: Context) -> bool:
    """Whether Telegram repeats the update later; a press is not repeated: its bubble says that it failed."""
    return (
        isinstance(update, Update)
        and update.callback_query is None
        and context.deps.held.postpone(update.update_id)
    )
