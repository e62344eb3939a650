"""A pressed button, and the bubble that answers it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from telegram import CallbackQuery, Message
from telegram.constants import ZERO_DATE, ChatType
from telegram.error import BadRequest

from bot.bot_api.request import is_not_modified
from bot.chat.context import Context, HandlerDeps
from bot.chat.rights import Verdict
from bot.messages.callback_data import CallbackData
from bot.messages.limits import cut
from bot.messages.markup import caption_options, keyboard, text_options
from bot.messages.translate import t
from bot.messages.view import View

_BUBBLE_UNITS = 200  # https://core.telegram.org/bots/api#answercallbackquery


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """The answer to a press, shown to the person who pressed."""

    text: str = ""  # plain text; "" only ends the button's waiting state
    is_alert: bool = False  # to be closed by the person, for refusals; others vanish by themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A press of a button under a message of the bot."""

    context: Context
    query: CallbackQuery

    @property
    def deps(self) -> HandlerDeps:
        """The handlers' dependencies."""
        return self.context.deps

    @property
    def chat_id(self) -> int:
        """The chat of the message with the button."""
        return self.context.chat_id

    @property
    def user_id(self) -> int:
        """Who pressed; a person also in channels and where admins are anonymous."""
        return self.query.from_user.id

    @property
    def language(self) -> str:
        """The language of the person who pressed."""
        return self.context.personal_language

    @property
    def message(self) -> Message | None:
        """The message with the button; None: inaccessible to bots by now, which only its date shows.

        https://core.telegram.org/bots/api#inaccessiblemessage
        """
        message = self.query.message
        return message if isinstance(message, Message) and message.date != ZERO_DATE else None

    def bubble(self, key: str, *, is_alert: bool = False, **values: object) -> Bubble:
        """A bubble with a text of the locales, in the language of the person who pressed."""
        return Bubble(text=cut(t(self.language, key, **values), _BUBBLE_UNITS), is_alert=is_alert)

    def refusal(self, verdict: Verdict, key: str) -> Bubble:
        """The bubble for somebody who may not do it; key: the text that says who may."""
        return self.bubble(verdict.reason(key), is_alert=True)

    async def refused(self, key: str) -> Bubble | None:
        """The refusal of a press by somebody who may not manage the chat; None: it is not refused."""
        verdict = await self.context.may_manage()
        return None if verdict is Verdict.ALLOWED else self.refusal(verdict, key)

    async def refused_in_channel(self) -> Bubble | None:
        """The same, but only in channels: for buttons that change or send what all subscribers see."""
        message = self.query.message
        is_in_channel = message is not None and message.chat.type == ChatType.CHANNEL
        return await self.refused("rights.manage") if is_in_channel else None

    def edit(self, view: View) -> None:
        """Queue an edit of the text or caption with the button; does nothing to what is inaccessible."""
        if self.message is not None:
            self.deps.reply_queue.put(self.chat_id, partial(_edit, self.message, view))


async def _edit(message: Message, view: View) -> None:
    try:
        if message.text is None:
            await message.edit_caption(reply_markup=keyboard(view), **caption_options(view))
        else:
            await message.edit_text(**text_options(view))
    except BadRequest as error:
        if not is_not_modified(error):
            raise


Data = TypeVar("Data", bound=CallbackData)


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonHandler(Generic[Data]):
    """What a press does, by the type of its callback data, and whether it changes the database."""

    data: type[Data]
    handle: Callable[[Press, Data], Awaitable[Bubble]]
    writes: bool = False


AnyButtonHandler = ButtonHandler[Any]
