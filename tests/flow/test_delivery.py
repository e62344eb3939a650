"""How results reach the chats when all goes well, and by which rung of the ladder when it does not."""

import asyncio

import pytest

from bot.sandbox.faults import Fault, held, html_answer
from bot.sandbox.film import make_film, with_free_box
from bot.sandbox.gateway.tasks import KINDS
from bot.sandbox.telegram.refusals import refusal
from storage.models import DeliveryState
from tests.flow.post_office import ANNA, BEN, CHANNEL, FORUM, GROUP, PostOffice


@pytest.mark.parametrize("kind", KINDS)
async def test_the_video_takes_the_place_of_its_announcement(office: PostOffice, kind: str):
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
    assert office.asked() == ["sendMessage", "sendMessage", "editMessageMedia", "editMessageText"]
    assert not list(office.downloads.iterdir())


async def test_the_card_says_how_it_ended(office: PostOffice):
    await office.deliver(office.task())

    card, _ = office.heard()
    assert "Done" in card.words
    assert card.buttons == []


async def test_results_are_loud(office: PostOffice):
    await office.deliver(office.task())

    assert not [request for request in office.telegram.requests if "disable_notification" in request.params]


async def test_a_failure_is_told_in_a_message_of_its_own(office: PostOffice):
    await office.deliver(office.task(fails="The <prompt> was refused by the filter"))

    result = office.result()
    assert "Failed" in result.words
    assert "The <prompt> was refused by the filter" in result.words
    assert office.telegram.videos(ANNA) == []


async def test_a_video_that_nobody_can_name_a_place_for_is_told_as_such(office: PostOffice):
    task = office.task("alibailian")
    output = {"task_id": task.task_id, "task_status": "SUCCEEDED"}
    body = {"request_id": "r", "output": output}
    office.gateway.replay("alibailian", task.task_id, http_status=200, headers={}, body=body)

    await office.deliver(task)

    assert office.result().text
    assert len(office.result().history) == 1


async def test_three_chats_get_one_upload(office: PostOffice):
    task = office.task()
    for chat in (ANNA, GROUP, CHANNEL):
        await office.watch(task, chat)
    await office.idle()
    await office.look()
    await office.idle()

    videos = [office.result(chat).video for chat in (ANNA, GROUP, CHANNEL)]
    assert {video.file.file_id for video in videos if video} == {videos[0].file.file_id if videos[0] else ""}
    assert all(videos)
    assert task.served.downloads == 1
    uploads = [request for request in office.telegram.requests if "thumbnail" in request.params]
    assert len(uploads) == 1


async def test_a_chat_that_asks_later_gets_what_telegram_has(office: PostOffice):
    task = office.task()
    await office.deliver(task)

    await office.watch(task, BEN)
    await office.idle()

    assert office.result(BEN).video
    assert task.served.downloads == 1


async def test_a_file_that_telegram_does_not_know_any_more_is_uploaded_anew(office: PostOffice):
    task = office.task()
    await office.deliver(task)
    gone = refusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
    office.telegram.fail("editMessageMedia", gone, when=lambda request: "thumbnail" not in request.params)

    await office.watch(task, BEN)
    await office.idle()

    assert office.result(BEN).video
    assert task.served.downloads == 2


async def test_a_topic_s_video_goes_into_the_topic(office: PostOffice):
    topic = office.telegram.topic(FORUM, "Films")

    await office.deliver(office.task(), FORUM, thread=topic)

    assert [message.thread_id for message in office.heard(FORUM)] == [topic, topic]
    assert office.result(FORUM).video


async def test_what_ended_in_a_closed_topic_is_told_in_the_chat(office: PostOffice):
    topic = office.telegram.topic(FORUM, "Films")
    task = office.task()
    await office.watch(task, FORUM, thread=topic)
    await office.idle()
    office.telegram.close_topic(FORUM, topic)
    await office.look()
    await office.idle()

    assert office.result(FORUM).video
    assert office.result(FORUM).thread_id is None


async def test_a_chat_action_tells_people_that_a_video_is_coming(office: PostOffice):
    await office.deliver(office.task())
    await office.deliver(office.task(), GROUP)

    actions = [request.params for request in office.telegram.requests if request.method == "sendChatAction"]
    assert actions == [{"chat_id": str(ANNA), "action": "upload_video"}]


# the rungs


async def test_a_film_that_telegram_does_not_play_comes_as_a_file_with_a_word_why(office: PostOffice):
    film = make_film(codec="libx265", seconds=0.2)

    await office.deliver(office.task(film=film))

    document = office.result().document
    assert document
    assert document.file.content == film
    assert document.file.name == "task_1.mp4"
    assert "hevc" in office.result().words


async def test_an_index_at_the_end_is_moved_to_the_front(office: PostOffice):
    await office.deliver(office.task(film=make_film(index_first=False)))

    video = office.result().video
    assert video
    assert video.file.content.index(b"moov") < video.file.content.index(b"mdat")


async def test_what_telegram_refuses_as_a_video_comes_as_a_file(office: PostOffice):
    bad = refusal(400, "Bad Request: VIDEO_FILE_INVALID")
    office.telegram.fail("editMessageMedia", bad)

    await office.deliver(office.task())

    assert office.result().document


async def test_a_chat_that_forbids_videos_gets_a_file(office: PostOffice):
    office.telegram.forbid(GROUP, "videos")

    await office.deliver(office.task(), GROUP)

    assert office.result(GROUP).document


async def test_a_chat_that_forbids_files_too_gets_the_link(office: PostOffice):
    office.telegram.forbid(GROUP, "videos", "documents")
    task = office.task()

    await office.deliver(task, GROUP)

    assert office.gateway.link(task) in office.result(GROUP).words
    assert "Telegram does not take it here" in office.result(GROUP).words
    assert "works until" in office.result(GROUP).words
    assert len(office.result(GROUP).history) == 1


async def test_what_telegram_s_server_finds_too_large_comes_as_a_link(office: PostOffice):
    office.telegram.fail("editMessageMedia", refusal(413, "Request Entity Too Large"), times=None)
    task = office.task()

    await office.deliver(task)

    assert office.gateway.link(task) in office.result().words


async def test_a_film_beyond_the_limit_is_not_fetched_whole_and_comes_as_a_link(office: PostOffice):
    task = office.task(film=with_free_box(make_film(), bytes(50_000_000)))

    await office.deliver(task)

    assert "larger than Telegram lets a bot send" in office.result().words
    assert office.gateway.link(task) in office.result().words
    assert not list(office.downloads.iterdir())


async def test_a_film_just_below_the_limit_comes_as_a_video(office: PostOffice):
    task = office.task(film=with_free_box(make_film(), bytes(49_000_000)))

    await office.deliver(task)

    video = office.result().video
    assert video
    assert video.file.size == len(task.served.content)
    assert (video.width, video.height, video.duration_s) == (320, 180, 2)


async def test_a_page_named_like_a_video_is_passed_on_as_a_link(office: PostOffice):
    task = office.task(film=b"<!DOCTYPE html><html><body>Sign in, please</body></html>")

    await office.deliver(task)

    assert "not a video" in office.result().words
    assert task.served.downloads == 1


async def test_telegram_fetches_what_the_bot_cannot(office: PostOffice):
    task = office.task()
    office.gateway.fail(
        "files",
        Fault(status=403),
        times=None,
        when=lambda request: request.headers.get("Accept-Encoding") == "identity",
    )

    await office.deliver(task)

    video = office.result().video
    assert video
    assert video.file.by_url


async def test_a_dead_link_is_replaced_by_a_fresh_one(office: PostOffice):
    task = office.task()
    await office.watch(task)
    await office.idle()
    gate = asyncio.Event()
    office.telegram.fail("sendMessage", held(gate))
    await office.look()
    task.added_at += 60  # links are signed anew, and the old signature is worth nothing
    gate.set()
    await office.idle()

    assert office.result().video
    assert office.gateway.looks(task.task_id) == 2


async def test_a_link_that_died_for_good_is_told_without_the_link(office: PostOffice):
    task = office.task()
    office.gateway.fail("files", Fault(status=404), times=None)

    await office.deliver(task)

    assert "has died" in office.result().words
    assert office.gateway.link(task) not in office.result().words


async def test_a_storage_that_is_away_is_asked_for_minutes(office: PostOffice):
    task = office.task()
    office.gateway.fail("files", html_answer(503), times=None)
    await office.deliver(task)
    for _ in range(4):
        await office.move(60)
    assert "on its way" in office.result().words

    office.gateway.all_is_well()
    await office.move(300)

    assert office.result().video


async def test_a_storage_that_stays_away_leaves_the_link(office: PostOffice):
    task = office.task()
    office.gateway.fail("files", html_answer(503), times=None)
    await office.deliver(task)
    for _ in range(8):
        await office.move(300)

    assert "could not be downloaded" in office.result().words
    assert office.gateway.link(task) in office.result().words
    assert (await office.state_of_results()).get(DeliveryState.PENDING) is None


async def test_a_file_that_only_the_key_opens_comes_with_the_key_s_help(office: PostOffice):
    task = office.task("videos")
    task.has_link = False

    await office.deliver(task)

    assert office.result().video
    [content] = [request for request in office.gateway.requests if request.route == "content"]
    assert content.headers["Authorization"] == f"Bearer {office.gateway.key}"


async def test_a_download_cut_off_in_the_middle_costs_nothing(office: PostOffice):
    task = office.task()
    task.served.cut_after = len(task.served.content) // 2 + 1

    await office.deliver(task)

    video = office.result().video
    assert video
    assert video.file.content == task.served.content
    assert task.served.downloads == 2


async def test_deliveries_to_many_chats_go_side_by_side(office: PostOffice):
    gate = asyncio.Event()
    office.gateway.fail("files", Fault(until=gate))
    slow, quick = office.task(), office.task(fails="no")
    await office.ask(slow)
    await office.until(lambda: len(office.heard()) == 2)

    await office.ask(quick, BEN)
    await office.until(lambda: len(office.heard(BEN)) == 2)
    assert office.telegram.videos(ANNA) == []

    gate.set()
    await office.idle()
    assert office.result().video
