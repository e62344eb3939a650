"""Chats of which a server has said once that there are none; it also says so of chats that are there."""

from datetime import datetime, timedelta

CONFIRM_AFTER = timedelta(minutes=3)  # the second answer counts only after so long
_MOST = 10_000  # remembered at once


class DoubtedChats:
    """A chat is lost when it is not found twice, some minutes apart, with nothing sent there in between."""

    def __init__(self) -> None:
        self._since: dict[int, datetime] = {}

    def not_found(self, chat_id: int, *, at: datetime) -> bool:
        """A call said that there is no such chat; whether that makes it certain."""
        since = self._since.get(chat_id)
        if since is None:
            if len(self._since) >= _MOST:
                del self._since[next(iter(self._since))]
            self._since[chat_id] = at
            return False
        if at - since < CONFIRM_AFTER:
            return False
        del self._since[chat_id]
        return True

    def answered(self, chat_id: int) -> None:
        """The chat took a message."""
        self._since.pop(chat_id, None)
