"""Chats that take videos and no text."""

from bot.sandbox.faults import Fault
from storage.models import DeliveryState
from tests.flow.delivery_harness import GROUP, DeliveryHarness


async def test_a_chat_that_forbids_text_gets_the_video_as_a_new_message(office: DeliveryHarness):
    await office.ask(office.task(), GROUP)
    office.telegram.forbid(GROUP, "text messages")
    await office.idle()

    [video] = office.telegram.videos(GROUP)
    assert video.reply_to
    assert len(office.calls("sendVideo")) == 1
    assert (await office.deliveries())[DeliveryState.SENT] == 1


async def test_a_video_without_announcement_is_not_repeated_after_a_lost_response(office: DeliveryHarness):
    await office.ask(office.task(), GROUP)
    office.telegram.forbid(GROUP, "text messages")
    office.telegram.fail("sendVideo", Fault(execute=True, status=504))
    await office.idle()
    await office.crash()
    await office.advance(300)

    assert len(office.telegram.videos(GROUP)) == 1
    assert len(office.calls("sendVideo")) == 1


async def test_a_chat_that_forbids_everything_gets_the_video_once_allowed(office: DeliveryHarness):
    await office.ask(office.task(), GROUP)
    office.telegram.forbid(GROUP, "text messages", "videos", "documents")
    await office.idle()
    assert office.telegram.videos(GROUP) == []

    office.telegram.forbid(GROUP)
    await office.advance(300)

    assert len(office.telegram.videos(GROUP)) == 1
