"""What those who may not use the bot are told, and those who ask too much at once."""

import logging

from telegram import ReplyParameters, Update
from telegram.constants import ChatType

from bot.chat.context import Context, HandlerDeps, acting_user
from bot.messages.markup import text_options
from bot.messages.translate import pick_language
from bot.messages.views import replies

log = logging.getLogger(__name__)


async def not_allowed(update: Update, context: Context) -> None:
    """Say how to be let in, and note who asked: once per chat and hour."""
    chat, asking = context.message.chat, acting_user(update)
    suppressed = context.deps.refusals.suppressed
    if not context.deps.refusals.allows(chat.id):
        return
    log.info(
        "Refused: chat %d (%s), user %s; %d more were not answered since the last line.",
        chat.id,
        chat.type,
        asking.id if asking else None,
        suppressed,
    )
    language = await context.language()
    is_private = chat.type == ChatType.PRIVATE
    context.reply(replies.stranger(chat.id, is_private=is_private, language=language))


def too_busy(update: Update, deps: HandlerDeps) -> None:
    """Say that a command was dropped, as too many of this person run already: once a minute."""
    message, asking = update.effective_message, acting_user(update)
    if message is None or not deps.lets_in(update) or not deps.busy_answers.allows(message.chat_id):
        return
    language = pick_language(deps.language, asking.language_code if asking else None, None)
    quoted = ReplyParameters(message.message_id, allow_sending_without_reply=True)
    options = text_options(replies.sentence("wrong.busy", language=language))
    deps.replies.put(message.chat_id, lambda: message.reply_text(**options, reply_parameters=quoted))
    log.info(
        "Busy: a command in chat %d was dropped, user %s.", message.chat_id, asking.id if asking else None
    )
