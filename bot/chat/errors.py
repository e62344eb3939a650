"""The one error handler of the door: the log gets the facts, the person a sentence."""

import logging

from telegram import Update
from telegram.error import TelegramError

from bot.chat.context import Context
from bot.messages import answers
from storage.errors import StoreError

log = logging.getLogger(__name__)


async def tell(update: object, context: Context) -> None:
    """Log what a handler raised, and say that it went wrong unless Telegram itself is what failed."""
    error = context.error
    update_id = update.update_id if isinstance(update, Update) else None
    if isinstance(error, TelegramError):
        log.warning("Update %s: the answer was not sent: %s", update_id, error)
        return
    if isinstance(error, StoreError):
        log.error("Update %s: %s", update_id, error)
        key = "wrong.archive"
    else:
        log.error("Update %s failed", update_id, exc_info=error)
        key = "wrong.surprise"
    if isinstance(update, Update) and update.effective_message is not None:
        await _apologise(context, key)


async def _apologise(context: Context, key: str) -> None:
    try:
        await context.reply(answers.sentence(key, language=context.personal_language))
    except TelegramError as error:
        log.warning("The apology was not sent: %s", error)
