"""Questions and settings; aiogram's types judge the answers."""

from typing import Any

import aiogram.types
import pytest
from telegram import Bot, BotCommandScopeAllGroupChats
from telegram.error import BadRequest

from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.methods.asking import get_chat, get_chat_member, get_me
from tests.fakes.places import ANNA, CHANNEL, FORUM, GROUP


async def test_the_bot_knows_itself(telegram: FakeTelegram, bot: Bot) -> None:
    assert bot.username == "reelwatch_bot"
    aiogram.types.User.model_validate(await get_me(telegram.state, Arguments()))


@pytest.mark.parametrize("chat_id", [ANNA, GROUP, FORUM, CHANNEL])
async def test_a_chat_is_told_in_full(telegram: FakeTelegram, bot: Bot, chat_id: int) -> None:
    answer = await get_chat(telegram.state, Arguments(values={"chat_id": str(chat_id)}))

    aiogram.types.ChatFullInfo.model_validate(answer)
    assert (await bot.get_chat(chat_id)).id == chat_id


async def test_a_members_rank_is_told(telegram: FakeTelegram, bot: Bot) -> None:
    ben = telegram.person(7, first_name="Ben")
    assert (await bot.get_chat_member(GROUP, ben)).status == "member"

    telegram.promote(GROUP, ben)

    assert (await bot.get_chat_member(GROUP, ben)).status == "administrator"
    answer: dict[str, Any] = await get_chat_member(
        telegram.state, Arguments(values={"chat_id": str(GROUP), "user_id": "7"})
    )
    aiogram.types.ChatMemberAdministrator.model_validate(answer)


async def test_menus_are_kept_by_language_and_scope(bot: Bot) -> None:
    await bot.set_my_commands([("watch", "Watch a task")])
    await bot.set_my_commands([("watch", "关注任务")], language_code="zh")
    await bot.set_my_commands([("help", "Help")], scope=BotCommandScopeAllGroupChats())

    assert [command.description for command in await bot.get_my_commands()] == ["Watch a task"]
    assert [command.description for command in await bot.get_my_commands(language_code="zh")] == ["关注任务"]
    in_groups = await bot.get_my_commands(scope=BotCommandScopeAllGroupChats())
    assert [command.command for command in in_groups] == ["help"]
    await bot.delete_my_commands()
    assert await bot.get_my_commands() == ()


async def test_a_menu_with_a_bad_name_is_refused(bot: Bot) -> None:
    with pytest.raises(BadRequest, match="Bot_command_invalid"):
        await bot.set_my_commands([("Watch!", "Watch a task")])


async def test_descriptions_are_kept_by_language(telegram: FakeTelegram, bot: Bot) -> None:
    await bot.set_my_description("Watches", "en")
    await bot.set_my_short_description("看", "zh")

    assert telegram.state.descriptions == {"en": "Watches"}
    assert telegram.state.short_descriptions == {"zh": "看"}


async def test_chat_actions_are_taken(bot: Bot) -> None:
    assert await bot.send_chat_action(ANNA, "upload_video")
