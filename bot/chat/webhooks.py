"""Webhooks that keep getUpdates from working: one from before is removed, one that is set later is not ours.

https://core.telegram.org/bots/api#getupdates
"""

import logging
import re
from typing import Any
from urllib.parse import urlsplit

from telegram import Bot
from telegram.error import Conflict, TelegramError

from bot.errors import ForeignWebhook, SecondPoller

log = logging.getLogger(__name__)

_REMOVALS = 3  # one that is there again after so many is set by a program that is running
_HOST = re.compile(r"[\w.:\[\]-]{1,260}")


class Webhooks:
    """Deals with the conflicts that getUpdates ends with."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._removals = 0

    async def resolve(self, conflict: Conflict, *, has_polled: bool) -> None:
        """Remove a webhook that was there before; raises SecondPoller, ForeignWebhook and TelegramError.

        has_polled: getUpdates has worked before, so the webhook is new.
        """
        text = conflict.message.lower()
        if "webhook" not in text:
            raise SecondPoller from conflict
        host = await self._host()
        # "terminated by setWebhook request" ends a poll that was accepted.
        if has_polled or "terminated" in text or self._removals >= _REMOVALS:
            raise ForeignWebhook(host) from conflict
        await self._bot.delete_webhook(drop_pending_updates=False)
        if not self._removals:
            to = f" to {host}" if host else ""
            log.warning("A webhook%s kept long polling from working, and is removed.", to)
        self._removals += 1

    async def _host(self) -> str | None:
        """The host of the webhook; its path may hold a secret."""
        try:
            info: Any = await self._bot.get_webhook_info()
            host = urlsplit(info.url).netloc.rpartition("@")[2]
        except (TelegramError, ValueError):
            return None
        return host if _HOST.fullmatch(host) else None
