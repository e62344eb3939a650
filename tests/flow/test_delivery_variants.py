"""The fallbacks of video delivery: document, fetched by Telegram, link."""

import asyncio

import pytest

from bot.media.cache import UPLOAD_LIMIT
from bot.sandbox.faults import Fault, held, html_response, json_response
from bot.sandbox.gateway.formats import status_response
from bot.sandbox.sample_video import make_video, with_free_box
from bot.sandbox.telegram.api_errors import error_response
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, BEN, GROUP, DeliveryHarness

FOUR_MINUTES_S = 240.0


async def test_an_unplayable_video_is_a_document_with_the_reason(harness: DeliveryHarness):
    sample = make_video(codec="libx265")

    await harness.deliver(harness.task(video=sample))

    document = harness.result().document
    assert document
    assert document.file.content == sample
    assert document.file.name == "task_1.mp4"
    assert "hevc" in harness.result().plain_text


async def test_an_index_at_the_end_is_moved_to_the_start(harness: DeliveryHarness):
    await harness.deliver(harness.task(video=make_video(index_first=False)))

    video = harness.result().video
    assert video
    assert video.file.content.index(b"moov") < video.file.content.index(b"mdat")


async def test_a_refused_video_is_sent_as_a_document(harness: DeliveryHarness):
    bad = error_response(400, "Bad Request: VIDEO_FILE_INVALID")
    harness.telegram.fail("editMessageMedia", bad, times=2)  # with its thumbnail and without

    await harness.deliver(harness.task())

    assert harness.result().document
    edits = [r.params for r in harness.telegram.requests if r.method == "editMessageMedia"]
    assert (
        edits[-1]["media"]["disable_content_type_detection"] is True
    )  # else Telegram might make it a video again


@pytest.mark.parametrize("words", ["IMAGE_PROCESS_FAILED", "PHOTO_INVALID_DIMENSIONS"])
async def test_a_refused_thumbnail_is_omitted(harness: DeliveryHarness, words: str):
    bad = error_response(400, f"Bad Request: {words}")
    harness.telegram.fail("editMessageMedia", bad, when=lambda request: "thumbnail" in request.params)

    await harness.deliver(harness.task())

    shown = harness.result().video
    assert shown is not None
    assert shown.thumbnail is None


async def test_a_chat_that_forbids_videos_gets_a_document(harness: DeliveryHarness):
    harness.telegram.forbid(GROUP, "videos")

    await harness.deliver(harness.task(), GROUP)

    assert harness.result(GROUP).document


async def test_a_chat_that_forbids_documents_too_gets_the_link(harness: DeliveryHarness):
    harness.telegram.forbid(GROUP, "videos", "documents")
    task = harness.task()

    await harness.deliver(task, GROUP)

    assert harness.gateway.link(task) in harness.result(GROUP).plain_text
    assert "Telegram doesn't allow it in this chat" in harness.result(GROUP).plain_text
    assert "works until" in harness.result(GROUP).plain_text
    assert len(harness.result(GROUP).history) == 1


async def test_an_upload_refused_as_too_large_falls_back_to_the_link(harness: DeliveryHarness):
    harness.telegram.fail("editMessageMedia", error_response(413, "Request Entity Too Large"), times=None)
    task = harness.task()

    await harness.deliver(task)

    assert harness.gateway.link(task) in harness.result().plain_text


async def test_a_video_beyond_the_limit_is_not_downloaded_and_sent_as_a_link(harness: DeliveryHarness):
    task = harness.task(video=with_free_box(make_video(), bytes(UPLOAD_LIMIT)))

    await harness.deliver(task)

    assert "larger than bots may send on Telegram" in harness.result().plain_text
    assert harness.gateway.link(task) in harness.result().plain_text
    assert not list(harness.downloads.iterdir())


async def test_a_video_just_below_the_limit_is_sent_as_a_video(harness: DeliveryHarness):
    task = harness.task(video=with_free_box(make_video(), bytes(49_000_000)))

    await harness.deliver(task)

    video = harness.result().video
    assert video
    assert video.file.size == len(task.served.content)
    assert (video.width, video.height, video.duration_s) == (320, 180, 2)


async def test_an_html_page_is_sent_as_a_link(harness: DeliveryHarness):
    task = harness.task(video=b"<!DOCTYPE html><html><body>Sign in, please</body></html>")

    await harness.deliver(task)
    await harness.advance(FOUR_MINUTES_S)

    assert "doesn't lead to a video" in harness.result().plain_text
    assert harness.telegram.videos(ANNA) == []


async def test_telegram_fetches_a_link_that_the_bot_cannot_download(harness: DeliveryHarness):
    task = harness.task()
    harness.gateway.fail(
        "files",
        Fault(status=403),
        times=None,
        when=lambda request: request.headers.get("Accept-Encoding") == "identity",
    )

    await harness.deliver(task)
    await harness.advance(5)

    video = harness.result().video
    assert video
    assert video.file.by_url


@pytest.mark.parametrize(
    "fault",
    [
        error_response(400, "Bad Request: there is no media in the message to edit"),
        error_response(404, "Not Found"),
    ],
    ids=["text stays text", "no such call"],
)
async def test_without_support_for_edits_into_videos_a_new_message_is_sent(
    harness: DeliveryHarness, fault: Fault
):
    harness.telegram.fail("editMessageMedia", fault, times=None)

    await harness.deliver(harness.task())

    assert harness.result().video
    assert len(harness.calls("sendVideo")) == 1


async def test_a_storage_that_serves_only_telegram_costs_one_more_attempt(harness: DeliveryHarness):
    task = harness.task()
    harness.gateway.fail(
        "files",
        html_response(503),
        times=None,
        when=lambda request: request.headers.get("Accept-Encoding") == "identity",
    )
    await harness.deliver(task)
    assert "on its way" in harness.result().plain_text

    await harness.advance(5)

    video = harness.result().video
    assert video
    assert video.file.by_url


async def test_a_dead_link_is_replaced_by_a_fresh_one(harness: DeliveryHarness):
    task = harness.task()
    await harness.watch(task)
    await harness.idle()
    gate = asyncio.Event()
    harness.telegram.fail("sendMessage", held(gate))
    await harness.poll()
    task.added_at -= 60  # the gateway signs a new link, and the old signature is invalid
    gate.set()
    await harness.idle()

    assert harness.result().video
    assert harness.gateway.polls(task.task_id) == 2


async def test_of_two_links_the_fresh_one_is_sent(harness: DeliveryHarness):
    harness.telegram.forbid(GROUP, "videos", "documents")
    task = harness.task()
    await harness.watch(task, GROUP)
    await harness.idle()
    await harness.stop_worker()
    await harness.poll()
    expired = harness.gateway.link(task)
    task.added_at -= 60
    await harness.crash()
    await harness.idle()

    assert harness.gateway.link(task) in harness.result(GROUP).plain_text
    assert expired not in harness.result(GROUP).plain_text


async def test_a_link_dead_for_good_is_reported(harness: DeliveryHarness):
    task = harness.task()
    harness.gateway.fail("files", Fault(status=404), times=None)

    await harness.deliver(task)
    assert "on its way" in harness.result().plain_text
    await harness.advance(FOUR_MINUTES_S)

    assert "has expired or never worked" in harness.result().plain_text
    assert task.served.downloads == 0


async def test_an_expired_link_is_reported_at_once(harness: DeliveryHarness):
    task = harness.task()
    task.added_at -= 2 * 86_400.0
    harness.gateway.fail("files", Fault(status=403), times=None)

    await harness.deliver(task)

    assert "has expired or never worked" in harness.result().plain_text
    assert len(harness.bot_messages()[0].buttons) == 1


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(status=status) for status in (200, 202, 204, 403, 404, 409, 423)),
        json_response(200, {"status": "processing"}),
        html_response(200),
    ],
    ids=lambda fault: str(fault.status),
)
async def test_a_link_that_does_not_work_yet_is_retried(harness: DeliveryHarness, fault: Fault):
    task = harness.task()
    harness.gateway.fail("files", fault, times=None)
    await harness.deliver(task)
    await harness.advance(4)
    harness.gateway.clear_faults()

    await harness.advance(8)

    assert harness.result().video


async def test_a_link_message_always_has_a_retry_button(harness: DeliveryHarness):
    await harness.deliver(harness.task(video=with_free_box(make_video(), bytes(60_000_000))))

    assert "larger than bots may send" in harness.result().plain_text
    assert len(harness.bot_messages()[0].buttons) == 1


async def test_an_unreachable_storage_is_retried_for_minutes(harness: DeliveryHarness):
    task = harness.task()
    harness.gateway.fail("files", html_response(503), times=None)
    await harness.deliver(task)
    for _ in range(3):
        await harness.advance(60)
    assert "on its way" in harness.result().plain_text

    harness.gateway.clear_faults()
    await harness.advance(300)

    assert harness.result().video


async def test_a_storage_that_stays_unreachable_leaves_the_link(harness: DeliveryHarness):
    task = harness.task()
    harness.gateway.fail("files", html_response(503), times=None)
    await harness.deliver(task)
    for _ in range(8):
        await harness.advance(300)

    assert "couldn't be downloaded" in harness.result().plain_text
    assert harness.gateway.link(task) in harness.result().plain_text
    assert (await harness.deliveries())[DeliveryState.PENDING] == 0


async def test_a_file_that_requires_the_key_is_downloaded_with_it(harness: DeliveryHarness):
    task = harness.task("videos")
    task.has_link = False

    await harness.deliver(task)

    assert harness.result().video
    [content] = [request for request in harness.gateway.requests if request.route == "content"]
    assert content.headers["Authorization"] == f"Bearer {harness.gateway.key}"


async def test_a_gateway_without_the_file_yet_is_retried(harness: DeliveryHarness):
    task = harness.task("videos")
    task.has_link = False
    harness.gateway.fail("content", Fault(status=404))

    await harness.deliver(task)
    await harness.advance(2)

    assert harness.result().video


async def test_a_gateway_that_never_serves_the_file_is_reported(harness: DeliveryHarness):
    task = harness.task("videos")
    task.has_link = False
    harness.gateway.fail("content", Fault(status=404), times=None)

    await harness.deliver(task)
    for _ in range(8):
        await harness.advance(300)

    assert "has expired or never worked" in harness.result().plain_text
    assert f"{harness.gateway.url}/v1/videos/{task.task_id}/content" in harness.result().plain_text


async def test_without_documents_a_file_that_requires_the_key_is_a_curl_command(harness: DeliveryHarness):
    harness.telegram.forbid(GROUP, "videos", "documents")
    task = harness.task("videos")
    task.has_link = False

    await harness.deliver(task, GROUP)

    assert f"{harness.gateway.url}/v1/videos/{task.task_id}/content" in harness.result(GROUP).plain_text
    assert harness.gateway.key not in harness.result(GROUP).plain_text
    assert "works until" in harness.result(GROUP).plain_text


async def test_an_interrupted_download_is_resumed(harness: DeliveryHarness):
    task = harness.task()
    task.served.cut_after = len(task.served.content) // 2 + 1

    await harness.deliver(task)

    video = harness.result().video
    assert video
    assert video.file.content == task.served.content
    assert task.served.downloads == 2


async def test_hanging_hosts_of_one_provider_leave_slots_for_others(harness: DeliveryHarness):
    gate = asyncio.Event()
    harness.gateway.fail("files", held(gate), times=None, when=lambda request: request.kind == "alibailian")
    for number in range(10):
        task = harness.task("alibailian")
        if number % 2:  # another host name of the same machine
            link = harness.gateway.link(task).replace("127.0.0.1", "localhost")
            body = status_response(task, link, task.ends_at)
            path = f"/alibailian/api/v1/tasks/{task.task_id}"
            harness.gateway.replay(path, http_status=200, headers={}, body=body)
        await harness.watch(task, BEN)
    await harness.idle()
    await harness.poll()
    await harness.until(
        lambda: len([each for each in harness.gateway.requests if each.route == "files"]) >= 4
    )

    other = harness.task("jimeng")
    await harness.watch(other)
    await harness.poll()
    await harness.until(lambda: harness.telegram.videos(ANNA))

    hanging = [
        each for each in harness.gateway.requests if each.route == "files" and each.kind == "alibailian"
    ]
    assert len(hanging) == 4
    gate.set()
    await harness.idle()
