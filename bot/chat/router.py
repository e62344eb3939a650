"""The handlers for each kind of update, and whether they write."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from telegram import Update
from telegram.constants import ChatType
from telegram.ext import Application, CallbackQueryHandler, ChatMemberHandler, MessageHandler, filters

from bot.chat import buttons, errors, membership, refusals
from bot.chat.access_filter import AccessFilter
from bot.chat.commands import BY_NAME
from bot.chat.context import Context, commands_of
from bot.chat.dispatcher import UpdateKind
from bot.chat.menus import show_admin_menu
from bot.chat.message_limit import MessageVerdict
from bot.chat.paste import paste_without_command
from bot.chat.watch_command import watch_pasted
from bot.messages.views import replies
from bot.providers.parsing.find_ids import IdFormat

# An edit would run its command again; a channel post is forwarded to the linked group.
_NEW_MESSAGE = (filters.UpdateType.MESSAGE | filters.UpdateType.CHANNEL_POST) & ~filters.IS_AUTOMATIC_FORWARD
_COMMANDS_OF_A_MESSAGE = 10


def install(application: Application[Any, Context, Any, Any, Any, Any], allowed: AccessFilter) -> None:
    """Add all handlers to an application that was built with context_types()."""
    text = _NEW_MESSAGE & (filters.TEXT | filters.CAPTION)
    application.add_handlers(
        [
            MessageHandler(filters.StatusUpdate.MIGRATE, membership.on_migration),
            MessageHandler(text & allowed, on_message),
            MessageHandler(text & ~allowed, refusals.on_message_without_access),
            CallbackQueryHandler(buttons.on_button),
            ChatMemberHandler(membership.on_membership_change, ChatMemberHandler.MY_CHAT_MEMBER),
        ]
    )
    application.add_error_handler(errors.on_error)


async def on_message(_: Update, context: Context) -> None:
    """Run the commands of a message, in their order."""
    typed, deps = context.typed, context.deps
    is_private = context.message.chat.type == ChatType.PRIVATE
    if not is_private and not _is_within_limit(context):
        return
    await deps.service.on_update_from(context.message.chat_id)
    known = [(each, BY_NAME.get(each.name)) for each in typed[:_COMMANDS_OF_A_MESSAGE]]
    writes = sum(command is not None and command.writes for _, command in known)
    for each, command in known:
        if command is not None and (deps.access.is_admin(context.user_id) or not command.for_admins):
            await command.handler(context, each)
            writes -= command.writes
        elif is_private:
            context.reply(replies.sentence("wrong.command", language=await context.language()))
        if not writes:
            context.release()  # the remaining commands only read
    if is_private and deps.access.is_admin(context.user_id):
        if any(each.name == "start" for each in typed):
            # Telegram refuses the menu of a chat that does not exist yet, as at the bot's start.
            show = partial(show_admin_menu, context.bot, deps.language, context.message.chat_id)
            deps.reply_queue.put(context.message.chat_id, show)
        # Questions and reports to admins answer no message whose language they could have.
        await deps.service.remember_language(context.message.chat_id, context.personal_language)
    if not typed:
        await _on_text(context)
    if len(typed) > len(known):
        note = replies.first_commands_only(_COMMANDS_OF_A_MESSAGE, language=await context.language())
        context.reply(note)


def _is_within_limit(context: Context) -> bool:
    """Whether the person has not sent too much to this group; the first message too many is replied to."""
    message, sender_id = context.message, context.user_id
    if sender_id is None and message.sender_chat is not None and message.sender_chat.id != message.chat_id:
        sender_id = message.sender_chat.id  # a member who writes as a channel
    if sender_id is None:
        return True
    verdict = context.deps.message_limit.count((message.chat_id, sender_id))
    if verdict is MessageVerdict.TELL:
        view = replies.sentence("wrong.too_many", language=context.personal_language)
        context.deps.reply(message, view, is_first=True)
    return verdict is MessageVerdict.HANDLE


async def _on_text(context: Context) -> None:
    """Watch the ids in a private message without a command, or in one that names the bot."""
    paste = paste_without_command(context.message, context.bot.username, context.deps.catalog.id_formats)
    if paste is None or not (paste.has_ids or context.message.chat.type == ChatType.PRIVATE):
        return
    if paste.has_ids or paste.found.has_key:
        await watch_pasted(context, paste)
    else:
        names = context.deps.catalog.names
        context.reply(replies.with_example("wrong.text", names, language=await context.language()))


def kind_of(update: Update, allowed: AccessFilter, bot_name: str, formats: Sequence[IdFormat]) -> UpdateKind:
    """Whether handling an update writes, only reads, or is not needed."""
    if update.my_chat_member is not None:
        return UpdateKind.WRITE
    if update.callback_query is not None:
        data = update.callback_query.data or ""
        return UpdateKind.WRITE if buttons.writes(data) and allowed.filter(update) else UpdateKind.READ
    message = update.message or update.channel_post
    if message is None:
        return UpdateKind.IGNORED
    if message.migrate_to_chat_id or message.migrate_from_chat_id:
        return UpdateKind.WRITE
    if not (message.text or message.caption):
        return UpdateKind.IGNORED
    typed = commands_of(message, bot_name)
    named = [BY_NAME[each.name] for each in typed if each.name in BY_NAME]
    if any(command.writes for command in named) and allowed.filter(update):
        return UpdateKind.WRITE
    paste = None if typed else paste_without_command(message, bot_name, formats)
    if paste is not None and paste.has_ids and allowed.filter(update):
        return UpdateKind.WRITE
    is_private = message.chat.type == ChatType.PRIVATE
    return UpdateKind.READ if named or is_private else UpdateKind.IGNORED
