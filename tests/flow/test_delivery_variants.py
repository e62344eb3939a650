"""By which rung of the ladder a video comes when the first one breaks."""

import asyncio

import pytest

from bot.media.cache import UPLOAD_LIMIT
from bot.sandbox.faults import Fault, held, html_answer, json_answer
from bot.sandbox.gateway.formats import status_answer
from bot.sandbox.sample_video import make_film, with_free_box
from bot.sandbox.telegram.api_errors import refusal
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, BEN, GROUP, DeliveryHarness

FOUR_MINUTES_S = 240.0


async def test_an_unplayable_video_is_a_document_with_the_reason(office: DeliveryHarness):
    film = make_film(codec="libx265")

    await office.deliver(office.task(film=film))

    document = office.result().document
    assert document
    assert document.file.content == film
    assert document.file.name == "task_1.mp4"
    assert "hevc" in office.result().words


async def test_an_index_at_the_end_is_moved_to_the_start(office: DeliveryHarness):
    await office.deliver(office.task(film=make_film(index_first=False)))

    video = office.result().video
    assert video
    assert video.file.content.index(b"moov") < video.file.content.index(b"mdat")


async def test_a_refused_video_is_sent_as_a_document(office: DeliveryHarness):
    bad = refusal(400, "Bad Request: VIDEO_FILE_INVALID")
    office.telegram.fail("editMessageMedia", bad, times=2)  # with its preview and without

    await office.deliver(office.task())

    assert office.result().document
    edits = [r.params for r in office.telegram.requests if r.method == "editMessageMedia"]
    assert (
        edits[-1]["media"]["disable_content_type_detection"] is True
    )  # else Telegram might make it a video again


@pytest.mark.parametrize("words", ["IMAGE_PROCESS_FAILED", "PHOTO_INVALID_DIMENSIONS"])
async def test_a_refused_thumbnail_is_omitted(office: DeliveryHarness, words: str):
    bad = refusal(400, f"Bad Request: {words}")
    office.telegram.fail("editMessageMedia", bad, when=lambda request: "thumbnail" in request.params)

    await office.deliver(office.task())

    shown = office.result().video
    assert shown is not None
    assert shown.thumbnail is None


async def test_a_chat_that_forbids_videos_gets_a_document(office: DeliveryHarness):
    office.telegram.forbid(GROUP, "videos")

    await office.deliver(office.task(), GROUP)

    assert office.result(GROUP).document


async def test_a_chat_that_forbids_documents_too_gets_the_link(office: DeliveryHarness):
    office.telegram.forbid(GROUP, "videos", "documents")
    task = office.task()

    await office.deliver(task, GROUP)

    assert office.gateway.link(task) in office.result(GROUP).words
    assert "Telegram doesn't allow it in this chat" in office.result(GROUP).words
    assert "works until" in office.result(GROUP).words
    assert len(office.result(GROUP).history) == 1


async def test_an_upload_refused_as_too_large_falls_back_to_the_link(office: DeliveryHarness):
    office.telegram.fail("editMessageMedia", refusal(413, "Request Entity Too Large"), times=None)
    task = office.task()

    await office.deliver(task)

    assert office.gateway.link(task) in office.result().words


async def test_a_video_beyond_the_limit_is_not_downloaded_and_sent_as_a_link(office: DeliveryHarness):
    task = office.task(film=with_free_box(make_film(), bytes(UPLOAD_LIMIT)))

    await office.deliver(task)

    assert "larger than bots may send on Telegram" in office.result().words
    assert office.gateway.link(task) in office.result().words
    assert not list(office.downloads.iterdir())


async def test_a_video_just_below_the_limit_is_sent_as_a_video(office: DeliveryHarness):
    task = office.task(film=with_free_box(make_film(), bytes(49_000_000)))

    await office.deliver(task)

    video = office.result().video
    assert video
    assert video.file.size == len(task.served.content)
    assert (video.width, video.height, video.duration_s) == (320, 180, 2)


async def test_an_html_page_is_sent_as_a_link(office: DeliveryHarness):
    task = office.task(film=b"<!DOCTYPE html><html><body>Sign in, please</body></html>")

    await office.deliver(task)
    await office.advance(FOUR_MINUTES_S)

    assert "doesn't lead to a video" in office.result().words
    assert office.telegram.videos(ANNA) == []


async def test_telegram_fetches_a_link_that_the_bot_cannot_download(office: DeliveryHarness):
    task = office.task()
    office.gateway.fail(
        "files",
        Fault(status=403),
        times=None,
        when=lambda request: request.headers.get("Accept-Encoding") == "identity",
    )

    await office.deliver(task)
    await office.advance(5)

    video = office.result().video
    assert video
    assert video.file.by_url


@pytest.mark.parametrize(
    "fault",
    [refusal(400, "Bad Request: there is no media in the message to edit"), refusal(404, "Not Found")],
    ids=["text stays text", "no such call"],
)
async def test_without_support_for_edits_into_videos_a_new_message_is_sent(
    office: DeliveryHarness, fault: Fault
):
    office.telegram.fail("editMessageMedia", fault, times=None)

    await office.deliver(office.task())

    assert office.result().video
    assert len(office.calls("sendVideo")) == 1


async def test_a_storage_that_serves_only_telegram_costs_one_more_attempt(office: DeliveryHarness):
    task = office.task()
    office.gateway.fail(
        "files",
        html_answer(503),
        times=None,
        when=lambda request: request.headers.get("Accept-Encoding") == "identity",
    )
    await office.deliver(task)
    assert "on its way" in office.result().words

    await office.advance(5)

    video = office.result().video
    assert video
    assert video.file.by_url


async def test_a_dead_link_is_replaced_by_a_fresh_one(office: DeliveryHarness):
    task = office.task()
    await office.watch(task)
    await office.idle()
    gate = asyncio.Event()
    office.telegram.fail("sendMessage", held(gate))
    await office.poll()
    task.added_at -= 60  # links are signed anew, and the old signature is worth nothing
    gate.set()
    await office.idle()

    assert office.result().video
    assert office.gateway.polls(task.task_id) == 2


async def test_of_two_links_the_fresh_one_is_sent(office: DeliveryHarness):
    office.telegram.forbid(GROUP, "videos", "documents")
    task = office.task()
    await office.watch(task, GROUP)
    await office.idle()
    await office.wait_until_idle()
    await office.poll()
    expired = office.gateway.link(task)
    task.added_at -= 60
    await office.crash()
    await office.idle()

    assert office.gateway.link(task) in office.result(GROUP).words
    assert expired not in office.result(GROUP).words


async def test_a_link_dead_for_good_is_reported(office: DeliveryHarness):
    task = office.task()
    office.gateway.fail("files", Fault(status=404), times=None)

    await office.deliver(task)
    assert "on its way" in office.result().words
    await office.advance(FOUR_MINUTES_S)

    assert "has expired or never worked" in office.result().words
    assert task.served.downloads == 0


async def test_an_expired_link_is_reported_at_once(office: DeliveryHarness):
    task = office.task()
    task.added_at -= 2 * 86_400.0
    office.gateway.fail("files", Fault(status=403), times=None)

    await office.deliver(task)

    assert "has expired or never worked" in office.result().words
    assert len(office.heard()[0].buttons) == 1


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(status=status) for status in (200, 202, 204, 403, 404, 409, 423)),
        json_answer(200, {"status": "processing"}),
        html_answer(200),
    ],
    ids=lambda fault: str(fault.status),
)
async def test_a_link_that_does_not_work_yet_is_retried(office: DeliveryHarness, fault: Fault):
    task = office.task()
    office.gateway.fail("files", fault, times=None)
    await office.deliver(task)
    await office.advance(4)
    office.gateway.all_is_well()

    await office.advance(8)

    assert office.result().video


async def test_a_link_message_always_has_a_retry_button(office: DeliveryHarness):
    await office.deliver(office.task(film=with_free_box(make_film(), bytes(60_000_000))))

    assert "larger than bots may send" in office.result().words
    assert len(office.heard()[0].buttons) == 1


async def test_an_unreachable_storage_is_retried_for_minutes(office: DeliveryHarness):
    task = office.task()
    office.gateway.fail("files", html_answer(503), times=None)
    await office.deliver(task)
    for _ in range(3):
        await office.advance(60)
    assert "on its way" in office.result().words

    office.gateway.all_is_well()
    await office.advance(300)

    assert office.result().video


async def test_a_storage_that_stays_unreachable_leaves_the_link(office: DeliveryHarness):
    task = office.task()
    office.gateway.fail("files", html_answer(503), times=None)
    await office.deliver(task)
    for _ in range(8):
        await office.advance(300)

    assert "couldn't be downloaded" in office.result().words
    assert office.gateway.link(task) in office.result().words
    assert (await office.deliveries())[DeliveryState.PENDING] == 0


async def test_a_file_that_requires_the_key_is_downloaded_with_it(office: DeliveryHarness):
    task = office.task("videos")
    task.has_link = False

    await office.deliver(task)

    assert office.result().video
    [content] = [request for request in office.gateway.requests if request.route == "content"]
    assert content.headers["Authorization"] == f"Bearer {office.gateway.key}"


async def test_a_gateway_without_the_file_yet_is_retried(office: DeliveryHarness):
    task = office.task("videos")
    task.has_link = False
    office.gateway.fail("content", Fault(status=404))

    await office.deliver(task)
    await office.advance(2)

    assert office.result().video


async def test_a_gateway_that_never_serves_the_file_is_reported(office: DeliveryHarness):
    task = office.task("videos")
    task.has_link = False
    office.gateway.fail("content", Fault(status=404), times=None)

    await office.deliver(task)
    for _ in range(8):
        await office.advance(300)

    assert "has expired or never worked" in office.result().words
    assert f"{office.gateway.url}/v1/videos/{task.task_id}/content" in office.result().words


async def test_without_documents_a_file_that_requires_the_key_is_a_curl_command(office: DeliveryHarness):
    office.telegram.forbid(GROUP, "videos", "documents")
    task = office.task("videos")
    task.has_link = False

    await office.deliver(task, GROUP)

    assert f"{office.gateway.url}/v1/videos/{task.task_id}/content" in office.result(GROUP).words
    assert office.gateway.key not in office.result(GROUP).words
    assert "works until" in office.result(GROUP).words


async def test_an_interrupted_download_is_resumed(office: DeliveryHarness):
    task = office.task()
    task.served.cut_after = len(task.served.content) // 2 + 1

    await office.deliver(task)

    video = office.result().video
    assert video
    assert video.file.content == task.served.content
    assert task.served.downloads == 2


async def test_hanging_hosts_of_one_provider_leave_slots_for_others(office: DeliveryHarness):
    gate = asyncio.Event()
    office.gateway.fail("files", held(gate), times=None, when=lambda request: request.kind == "alibailian")
    for number in range(10):
        task = office.task("alibailian")
        if number % 2:  # by another name of the same machine, which is another host for all that is known
            link = office.gateway.link(task).replace("127.0.0.1", "localhost")
            body = status_answer(task, link, task.ends_at)
            path = f"/alibailian/api/v1/tasks/{task.task_id}"
            office.gateway.replay(path, http_status=200, headers={}, body=body)
        await office.watch(task, BEN)
    await office.idle()
    await office.poll()
    await office.until(lambda: len([each for each in office.gateway.requests if each.route == "files"]) >= 4)

    other = office.task("jimeng")
    await office.watch(other)
    await office.poll()
    await office.until(lambda: office.telegram.videos(ANNA))

    hanging = [
        each for each in office.gateway.requests if each.route == "files" and each.kind == "alibailian"
    ]
    assert len(hanging) == 4
    gate.set()
    await office.idle()
