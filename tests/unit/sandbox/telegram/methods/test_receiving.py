"""Updates, menus and callback queries; aiogram's types validate the responses."""

import aiogram.types
import pytest
from telegram import Bot, BotCommandScopeAllGroupChats
from telegram.error import BadRequest

from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.methods.receiving import get_me
from tests.fakes.places import ANNA


async def test_get_me_returns_the_bot(telegram: FakeTelegram, bot: Bot) -> None:
    assert bot.username == "reelwatch_bot"
    aiogram.types.User.model_validate(await get_me(telegram.state, Arguments()))


async def test_menus_are_stored_by_scope_and_language(telegram: FakeTelegram, bot: Bot) -> None:
    await bot.set_my_commands([("watch", "Watch a task")])
    await bot.set_my_commands([("watch", "关注任务")], language_code="zh")
    await bot.set_my_commands([("help", "Help")], scope=BotCommandScopeAllGroupChats())

    assert telegram.state.commands == {
        ('{"type": "default"}', ""): [{"command": "watch", "description": "Watch a task"}],
        ('{"type": "default"}', "zh"): [{"command": "watch", "description": "关注任务"}],
        ('{"type": "all_group_chats"}', ""): [{"command": "help", "description": "Help"}],
    }


async def test_a_menu_with_an_invalid_name_is_refused(bot: Bot) -> None:
    with pytest.raises(BadRequest, match="Bot_command_invalid"):
        await bot.set_my_commands([("Watch!", "Watch a task")])


async def test_chat_actions_are_accepted(bot: Bot) -> None:
    assert await bot.send_chat_action(ANNA, "upload_video")
