"""Which updates come from a chat or user that may use the bot."""

from telegram import Update, User
from telegram.ext import filters

from bot.watching.access import Access


def acting_user(update: Update) -> User | None:
    """The user who caused an update; None for channel posts and messages on behalf of a chat.

    Telegram sets a placeholder user for the latter: https://core.telegram.org/bots/api#message
    """
    message = update.effective_message
    is_on_behalf_of_chat = update.callback_query is None and message is not None and message.sender_chat
    return None if is_on_behalf_of_chat else update.effective_user


class AccessFilter(filters.UpdateFilter):
    """Matches the updates of allowed chats and users."""

    def __init__(self, access: Access) -> None:
        super().__init__()
        self._access = access

    def filter(self, update: Update) -> bool:
        """Whether the chat or the acting user may use the bot; of any update, also of a button's."""
        chat, user = update.effective_chat, acting_user(update)
        return self._access.allows(chat.id if chat else None, user.id if user else None)
