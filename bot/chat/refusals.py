"""Replies to users without access, and to users with too many pending commands."""

import logging

from telegram import Update
from telegram.constants import ChatType

from bot.chat.access_filter import acting_user
from bot.chat.commands import BY_NAME
from bot.chat.context import Context, HandlerDeps
from bot.logs import log_fields
from bot.messages.views import replies

log = logging.getLogger(__name__)


async def on_message_without_access(_: Update, context: Context) -> None:
    """Reply how to get access, and log the user; in groups only to a command, and once per chat and hour."""
    chat, user_id, refusals = context.message.chat, context.user_id, context.deps.refusals
    is_private = chat.type == ChatType.PRIVATE
    named = [BY_NAME[typed.name] for typed in context.typed if typed.name in BY_NAME]
    if not is_private and all(command.for_admins for command in named):
        return
    suppressed = refusals.suppressed
    if not refusals.allows(chat.id):
        return
    log.info(
        "Refused: chat %d (%s), user %s; %d more suppressed since the last line.",
        chat.id,
        chat.type,
        user_id,
        suppressed,
        extra=log_fields(None, "access_refused", chat_id=chat.id, user_id=user_id),
    )
    language = await context.language()
    context.reply(replies.not_allowed(chat.id, is_private=is_private, language=language))


def too_busy(update: Update, deps: HandlerDeps) -> None:
    """Reply that a command was dropped because too many are pending: once per chat and minute."""
    message, user = update.effective_message, acting_user(update)
    if message is None or not deps.allowed.filter(update) or not deps.busy_replies.allows(message.chat_id):
        return
    deps.reply(message, replies.sentence("wrong.busy", language=deps.personal_language(user)))
    log.info(
        "Too many pending commands: dropped one in chat %d, user %s.",
        message.chat_id,
        user.id if user else None,
        extra=log_fields(None, "command_dropped", chat_id=message.chat_id, user_id=user.id if user else None),
    )
