"""The index of all commands, and which handler gets an update: the first that fits, from the top."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from telegram import BotCommand, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    MessageHandler,
    filters,
)

from bot.chat import buttons, commands, errors, membership
from bot.chat.context import Context, Door
from bot.messages.translate import CHINESE, pick_language, say

# An edit would fire its command again; a channel's post comes again in the group that is linked to it.
_FRESH = (filters.UpdateType.MESSAGE | filters.UpdateType.CHANNEL_POST) & ~filters.IS_AUTOMATIC_FORWARD
_PRIVATE = filters.ChatType.PRIVATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command and who may use it."""

    name: str
    handler: Callable[[Update, Context], Coroutine[Any, Any, None]]
    for_admins: bool = False


COMMANDS = (
    Command(name="watch", handler=commands.watch),
    Command(name="tasks", handler=commands.tasks),
    Command(name="status", handler=commands.status),
    Command(name="unwatch", handler=commands.unwatch),
    Command(name="providers", handler=commands.providers),
    Command(name="help", handler=commands.help_),
    Command(name="start", handler=commands.help_),
    Command(name="health", handler=commands.health, for_admins=True),
    Command(name="stats", handler=commands.stats, for_admins=True),
)


class _Passes(filters.UpdateFilter):
    """Lets an update through if the door says so."""

    def __init__(self, rule: Callable[[Update], bool]) -> None:
        super().__init__()
        self._rule = rule

    def filter(self, update: Update) -> bool:
        return self._rule(update)


def install(application: Application[Any, Context, Any, Any, Any, Any], door: Door) -> None:
    """Add all handlers to an application that was built with context_types(door)."""
    let_in = _FRESH & _Passes(door.lets_in)
    left_out = _FRESH & ~_Passes(door.lets_in)
    admins = _FRESH & _Passes(door.is_admin)
    for command in COMMANDS:
        who = admins if command.for_admins else let_in
        application.add_handler(CommandHandler(command.name, command.handler, who))
    public = [command.name for command in COMMANDS if not command.for_admins]
    application.add_handlers(
        [
            CommandHandler(public, commands.stranger, left_out),
            MessageHandler(left_out & _PRIVATE & filters.TEXT, commands.stranger),
            MessageHandler(let_in & _PRIVATE & filters.COMMAND, commands.unknown),
            MessageHandler(let_in & _PRIVATE & filters.TEXT, commands.chatter),
            MessageHandler(filters.StatusUpdate.MIGRATE, membership.migrated),
            CallbackQueryHandler(buttons.pressed),
            ChatMemberHandler(membership.changed, ChatMemberHandler.MY_CHAT_MEMBER),
        ]
    )
    application.add_error_handler(errors.tell)


def menus(setting: str) -> dict[str | None, list[BotCommand]]:
    """The menus for set_my_commands by the client's language, None: any other; what is for admins stays out.

    setting: LANGUAGE.
    """
    shown = [command.name for command in COMMANDS if not command.for_admins]
    languages = {client: pick_language(setting, client, None) for client in (None, CHINESE)}
    return {
        client: [BotCommand(name, say(language, f"menu.{name}")) for name in shown]
        for client, language in languages.items()
    }
