"""How results reach the chats when all goes well."""

import asyncio

import pytest

from bot.outbox.results import Sent
from bot.outbox.worker import LEASE_S
from bot.sandbox.faults import Fault
from bot.sandbox.gateway.tasks import KINDS
from bot.sandbox.sample_video import make_film
from bot.sandbox.telegram.api_errors import refusal
from tests.flow.delivery_harness import ANNA, BEN, CHANNEL, FORUM, GROUP, DeliveryHarness


@pytest.mark.parametrize("kind", KINDS)
async def test_the_announcement_is_edited_into_the_video(office: DeliveryHarness, kind: str):
    task = office.task(kind)

    await office.deliver(task)

    result = office.result()
    assert result.video
    assert result.video.file.content == task.served.content
    assert (result.video.width, result.video.height, result.video.duration_s) == (320, 180, 2)
    assert result.video.supports_streaming
    assert result.video.thumbnail
    [announcement] = result.history
    assert "on its way" in announcement.words
    assert result.reply_to == announcement.reply_to == office.telegram.messages(ANNA)[0].message_id
    assert len(office.calls("sendMessage")) == 2
    assert len(office.calls("editMessageMedia")) == 1
    assert office.calls("sendVideo") == []
    assert not list(office.downloads.iterdir())


async def test_the_card_shows_the_final_status(office: DeliveryHarness):
    await office.deliver(office.task())

    card, _ = office.heard()
    assert "Done" in card.words
    assert card.buttons == []


async def test_results_notify(office: DeliveryHarness):
    await office.deliver(office.task())

    assert not [request for request in office.telegram.requests if "disable_notification" in request.params]


async def test_a_failure_is_sent_as_a_message_of_its_own(office: DeliveryHarness):
    await office.deliver(office.task(fails="The <prompt> was refused by the filter"))

    result = office.result()
    assert "Failed" in result.words
    assert "The <prompt> was refused by the filter" in result.words
    assert office.telegram.videos(ANNA) == []


async def test_a_success_without_a_video_link_is_reported(office: DeliveryHarness):
    task = office.task("alibailian")
    output = {"task_id": task.task_id, "task_status": "SUCCEEDED"}
    body = {"request_id": "r", "output": output}
    path = f"/alibailian/api/v1/tasks/{task.task_id}"
    office.gateway.replay(path, http_status=200, headers={}, body=body)

    await office.deliver(task)
    [card] = office.heard()
    assert "hasn't given a video yet" in (card.text or "")
    await office.advance(60)
    await office.poll()
    await office.idle()

    assert "has no video for it" in (office.result().text or "")
    assert len(office.result().history) == 1


async def test_three_chats_get_one_upload(office: DeliveryHarness):
    task = office.task()
    for chat in (ANNA, GROUP, CHANNEL):
        await office.watch(task, chat)
    await office.idle()
    await office.poll()
    await office.idle()

    videos = [office.result(chat).video for chat in (ANNA, GROUP, CHANNEL)]
    assert {video.file.file_id for video in videos if video} == {videos[0].file.file_id if videos[0] else ""}
    assert all(videos)
    assert task.served.downloads == 1
    uploads = [request for request in office.telegram.requests if "thumbnail" in request.params]
    assert len(uploads) == 1


async def test_a_second_chat_reuses_an_upload_that_is_not_stored_yet(office: DeliveryHarness):
    task = office.task()
    for chat in (ANNA, BEN):
        await office.watch(task, chat)
    await office.idle()
    await office.wait_until_idle()
    await office.poll()

    for out in await office.store.claim_deliveries(9, at=office.clock(), lease_s=LEASE_S):
        announced = await office.video_delivery.announce(out)
        assert isinstance(announced, Sent)
        await office.video_delivery.deliver(out, announced.message_id)

    assert all(office.result(chat).video for chat in (ANNA, BEN))
    assert task.served.downloads == 1


async def test_a_later_watch_reuses_the_uploaded_file(office: DeliveryHarness):
    task = office.task()
    await office.deliver(task)

    await office.watch(task, BEN)
    await office.idle()

    assert len(office.telegram.videos(BEN)) == 1
    assert task.served.downloads == 1
    captions = [office.telegram.videos(chat)[0].caption for chat in (ANNA, BEN)]
    assert ["320×180 · 2 s · 6 kB" in (caption or "") for caption in captions] == [True, True]


async def test_a_later_watch_gets_the_reason_for_the_document_too(office: DeliveryHarness):
    task = office.task(film=make_film(codec="libx265"))
    await office.deliver(task)

    await office.watch(task, BEN)
    await office.idle()

    [document] = [message for message in office.heard(BEN) if message.document]
    assert "can't play hevc" in document.words
    assert task.served.downloads == 1


async def test_a_chat_gets_a_video_though_another_forbids_videos(office: DeliveryHarness):
    office.telegram.forbid(GROUP, "videos")
    task = office.task()
    await office.deliver(task, GROUP)
    assert office.result(GROUP).document

    await office.watch(task, BEN)
    await office.idle()

    assert len(office.telegram.videos(BEN)) == 1


async def test_an_unknown_file_id_causes_another_upload(office: DeliveryHarness):
    task = office.task()
    await office.deliver(task)
    gone = refusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
    office.telegram.fail("editMessageMedia", gone, when=lambda request: "thumbnail" not in request.params)

    await office.watch(task, BEN)
    await office.idle()

    assert len(office.telegram.videos(BEN)) == 1
    assert task.served.downloads == 2


async def test_a_topic_s_video_is_sent_to_the_topic(office: DeliveryHarness):
    topic = office.telegram.topic(FORUM, "Films")

    await office.deliver(office.task(), FORUM, thread=topic)

    assert [message.thread_id for message in office.heard(FORUM)] == [topic, topic]
    assert office.result(FORUM).video


async def test_the_result_of_a_closed_topic_is_sent_to_the_chat(office: DeliveryHarness):
    topic = office.telegram.topic(FORUM, "Films")
    task = office.task()
    await office.watch(task, FORUM, thread=topic)
    await office.idle()
    office.telegram.close_topic(FORUM, topic)
    await office.poll()
    await office.idle()

    assert office.result(FORUM).video
    assert office.result(FORUM).thread_id is None


async def test_a_slow_video_shows_a_chat_action(office: DeliveryHarness):
    gate = asyncio.Event()
    office.action_after_s = 0.01
    await office.crash()
    office.gateway.fail("files", Fault(until=gate))
    office.gateway.fail("files", Fault(until=gate))
    await office.watch(office.task(), GROUP)
    await office.watch(office.task())
    await office.idle()
    await office.poll()
    await office.until(lambda: bool(office.calls("sendChatAction")))
    gate.set()
    await office.idle()

    actions = [request.params for request in office.calls("sendChatAction")]
    assert actions == [{"chat_id": str(ANNA), "action": "upload_video"}]


async def test_a_fast_video_shows_no_chat_action(office: DeliveryHarness):
    await office.deliver(office.task())

    assert office.calls("sendChatAction") == []


async def test_deliveries_to_several_chats_are_concurrent(office: DeliveryHarness):
    gate = asyncio.Event()
    office.gateway.fail("files", Fault(until=gate))
    slow, quick = office.task(), office.task(fails="no")
    await office.ask(slow)
    await office.until(lambda: len(office.heard()) == 2)

    await office.watch(quick, BEN)
    await office.poll()
    await office.until(lambda: len(office.heard(BEN)) == 2)
    assert office.telegram.videos(ANNA) == []

    gate.set()
    await office.idle()
    assert office.result().video


async def hang(office: DeliveryHarness, *kinds: str) -> asyncio.Event:
    """Have more films on their way than there are places, from storage that gives no byte until then."""
    gate = asyncio.Event()
    office.gateway.fail("files", Fault(until=gate), times=None, when=lambda file: file.kind in kinds)
    for kind in kinds * 8:
        await office.watch(office.task(kind))
    await office.idle()
    await office.poll()
    await office.until(lambda: len(office.heard()) == 16 * len(kinds))
    return gate


async def test_hanging_storage_delays_no_other_provider(office: DeliveryHarness):
    gate = await hang(office, "jimeng")

    await office.watch(office.task("alibailian"), BEN)
    await office.poll()
    await office.until(lambda: office.telegram.videos(BEN))
    assert office.telegram.videos(ANNA) == []

    gate.set()
    await office.idle()
    assert len(office.telegram.videos(ANNA)) == 8


async def test_reusing_a_file_id_needs_no_transfer_slot(office: DeliveryHarness):
    known = office.task("videos")
    await office.deliver(known, GROUP)
    gate = await hang(office, "jimeng", "newapi")

    await office.watch(known, BEN)
    await office.until(lambda: office.telegram.videos(BEN))

    gate.set()
