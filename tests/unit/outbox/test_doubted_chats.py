"""A chat is gone only after two "chat not found" reports."""

from datetime import timedelta

from bot.outbox.doubted_chats import CONFIRM_AFTER, DoubtedChats
from bot.outbox.results import ChatGone
from bot.outbox.text_delivery import NOT_EDITABLE
from storage.models import DeliveryKind, TaskStatus, WatchState
from tests.fakes.clock import NOON
from tests.fakes.places import ANNA, GROUP
from tests.unit.outbox.worker_harness import WorkerHarness, running_worker

LATER = NOON + CONFIRM_AFTER


def test_a_chat_is_gone_after_two_reports_some_minutes_apart():
    doubted = DoubtedChats()

    assert not doubted.not_found(ANNA, at=NOON)
    assert not doubted.not_found(ANNA, at=NOON + timedelta(seconds=5))
    assert doubted.not_found(ANNA, at=LATER)


def test_a_message_sent_in_between_resets_the_report():
    doubted = DoubtedChats()
    doubted.not_found(ANNA, at=NOON)
    doubted.answered(ANNA)

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
