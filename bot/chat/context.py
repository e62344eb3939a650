"""The typed context of the handlers: their dependencies, the acting user, and replies."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

from telegram import Message, ReplyParameters, Update, User
from telegram.constants import ChatType
from telegram.error import RetryAfter, TelegramError
from telegram.ext import Application, CallbackContext, ContextTypes, ExtBot

from bot.chat.access_filter import AccessFilter, acting_user
from bot.chat.audit import Audit
from bot.chat.dispatcher import HeldUpdates
from bot.chat.message_limit import MessageLimit
from bot.chat.once_per import OncePer
from bot.chat.parsing import TypedCommand, typed_commands
from bot.chat.reply_queue import ReplyQueue
from bot.chat.rights import Rights, Verdict
from bot.drawing.content import StatsPicture
from bot.logs import log_fields
from bot.messages.markup import caption_options, text_options
from bot.messages.translate import pick_language
from bot.messages.view import View
from bot.messages.views.health_status import Health
from bot.providers.catalog import Catalog
from bot.watching.access import Access
from bot.watching.access_requests import AccessRequests
from bot.watching.first_admin import FirstAdmin
from bot.watching.service import Service
from storage.chat_settings import ChatSettings, Sound
from storage.watches import WatchedTask

log = logging.getLogger(__name__)

IDS_OF_A_MESSAGE = 50

T = TypeVar("T")

_Data = dict[Any, Any]  # python-telegram-bot's user_data, chat_data and bot_data, which are not used


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerDeps:
    """The dependencies of the handlers."""

    service: Service
    catalog: Catalog
    clock: Callable[[], datetime]
    health: Callable[[], Awaitable[Health]]  # what /health shows
    stats_days: int  # that /stats counts
    draw: Callable[[StatsPicture], Awaitable[bytes]]  # raises DrawingFailed
    problem_of: Callable[[str], str | None]  # why a provider's tasks can't be polled; None: they can
    language: str  # the LANGUAGE setting: auto, en or zh
    access: Access
    requests: AccessRequests
    first_admin: FirstAdmin
    allowed: AccessFilter
    rights: Rights
    audit: Audit
    held: HeldUpdates
    reply_queue: ReplyQueue
    refusals: OncePer  # limits the replies to those without access, by chat
    message_limit: MessageLimit  # in groups, by chat and user
    busy_replies: OncePer  # limits the replies to those with too many pending commands, by chat

    def personal_language(self, user: User | None) -> str:
        """The language for a user, as far as it is known without the store."""
        return pick_language(self.language, user.language_code if user else None, None)

    def reply(
        self,
        message: Message,
        view: View,
        *,
        to: int | None = None,
        is_first: bool = False,
        is_silent: bool = True,
    ) -> None:
        """Queue a reply in the same topic; it quotes the message, or the one with the id `to`."""
        quoted = ReplyParameters(to or message.message_id, allow_sending_without_reply=True)
        send = partial(
            message.reply_text,
            **text_options(view),
            reply_parameters=quoted,
            disable_notification=is_silent or None,
        )
        self.reply_queue.put(message.chat_id, send, is_first=is_first)


def commands_of(message: Message, bot_name: str) -> tuple[TypedCommand, ...]:
    """The commands for this bot in a message's text or caption."""
    text = message.text or message.caption or ""
    is_private = message.chat.type == ChatType.PRIVATE
    return typed_commands(text, bot_name=bot_name, is_addressed=is_private)


class Context(CallbackContext[ExtBot[None], _Data, _Data, _Data]):
    """What python-telegram-bot passes to a handler together with the update."""

    deps: ClassVar[HandlerDeps]
    _update: Update | None = None
    _user: User | None = None  # who acts
    _ids_left = IDS_OF_A_MESSAGE
    _chat_settings: ChatSettings | None = None  # None: not read yet
    _auto_language: str | None = None  # of a chat whose update names no language; None: not read yet
    _is_silent = True  # replies; language() reads whether the chat wants all messages to make a sound
    _started_s = 0.0  # by the event loop's clock

    @classmethod
    def from_update(cls, update: object, application: Application[Any, Any, Any, Any, Any, Any]) -> Self:
        """Called by python-telegram-bot for each update."""
        context = super().from_update(update, application)
        if isinstance(update, Update):
            context._update, context._user = update, acting_user(update)
        context._started_s = asyncio.get_running_loop().time()
        return context

    @property
    def message(self) -> Message:
        """The message or channel post of the update; LookupError for an update without one."""
        if self._update is None or self._update.effective_message is None:
            raise LookupError("This update has no message.")
        return self._update.effective_message

    @property
    def chat_id(self) -> int:
        """The chat of the update, also where its message is inaccessible; LookupError without one."""
        if self._update is None or self._update.effective_chat is None:
            raise LookupError("This update has no chat.")
        return self._update.effective_chat.id

    @property
    def thread_id(self) -> int | None:
        """The forum topic; outside of topics message_thread_id is a reply chain."""
        return self.message.message_thread_id if self.message.is_topic_message else None

    @property
    def user_id(self) -> int | None:
        """The id of the acting user, if there is one."""
        return self._user.id if self._user else None

    @property
    def typed(self) -> tuple[TypedCommand, ...]:
        """The commands of the message's text or caption."""
        return commands_of(self.message, self.bot.username)

    @property
    def personal_language(self) -> str:
        """The language of the reply, as far as it is known without the store."""
        return self.deps.personal_language(self._user)

    async def chat_settings(self) -> ChatSettings:
        """What the chat has chosen, read once per update; raises StoreError."""
        if self._chat_settings is None:
            self._chat_settings = await self.deps.service.chat_settings(self.chat_id)
        return self._chat_settings

    async def language(self) -> str:
        """The language of the reply: what the chat has chosen, else auto_language(); raises StoreError."""
        chosen = await self.chat_settings()
        self._is_silent = chosen.sound is not Sound.ALL
        return chosen.language or await self.auto_language()

    async def auto_language(self) -> str:
        """The language where the chat has chosen none: LANGUAGE's, the user's, or that last used.

        Raises StoreError.
        """
        if self._user is not None and self._user.language_code is not None:
            return self.personal_language
        if self._auto_language is None:
            stored = await self.deps.service.language_of(self.chat_id)
            self._auto_language = pick_language(self.deps.language, None, stored)
        return self._auto_language

    async def may_manage(self) -> Verdict:
        """Whether who sent the message or pressed the button may manage the chat."""
        if self._update is None:
            return Verdict.DENIED
        return await self.deps.rights.may_manage(self._update, self.bot)

    async def may_stop(self, watched: Sequence[WatchedTask]) -> tuple[list[WatchedTask], Verdict]:
        """Those of the chat's watches that they may stop, and the verdict on the others.

        Their own, and all if they may manage the chat.
        """
        own = [each for each in watched if self.user_id is not None and each.watch.user_id == self.user_id]
        if len(own) == len(watched):
            return own, Verdict.ALLOWED
        verdict = await self.may_manage()
        return (list(watched) if verdict is Verdict.ALLOWED else own), verdict

    async def stop(self, watched: Sequence[WatchedTask]) -> list[WatchedTask]:
        """Stop watches of the chat, and log those of others; returns those that were active."""
        stopped = await self.deps.service.stop(watched, by=self.actor_name)
        self.deps.audit.stopped(self.chat_id, self.user_id, stopped)
        return stopped

    @property
    def actor_name(self) -> str | None:
        """The name of who acts, as others see it; None for a channel's post without a signature."""
        if self._user is not None:
            return self._user.first_name
        message = self._update.effective_message if self._update else None
        if message is None:
            return None
        is_in_channel = message.chat.type == ChatType.CHANNEL
        return message.author_signature or (None if is_in_channel else message.chat.title)

    def take_ids(self, ids: Sequence[T]) -> tuple[list[T], bool]:
        """The first ids, up to what is left of IDS_OF_A_MESSAGE, and whether any were cut off."""
        taken = list(ids[: self._ids_left])
        self._ids_left -= len(taken)
        return taken, len(taken) < len(ids)

    def remaining_s(self, limit_s: float) -> float:
        """What is left of limit_s, which all commands of this message share."""
        return max(0.0, limit_s - (asyncio.get_running_loop().time() - self._started_s))

    def reply(self, view: View, *, to: int | None = None) -> None:
        """Queue a reply to this message in the same topic; it quotes it, or the one with the id `to`."""
        self.deps.reply(self.message, view, to=to, is_silent=self._is_silent)

    def reply_with_photo(self, photo: bytes, caption: View) -> None:
        """Queue a reply like reply(); the caption goes as a text if Telegram does not take the photo."""
        message, is_silent = self.message, self._is_silent

        async def send() -> None:
            try:
                await message.reply_photo(
                    photo,
                    **caption_options(caption),
                    reply_parameters=ReplyParameters(message.message_id, allow_sending_without_reply=True),
                    disable_notification=is_silent or None,
                )
            except RetryAfter:
                raise
            except TelegramError as error:
                log.warning(
                    "Chat %d: the picture was not sent, so its caption goes alone: %s",
                    message.chat_id,
                    error,
                    extra=log_fields(None, "picture_failed", chat_id=message.chat_id),
                )
                self.deps.reply(message, caption, is_silent=is_silent)

        self.deps.reply_queue.put(message.chat_id, send)

    def release(self) -> None:
        """Mark the update as written to disk: it may be confirmed to Telegram."""
        if self._update is not None:
            self.deps.held.release(self._update.update_id)


def context_types(deps: HandlerDeps) -> ContextTypes[Context, _Data, _Data, _Data]:
    """For ApplicationBuilder.context_types()."""
    return ContextTypes(context=type("BoundContext", (Context,), {"deps": deps}))
