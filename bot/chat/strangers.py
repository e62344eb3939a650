"""Replies to users without access, and to users with too many pending commands."""

import logging

from telegram import ReplyParameters, Update
from telegram.constants import ChatType

from bot.chat.context import Context, HandlerDeps, acting_user
from bot.messages.markup import text_options
from bot.messages.translate import pick_language
from bot.messages.views import replies

log = logging.getLogger(__name__)


async def not_allowed(update: Update, context: Context) -> None:
    """Reply how to get access, and log the user: once per chat and hour."""
    chat, user = context.message.chat, acting_user(update)
    suppressed = context.deps.refusals.suppressed
    if not context.deps.refusals.allows(chat.id):
        return
    log.info(
        "Refused: chat %d (%s), user %s; %d more suppressed since the last line.",
        chat.id,
        chat.type,
        user.id if user else None,
        suppressed,
    )
    language = await context.language()
    is_private = chat.type == ChatType.PRIVATE
    context.reply(replies.stranger(chat.id, is_private=is_private, language=language))


def too_busy(update: Update, deps: HandlerDeps) -> None:
    """Reply that a command was dropped because too many are pending: once per chat and minute."""
    message, user = update.effective_message, acting_user(update)
    if message is None or not deps.allows(update) or not deps.busy_answers.allows(message.chat_id):
        return
    language = pick_language(deps.language, user.language_code if user else None, None)
    quoted = ReplyParameters(message.message_id, allow_sending_without_reply=True)
    options = text_options(replies.sentence("wrong.busy", language=language))
    deps.replies.put(message.chat_id, lambda: message.reply_text(**options, reply_parameters=quoted))
    log.info(
        "Too many pending commands: dropped one in chat %d, user %s.",
        message.chat_id,
        user.id if user else None,
    )
