"""How many handlers run, in which order and for how long, over a real HTTP client and the fake Telegram."""

from collections.abc import Iterable
from typing import Any

import pytest
from telegram import Update

from bot.chat.dispatcher import PENDING_PER_USER, READS_PER_USER, HeldUpdates
from tests.fakes import updates
from tests.unit.chat.update_harness import ANNA, BORIS, UpdateHarness, running

SLOW, QUICK = "/status a", "/help"


async def refused_of(update_harness: UpdateHarness, messages: Iterable[updates.Json]) -> list[int]:
    """The indices of the refused ones among these slow commands; the others are finished at the end."""
    gate, dispatcher = update_harness.hold(SLOW), update_harness.dispatcher(HeldUpdates())
    for number, message in enumerate(messages):
        update = Update.de_json({"update_id": number, "message": message}, update_harness.application.bot)
        dispatcher.start(update)
    refused = list(update_harness.refused)
    gate.set()
    await dispatcher.finish()
    dispatcher.start(Update.de_json({"update_id": 0, "message": updates.private(ANNA, QUICK)}))
    await dispatcher.finish()
    assert update_harness.finished[-1] == QUICK, "slots are free again"
    assert update_harness.refused == refused
    return refused


async def test_the_pending_commands_of_a_chat_are_limited_over_all_users(update_harness: UpdateHarness):
    group = [updates.group(-100, person, SLOW) for person in range(1, 46)]
    elsewhere = [updates.group(-200, person, SLOW) for person in range(1, 4)]

    assert await refused_of(update_harness, [*group, *elsewhere]) == [40, 41, 42, 43, 44]


async def test_anonymous_admins_of_different_groups_do_not_share_a_limit(update_harness: UpdateHarness):
    group_ids = range(-1000 - PENDING_PER_USER, -1000)
    messages = [updates.anonymous_admin(group_id, SLOW) for group_id in (*group_ids, *group_ids)]

    assert await refused_of(update_harness, messages) == []


async def test_the_pending_commands_of_all_chats_are_limited(update_harness: UpdateHarness):
    messages = [updates.private(person, SLOW) for person in range(1, 1004)]

    assert await refused_of(update_harness, messages) == [1000, 1001, 1002]


async def test_many_slow_commands_do_not_block_other_users(update_harness: UpdateHarness):
    gate = update_harness.hold("/status a")

    async with running(update_harness.update_poller()):
        for _ in range(150):
            update_harness.telegram.send(ANNA, "/status a")
        update_harness.telegram.send(BORIS, "/watch b")
        await update_harness.until_finished("/watch b")
        assert update_harness.begun.count("/status a") == READS_PER_USER
        assert len(update_harness.refused) == 150 - PENDING_PER_USER
        gate.set()
        await update_harness.telegram.wait_for(
            lambda: update_harness.finished.count("/status a") == PENDING_PER_USER
        )
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.telegram.wait_for(lambda: "/help" in update_harness.finished)


async def test_a_read_waits_for_writes_and_not_for_reads(
    update_harness: UpdateHarness,
):
    status, watch = update_harness.hold("/status a"), update_harness.hold("/watch a")

    async with running(update_harness.update_poller(grace_s=0.01)):
        for text in ("/status a", "/watch a", "/tasks"):
            update_harness.telegram.send(ANNA, text)
        await update_harness.until_begun("/status a", "/watch a")
        watch.set()
        await update_harness.until_finished("/watch a", "/tasks")
        status.set()


@pytest.mark.parametrize("text", ["/status a", "/watch a"])
async def test_a_handler_runs_once_more_if_its_error_handler_asks_for_it(
    update_harness: UpdateHarness, text: str
):
    held = HeldUpdates()
    answers: list[bool] = []

    async def on_error(update: object, _: Any) -> None:
        assert isinstance(update, Update)
        answers.append(held.repeat(update.update_id))

    update_harness.application.add_error_handler(on_error)
    update_harness.failing.add(text)
    dispatcher = update_harness.dispatcher(held)
    for _ in range(2):
        dispatcher.start(Update.de_json({"update_id": 1, "message": updates.private(ANNA, text)}))
        await dispatcher.finish()

    assert answers == [True, False, True, False]
    assert update_harness.begun == [text] * 4


@pytest.mark.parametrize("text", ["/status a", "/watch a"])
async def test_a_handler_that_times_out_is_cancelled_and_confirmed(update_harness: UpdateHarness, text: str):
    update_harness.hold(text)
    errors: list[object] = []

    async def on_error(_: object, context: Any) -> None:
        errors.append(context.error)
        update_harness.telegram.change_signal.notify()

    update_harness.application.add_error_handler(on_error)
    async with running(update_harness.update_poller(limit_s=0.01)):
        update_harness.telegram.send(ANNA, text)
        update_harness.telegram.send(ANNA, "/unwatch a")
        await update_harness.until_finished("/unwatch a")
        await update_harness.until_confirmed(2)
        await update_harness.telegram.wait_for(lambda: errors)

    assert [type(error) for error in errors] == [TimeoutError]
