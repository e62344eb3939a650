"""Fifteen tasks in a group with a limit of twenty calls a minute."""

from dataclasses import replace

from bot.sandbox.gateway.tasks import GatewayTask
from bot.watching import changes
from bot.watching.service import HOLD_CARD_S
from storage.models import DeliveryState, Snapshot, TaskStatus
from storage.watches import WatchState
from tests.flow.delivery_harness import GROUP, DeliveryHarness

TASKS = 15
ALL_FINAL_AFTER_S = 220
EDIT_EVERY_S = 10


async def settled(harness: DeliveryHarness) -> bool:
    """Whether nothing is in progress and nothing can be claimed now."""
    due = await harness.store.next_delivery_at(harness.rate_limiter.throttled())
    is_waiting = due is not None and due <= harness.clock() and harness.rate_limiter.available() > 0
    return not is_waiting and (await harness.deliveries())[DeliveryState.SENDING] == 0


async def report_progress(harness: DeliveryHarness, percent: float) -> None:
    """Set the progress of all tasks at the gateway."""
    at = harness.clock()
    for task in await harness.store.claim_due(dict.fromkeys(harness.providers, 100), at=at, lease_s=0):
        snapshot = Snapshot(status=TaskStatus.RUNNING, raw_status="RUNNING", progress=percent)
        change = changes.on_snapshot(task, snapshot, at=at)
        await harness.store.apply(replace(change.task, next_poll_at=at), change.events)


async def is_over(harness: DeliveryHarness, tasks: list[GatewayTask]) -> bool:
    """Whether every task has its result and a final card."""
    found = [each for task in tasks for each in await harness.store.watches_of(GROUP, task.task_id)]
    are_finished = all(each.watch.state is WatchState.FINISHED for each in found)
    return are_finished and not (await harness.deliveries())[DeliveryState.PENDING]


async def test_many_tasks_in_a_group_finish_in_time_within_the_limit(
    harness: DeliveryHarness,
):
    harness.hold_card_s = HOLD_CARD_S
    tasks = [harness.task() for _ in range(TASKS)]
    await harness.watch_together(tasks, GROUP)
    calls: list[int] = []  # at which second each was made
    over_at = None
    for second in range(ALL_FINAL_AFTER_S + 60):
        if second < 60 and second % EDIT_EVERY_S == 1:
            await report_progress(harness, second)
        elif second == 60:
            await harness.poll()
        before = len(harness.telegram.requests)
        await harness.advance_a_second(settled)
        calls += [second] * (len(harness.telegram.requests) - before)
        if await is_over(harness, tasks):
            over_at = second
            break

    assert over_at is not None
    assert over_at <= ALL_FINAL_AFTER_S
    assert max(sum(start <= at < start + 60 for at in calls) for start in calls) <= 20
    messages = harness.bot_messages(GROUP)
    assert len([message for message in messages if message.video]) == TASKS
    assert all(message.video or "Done" in message.plain_text for message in messages)
