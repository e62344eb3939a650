"""Long polling."""

import asyncio
from typing import Any

import pytest
from telegram import Bot, Update
from telegram.error import Conflict
from telegram.ext import Application, CallbackContext, CommandHandler

from bot.sandbox.telegram import FakeTelegram
from tests.fakes.places import ANNA
from tests.unit.sandbox.conftest import connected


async def test_an_update_is_repeated_until_a_higher_offset_confirms_it(
    telegram: FakeTelegram, bot: Bot
) -> None:
    telegram.send(ANNA, "one")
    telegram.send(ANNA, "two")

    first = await bot.get_updates()
    again = await bot.get_updates(offset=first[1].update_id)
    rest = await bot.get_updates(offset=first[1].update_id + 1)

    assert [update.effective_message.text for update in first if update.effective_message] == ["one", "two"]
    assert again == first[1:]
    assert rest == ()


async def test_an_offset_far_ahead_confirms_nothing(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.send(ANNA, "one")
    [one] = await bot.get_updates()
    await bot.get_updates(offset=one.update_id + 1)
    telegram.state.updates.number_from(117_314_199)
    telegram.send(ANNA, "two")

    for _ in range(2):
        assert [two.update_id for two in await bot.get_updates(offset=one.update_id + 1)] == [117_314_199]
    assert await bot.get_updates(offset=117_314_200) == ()


async def test_a_negative_offset_keeps_only_the_latest(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.send(ANNA, "one")
    telegram.send(ANNA, "two")

    assert len(await bot.get_updates(offset=-1)) == 1
    assert len(await bot.get_updates()) == 1


async def test_a_poll_waits_for_an_update(telegram: FakeTelegram, bot: Bot) -> None:
    polling = asyncio.create_task(bot.get_updates(timeout=10))
    await telegram.wait_for(lambda: telegram.requests[-1].method == "getUpdates")
    assert not polling.done()

    telegram.send(ANNA, "hello")

    assert len(await polling) == 1


async def test_a_second_poller_ends_the_first_with_a_conflict(telegram: FakeTelegram, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=10))
    await telegram.wait_for(lambda: telegram.requests[-1].method == "getUpdates")
    async with connected(telegram) as another:
        second = asyncio.create_task(another.get_updates(timeout=10))

        with pytest.raises(Conflict, match="terminated by other getUpdates request"):
            await first
        telegram.send(ANNA, "hello")
        assert len(await second) == 1


async def test_updates_of_unsubscribed_kinds_are_not_stored(telegram: FakeTelegram, bot: Bot) -> None:
    await bot.get_updates(allowed_updates=["message"])
    message_id = telegram.send(ANNA, "one")
    telegram.edit(ANNA, message_id, "two")

    assert [update.message is not None for update in await bot.get_updates()] == [True]


async def test_pending_updates_are_dropped_on_request(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.send(ANNA, "one")

    await bot.delete_webhook(drop_pending_updates=True)

    assert await bot.get_updates() == ()


async def test_a_ptb_application_runs_against_it(telegram: FakeTelegram) -> None:
    async def answer(update: Update, context: CallbackContext[Any, Any, Any, Any]) -> None:
        assert update.effective_message is not None
        await update.effective_message.reply_text("Here.", do_quote=True)

    application = Application.builder().bot(connected(telegram)).build()
    application.add_handler(CommandHandler("start", answer))
    async with application:
        assert application.updater is not None
        await application.updater.start_polling(timeout=5)
        await application.start()
        asked = telegram.send(ANNA, "/start")
        answered = await telegram.wait_for(lambda: telegram.messages(ANNA)[1:])
        await application.updater.stop()
        await application.stop()

    assert [(message.text, message.reply_to) for message in answered] == [("Here.", asked)]
