"""What becomes of deliveries, and in which order they are carried."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telegram.ext import ExtBot

from bot.outbox.results import (
    ChatGone,
    Migrated,
    Refusal,
    Refused,
    RetryAfter,
    SendResult,
    Sent,
    Transient,
    Unknown,
)
from bot.outbox.retry import GIVE_UP_AFTER
from bot.outbox.worker import LEASE_S
from bot.sandbox.telegram import FakeTelegram
from storage.models import (
    DeliveryKind,
    DeliveryState,
    StoredFile,
    TaskStatus,
    WatchState,
)
from tests.fakes.places import ANNA, CHANNEL, GROUP
from tests.unit.outbox.worker_harness import BrittleStore, WorkerHarness

RESULT = DeliveryKind.RESULT


@pytest.fixture
async def round_(tmp_path: Path, telegram: FakeTelegram, bot: ExtBot[None]) -> AsyncIterator[WorkerHarness]:
    """Not begun yet."""
    store = await BrittleStore.open(tmp_path / "reelwatch.db")
    yield WorkerHarness(store, bot)
    await store.close()


@contextlib.asynccontextmanager
async def begun(round_: WorkerHarness) -> AsyncIterator[None]:
    running = asyncio.create_task(round_.worker.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await round_.worker.drain(0)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (Sent(5), DeliveryState.SENT),
        (Unknown("lost"), DeliveryState.UNKNOWN),
        (Refused(Refusal.TOO_LARGE, "too large"), DeliveryState.DEAD),
    ],
)
async def test_a_final_result_finishes_the_watch(
    round_: WorkerHarness, result: SendResult, state: DeliveryState
):
    await round_.ended(ANNA, result)

    async with begun(round_):
        await round_.until_settled(2)

    (found,) = await round_.store.watches_of(ANNA, "t1")
    assert (found.watch.state, found.watch.result) == (WatchState.FINISHED, state)


async def test_the_uploaded_file_is_stored_with_the_task(round_: WorkerHarness):
    file = StoredFile(file_id="BAAC", is_video=True)
    await round_.ended(ANNA, Sent(5, file))

    async with begun(round_):
        await round_.until_settled(2)

    (found,) = await round_.store.watches_of(ANNA, "t1")
    assert found.task.file == file


@pytest.mark.parametrize(
    ("result", "wait_s"),
    [(Transient("away"), 2.0), (RetryAfter(30), 30.5), (Refused(Refusal.NO_RIGHTS, "no"), 2.0)],
)
async def test_a_retryable_result_is_retried_after_its_delay(
    round_: WorkerHarness, result: SendResult, wait_s: float
):
    await round_.ended(ANNA, result, Sent(5))
    round_.video_delivery.gate.clear()

    async with begun(round_):
        await round_.until_shown()
        round_.video_delivery.gate.set()
        await round_.until_settled(2)
        assert await round_.store.next_delivery_at() == round_.driver.later(wait_s)

        round_.driver.wait(wait_s)
        round_.steady.advance(wait_s)
        round_.new_delivery.set()
        await round_.until_settled(3)

    assert await round_.states() == {DeliveryState.SENT: 1}


async def test_a_flood_wait_pauses_its_chat_and_no_other(round_: WorkerHarness):
    other = await round_.watching(GROUP, "t2")
    await round_.ended(ANNA, RetryAfter(30))
    round_.video_delivery.gate.clear()
    async with begun(round_):
        await round_.until_shown()
        round_.video_delivery.gate.set()
        await round_.until_settled(2)
        round_.driver.wait(40)  # by the archive's clock it might be tried again
        await round_.driver.look(other, TaskStatus.SUCCEEDED)
        round_.video_delivery.results[GROUP] = [Sent(5)]
        round_.new_delivery.set()
        await round_.until_state(WatchState.FINISHED, GROUP, "t2")

    assert round_.video_delivery.begun == [ANNA, GROUP]
    assert round_.rate_limiter.throttled().to_all == [ANNA]


async def test_a_refusal_over_hours_is_permanent_and_the_card_offers_a_retry(
    round_: WorkerHarness, telegram: FakeTelegram
):
    await round_.ended(ANNA, Refused(Refusal.OTHER, "no idea"))
    for _ in range(GIVE_UP_AFTER - 1):
        for out in await round_.driver.claim():
            await round_.driver.settle(out, DeliveryState.PENDING, message_id=1)

    async def is_offered() -> bool:
        return any(message.buttons for message in telegram.messages(ANNA))

    async with begun(round_):
        await round_.until(is_offered)

    (found,) = await round_.store.watches_of(ANNA, "t1")
    assert found.watch.result is DeliveryState.DEAD
    assert "couldn't be sent here" in telegram.messages(ANNA)[-1].words
    assert telegram.messages(ANNA)[-1].buttons


async def test_a_gone_chat_is_suspended_until_it_returns(round_: WorkerHarness):
    await round_.ended(GROUP, ChatGone("bot was kicked"), Sent(5))

    async with begun(round_):
        await round_.until_state(WatchState.SUSPENDED, GROUP)
        chat = await round_.store.chat(GROUP)
        assert chat is not None
        assert chat.disabled_reason == "bot was kicked"

        await round_.store.chat_found(GROUP, at=round_.driver.now)
        round_.new_delivery.set()
        await round_.until_state(WatchState.FINISHED, GROUP)


async def test_a_migrated_group_gets_its_results_under_the_new_id(
    round_: WorkerHarness, telegram: FakeTelegram
):
    telegram.migrate(GROUP, -1009)
    round_.video_delivery.results[-1009] = [Sent(5)]
    await round_.ended(GROUP, Migrated(-1009))

    async with begun(round_):
        await round_.until_state(WatchState.FINISHED, -1009)
        await round_.until_settled(2)

    assert await round_.store.watches_of(GROUP, "t1") == []
    assert round_.video_delivery.begun == [GROUP, -1009]
    assert round_.migrated == [(GROUP, -1009)]
    assert [message.from_bot for message in telegram.messages(-1009)] == [False, True]


# the order of things


async def test_a_result_is_sent_before_an_older_edit(round_: WorkerHarness, telegram: FakeTelegram):
    slow, quick = await round_.watching(GROUP, "slow"), await round_.watching(ANNA, "quick")
    await round_.driver.look(slow, TaskStatus.RUNNING)
    round_.driver.wait(1)
    await round_.driver.look(quick, TaskStatus.SUCCEEDED)
    round_.video_delivery.results[ANNA] = [Sent(5)]
    round_.rate_limiter.spend([CHANNEL] * 4)  # Telegram as a whole bears one call more at present

    async with begun(round_):
        await round_.until_settled(1)
        assert round_.video_delivery.begun == [ANNA]
        assert telegram.requests[1:] == []

        round_.steady.advance(10)
        round_.new_delivery.set()
        await round_.until_settled(3)


async def test_edits_leave_a_group_s_last_calls_to_its_results(round_: WorkerHarness, telegram: FakeTelegram):
    running = await round_.watching(GROUP, "running")
    await round_.ended(GROUP, Sent(5))
    await round_.driver.look(running, TaskStatus.RUNNING)
    round_.rate_limiter.spend([GROUP] * 5)
    round_.steady.advance(1)

    async with begun(round_):
        await round_.until_settled(2)
        assert round_.video_delivery.begun == [GROUP]
        sent = [request.params["text"] for request in telegram.requests if "text" in request.params]
        assert sent
        assert all("Done" in text for text in sent)

        round_.steady.advance(30)
        round_.new_delivery.set()
        await round_.until_settled(3)


async def test_a_throttled_chat_causes_no_busy_loop(round_: WorkerHarness):
    round_.rate_limiter.pause(ANNA, 60)
    await round_.ended(ANNA, Sent(5))

    async with begun(round_):
        await round_.until_asked()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await round_.until_asked(5)


async def test_video_transfers_delay_no_announcement_and_no_card(round_: WorkerHarness):
    films = 40  # more than the courier has hands
    tasks = [await round_.watching(chat, f"t{chat}") for chat in range(1, films + 1)]
    for chat, task in enumerate(tasks, 1):
        await round_.driver.look(task, TaskStatus.SUCCEEDED)
        round_.video_delivery.results[chat] = [Sent(5)]
    round_.video_delivery.gate.clear()

    async with begun(round_):
        for so_far in range(5, films + 1, 5):
            await round_.until_begun(so_far)
            round_.steady.advance(1)
            round_.new_delivery.set()
        await round_.until_shown()

    assert len(round_.video_delivery.begun) == films


# trouble


async def test_a_full_disk_is_logged_once_and_recovers(
    round_: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.outbox")
    await round_.ended(ANNA, Sent(5))
    round_.store.is_full = True

    async with begun(round_):
        for turn in range(1, 4):
            round_.new_delivery.set()
            await round_.until_asked(turn)
        assert round_.telemetry.problems == {"delivery": "The disk is full."}

        round_.store.is_full = False
        round_.new_delivery.set()
        await round_.until_settled(2)

    said = [record.message for record in caplog.records if "Delivery" in record.message]
    assert said == ["Delivery is paused: The disk is full.", "Delivery is running again."]
    assert round_.telemetry.problems == {}


async def test_a_delivery_that_could_not_be_settled_is_repeated_after_its_lease(
    round_: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    await round_.ended(ANNA, Sent(5))
    round_.video_delivery.gate.clear()

    async with begun(round_):
        await round_.until_begun()
        round_.store.is_full = True
        round_.video_delivery.gate.set()
        await round_.until_unwritten()
        round_.store.is_full = False
        round_.driver.wait(LEASE_S)
        round_.new_delivery.set()
        await round_.until_state(WatchState.FINISHED, ANNA)

    assert round_.video_delivery.begun == [ANNA, ANNA]
    assert [record for record in caplog.records if record.exc_info] == []


async def test_an_exception_in_one_delivery_does_not_stop_the_others(
    round_: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    other = await round_.watching(GROUP, "t2")
    await round_.ended(ANNA, RuntimeError("surprise"), Sent(5))
    await round_.driver.look(other, TaskStatus.SUCCEEDED)
    round_.video_delivery.results[GROUP] = [Sent(5)]

    async with begun(round_):
        await round_.until_state(WatchState.FINISHED, GROUP, "t2")
        assert await round_.state(ANNA) is WatchState.ACTIVE
        round_.driver.wait(LEASE_S)
        round_.new_delivery.set()
        await round_.until_state(WatchState.FINISHED, ANNA)

    [accident] = [record for record in caplog.records if record.exc_info]
    assert "failed" in accident.message
    facts = vars(accident)
    assert (facts["action"], facts["chat_id"], facts["provider"]) == ("delivery_error", ANNA, "wan")


async def test_a_long_delivery_keeps_its_lease(round_: WorkerHarness):
    await round_.ended(ANNA, Sent(5))
    round_.video_delivery.gate.clear()

    async with begun(round_):
        await round_.until_begun()
        for _ in range(3):
            round_.driver.wait(LEASE_S - 1)
            before = round_.store.questions
            round_.new_delivery.set()
            await round_.until_asked(before + 1)
        round_.video_delivery.gate.set()
        await round_.until_state(WatchState.FINISHED, ANNA)

    assert round_.video_delivery.begun == [ANNA]


# the end


async def test_drain_waits_for_deliveries_in_progress(round_: WorkerHarness):
    await round_.ended(ANNA, Sent(5))
    round_.video_delivery.gate.clear()
    running = asyncio.create_task(round_.worker.run())
    await round_.until_begun()
    running.cancel()
    draining = asyncio.create_task(round_.worker.drain(10))
    await asyncio.sleep(0)

    round_.video_delivery.gate.set()
    await draining

    assert await round_.state(ANNA) is WatchState.FINISHED


async def test_drain_cancels_slow_deliveries_and_leaves_them_to_the_next_worker(round_: WorkerHarness):
    await round_.ended(ANNA, Sent(5))
    round_.video_delivery.gate.clear()
    running = asyncio.create_task(round_.worker.run())
    await round_.until_begun()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    await round_.worker.drain(0.01)

    assert await round_.state(ANNA) is WatchState.ACTIVE
    round_.driver.wait(LEASE_S)
    assert (await round_.driver.claim_one(RESULT)).delivery.attempts == 2


async def test_one_chat_not_found_suspends_nothing_and_two_apart_do(round_: WorkerHarness):
    await round_.ended(ANNA, ChatGone("chat not found", is_certain=False))

    async with begun(round_):
        await round_.until_settled(2)
        assert await round_.state(ANNA) is WatchState.ACTIVE
        for answers in (2, 3):  # the card, which was sent, had taken the first doubt away
            round_.driver.wait(181)
            round_.steady.advance(181)
            round_.new_delivery.set()
            await round_.until_begun(answers)

        await round_.until_state(WatchState.SUSPENDED, ANNA)


async def test_a_flood_wait_survives_a_restart(round_: WorkerHarness):
    await round_.ended(ANNA, RetryAfter(60), Sent(5))
    round_.video_delivery.gate.clear()
    async with begun(round_):
        await round_.until_shown()
        round_.video_delivery.gate.set()
        await round_.until_settled(2)

    assert list(await round_.store.throttled_chats(at=round_.driver.now)) == [ANNA]
    anew = WorkerHarness(round_.store, round_.bot)
    await anew.driver.watch("t2", chat_id=ANNA)
    async with begun(anew):
        await anew.until_asked(round_.store.questions + 1)
        assert ANNA in anew.rate_limiter.throttled().to_all
