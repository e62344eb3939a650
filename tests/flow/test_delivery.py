"""Delivery of results without errors."""

import asyncio

import pytest

from bot.outbox.results import Sent
from bot.outbox.worker import LEASE_S
from bot.sandbox.faults import Fault
from bot.sandbox.gateway.tasks import KINDS
from bot.sandbox.sample_video import make_video
from bot.sandbox.telegram.api_errors import error_response
from tests.contract.store.driver import of_watches
from tests.flow.delivery_harness import ANNA, BEN, CHANNEL, FORUM, GROUP, DeliveryHarness


@pytest.mark.parametrize("kind", KINDS)
async def test_the_announcement_is_edited_into_the_video(harness: DeliveryHarness, kind: str):
    task = harness.task(kind)

    await harness.deliver(task)

    result = harness.result()
    assert result.video
    assert result.video.file.content == task.served.content
    assert (result.video.width, result.video.height, result.video.duration_s) == (320, 180, 2)
    assert result.video.supports_streaming
    assert result.video.thumbnail
    [announcement] = result.history
    assert "on its way" in announcement.plain_text
    assert result.reply_to == announcement.reply_to == harness.telegram.messages(ANNA)[0].message_id
    assert len(harness.calls("sendMessage")) == 2
    assert len(harness.calls("editMessageMedia")) == 1
    assert harness.calls("sendVideo") == []
    assert not list(harness.downloads.iterdir())


async def test_the_card_shows_the_final_status(harness: DeliveryHarness):
    await harness.deliver(harness.task())

    card, _ = harness.bot_messages()
    assert "Done" in card.plain_text
    assert card.buttons == []


async def test_the_result_notifies_and_the_card_before_it_does_not(harness: DeliveryHarness):
    await harness.deliver(harness.task())

    card, announcement = harness.calls("sendMessage")
    assert "disable_notification" in card.params
    assert "disable_notification" not in announcement.params


async def test_a_failure_is_sent_as_a_message_of_its_own(harness: DeliveryHarness):
    await harness.deliver(harness.task(fails="The <prompt> was refused by the filter"))

    result = harness.result()
    assert "Failed" in result.plain_text
    assert "The <prompt> was refused by the filter" in result.plain_text
    assert harness.telegram.videos(ANNA) == []


async def test_a_success_without_a_video_link_is_reported(harness: DeliveryHarness):
    task = harness.task("alibailian")
    output = {"task_id": task.task_id, "task_status": "SUCCEEDED"}
    body = {"request_id": "r", "output": output}
    path = f"/alibailian/api/v1/tasks/{task.task_id}"
    harness.gateway.replay(path, http_status=200, headers={}, body=body)

    await harness.deliver(task)
    [card] = harness.bot_messages()
    assert "hasn't given a video yet" in (card.text or "")
    await harness.advance(60)
    await harness.poll()
    await harness.idle()

    assert "has no video for it" in (harness.result().text or "")
    assert len(harness.result().history) == 1


async def test_three_chats_get_one_upload(harness: DeliveryHarness):
    task = harness.task()
    for chat in (ANNA, GROUP, CHANNEL):
        await harness.watch(task, chat)
    await harness.idle()
    await harness.poll()
    await harness.idle()

    videos = [harness.result(chat).video for chat in (ANNA, GROUP, CHANNEL)]
    assert {video.file.file_id for video in videos if video} == {videos[0].file.file_id if videos[0] else ""}
    assert all(videos)
    assert task.served.downloads == 1
    uploads = [request for request in harness.telegram.requests if "thumbnail" in request.params]
    assert len(uploads) == 1


async def test_a_second_chat_reuses_an_upload_that_is_not_stored_yet(harness: DeliveryHarness):
    task = harness.task()
    for chat in (ANNA, BEN):
        await harness.watch(task, chat)
    await harness.idle()
    await harness.stop_worker()
    await harness.poll()

    for out in of_watches(await harness.store.claim_deliveries(9, at=harness.clock(), lease_s=LEASE_S)):
        announced = await harness.video_delivery.announce(out)
        assert isinstance(announced, Sent)
        await harness.video_delivery.deliver(out, announced.message_id)

    assert all(harness.result(chat).video for chat in (ANNA, BEN))
    assert task.served.downloads == 1


async def test_a_later_watch_reuses_the_uploaded_file(harness: DeliveryHarness):
    task = harness.task()
    await harness.deliver(task)

    await harness.watch(task, BEN)
    await harness.idle()

    assert len(harness.telegram.videos(BEN)) == 1
    assert task.served.downloads == 1
    captions = [harness.telegram.videos(chat)[0].caption for chat in (ANNA, BEN)]
    assert ["320×180 · 2 s · 6 kB" in (caption or "") for caption in captions] == [True, True]


async def test_a_later_watch_gets_the_reason_for_the_document_too(harness: DeliveryHarness):
    task = harness.task(video=make_video(codec="libx265"))
    await harness.deliver(task)

    await harness.watch(task, BEN)
    await harness.idle()

    [document] = [message for message in harness.bot_messages(BEN) if message.document]
    assert "can't play hevc" in document.plain_text
    assert task.served.downloads == 1


async def test_a_chat_gets_a_video_though_another_forbids_videos(harness: DeliveryHarness):
    harness.telegram.forbid(GROUP, "videos")
    task = harness.task()
    await harness.deliver(task, GROUP)
    assert harness.result(GROUP).document

    await harness.watch(task, BEN)
    await harness.idle()

    assert len(harness.telegram.videos(BEN)) == 1


async def test_an_unknown_file_id_causes_another_upload(harness: DeliveryHarness):
    task = harness.task()
    await harness.deliver(task)
    gone = error_response(400, "Bad Request: wrong file identifier/HTTP URL specified")
    harness.telegram.fail("editMessageMedia", gone, when=lambda request: "thumbnail" not in request.params)

    await harness.watch(task, BEN)
    await harness.idle()

    assert len(harness.telegram.videos(BEN)) == 1
    assert task.served.downloads == 2


async def test_a_topics_video_is_sent_to_the_topic(harness: DeliveryHarness):
    topic = harness.telegram.topic(FORUM, "Films")

    await harness.deliver(harness.task(), FORUM, thread=topic)

    assert [message.thread_id for message in harness.bot_messages(FORUM)] == [topic, topic]
    assert harness.result(FORUM).video


async def test_the_result_of_a_closed_topic_is_sent_to_the_chat(harness: DeliveryHarness):
    topic = harness.telegram.topic(FORUM, "Films")
    task = harness.task()
    await harness.watch(task, FORUM, thread=topic)
    await harness.idle()
    harness.telegram.close_topic(FORUM, topic)
    await harness.poll()
    await harness.idle()

    assert harness.result(FORUM).video
    assert harness.result(FORUM).thread_id is None


async def test_a_slow_video_shows_a_chat_action(harness: DeliveryHarness):
    gate = asyncio.Event()
    harness.action_after_s = 0.01
    await harness.crash()
    harness.gateway.fail("files", Fault(until=gate))
    harness.gateway.fail("files", Fault(until=gate))
    await harness.watch(harness.task(), GROUP)
    await harness.watch(harness.task())
    await harness.idle()
    await harness.poll()
    await harness.until(lambda: bool(harness.calls("sendChatAction")))
    gate.set()
    await harness.idle()

    actions = [request.params for request in harness.calls("sendChatAction")]
    assert actions == [{"chat_id": str(ANNA), "action": "upload_video"}]


async def test_a_fast_video_shows_no_chat_action(harness: DeliveryHarness):
    await harness.deliver(harness.task())

    assert harness.calls("sendChatAction") == []


async def test_deliveries_to_several_chats_are_concurrent(harness: DeliveryHarness):
    gate = asyncio.Event()
    harness.gateway.fail("files", Fault(until=gate))
    slow, quick = harness.task(), harness.task(fails="no")
    await harness.watch_and_poll(slow)
    await harness.until(lambda: len(harness.bot_messages()) == 2)

    await harness.watch(quick, BEN)
    await harness.until(lambda: harness.bot_messages(BEN))
    await harness.poll()
    await harness.until(lambda: len(harness.bot_messages(BEN)) == 2)
    assert harness.telegram.videos(ANNA) == []

    gate.set()
    await harness.idle()
    assert harness.result().video


async def hang(harness: DeliveryHarness, *kinds: str) -> asyncio.Event:
    """Start more transfers than there are slots, from storage that hangs until the event is set."""
    gate = asyncio.Event()
    harness.gateway.fail("files", Fault(until=gate), times=None, when=lambda file: file.kind in kinds)
    for kind in kinds * 8:
        await harness.watch(harness.task(kind))
    await harness.idle()
    await harness.poll()
    await harness.until(lambda: len(harness.bot_messages()) == 16 * len(kinds))
    return gate


async def test_hanging_storage_delays_no_other_provider(harness: DeliveryHarness):
    gate = await hang(harness, "jimeng")

    await harness.watch(harness.task("alibailian"), BEN)
    await harness.poll()
    await harness.until(lambda: harness.telegram.videos(BEN))
    assert harness.telegram.videos(ANNA) == []

    gate.set()
    await harness.idle()
    assert len(harness.telegram.videos(ANNA)) == 8


async def test_reusing_a_file_id_needs_no_transfer_slot(harness: DeliveryHarness):
    known = harness.task("videos")
    await harness.deliver(known, GROUP)
    gate = await hang(harness, "jimeng", "newapi")

    await harness.watch(known, BEN)
    await harness.until(lambda: harness.telegram.videos(BEN))

    gate.set()
