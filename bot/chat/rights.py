"""Who may change what belongs to a chat: its admins and the bot's; in private chats the person.

A channel's posts come from those who may post there, and a message on behalf of its own chat from an
anonymous admin. For anybody else Telegram is asked, and its answer is kept for a minute.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto

from telegram import Bot, Chat, Message, Update
from telegram.constants import ChatMemberStatus, ChatType
from telegram.error import TelegramError

from bot.chat.access_filter import acting_user
from bot.logs import log_fields
from bot.watching.access import Access

log = logging.getLogger(__name__)

_KEPT_S = 60.0
_KEPT_CHATS = 1000  # the oldest are forgotten first
_ASKED_S = 5.0  # for all calls of one question
_ADMIN = {ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR}


class Verdict(Enum):
    """Whether somebody may do something."""

    ALLOWED = auto()
    DENIED = auto()
    UNKNOWN = auto()  # Telegram could not be asked: not allowed

    def reason(self, denied: str) -> str:
        """The key of the text that says why it is not allowed; denied: of the text that says who may."""
        return "rights.unknown" if self is Verdict.UNKNOWN else denied


class Rights:
    """Answers whether the author of an update may manage its chat."""

    def __init__(self, access: Access, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic, seconds."""
        self._access = access
        self._clock = clock
        # The admins of a chat; with a user: only whether this one is an admin. Each with when it was asked.
        self._known: OrderedDict[tuple[int, int | None], tuple[float, frozenset[int]]] = OrderedDict()

    async def may_manage(self, update: Update, bot: Bot) -> Verdict:
        """Whether who sent the message or pressed the button may manage the chat."""
        chat, user = update.effective_chat, acting_user(update)
        if chat is None:
            return Verdict.DENIED
        if user is None:
            return _of_chat_as_sender(chat, update.effective_message)
        if chat.type == ChatType.PRIVATE or self._access.is_admin(user.id):
            return Verdict.ALLOWED
        return await self._of_member(bot, chat.id, user.id)

    async def _of_member(self, bot: Bot, chat_id: int, user_id: int) -> Verdict:
        for known in ((chat_id, None), (chat_id, user_id)):
            asked_at, admins = self._known.get(known, (float("-inf"), frozenset[int]()))
            if self._clock() - asked_at < _KEPT_S:
                return Verdict.ALLOWED if user_id in admins else Verdict.DENIED
        try:
            async with asyncio.timeout(_ASKED_S):
                key, admins = await _ask(bot, chat_id, user_id)
        except (TelegramError, TimeoutError) as error:
            log.warning(
                "Chat %d: Telegram did not say whether user %d is an admin there: %s",
                chat_id,
                user_id,
                error or "timed out",
                extra=log_fields(None, "rights_unknown", chat_id=chat_id, user_id=user_id),
            )
            return Verdict.UNKNOWN
        self._known[key] = (self._clock(), admins)
        self._known.move_to_end(key)
        if len(self._known) > _KEPT_CHATS:
            self._known.popitem(last=False)
        return Verdict.ALLOWED if user_id in admins else Verdict.DENIED


def _of_chat_as_sender(chat: Chat, message: Message | None) -> Verdict:
    """Of a channel's post, an anonymous admin, or somebody who writes as a channel of theirs in a group."""
    sender = message.sender_chat if message is not None else None
    is_own = chat.type == ChatType.CHANNEL or (sender is not None and sender.id == chat.id)
    return Verdict.ALLOWED if is_own else Verdict.DENIED


async def _ask(bot: Bot, chat_id: int, user_id: int) -> tuple[tuple[int, int | None], frozenset[int]]:
    """The chat's admins; where their list is refused, whether the user is one. Raises TelegramError.

    getChatMember is only guaranteed to work where the bot is an admin, so it comes second:
    https://core.telegram.org/bots/api#getchatmember
    """
    try:
        admins = await bot.get_chat_administrators(chat_id)
    except TelegramError:
        member = await bot.get_chat_member(chat_id, user_id)
        return (chat_id, user_id), frozenset({user_id} if member.status in _ADMIN else ())
    return (chat_id, None), frozenset(each.user.id for each in admins)
