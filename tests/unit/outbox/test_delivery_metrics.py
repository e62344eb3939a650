"""How attempts to deliver are counted, and how the delay of videos is measured."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.metrics import Metrics
from bot.outbox.delivery_metrics import record
from bot.outbox.results import LinkOnly, Refusal, Refused, RetryAfter, SendResult, Sent, Transient, Unknown
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.outbox import Settlement, WatchDelivery
from storage.store import Store
from tests.contract.store.driver import NOON, Driver

SETTLED_AT = NOON + timedelta(seconds=60)
VIDEO_SENT = Sent(5)
SENT, DEAD, PENDING = DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.PENDING


@pytest.fixture
async def video(store: Store) -> WatchDelivery:
    """The result of a task that a poll at NOON found succeeded, watched 100 s before; claimed."""
    driver = Driver(store)
    driver.advance(-100)
    watched = await driver.watch()
    driver.advance(100)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    return await driver.claim_one(DeliveryKind.RESULT)


def recorded(out: WatchDelivery, result: SendResult, state: DeliveryState = SENT) -> Metrics:
    metrics = Metrics()
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
    assert measured in {None, 1}
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
