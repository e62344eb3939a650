"""Chats that forbid text messages."""

from bot.sandbox.faults import Fault
from storage.models import DeliveryState
from tests.flow.delivery_harness import GROUP, DeliveryHarness


async def test_a_chat_that_forbids_text_gets_the_video_as_a_new_message(harness: DeliveryHarness):
    await harness.watch_and_poll(harness.task(), GROUP)
    harness.telegram.forbid(GROUP, "text messages")
    await harness.idle()

    [video] = harness.telegram.videos(GROUP)
    assert video.reply_to
    assert len(harness.calls("sendVideo")) == 1
    assert (await harness.deliveries())[DeliveryState.SENT] == 1


async def test_a_video_without_announcement_is_not_repeated_after_a_lost_response(harness: DeliveryHarness):
    await harness.watch_and_poll(harness.task(), GROUP)
    harness.telegram.forbid(GROUP, "text messages")
    harness.telegram.fail("sendVideo", Fault(execute=True, status=504))
    await harness.idle()
    await harness.crash()
    await harness.advance(300)

    assert len(harness.telegram.videos(GROUP)) == 1
    assert len(harness.calls("sendVideo")) == 1


async def test_a_chat_that_forbids_everything_gets_the_video_once_allowed(harness: DeliveryHarness):
    await harness.watch_and_poll(harness.task(), GROUP)
    harness.telegram.forbid(GROUP, "text messages", "videos", "documents")
    await harness.idle()
    assert harness.telegram.videos(GROUP) == []

    harness.telegram.forbid(GROUP)
    await harness.advance(300)

    assert len(harness.telegram.videos(GROUP)) == 1
