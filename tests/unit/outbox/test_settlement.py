"""Retry delays, chats that are gone, the counts of attempts and the delay of videos."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.metrics import Metrics
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
from bot.outbox.settlement import CONFIRM_AFTER, GIVE_UP_AFTER, DoubtedChats, record, retry_delay_s
from bot.outbox.text_delivery import NOT_EDITABLE
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.outbox import Settlement, WatchDelivery
from storage.store import Store
from storage.watches import WatchState
from tests.contract.store.driver import NOON, Driver
from tests.fakes.jitter import are_jittered
from tests.fakes.log_lines import json_lines
from tests.fakes.places import ANNA, GROUP
from tests.unit.outbox.worker_harness import WorkerHarness, running_worker

SETTLED_AT = NOON + timedelta(seconds=60)
VIDEO_SENT = Sent(5)
LATER = NOON + CONFIRM_AFTER
SENT, DEAD, PENDING = DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.PENDING


@pytest.fixture
async def video(store: Store) -> WatchDelivery:
    return await Driver(store).claim_video(watched_s=100)


def recorded(out: WatchDelivery, result: SendResult, state: DeliveryState = SENT) -> Metrics:
    metrics = Metrics([out.task.ref.provider])
    record(metrics, out, result, Settlement(state=state, at=SETTLED_AT))
    return metrics


@pytest.mark.parametrize(
    ("result", "state", "outcome"),
    [
        (Sent(5), SENT, "sent"),
        (LinkOnly("too large"), DEAD, "link"),
        (Unknown("lost"), DeliveryState.UNKNOWN, "unknown"),
        (Refused(Refusal.TOO_LARGE, "no"), DEAD, "failed"),
        (Refused(Refusal.NO_RIGHTS, "no"), PENDING, "retried"),
        (RetryAfter(30), PENDING, "throttled"),
        (Transient("refused"), PENDING, "unreachable"),
        (Transient("no data", retry_in_s=4), PENDING, "retried"),
    ],
)
async def test_an_attempt_is_counted_by_kind_and_outcome(
    video: WatchDelivery, result: SendResult, state: DeliveryState, outcome: str
):
    (family,) = recorded(video, result, state).delivery_attempts.collect()

    assert [sample.labels for sample in family.samples if sample.value] == [
        {"kind": "result", "outcome": outcome}
    ]


def delays_s(out: WatchDelivery, result: SendResult = VIDEO_SENT, state: DeliveryState = SENT) -> list[float]:
    """The measured delays: none, or one."""
    registry = recorded(out, result, state).registry
    name, labels = "reelwatch_video_delay_seconds", {"provider": "wan"}
    measured = registry.get_sample_value(f"{name}_count", labels)
    assert measured in {0, 1}
    return [registry.get_sample_value(f"{name}_sum", labels) or 0.0] if measured else []


@pytest.mark.parametrize(
    ("finished_s", "delay_s"),
    [(-5, 65), (None, 60), (3, 60), (-500, 160)],
    ids=["by the gateway", "by the poll", "after the poll that found it", "before the command"],
)
async def test_the_delay_of_a_video_begins_with_the_end_of_its_task_or_with_the_command(
    video: WatchDelivery, finished_s: float | None, delay_s: float
):
    finished_at = None if finished_s is None else NOON + timedelta(seconds=finished_s)
    assert video.task.snapshot is not None
    snapshot = replace(video.task.snapshot, finished_at=finished_at)

    assert delays_s(replace(video, task=replace(video.task, snapshot=snapshot))) == [delay_s]


async def test_only_a_video_that_was_sent_has_a_delay(video: WatchDelivery):
    failed = replace(video, task=replace(video.task, status=TaskStatus.FAILED))
    card = replace(video, delivery=replace(video.delivery, kind=DeliveryKind.CARD))

    assert delays_s(video) == [60]
    assert delays_s(failed) == delays_s(card) == []
    assert delays_s(video, LinkOnly("too large"), DEAD) == []


def test_a_flood_wait_is_kept_with_a_margin():
    assert retry_delay_s(1, RetryAfter(17)) == 17.5


@pytest.mark.parametrize("result", [Migrated(-1009), ChatGone("blocked")])
def test_a_migrated_or_gone_chat_is_retried_at_once(result: SendResult):
    assert retry_delay_s(1, result) == 0


def test_retries_of_a_liftable_refusal_back_off_up_to_five_minutes():
    refused = Refused(Refusal.NO_RIGHTS, "")
    waits = [retry_delay_s(attempts, refused) for attempts in range(1, 11)]

    assert are_jittered(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300])


def test_a_given_retry_delay_is_used():
    assert retry_delay_s(9, Transient("", retry_in_s=4.0)) == 4.0


def test_an_unreachable_telegram_leaves_the_delay_to_the_circuit_breaker():
    assert retry_delay_s(100_000, Transient("away")) == 0


@pytest.mark.parametrize("reason", [Refusal.NO_RIGHTS, Refusal.NO_THREAD, Refusal.OTHER])
def test_a_liftable_refusal_is_retried_for_hours_and_then_permanent(reason: Refusal):
    waits = [retry_delay_s(attempts, Refused(reason, "")) for attempts in range(1, GIVE_UP_AFTER + 1)]

    assert sum(wait for wait in waits if wait) > 15 * 3600
    assert waits[-1] is None
    assert None not in waits[:-1]


@pytest.mark.parametrize(
    "result",
    [
        Sent(1),
        Unknown("lost"),
        LinkOnly("unreachable"),
        Refused(Refusal.TOO_LARGE, ""),
        Refused(Refusal.BAD_FILE, ""),
        Refused(Refusal.NO_MESSAGE, ""),
    ],
)
def test_final_results_are_not_retried(result: SendResult):
    assert retry_delay_s(1, result) is None


def test_a_chat_is_gone_after_two_reports_some_minutes_apart():
    doubted = DoubtedChats()

    assert not doubted.not_found(ANNA, at=NOON)
    assert not doubted.not_found(ANNA, at=NOON + timedelta(seconds=5))
    assert doubted.not_found(ANNA, at=LATER)


def test_a_message_sent_in_between_resets_the_report():
    doubted = DoubtedChats()
    doubted.not_found(ANNA, at=NOON)
    doubted.sent(ANNA)

    assert not doubted.not_found(ANNA, at=LATER)


def test_reports_are_kept_per_chat():
    doubted = DoubtedChats()
    doubted.not_found(ANNA, at=NOON)

    assert not doubted.not_found(GROUP, at=LATER)


def test_the_number_of_kept_reports_is_bounded():
    doubted = DoubtedChats()
    for chat_id in range(1, 10_002):
        doubted.not_found(chat_id, at=NOON)

    assert not doubted.not_found(1, at=LATER)
    assert doubted.not_found(10_001, at=LATER)


async def test_the_record_of_a_chat_that_is_gone_names_the_chat(
    harness: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    await harness.finished(ANNA, ChatGone("blocked"))

    async with running_worker(harness):
        await harness.until_state(WatchState.SUSPENDED, ANNA)

    (fields,) = [vars(record) for record in caplog.records if "is gone" in record.message]
    assert (fields["event"], fields["chat_id"]) == ("chat_lost", ANNA)


async def test_one_chat_not_found_suspends_nothing_and_two_apart_do(harness: WorkerHarness):
    await harness.finished(ANNA, ChatGone("chat not found", is_certain=False))

    async with running_worker(harness):
        await harness.until_settled(2)
        assert await harness.state(ANNA) is WatchState.ACTIVE
        for attempts in (2, 3):  # the sent card had reset the first report
            harness.driver.advance(181)
            harness.steady.advance(181)
            harness.new_delivery.set()
            await harness.until_started(attempts)

        await harness.until_state(WatchState.SUSPENDED, ANNA)


async def test_a_card_that_needs_no_call_says_nothing_about_its_chat(harness: WorkerHarness):
    watched = await harness.driver.watch("t1", chat_id=ANNA)
    card = await harness.driver.claim_one(DeliveryKind.CARD)
    await harness.driver.settle(card, message_id=1, digest=NOT_EDITABLE)
    harness.store.settled = 0
    await harness.driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    harness.video_delivery.results[ANNA] = [ChatGone("chat not found", is_certain=False)]

    async with running_worker(harness):
        await harness.until_settled(2)
        harness.driver.advance(181)
        harness.steady.advance(181)
        harness.new_delivery.set()
        await harness.until_state(WatchState.SUSPENDED, ANNA)


async def test_a_full_disk_is_not_over_because_nothing_is_due(
    harness: WorkerHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", logger="bot.outbox")
    await harness.finished(ANNA, Sent(5))
    harness.video_delivery.gate.clear()

    async with running_worker(harness):
        await harness.until_started()
        harness.store.is_full = True
        harness.video_delivery.gate.set()
        await harness.until_settling_failed()
        for _ in range(3):
            harness.new_delivery.set()
            await harness.until_polled(harness.store.polls + 1)
        assert "delivery" in harness.telemetry.problems

    assert [each["event"] for each in json_lines(caplog.records)] == ["delivery_paused"]
