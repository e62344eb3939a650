"""Handles changes of the bot's chat membership, and migrations of groups to supergroups."""

import logging

from telegram import ChatMember, ChatMemberRestricted, ChatMemberUpdated, Update
from telegram.constants import ChatType

from bot.chat import refusals
from bot.chat.context import Context
from bot.logs import log_fields
from bot.messages.limits import name_of
from storage.models import Chat

log = logging.getLogger(__name__)

_PRESENT = frozenset({ChatMember.OWNER, ChatMember.ADMINISTRATOR, ChatMember.MEMBER})


async def on_membership_change(update: Update, context: Context) -> None:
    """Handle the bot being added to or removed from a chat; a user who blocks it counts as a removal."""
    change, service = update.my_chat_member, context.deps.service
    if change is None:
        return
    member = change.new_chat_member
    is_member, was_member = _is_present(member), _is_present(change.old_chat_member)
    is_allowed = context.deps.access.allows(change.chat.id, change.from_user.id)
    if not is_member:
        log.log(
            logging.INFO if is_allowed else logging.DEBUG,
            "The bot was removed from chat %d: %s",
            change.chat.id,
            member.status,
            extra=log_fields(None, "chat_lost", chat_id=change.chat.id, cause=member.status),
        )
        await service.chat_lost(change.chat.id, member.status)
        return
    await service.chat_found(change.chat.id)
    language = context.deps.personal_language(change.from_user)
    if not was_member and change.chat.type != ChatType.PRIVATE:
        await _on_added(change, context, language, is_adder_allowed=is_allowed)
    if not is_allowed:
        return  # chats without access are not stored
    title = name_of(change.chat.title or "")
    await service.remember_chat(Chat(id=change.chat.id, title=title, language=language))


async def _on_added(
    change: ChatMemberUpdated, context: Context, language: str, *, is_adder_allowed: bool
) -> None:
    """Show a group what to type, unless neither it nor who added the bot has access; else ask the admins."""
    deps, is_group = context.deps, change.chat.type != ChatType.CHANNEL
    if is_group and is_adder_allowed:
        await deps.requests.greet(change.chat.id, language=language, added_at=change.date)
    if not deps.access.allows(change.chat.id, None):
        is_told = is_group and not is_adder_allowed
        await refusals.on_added_without_access(change, context, is_told=is_told)


def _is_present(member: ChatMember) -> bool:
    return member.is_member if isinstance(member, ChatMemberRestricted) else member.status in _PRESENT


async def on_migration(_: Update, context: Context) -> None:
    """Handle a group that became a supergroup with another id; Telegram reports it in both chats."""
    message = context.message
    old_id = message.migrate_from_chat_id or message.chat_id
    new_id = message.migrate_to_chat_id or message.chat_id
    context.deps.access.migrated(old_id, new_id)
    await context.deps.service.migrate_chat(old_id, new_id)
    log.log(
        logging.INFO if context.deps.access.allows(new_id, None) else logging.DEBUG,
        "Group %d migrated to %d; if ALLOWED_CHATS contains the old id, both are allowed.",
        old_id,
        new_id,
        extra=log_fields(None, "chat_migrated", chat_id=new_id),
    )
