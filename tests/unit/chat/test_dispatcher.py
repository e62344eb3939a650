"""How many handlers run, in which order and for how long, over a real HTTP client and the fake Telegram."""

from collections.abc import Iterable
from typing import Any

import pytest
from telegram import Update

from bot.chat.dispatcher import READS_OF_A_PERSON, WAITING_OF_A_PERSON
from bot.chat.held import HeldUpdates
from tests.fakes import updates
from tests.unit.chat.listening import ANNA, BORIS, Door, open_to_people

SLOW, QUICK = "/status a", "/help"


async def refused_of(door: Door, messages: Iterable[updates.Json]) -> list[int]:
    """Which of these slow commands are refused, by their number; the others are carried out in the end."""
    gate, dispatcher = door.hold(SLOW), door.dispatcher(HeldUpdates())
    for number, message in enumerate(messages):
        update = Update.de_json({"update_id": number, "message": message}, door.application.bot)
        dispatcher.start(update)
    refused = list(door.refused)
    gate.set()
    await dispatcher.finish()
    dispatcher.start(Update.de_json({"update_id": 0, "message": updates.private(ANNA, QUICK)}))
    await dispatcher.finish()
    assert door.finished[-1] == QUICK, "afterwards there is room again"
    assert door.refused == refused
    return refused


async def test_a_chat_has_only_so_many_commands_in_flight_whoever_sends_them(door: Door):
    group = [updates.group(-100, person, SLOW) for person in range(1, 46)]
    elsewhere = [updates.group(-200, person, SLOW) for person in range(1, 4)]

    assert await refused_of(door, [*group, *elsewhere]) == [40, 41, 42, 43, 44]


async def test_all_chats_together_have_only_so_many_commands_in_flight(door: Door):
    messages = [updates.private(person, SLOW) for person in range(1, 1004)]

    assert await refused_of(door, messages) == [1000, 1001, 1002]


async def test_others_are_answered_however_many_slow_commands_run(door: Door):
    gate = door.hold("/status a")

    async with open_to_people(door.listener()):
        for _ in range(150):
            door.telegram.say(ANNA, "/status a")
        door.telegram.say(BORIS, "/watch b")
        await door.until_finished("/watch b")
        assert door.begun.count("/status a") == READS_OF_A_PERSON
        assert len(door.refused) == 150 - WAITING_OF_A_PERSON
        gate.set()
        await door.telegram.wait_for(lambda: door.finished.count("/status a") == WAITING_OF_A_PERSON)
        door.telegram.say(ANNA, "/help")
        await door.telegram.wait_for(lambda: "/help" in door.finished)


async def test_a_command_that_reads_waits_for_those_that_write_and_not_for_those_that_read(door: Door):
    status, watch = door.hold("/status a"), door.hold("/watch a")

    async with open_to_people(door.listener(patience_s=0.01)):
        for text in ("/status a", "/watch a", "/tasks"):
            door.telegram.say(ANNA, text)
        await door.until_begun("/status a", "/watch a")
        watch.set()
        await door.until_finished("/watch a", "/tasks")
        status.set()


@pytest.mark.parametrize("text", ["/status a", "/watch a"])
async def test_a_handler_that_takes_too_long_is_ended_and_confirmed(door: Door, text: str):
    door.hold(text)
    errors: list[object] = []

    async def tell(_: object, context: Any) -> None:
        errors.append(context.error)
        door.telegram.bell.ring()

    door.application.add_error_handler(tell)
    async with open_to_people(door.listener(limit_s=0.01)):
        door.telegram.say(ANNA, text)
        door.telegram.say(ANNA, "/unwatch a")
        await door.until_finished("/unwatch a")
        await door.until_confirmed(2)
        await door.telegram.wait_for(lambda: errors)

    assert [type(error) for error in errors] == [TimeoutError]
