"""Chats reported once as "chat not found"; servers sometimes report it for existing chats, too."""

from datetime import datetime, timedelta

CONFIRM_AFTER = timedelta(minutes=3)  # between the two reports that count
_MAX_CHATS = 10_000  # kept in memory


class DoubtedChats:
    """A chat is gone after two reports at least three minutes apart, without a message sent in between."""

    def __init__(self) -> None:
        self._since: dict[int, datetime] = {}

    def not_found(self, chat_id: int, *, at: datetime) -> bool:
        """Record a report; returns whether the chat is gone for certain."""
        since = self._since.get(chat_id)
        if since is None:
            if len(self._since) >= _MAX_CHATS:
                del self._since[next(iter(self._since))]
            self._since[chat_id] = at
            return False
        if at - since < CONFIRM_AFTER:
            return False
        del self._since[chat_id]
        return True

    def answered(self, chat_id: int) -> None:
        """Record that a message was sent: drop the earlier report."""
        self._since.pop(chat_id, None)
