"""Order of deliveries, and failures that share a message."""

import pytest

from bot.sandbox.faults import html_response
from bot.watching.service import HOLD_CARD_S
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, GROUP, DeliveryHarness


@pytest.fixture
async def harness(harness: DeliveryHarness) -> DeliveryHarness:
    harness.hold_card_s = HOLD_CARD_S
    return harness


async def test_a_task_finished_at_its_first_poll_gets_the_video_and_no_card(harness: DeliveryHarness):
    await harness.watch(harness.task())
    await harness.poll()
    await harness.idle()

    [result] = harness.bot_messages()
    assert result.video
    assert result.reply_to


async def test_failures_of_one_request_share_a_message_after_the_video(harness: DeliveryHarness):
    bad = [harness.task(fails="The prompt was refused") for _ in range(3)]
    await harness.watch_together([*bad, harness.task()], GROUP)
    await harness.poll()
    await harness.idle()

    video, failure = harness.bot_messages(GROUP)
    assert video.video
    assert all(task.task_id in failure.plain_text for task in bad)
    deliveries = await harness.deliveries()
    assert (deliveries[DeliveryState.SENT], deliveries[DeliveryState.PENDING]) == (4, 0)


async def test_failures_that_do_not_fit_go_into_the_next_message(harness: DeliveryHarness):
    bad = [harness.long_task(fails="The prompt was refused") for _ in range(20)]
    await harness.watch_together(bad, ANNA)
    await harness.poll()
    for _ in range(5):
        await harness.advance(1)

    said = [message.plain_text for message in harness.bot_messages()]
    assert 1 < len(said) < 5
    assert all(sum(task.task_id in words for words in said) == 1 for task in bad)


async def test_failures_whose_message_was_not_sent_are_all_retried(harness: DeliveryHarness):
    bad = [harness.task(fails="The prompt was refused") for _ in range(3)]
    await harness.watch_together(bad, ANNA)
    harness.telegram.fail("sendMessage", html_response(502))
    await harness.poll()
    await harness.idle()
    assert harness.bot_messages() == []

    await harness.advance(10)

    [failure] = harness.bot_messages()
    assert all(task.task_id in failure.plain_text for task in bad)


async def test_failures_in_progress_at_a_crash_are_repeated_at_most_once(harness: DeliveryHarness):
    bad = [harness.task(fails="The prompt was refused") for _ in range(3)]
    await harness.watch_together(bad, ANNA)
    await harness.poll()
    await harness.crash()
    await harness.idle()

    assert 1 <= len(harness.bot_messages()) <= 2
    assert all(task.task_id in harness.bot_messages()[-1].plain_text for task in bad)
