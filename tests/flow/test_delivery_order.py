"""What is sent first, what is told together, and what needs no message at all."""

import pytest

from bot.sandbox.faults import html_answer
from bot.watching.service import HOLD_CARD_S
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, GROUP, DeliveryHarness


@pytest.fixture
async def office(office: DeliveryHarness) -> DeliveryHarness:
    office.hold_card_s = HOLD_CARD_S
    return office


async def test_a_task_finished_at_its_first_poll_gets_the_video_and_no_card(office: DeliveryHarness):
    await office.watch(office.task())
    await office.poll()
    await office.idle()

    [result] = office.heard()
    assert result.video
    assert result.reply_to


async def test_failures_of_one_request_share_a_message_after_the_video(office: DeliveryHarness):
    bad = [office.task(fails="The prompt was refused") for _ in range(3)]
    await office.watch_together([*bad, office.task()], GROUP)
    await office.poll()
    await office.idle()

    video, failure = office.heard(GROUP)
    assert video.video
    assert all(task.task_id in failure.words for task in bad)
    deliveries = await office.deliveries()
    assert (deliveries[DeliveryState.SENT], deliveries[DeliveryState.PENDING]) == (4, 0)


async def test_failures_that_do_not_fit_go_into_the_next_message(office: DeliveryHarness):
    bad = [office.long_task(fails="The prompt was refused") for _ in range(20)]
    await office.watch_together(bad, ANNA)
    await office.poll()
    for _ in range(5):
        await office.advance(1)

    said = [message.words for message in office.heard()]
    assert 1 < len(said) < 5
    assert all(sum(task.task_id in words for words in said) == 1 for task in bad)


async def test_failures_whose_message_was_not_sent_are_all_retried(office: DeliveryHarness):
    bad = [office.task(fails="The prompt was refused") for _ in range(3)]
    await office.watch_together(bad, ANNA)
    office.telegram.fail("sendMessage", html_answer(502))
    await office.poll()
    await office.idle()
    assert office.heard() == []

    await office.advance(10)

    [failure] = office.heard()
    assert all(task.task_id in failure.words for task in bad)


async def test_failures_in_progress_at_a_crash_are_repeated_at_most_once(office: DeliveryHarness):
    bad = [office.task(fails="The prompt was refused") for _ in range(3)]
    await office.watch_together(bad, ANNA)
    await office.poll()
    await office.crash()
    await office.idle()

    assert 1 <= len(office.heard()) <= 2
    assert all(task.task_id in office.heard()[-1].words for task in bad)
