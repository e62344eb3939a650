"""Members and their rights; aiogram's types validate the responses."""

import aiogram.types
import pytest
from pydantic import TypeAdapter
from telegram import Bot
from telegram.error import BadRequest

from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.methods.members import get_chat_administrators, get_chat_member
from tests.fakes.places import ANNA, CHANNEL, GROUP

BEN = 7


@pytest.fixture(autouse=True)
def ben(telegram: FakeTelegram) -> None:
    telegram.add_user(BEN, first_name="Ben")


async def test_members_become_admins(telegram: FakeTelegram, bot: Bot) -> None:
    assert (await bot.get_chat_member(GROUP, BEN)).status == "member"
    assert await bot.get_chat_administrators(GROUP) == ()

    telegram.promote(GROUP, BEN)

    assert (await bot.get_chat_member(GROUP, BEN)).status == "administrator"
    assert [admin.user.id for admin in await bot.get_chat_administrators(GROUP)] == [BEN]


async def test_the_bot_is_among_the_admins_of_a_channel(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.promote(CHANNEL, BEN)

    assert [admin.user.id for admin in await bot.get_chat_administrators(CHANNEL)] == [bot.id, BEN]


async def test_the_members_are_judged_by_aiogram(telegram: FakeTelegram) -> None:
    telegram.promote(CHANNEL, BEN)
    in_channel = Arguments(values={"chat_id": str(CHANNEL), "user_id": str(BEN)})
    in_group = Arguments(values={"chat_id": str(GROUP), "user_id": str(BEN)})

    for found in [
        *await get_chat_administrators(telegram.state, in_channel),
        await get_chat_member(telegram.state, in_group),
    ]:
        TypeAdapter(aiogram.types.ChatMemberUnion).validate_python(found)


async def test_a_private_chat_has_no_admins_and_a_stranger_is_no_member(bot: Bot) -> None:
    with pytest.raises(BadRequest, match="no administrators in the private chat"):
        await bot.get_chat_administrators(ANNA)
    with pytest.raises(BadRequest, match="User not found"):
        await bot.get_chat_member(GROUP, 404)
