"""The delivery worker: settlements, order, errors and shutdown."""

import asyncio
import logging

import pytest

from bot.outbox.results import (
    ChatGone,
    LinkOnly,
    Migrated,
    Refusal,
    Refused,
    RetryAfter,
    SendResult,
    Sent,
    Transient,
    Unknown,
)
from bot.outbox.settlement import GIVE_UP_AFTER
from bot.outbox.worker import LEASE_S
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.api_errors import flood
from storage.models import DeliveryKind, DeliveryState, StoredFile, TaskStatus
from storage.watches import WatchState
from tests.fakes.log_lines import json_lines
from tests.fakes.places import ANNA, CHANNEL, GROUP
from tests.metric_totals import total
from tests.unit.outbox.worker_harness import WorkerHarness, running_worker

RESULT = DeliveryKind.RESULT


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (Sent(5), DeliveryState.SENT),
        (Unknown("lost"), DeliveryState.UNKNOWN),
        (Refused(Refusal.TOO_LARGE, "too large"), DeliveryState.DEAD),
    ],
)
async def test_a_final_result_finishes_the_watch(
    harness: WorkerHarness, result: SendResult, state: DeliveryState
):
    await harness.finished(ANNA, result)

    async with running_worker(harness):
        await harness.until_settled(2)

    (found,) = await harness.store.watches_of(ANNA, "t1")
    assert (found.watch.state, found.watch.result) == (WatchState.FINISHED, state)
    assert total(harness.telemetry.metrics, "delivery_attempts") == 2  # the card and the result


async def test_the_uploaded_file_is_stored_with_the_task(harness: WorkerHarness):
    file = StoredFile(file_id="BAAC", is_video=True)
    await harness.finished(ANNA, Sent(5, file))

    async with running_worker(harness):
        await harness.until_settled(2)

    (found,) = await harness.store.watches_of(ANNA, "t1")
    assert found.task.file == file


@pytest.mark.parametrize(
    ("result", "least_s", "wait_s"),
    [
        (Transient("away"), 1.6, 2.0),
        (RetryAfter(30), 30.5, 30.5),
        (Refused(Refusal.NO_RIGHTS, "no"), 1.6, 2.0),
    ],
)
async def test_a_retryable_result_is_retried_after_its_delay(
    harness: WorkerHarness, result: SendResult, least_s: float, wait_s: float
):
    await harness.finished(ANNA, result, Sent(5))
    harness.video_delivery.gate.clear()

    async with running_worker(harness):
        await harness.until_first_settled()
        harness.video_delivery.gate.set()
        await harness.until_settled(2)
        retry_at = await harness.store.next_delivery_at()
        assert retry_at is not None
        assert harness.driver.later(least_s) <= retry_at <= harness.driver.later(wait_s)

        harness.driver.advance(wait_s)
        harness.steady.advance(wait_s)
        harness.new_delivery.set()
        await harness.until_settled(3)

    assert await harness.states() == {DeliveryState.SENT: 1}


async def test_a_flood_wait_pauses_its_chat_and_no_other(harness: WorkerHarness, telegram: FakeTelegram):
    tasks = [await harness.watching(chat, f"t{chat}") for chat in (ANNA, GROUP)]
    telegram.fail("editMessageText", flood(30))
    await harness.driver.poll(tasks[0], TaskStatus.RUNNING)
    async with running_worker(harness):
        await harness.until_settled(1)
        harness.driver.advance(40)  # past the retry time in the store
        await harness.driver.poll(tasks[1], TaskStatus.RUNNING)
        harness.new_delivery.set()
        await harness.until_settled(2)

    edited = [
        request.params["chat_id"] for request in telegram.requests if request.method == "editMessageText"
    ]
    assert edited == [str(ANNA), str(GROUP)]
    assert harness.rate_limiter.throttled().to_all == [ANNA]


async def test_a_refusal_over_hours_is_permanent_and_the_card_offers_a_retry(
    harness: WorkerHarness, telegram: FakeTelegram
):
    await harness.finished(ANNA, Refused(Refusal.OTHER, "no idea"))
    for _ in range(GIVE_UP_AFTER - 1):
        for out in await harness.driver.claim():
            await harness.driver.settle(out, DeliveryState.PENDING, message_id=1)

    async def is_offered() -> bool:
        return any(message.buttons for message in telegram.messages(ANNA))

    async with running_worker(harness):
        await harness.until(is_offered)

    (found,) = await harness.store.watches_of(ANNA, "t1")
    assert found.watch.result is DeliveryState.DEAD
    assert "couldn't be sent here" in telegram.messages(ANNA)[-1].plain_text
    assert telegram.messages(ANNA)[-1].buttons


async def test_a_gone_chat_is_suspended_until_it_returns(harness: WorkerHarness):
    await harness.finished(GROUP, ChatGone("bot was kicked"), Sent(5))

    async with running_worker(harness):
        await harness.until_state(WatchState.SUSPENDED, GROUP)
        chat = await harness.store.chat(GROUP)
        assert chat is not None
        assert chat.disabled_reason == "bot was kicked"

        await harness.store.chat_found(GROUP, at=harness.driver.now)
        harness.new_delivery.set()
        await harness.until_state(WatchState.FINISHED, GROUP)


async def test_a_migrated_group_gets_its_results_under_the_new_id(
    harness: WorkerHarness, telegram: FakeTelegram
):
    telegram.migrate(GROUP, -1009)
    harness.video_delivery.results[-1009] = [Sent(5)]
    await harness.finished(GROUP, Migrated(-1009))

    async with running_worker(harness):
        await harness.until_state(WatchState.FINISHED, -1009)
        await harness.until_settled(2)

    assert await harness.store.watches_of(GROUP, "t1") == []
    assert harness.video_delivery.started == [GROUP, -1009]
    assert harness.migrated == [(GROUP, -1009)]
    assert [message.from_bot for message in telegram.messages(-1009)] == [False, True]


# order


async def test_a_result_is_sent_before_an_older_edit(harness: WorkerHarness, telegram: FakeTelegram):
    slow, quick = await harness.watching(GROUP, "slow"), await harness.watching(ANNA, "quick")
    await harness.driver.poll(slow, TaskStatus.RUNNING)
    harness.driver.advance(1)
    await harness.driver.poll(quick, TaskStatus.SUCCEEDED)
    harness.video_delivery.results[ANNA] = [Sent(5)]
    for _ in range(4):
        harness.rate_limiter.spend(CHANNEL)  # the overall limit allows one more call

    async with running_worker(harness):
        await harness.until_settled(1)
        assert harness.video_delivery.started == [ANNA]
        assert telegram.requests[1:] == []

        harness.steady.advance(10)
        harness.new_delivery.set()
        await harness.until_settled(3)


async def test_edits_leave_a_group_s_last_calls_to_its_results(
    harness: WorkerHarness, telegram: FakeTelegram
):
    running = await harness.watching(GROUP, "running")
    await harness.finished(GROUP, Sent(5))
    await harness.driver.poll(running, TaskStatus.RUNNING)
    for _ in range(5):
        harness.rate_limiter.spend(GROUP)
    harness.steady.advance(1)

    async with running_worker(harness):
        await harness.until_settled(2)
        assert harness.video_delivery.started == [GROUP]
        sent = [request.params["text"] for request in telegram.requests if "text" in request.params]
        assert sent
        assert all("Done" in text for text in sent)

        harness.steady.advance(30)
        harness.new_delivery.set()
        await harness.until_settled(3)


async def test_each_call_of_a_delivery_is_counted_once_fallbacks_too(
    harness: WorkerHarness, telegram: FakeTelegram
):
    task = await harness.watching(ANNA)  # its card was deleted
    await harness.driver.poll(task, TaskStatus.RUNNING)

    async with running_worker(harness):
        await harness.until_settled(1)

    assert [request.method for request in telegram.requests[1:]] == ["editMessageText", "sendMessage"]
    assert harness.rate_limiter.available() == 5 - 2


async def test_a_throttled_chat_causes_no_busy_loop(harness: WorkerHarness):
    harness.rate_limiter.pause(ANNA, 60)
    await harness.finished(ANNA, Sent(5))

    async with running_worker(harness):
        await harness.until_polled()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await harness.until_polled(5)


async def test_video_transfers_delay_no_announcement_and_no_card(harness: WorkerHarness):
    videos = 40  # more than the concurrency limit
    tasks = [await harness.watching(chat, f"t{chat}") for chat in range(1, videos + 1)]
    for chat, task in enumerate(tasks, 1):
        await harness.driver.poll(task, TaskStatus.SUCCEEDED)
        harness.video_delivery.results[chat] = [Sent(5)]
    harness.video_delivery.gate.clear()

    async with running_worker(harness):
        for so_far in range(5, videos + 1, 5):
            await harness.until_started(so_far)
            harness.steady.advance(1)
            harness.new_delivery.set()
        await harness.until_first_settled()

    assert len(harness.video_delivery.started) == videos


# errors


async def test_a_full_disk_is_logged_once_and_recovers(
    harness: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.outbox")
    await harness.finished(ANNA, Sent(5))
    harness.store.is_full = True

    async with running_worker(harness):
        for polls in range(1, 4):
            harness.new_delivery.set()
            await harness.until_polled(polls)
        assert harness.telemetry.problems == {"delivery": "The disk is full."}

        harness.store.is_full = False
        harness.new_delivery.set()
        await harness.until_settled(2)
        async with asyncio.timeout(30):
            while harness.telemetry.problems:  # noqa: ASYNC110 - no event tells when the check has ended
                await asyncio.sleep(0.001)

    logged = [each for each in json_lines(caplog.records) if "database" in each["message"]]
    assert [each["event"] for each in logged] == ["delivery_paused", "delivery_resumed"]
    assert logged[0]["cause"] == "The disk is full."
    assert harness.telemetry.problems == {}


async def test_a_delivery_that_could_not_be_settled_is_repeated_after_its_lease(
    harness: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    await harness.finished(ANNA, Sent(5))
    harness.video_delivery.gate.clear()

    async with running_worker(harness):
        await harness.until_started()
        harness.store.is_full = True
        harness.video_delivery.gate.set()
        await harness.until_settling_failed()
        harness.store.is_full = False
        harness.driver.advance(LEASE_S)
        harness.new_delivery.set()
        await harness.until_state(WatchState.FINISHED, ANNA)

    assert harness.video_delivery.started == [ANNA, ANNA]
    assert [record for record in caplog.records if record.exc_info] == []


async def test_an_exception_in_one_delivery_does_not_stop_the_others(
    harness: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    other = await harness.watching(GROUP, "t2")
    await harness.finished(ANNA, RuntimeError("surprise"), Sent(5))
    await harness.driver.poll(other, TaskStatus.SUCCEEDED)
    harness.video_delivery.results[GROUP] = [Sent(5)]

    async with running_worker(harness):
        await harness.until_state(WatchState.FINISHED, GROUP, "t2")
        assert await harness.state(ANNA) is WatchState.ACTIVE
        harness.driver.advance(LEASE_S)
        harness.steady.advance(LEASE_S)
        harness.new_delivery.set()
        await harness.until_state(WatchState.FINISHED, ANNA)

    [error] = [record for record in caplog.records if record.exc_info]
    assert error.message.startswith("A bug kept the video of wan t1 from chat")
    facts = vars(error)
    assert (facts["event"], facts["chat_id"], facts["provider"]) == ("delivery_error", ANNA, "wan")


async def test_a_long_delivery_keeps_its_lease(harness: WorkerHarness):
    await harness.finished(ANNA, Sent(5))
    harness.video_delivery.gate.clear()

    async with running_worker(harness):
        await harness.until_started()
        for _ in range(3):
            harness.driver.advance(LEASE_S - 1)
            before = harness.store.polls
            harness.new_delivery.set()
            await harness.until_polled(before + 1)
        harness.video_delivery.gate.set()
        await harness.until_state(WatchState.FINISHED, ANNA)

    assert harness.video_delivery.started == [ANNA]


# shutdown


async def test_drain_waits_for_deliveries_in_progress(harness: WorkerHarness):
    await harness.finished(ANNA, Sent(5))
    harness.video_delivery.gate.clear()
    loop = asyncio.create_task(harness.worker.run())
    await harness.until_started()
    loop.cancel()
    draining = asyncio.create_task(harness.worker.drain(10))
    await asyncio.sleep(0)

    harness.video_delivery.gate.set()
    await draining

    assert await harness.state(ANNA) is WatchState.FINISHED


async def test_drain_cancels_slow_deliveries_and_leaves_them_to_the_next_worker(harness: WorkerHarness):
    await harness.finished(ANNA, Sent(5))
    harness.video_delivery.gate.clear()
    loop = asyncio.create_task(harness.worker.run())
    await harness.until_started()
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)

    await harness.worker.drain(0.01)

    assert await harness.state(ANNA) is WatchState.ACTIVE
    harness.driver.advance(LEASE_S)
    assert (await harness.driver.claim_one(RESULT)).delivery.attempts == 2


async def test_a_link_in_place_of_the_video_is_no_error(
    harness: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    await harness.finished(ANNA, LinkOnly("too_large"))

    async with running_worker(harness):
        await harness.until_settled(2)

    [line] = [each for each in json_lines(caplog.records) if each["event"] == "delivered"]
    assert (line["form"], line["cause"]) == ("link", "too_large")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_flood_wait_survives_a_restart(harness: WorkerHarness, telegram: FakeTelegram):
    await harness.finished(ANNA, RetryAfter(60), Sent(5))
    harness.video_delivery.gate.clear()
    async with running_worker(harness):
        await harness.until_first_settled()
        harness.video_delivery.gate.set()
        await harness.until_settled(2)

    assert list(await harness.store.throttled_chats(at=harness.driver.now)) == [ANNA]
    restarted = WorkerHarness(harness.store, telegram)
    await restarted.driver.watch("t2", chat_id=ANNA)
    async with restarted.bot, running_worker(restarted):
        await restarted.until_polled(harness.store.polls + 1)
        assert ANNA in restarted.rate_limiter.throttled().to_all
