"""The typed context of the handlers: what they work with, who asks, and how they answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Self

from telegram import Message, ReplyParameters, Update, User
from telegram.constants import ChatType
from telegram.ext import Application, CallbackContext, ContextTypes, ExtBot

from bot.chat.audit import Audit
from bot.chat.held import HeldUpdates
from bot.chat.once_per import OncePer
from bot.chat.parsing import TypedCommand, typed_commands
from bot.chat.replies import Replies
from bot.messages.markup import text_options
from bot.messages.translate import pick_language
from bot.messages.view import View
from bot.providers.catalog import Catalog
from bot.watching.access import Access
from bot.watching.service import Service

IDS_OF_A_MESSAGE = 50

_Data = dict[Any, Any]  # python-telegram-bot's own stores, which nothing here uses


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerDeps:
    """What the door was built with."""

    service: Service
    catalog: Catalog
    clock: Callable[[], datetime]
    held: HeldUpdates = field(default_factory=HeldUpdates)
    replies: Replies = field(default_factory=Replies)
    health: Callable[[], Awaitable[Mapping[str, str]]]  # the facts for /health, by name
    problem_of: Callable[[str], str | None]  # what keeps a provider's tasks from being polled
    language: str  # the LANGUAGE setting: auto, en or zh
    access: Access
    refusals: OncePer = field(default_factory=lambda: OncePer(3600.0))  # by chat
    audit: Audit = field(default_factory=Audit)
    busy_answers: OncePer = field(default_factory=lambda: OncePer(60.0))  # by chat

    def lets_in(self, update: Update) -> bool:
        """Whether the chat or the person may use the bot."""
        chat = update.effective_chat
        return self.access.lets_in(chat.id if chat else None, _id_of(acting_user(update)))

    def is_admin(self, update: Update) -> bool:
        """Whether the person is one of the bot's admins."""
        return self.access.is_admin(_id_of(acting_user(update)))


def _id_of(user: User | None) -> int | None:
    return user.id if user else None


def acting_user(update: Update) -> User | None:
    """Who is behind an update; None for channels and for those who speak as a chat.

    Telegram gives the latter a user that stands for all of their sort: https://core.telegram.org/bots/api#message
    """
    message = update.effective_message
    speaks_as_chat = update.callback_query is None and message is not None and message.sender_chat
    return None if speaks_as_chat else update.effective_user


def commands_of(message: Message, bot_name: str) -> tuple[TypedCommand, ...]:
    """The commands for this bot in a message's text or caption."""
    text = message.text or message.caption or ""
    is_private = message.chat.type == ChatType.PRIVATE
    return typed_commands(text, bot_name=bot_name, is_addressed=is_private)


class Context(CallbackContext[ExtBot[None], _Data, _Data, _Data]):
    """What a handler gets beside the update."""

    deps: ClassVar[HandlerDeps]
    _update: Update | None = None
    _ids_left = IDS_OF_A_MESSAGE
    _begun_s = 0.0

    @classmethod
    def from_update(cls, update: object, application: Application[Any, Any, Any, Any, Any, Any]) -> Self:
        """Called by python-telegram-bot for each update."""
        context = super().from_update(update, application)
        context._update = update if isinstance(update, Update) else None
        context._begun_s = cls._loop_time()
        return context

    @property
    def message(self) -> Message:
        """The message or channel post that asks; LookupError for an update without one."""
        if self._update is None or self._update.effective_message is None:
            raise LookupError("This update has no message.")
        return self._update.effective_message

    @property
    def typed(self) -> tuple[TypedCommand, ...]:
        """The commands of the message's text or caption."""
        return commands_of(self.message, self.bot.username)

    def take_ids(self, ids: list[str]) -> tuple[list[str], bool]:
        """As many of the first ids as the message may still name, and whether that is less than all."""
        taken = ids[: self._ids_left]
        self._ids_left -= len(taken)
        return taken, len(taken) < len(ids)

    def remaining_s(self, of_s: float) -> float:
        """What is left for the commands of this message together, which have so many seconds in all."""
        return max(0.0, of_s - (self._loop_time() - self._begun_s))

    def release(self) -> None:
        """All that the update asks to have written is on disk: it may be confirmed to Telegram."""
        if self._update is not None:
            self.deps.held.release(self._update.update_id)

    @property
    def thread_id(self) -> int | None:
        """The forum topic; elsewhere message_thread_id means a chain of replies."""
        return self.message.message_thread_id if self.message.is_topic_message else None

    @property
    def user_id(self) -> int | None:
        """Who asks, if it is a person."""
        return _id_of(self._acting_user)

    @property
    def personal_language(self) -> str:
        """The language to answer in, as far as it can be told without the store."""
        return pick_language(self.deps.language, self._language_code, None)

    async def language(self) -> str:
        """The language to answer in: the setting's, else the person's, else the chat's; StoreError."""
        if self._language_code is not None:
            return self.personal_language
        stored = await self.deps.service.language_of(self.message.chat_id)
        return pick_language(self.deps.language, None, stored)

    def reply(self, view: View, *, to: int | None = None) -> None:
        """Answer in the same topic, quoting the question or the message that is named; sent later."""
        message = self.message
        quoted = ReplyParameters(to or message.message_id, allow_sending_without_reply=True)
        send = partial(message.reply_text, **text_options(view), reply_parameters=quoted)
        self.deps.replies.put(message.chat_id, send)

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    @property
    def _acting_user(self) -> User | None:
        return acting_user(self._update) if self._update else None

    @property
    def _language_code(self) -> str | None:
        asking = self._acting_user
        return asking.language_code if asking else None


def context_types(deps: HandlerDeps) -> ContextTypes[Context, _Data, _Data, _Data]:
    """For ApplicationBuilder.context_types()."""
    return ContextTypes(context=type("BoundContext", (Context,), {"deps": deps}))
