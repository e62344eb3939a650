"""How many handlers run, in which order and for how long, over a real HTTP client and the fake Telegram."""

from collections.abc import Iterable
from typing import Any

import pytest
from telegram import Update

from bot.chat.dispatcher import READS_OF_A_PERSON, WAITING_OF_A_PERSON
from bot.chat.held import HeldUpdates
from tests.fakes import updates
from tests.unit.chat.update_harness import ANNA, BORIS, UpdateHarness, open_to_people

SLOW, QUICK = "/status a", "/help"


async def refused_of(update_harness: UpdateHarness, messages: Iterable[updates.Json]) -> list[int]:
    """Which of these slow commands are refused, by their number; the others are carried out in the end."""
    gate, dispatcher = update_harness.hold(SLOW), update_harness.dispatcher(HeldUpdates())
    for number, message in enumerate(messages):
        update = Update.de_json({"update_id": number, "message": message}, update_harness.application.bot)
        dispatcher.start(update)
    refused = list(update_harness.refused)
    gate.set()
    await dispatcher.finish()
    dispatcher.start(Update.de_json({"update_id": 0, "message": updates.private(ANNA, QUICK)}))
    await dispatcher.finish()
    assert update_harness.finished[-1] == QUICK, "afterwards there is room again"
    assert update_harness.refused == refused
    return refused


async def test_a_chat_has_only_so_many_commands_in_flight_whoever_sends_them(update_harness: UpdateHarness):
    group = [updates.group(-100, person, SLOW) for person in range(1, 46)]
    elsewhere = [updates.group(-200, person, SLOW) for person in range(1, 4)]

    assert await refused_of(update_harness, [*group, *elsewhere]) == [40, 41, 42, 43, 44]


async def test_all_chats_together_have_only_so_many_commands_in_flight(update_harness: UpdateHarness):
    messages = [updates.private(person, SLOW) for person in range(1, 1004)]

    assert await refused_of(update_harness, messages) == [1000, 1001, 1002]


async def test_others_are_answered_however_many_slow_commands_run(update_harness: UpdateHarness):
    gate = update_harness.hold("/status a")

    async with open_to_people(update_harness.update_poller()):
        for _ in range(150):
            update_harness.telegram.say(ANNA, "/status a")
        update_harness.telegram.say(BORIS, "/watch b")
        await update_harness.until_finished("/watch b")
        assert update_harness.begun.count("/status a") == READS_OF_A_PERSON
        assert len(update_harness.refused) == 150 - WAITING_OF_A_PERSON
        gate.set()
        await update_harness.telegram.wait_for(
            lambda: update_harness.finished.count("/status a") == WAITING_OF_A_PERSON
        )
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.telegram.wait_for(lambda: "/help" in update_harness.finished)


async def test_a_command_that_reads_waits_for_those_that_write_and_not_for_those_that_read(
    update_harness: UpdateHarness,
):
    status, watch = update_harness.hold("/status a"), update_harness.hold("/watch a")

    async with open_to_people(update_harness.update_poller(patience_s=0.01)):
        for text in ("/status a", "/watch a", "/tasks"):
            update_harness.telegram.say(ANNA, text)
        await update_harness.until_begun("/status a", "/watch a")
        watch.set()
        await update_harness.until_finished("/watch a", "/tasks")
        status.set()


@pytest.mark.parametrize("text", ["/status a", "/watch a"])
async def test_a_handler_that_takes_too_long_is_ended_and_confirmed(update_harness: UpdateHarness, text: str):
    update_harness.hold(text)
    errors: list[object] = []

    async def tell(_: object, context: Any) -> None:
        errors.append(context.error)
        update_harness.telegram.change_signal.notify()

    update_harness.application.add_error_handler(tell)
    async with open_to_people(update_harness.update_poller(limit_s=0.01)):
        update_harness.telegram.say(ANNA, text)
        update_harness.telegram.say(ANNA, "/unwatch a")
        await update_harness.until_finished("/unwatch a")
        await update_harness.until_confirmed(2)
        await update_harness.telegram.wait_for(lambda: errors)

    assert [type(error) for error in errors] == [TimeoutError]
