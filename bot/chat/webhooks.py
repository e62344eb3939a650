"""Resolves conflicts of getUpdates with webhooks: an old one is removed, a new one is an error.

https://core.telegram.org/bots/api#getupdates
"""

import logging
import re
from urllib.parse import urlsplit

from telegram import Bot
from telegram.error import Conflict, TelegramError

from bot.errors import ForeignWebhook, SecondPoller
from bot.logs import log_fields

log = logging.getLogger(__name__)

_REMOVALS = 3  # a webhook that is back after so many is being set by another running program
_HOST = re.compile(r"[\w.:\[\]-]{1,260}")


class Webhooks:
    """Resolves the Conflict errors of getUpdates."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._removals = 0

    async def resolve(self, conflict: Conflict, *, has_polled: bool) -> None:
        """Remove a webhook that existed before the start; raises SecondPoller, ForeignWebhook, TelegramError.

        has_polled: getUpdates has succeeded before, so the webhook is new.
        """
        text = conflict.message.lower()
        if "webhook" not in text:
            raise SecondPoller from conflict
        try:
            host = host_of((await self._bot.get_webhook_info()).url)
        except TelegramError:
            host = None
        # A poll that was accepted ends with "terminated by setWebhook request".
        if has_polled or "terminated" in text or self._removals >= _REMOVALS:
            raise ForeignWebhook(host) from conflict
        await self._bot.delete_webhook(drop_pending_updates=False)
        if not self._removals:
            to = f" to {host}" if host else ""
            log.warning(
                "Removed a webhook%s that blocked long polling.",
                to,
                extra=log_fields(None, "webhook_removed", host=host or ""),
            )
        self._removals += 1


def host_of(url: str) -> str | None:
    """The host and port of a webhook's URL, for logs; the path may contain a secret. None: not a URL."""
    try:
        host = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return None
    return host if _HOST.fullmatch(host) else None
