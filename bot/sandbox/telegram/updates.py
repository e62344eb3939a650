"""Updates pending for the bot: https://core.telegram.org/bots/api#getting-updates."""

import asyncio
import contextlib
from collections.abc import Callable

from bot.sandbox.change_signal import ChangeSignal
from bot.sandbox.telegram.api_errors import ApiError
from bot.sandbox.telegram.serializers import Json

_NOT_BY_DEFAULT = {"chat_member", "message_reaction", "message_reaction_count"}
_LONGEST_POLL_S = 50
_WEBHOOK_ACTIVE = (
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
_FARTHEST_AHEAD = 10  # of the next update; an offset beyond belongs to another numbering and confirms nothing


class UpdateQueue:
    """Stores updates until the bot confirms them."""

    def __init__(self) -> None:
        self.allowed: list[str] = []  # remembered from poll to poll; empty: the default
        self.webhook_url = ""  # "": none
        self._waiting: list[Json] = []
        self._last_id = 700_000_000
        self._change_signal = ChangeSignal()
        self._poller = 0  # the latest one; an older pending poll ends with a conflict

    def add(self, kind: str, payload: Json) -> None:
        """Add an update, if the bot has subscribed to its kind."""
        if kind not in self.allowed and (self.allowed or kind in _NOT_BY_DEFAULT):
            return
        self._last_id += 1
        self._waiting.append({"update_id": self._last_id, kind: payload})
        self._change_signal.notify()

    def number_from(self, update_id: int) -> None:
        """Set the next update id; after a week without updates it is random."""
        self._last_id = update_id - 1

    def set_webhook(self, url: str) -> None:
        """Set a webhook, which terminates polls; "": remove it."""
        self.webhook_url = url
        self._change_signal.notify()

    @property
    def waiting(self) -> int:
        """The number of unconfirmed updates."""
        return len(self._waiting)

    def drop(self) -> None:
        """Discard all updates."""
        self._waiting.clear()

    def chats(self) -> set[object]:
        """What the pending updates are sent by, one after the other: chats, and users who pressed buttons."""
        return {_chat_of(update) for update in self._waiting}

    def first_of(self, chat: object) -> Json | None:
        """The first pending update of a chat."""
        return next((update for update in self._waiting if _chat_of(update) == chat), None)

    def forget(self, update: Json) -> None:
        """Discard an update that the webhook has accepted."""
        if update in self._waiting:
            self._waiting.remove(update)
            self._change_signal.notify()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until the condition is true; it is evaluated after every change."""
        while not condition():
            with contextlib.suppress(TimeoutError):
                await self._change_signal.wait_for(condition, timeout_s=_LONGEST_POLL_S)

    async def poll(self, *, offset: int, limit: int, timeout_s: int) -> list[Json]:
        """Discard the confirmed updates; wait up to timeout_s for new ones and return them."""
        if self.webhook_url:
            raise ApiError(409, f"Conflict: {_WEBHOOK_ACTIVE}")
        self._poller += 1
        this = self._poller
        self._change_signal.notify()
        if offset < 0:
            self._waiting = self._waiting[offset:]
        elif offset <= self._last_id + 1 + _FARTHEST_AHEAD:
            self._waiting = [update for update in self._waiting if update["update_id"] >= offset]
        if timeout_s > 0 and not self._waiting:
            try:
                await self._change_signal.wait_for(
                    lambda: self._waiting or self._poller != this or self.webhook_url,
                    timeout_s=min(timeout_s, _LONGEST_POLL_S),
                )
            except TimeoutError:
                return []
            if self.webhook_url:
                raise ApiError(409, "Conflict: terminated by setWebhook request")
            if self._poller != this:
                raise ApiError(
                    409,
                    "Conflict: terminated by other getUpdates request;"
                    " make sure that only one bot instance is running",
                )
            await asyncio.sleep(0)  # include updates that are being added right now
        return self._waiting[:limit]


def _chat_of(update: Json) -> object:
    """The queue of an update: https://github.com/tdlib/telegram-bot-api (Client::add_update's queue id)."""
    ((kind, content),) = ((kind, content) for kind, content in update.items() if kind != "update_id")
    return ("user", content["from"]["id"]) if kind == "callback_query" else (kind, content["chat"]["id"])
