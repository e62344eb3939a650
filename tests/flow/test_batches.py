"""Batches from the request to the summary: one card, the results one by one, and what it costs a group."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.telegram.chats import Message
from bot.watching import changes
from bot.watching.service import HOLD_CARD_S
from storage.chat_settings import ChatSettings
from storage.models import DeliveryState, EventKind, Snapshot, TaskEvent, TaskStatus
from tests.flow.delivery_harness import ANNA, BEN, CHANNEL, FORUM, GROUP, DeliveryHarness


def card(harness: DeliveryHarness, chat: int = ANNA) -> Message:
    """The only message that counts the tasks."""
    [found] = [message for message in harness.bot_messages(chat) if " done" in message.plain_text]
    return found


def results(harness: DeliveryHarness, chat: int = ANNA) -> list[Message]:
    return [message for message in harness.bot_messages(chat) if " done" not in message.plain_text]


async def poll(harness: DeliveryHarness, task: GatewayTask) -> None:
    """Poll one task to its end."""
    at = harness.clock()
    for each in await harness.store.claim_due({task.kind: 100}, at=at, lease_s=0):
        if each.ref.external_id == task.task_id:
            snapshot = await harness.providers[task.kind].fetch(task.task_id)
            change = changes.on_snapshot(each, snapshot, at=at)
            await harness.store.apply(replace(change.task, next_poll_at=None), change.events)
            return
    raise AssertionError(f"{task.task_id} is not due")


async def report_progress(harness: DeliveryHarness, percent: float, *, ended: set[str]) -> None:
    """Set the progress of all other tasks at the gateway."""
    at = harness.clock()
    for task in await harness.store.claim_due(dict.fromkeys(harness.providers, 100), at=at, lease_s=0):
        if task.ref.external_id not in ended:
            snapshot = Snapshot(status=TaskStatus.RUNNING, raw_status="RUNNING", progress=percent)
            change = changes.on_snapshot(task, snapshot, at=at)
            await harness.store.apply(replace(change.task, next_poll_at=at), change.events)


async def settled(harness: DeliveryHarness) -> bool:
    """Whether nothing is in progress and nothing can be claimed now."""
    due = await harness.store.next_delivery_at(harness.rate_limiter.throttled())
    is_waiting = due is not None and due <= harness.clock() and harness.rate_limiter.available() > 0
    return not is_waiting and (await harness.deliveries())[DeliveryState.SENDING] == 0


async def test_the_card_tells_of_an_outage_of_the_gateway_and_of_its_end(harness: DeliveryHarness):
    async def refresh() -> str:
        await harness.advance(60)
        now = harness.clock()
        assert await harness.store.refresh_cards_of(["alibailian"], sent_before=now, limit=1, at=now)
        await harness.idle()
        return card(harness).plain_text

    await harness.watch_batch([harness.task() for _ in range(4)])
    await harness.idle()
    harness.problems["alibailian"] = "away"
    assert (await refresh()).endswith("⚠️ The gateway isn't responding. I'll keep retrying.")
    harness.problems.clear()
    assert "⚠️" not in await refresh()


async def test_the_results_come_one_by_one_and_the_card_ends_as_the_summary(harness: DeliveryHarness):
    tasks = [harness.task(), harness.task("newapi"), harness.task(fails="nsfw"), harness.task("videos")]
    await harness.watch_batch(tasks)
    await harness.idle()
    assert card(harness).plain_text.startswith("0 of 4 done · Queued 4")

    for task in reversed(tasks):
        await poll(harness, task)
        await harness.advance(10)

    ids = [
        next(task.task_id for task in tasks if task.task_id in each.plain_text) for each in results(harness)
    ]
    assert ids == [task.task_id for task in reversed(tasks)]
    summary = card(harness)
    assert summary.plain_text.startswith("3 of 4 done · Failed 1 · took 30 s")
    assert tasks[2].task_id in summary.plain_text
    assert tasks[0].task_id not in summary.plain_text
    requests = {each.reply_to for each in harness.bot_messages()}
    assert len(requests) == 1
    assert requests != {None}


async def test_many_news_are_few_edits(harness: DeliveryHarness):
    tasks = [harness.task() for _ in range(6)]
    await harness.watch_batch(tasks)
    await harness.idle()
    for percent in range(1, 50):
        await report_progress(harness, percent, ended=set())
        await harness.advance(1)

    assert len(harness.calls("editMessageText")) <= 10
    assert "4" in card(harness).plain_text


async def test_a_batch_in_a_topic_stays_there(harness: DeliveryHarness):
    thread = harness.telegram.topic(FORUM, "Videos")
    tasks = [harness.task() for _ in range(4)]
    await harness.watch_batch(tasks, FORUM, thread=thread)
    await harness.idle()
    await harness.poll()
    await harness.idle()

    assert {each.thread_id for each in harness.bot_messages(FORUM)} == {thread}


async def test_the_same_ids_in_another_chat_are_a_batch_of_its_own(harness: DeliveryHarness):
    tasks = [harness.task() for _ in range(4)]
    for chat in (ANNA, BEN):
        await harness.watch_batch(tasks, chat)
    await harness.idle()
    await harness.poll()
    await harness.idle()

    for chat in (ANNA, BEN):
        assert card(harness, chat).plain_text.startswith("4 of 4 done")
        assert len([each for each in results(harness, chat) if each.video]) == 4


@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize("method", ["editMessageText", "editMessageMedia"])
async def test_a_crash_in_between_doubles_nothing(harness: DeliveryHarness, method: str, executed: bool):
    tasks = [harness.task() for _ in range(4)]
    await harness.watch_batch(tasks)
    await harness.idle()
    harness.telegram.fail(method, Fault(until=asyncio.Event(), execute=executed))
    await harness.poll()
    await harness.until(lambda: harness.calls(method))

    await harness.crash()
    for _ in range(3):
        await harness.advance(3600)

    assert card(harness).plain_text.startswith("4 of 4 done")
    assert len(harness.telegram.videos(ANNA)) == 4
    left = [each.plain_text for each in results(harness) if each.video is None]  # sent, and not stored yet
    assert all("on its way" in text for text in left)
    assert (await harness.deliveries())[DeliveryState.PENDING] == 0


async def test_tasks_that_were_not_found_can_be_taken_up_again_by_the_card(harness: DeliveryHarness):
    tasks = [harness.task() for _ in range(4)]
    await harness.watch_batch(tasks)
    await harness.idle()
    at = harness.clock()
    for task in await harness.store.claim_due({"alibailian": 9}, at=at, lease_s=0):
        ended = replace(task, status=TaskStatus.NOT_FOUND, last_poll_at=at, next_poll_at=None)
        event = TaskEvent(kind=EventKind.FINISHED, before=task.status, after=ended.status, at=at)
        await harness.store.apply(ended, [event])
    await harness.idle()
    assert [button["text"] for button in card(harness).buttons] == ["🔁 Send failed ones again"]

    assert await harness.store.send_batch_again(1, ANNA, at=harness.clock()) == 4
    await harness.poll()
    await harness.idle()

    assert card(harness).plain_text.startswith("4 of 4 done")
    assert len([each for each in results(harness) if each.video]) == 4


async def test_a_deleted_card_is_sent_again(harness: DeliveryHarness):
    tasks = [harness.task() for _ in range(4)]
    await harness.watch_batch(tasks)
    await harness.idle()
    harness.telegram.delete_message(ANNA, card(harness).message_id)
    await harness.poll()
    await harness.idle()

    assert card(harness).plain_text.startswith("4 of 4 done")


@pytest.mark.parametrize("pins", [False, True])
@pytest.mark.parametrize("chat", [ANNA, CHANNEL])
async def test_the_card_is_pinned_once_where_the_chat_wants_it(
    harness: DeliveryHarness, pins: bool, chat: int
):
    await harness.store.save_chat_settings(chat, ChatSettings(pins_batch_card=pins))
    await harness.watch_batch([harness.task() for _ in range(4)], chat)
    await harness.idle()
    await harness.poll()
    await harness.idle()

    assert harness.telegram.pinned(chat) == ([card(harness, chat).message_id] if pins else [])
    assert [call.params["disable_notification"] for call in harness.calls("pinChatMessage")] == [
        "true"
    ] * pins


async def test_a_card_that_may_not_be_pinned_is_shown_all_the_same(harness: DeliveryHarness):
    await harness.store.save_chat_settings(GROUP, ChatSettings(pins_batch_card=True))
    await harness.watch_batch([harness.task() for _ in range(4)], GROUP)
    await harness.idle()

    assert card(harness, GROUP).plain_text.startswith("0 of 4 done")
    assert harness.telegram.pinned(GROUP) == []


def one_by_one(second: int) -> bool:
    return second % 15 == 0


def all_at_once(second: int) -> bool:
    return second == 60


@pytest.mark.parametrize("ends", [one_by_one, all_at_once])
async def test_twenty_tasks_cost_a_group_at_most_65_calls(
    harness: DeliveryHarness, ends: Callable[[int], bool]
):
    """Measured: 53 calls if the tasks end every 15 s, 49 if all end at once."""
    harness.hold_card_s = HOLD_CARD_S
    tasks = [harness.task() for _ in range(20)]
    waiting = list(tasks)
    await harness.watch_batch(tasks, GROUP)
    before = len(harness.telegram.requests)
    calls: list[int] = []  # at which second each was made
    for second in range(1, 500):
        if ends(second):
            for _ in range(1 if ends is one_by_one else 20):
                await poll(harness, waiting.pop())
        elif waiting:
            ended = {task.task_id for task in tasks if task not in waiting}
            await report_progress(harness, min(99, second / 3), ended=ended)
        made = len(harness.telegram.requests)
        await harness.advance_a_second(settled)
        calls += [second] * (len(harness.telegram.requests) - made)
        if not waiting and not (await harness.deliveries())[DeliveryState.PENDING]:
            break

    assert card(harness, GROUP).plain_text.startswith("20 of 20 done")
    assert len([each for each in results(harness, GROUP) if each.video]) == 20
    assert max(sum(start <= at < start + 60 for at in calls) for start in calls) <= 20
    assert len(harness.telegram.requests) - before <= 65
