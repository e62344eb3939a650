"""Replies to chats without access, and to users with too many pending commands."""

import logging
import re
from functools import partial
from typing import Literal

from telegram import Chat, ChatMemberUpdated, Update, User
from telegram.constants import ChatType

from bot.chat.access_filter import acting_user
from bot.chat.commands import BY_NAME
from bot.chat.context import Context, HandlerDeps
from bot.chat.menus import show_admin_menu
from bot.logs import log_fields
from bot.messages.limits import name_of
from bot.messages.markup import text_options
from bot.messages.view import View
from bot.messages.views import replies
from storage.access import ChatProfile, RequestOutcome

log = logging.getLogger(__name__)

_CODE = re.compile(r"/start(?:@\w+)?\s+(\S{1,64})")  # also in the whole line of the log


async def on_message_without_access(update: Update, context: Context) -> None:
    """Ask the admins, and reply so; in groups only to a command, and once per chat and hour.

    A refused chat gets no reply. The one-time code makes its sender the first admin.
    """
    chat, user_id, deps = context.message.chat, context.user_id, context.deps
    is_private = chat.type == ChatType.PRIVATE
    typed = {each.name: each.arguments for each in context.typed}
    code = _CODE.search(context.message.text or "") if is_private else None
    if code and user_id is not None and await deps.first_admin.claim(code[1], user_id):
        context.reply(replies.first_admin(deps.catalog.example_ids, language=context.personal_language))
        deps.reply_queue.put(chat.id, partial(show_admin_menu, context.bot, deps.language, user_id))
        return
    named = [BY_NAME[name] for name in typed if name in BY_NAME]
    if deps.access.is_refused(chat.id) or (not is_private and all(each.for_admins for each in named)):
        return
    suppressed = deps.refusals.suppressed
    # /start is answered even if something else was answered shortly before.
    if not deps.refusals.allows(("start", chat.id) if "start" in typed else chat.id):
        return
    language = await context.language()
    if (view := await _refuse(deps, chat, acting_user(update), language, suppressed=suppressed)) is not None:
        context.reply(view)


async def on_added_without_access(change: ChatMemberUpdated, context: Context, *, is_told: bool) -> None:
    """The bot was added to a chat without access: ask the admins; is_told: tell the chat so."""
    chat, deps = change.chat, context.deps
    suppressed = deps.refusals.suppressed
    if deps.access.is_refused(chat.id) or not deps.refusals.allows(("start", chat.id)):
        return
    language = deps.personal_language(change.from_user)
    view = await _refuse(deps, chat, change.from_user, language, suppressed=suppressed)
    if view is not None and is_told:
        deps.reply_queue.put(chat.id, partial(context.bot.send_message, chat.id, **text_options(view)))


async def _refuse(
    deps: HandlerDeps, chat: Chat, user: User | None, language: str, *, suppressed: int
) -> View | None:
    """Ask the admins about a chat; returns what to tell it, None if it was refused.

    suppressed: refusals since the last one that was logged.
    """
    user_id = user.id if user else None
    outcome = await deps.requests.ask(profile_of(chat, user, language), user_id)
    log.info(
        "Chat %d (%s) has no access; user %s was told so",
        chat.id,
        chat.type,
        user_id,
        extra=log_fields(None, "access_refused", chat_id=chat.id, user_id=user_id, left_out=suppressed),
    )
    said: Literal["asked", "unclaimed"] | None = "unclaimed" if deps.first_admin.is_awaited else None
    match outcome:
        case RequestOutcome.REFUSED:
            return None
        case RequestOutcome.ASKED | RequestOutcome.WAITING:
            said = "asked"
    is_private = chat.type == ChatType.PRIVATE
    return replies.not_allowed(chat.id, outcome=said, is_private=is_private, language=language)


def profile_of(chat: Chat, user: User | None, language: str) -> ChatProfile:
    """A chat as the admins see it."""
    is_private = chat.type == ChatType.PRIVATE
    user_name = name_of(user.full_name) if user and not is_private else None
    title = chat.effective_name or (user.full_name if user else "")
    return ChatProfile(
        chat_id=chat.id,
        chat_type=str(chat.type),
        title=name_of(title),
        user_name=user_name,
        language=language,
    )


def too_busy(update: Update, deps: HandlerDeps) -> None:
    """Reply that a command was dropped because too many are pending: once per chat and minute."""
    message, user = update.effective_message, acting_user(update)
    if message is None or not deps.allowed.filter(update) or not deps.busy_replies.allows(message.chat_id):
        return
    deps.reply(message, replies.sentence("wrong.busy", language=deps.personal_language(user)))
    log.info(
        "Too many commands wait: dropped one of chat %d, user %s",
        message.chat_id,
        user.id if user else None,
        extra=log_fields(None, "command_dropped", chat_id=message.chat_id, user_id=user.id if user else None),
    )
