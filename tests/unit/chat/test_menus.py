"""The command menus: what each kind of chat shows, and in which language."""

import json

import pytest
from telegram.ext import ExtBot

from bot.chat.commands import COMMANDS
from bot.chat.menus import show_menus
from bot.messages.translate import t
from bot.sandbox.telegram import FakeTelegram

ADMIN = 1001  # who has written to the bot
FOR_ADMINS = {"health", "stats", "chats"}


@pytest.fixture
async def bot(telegram: FakeTelegram):
    async with ExtBot(telegram.token, base_url=f"{telegram.url}/bot") as bot:
        yield bot


async def shown(
    telegram: FakeTelegram, bot: ExtBot[None], *, setting: str = "auto"
) -> dict[tuple[str, str], dict[str, str]]:
    """The descriptions by command, by scope and client language."""
    await show_menus(bot, setting, [ADMIN])
    return {
        (json.loads(scope)["type"], language): {each["command"]: each["description"] for each in menu}
        for (scope, language), menu in telegram.state.commands.items()
    }


async def test_everyone_sees_all_commands_but_those_of_the_admins(telegram: FakeTelegram, bot: ExtBot[None]):
    menus = await shown(telegram, bot)
    everyone = {each.name for each in COMMANDS} - FOR_ADMINS
    for scope in ("default", "all_private_chats", "all_chat_administrators"):
        assert set(menus[scope, ""]) == everyone
    members = {each.name for each in COMMANDS if not each.for_chat_admins} - FOR_ADMINS
    assert set(menus["all_group_chats", ""]) == members
    assert set(menus["chat", ""]) == everyone | FOR_ADMINS


async def test_each_command_has_a_description_of_its_own(telegram: FakeTelegram, bot: ExtBot[None]):
    for menu in (await shown(telegram, bot)).values():
        assert len(set(menu.values())) == len(menu)


@pytest.mark.parametrize(
    ("setting", "languages"), [("auto", ("en", "zh")), ("en", ("en", "en")), ("zh", ("zh", "zh"))]
)
async def test_menus_are_in_the_language_of_the_setting_else_of_the_client(
    telegram: FakeTelegram, bot: ExtBot[None], setting: str, languages: tuple[str, str]
):
    menus = await shown(telegram, bot, setting=setting)
    assert menus["chat", ""]["chats"] == t(languages[0], "menu.chats")
    assert menus["chat", "zh"]["chats"] == t(languages[1], "menu.chats")
