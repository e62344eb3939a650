"""The command menus, by the kind of chat and the language of the client."""

import logging
from collections.abc import Iterable

from telegram import (
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot.chat.commands import COMMANDS, Command
from bot.logs import log_fields
from bot.messages.translate import CHINESE, pick_language, t

log = logging.getLogger(__name__)

_CLIENTS = (None, CHINESE)  # client languages; None: any other


async def show_menus(bot: ExtBot[None], setting: str, admin_ids: Iterable[int]) -> None:
    """Set all menus; setting: LANGUAGE. A failure is only logged."""
    everyone = [each for each in COMMANDS if not each.for_admins]
    members = [each for each in everyone if not each.for_chat_admins]
    for scope, shown in (
        (BotCommandScopeDefault(), everyone),
        (BotCommandScopeAllPrivateChats(), everyone),
        (BotCommandScopeAllGroupChats(), members),
        (BotCommandScopeAllChatAdministrators(), everyone),
    ):
        await _show(bot, scope, shown, setting)
    for admin_id in sorted(admin_ids):
        await show_admin_menu(bot, setting, admin_id)


async def show_admin_menu(bot: ExtBot[None], setting: str, admin_id: int) -> None:
    """Set the menu of an admin's private chat; fails if they have never written to the bot."""
    await _show(bot, BotCommandScopeChat(admin_id), COMMANDS, setting)


async def _show(bot: ExtBot[None], scope: BotCommandScope, shown: Iterable[Command], setting: str) -> None:
    try:
        for client in _CLIENTS:
            language = pick_language(setting, client, None)
            menu = [BotCommand(each.name, t(language, f"menu.{each.name}")) for each in shown]
            await bot.set_my_commands(menu, scope=scope, language_code=client)
    except TelegramError as error:
        # An admin who has never written to the bot has no chat yet.
        log.log(
            logging.DEBUG if isinstance(scope, BotCommandScopeChat) else logging.WARNING,
            "The menu of commands (%s) was not set: %s",
            scope.type,
            error.message,
            extra=log_fields(None, "menu_not_set", cause=error.message),
        )
