"""The sender: its requests as the Telegram server receives them, and its results."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from telegram.ext import ExtBot
from telegram.request import HTTPXRequest, RequestData

from bot.media.video import VideoFile
from bot.messages.view import Button, View
from bot.outbox.results import ChatGone, Migrated, Refusal, Refused, RetryAfter, Sent, Unknown
from bot.outbox.sender import Sender
from bot.sandbox.faults import LOST_RESPONSE, Fault
from bot.sandbox.gateway import FakeGateway
from bot.sandbox.sample_video import make_video, with_free_box
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.api_errors import error_response, flood
from bot.sandbox.telegram.chats import Attachment, Message
from storage.models import StoredFile
from storage.outbox import ChatAddress
from tests.fakes.places import ANNA, CHANNEL, FORUM, GROUP

BUTTON = Button(label="Again", action="again:1")
AT_ANNA = ChatAddress(chat_id=ANNA)
VIEW = View(text="<b>Done</b> &lt;3", buttons=((BUTTON,),))
CAPTION = View(text="<b>A video</b>")


def asked(telegram: FakeTelegram) -> dict[str, Any]:
    """The parameters of the last request."""
    return telegram.requests[-1].params


def last(telegram: FakeTelegram, chat_id: int = ANNA) -> Message:
    return telegram.messages(chat_id)[-1]


async def text_in(telegram: FakeTelegram, sender: Sender, chat_id: int = ANNA) -> int:
    """Send a text; returns the message id."""
    result = await sender.send(ChatAddress(chat_id=chat_id), View(text="Coming"))
    assert isinstance(result, Sent)
    return result.message_id


def stored(video: Attachment) -> StoredFile:
    """The stored file that corresponds to an attachment."""
    return StoredFile(
        file_id=video.file.file_id,
        is_video=True,
        size=len(make_video()),
        width=320,
        height=180,
        duration_s=2.0,
    )


async def test_a_text_replies_to_the_request_without_insisting(telegram: FakeTelegram, sender: Sender):
    request = telegram.send(ANNA, "/watch wan 1")

    result = await sender.send(AT_ANNA, VIEW, reply_to=request)

    assert result == Sent(last(telegram).message_id)
    assert (last(telegram).text, last(telegram).reply_to) == ("Done <3", request)
    assert last(telegram).buttons == [{"text": "Again", "callback_data": "again:1"}]
    assert asked(telegram)["reply_parameters"] == {
        "message_id": request,
        "allow_sending_without_reply": True,
    }
    assert asked(telegram)["link_preview_options"] == {"is_disabled": True}
    assert "disable_notification" not in asked(telegram)


async def test_a_text_arrives_though_the_request_is_gone(telegram: FakeTelegram, sender: Sender):
    request = telegram.send(ANNA, "/watch wan 1")
    telegram.delete_message(ANNA, request)

    assert isinstance(await sender.send(AT_ANNA, VIEW, reply_to=request), Sent)
    assert last(telegram).reply_to is None


@pytest.mark.parametrize("end", [FakeTelegram.close_topic, FakeTelegram.delete_topic])
async def test_without_its_topic_a_message_is_sent_to_the_chat_once_and_without_a_reply(
    telegram: FakeTelegram, sender: Sender, video: VideoFile, end: Callable[[FakeTelegram, int, int], None]
):
    topic = telegram.topic(FORUM, "Films")
    request = telegram.send(FORUM, "/watch", user=telegram.add_user(7, first_name="Ben"), thread=topic)
    end(telegram, FORUM, topic)
    place = ChatAddress(chat_id=FORUM, thread_id=topic)
    before = len(telegram.requests)

    assert isinstance(await sender.send(place, VIEW, reply_to=request), Sent)
    assert (last(telegram, FORUM).text, last(telegram, FORUM).thread_id) == ("Done <3", None)
    assert isinstance(await sender.send_video_file(place, video, CAPTION, reply_to=request), Sent)
    assert last(telegram, FORUM).video

    methods = [request.method for request in telegram.requests[before:]]
    assert methods == ["sendMessage"] * 2 + ["sendVideo"] * 2


async def test_a_text_is_sent_to_its_topic(telegram: FakeTelegram, sender: Sender):
    topic = telegram.topic(FORUM, "Films")

    await sender.send(ChatAddress(chat_id=FORUM, thread_id=topic), VIEW)

    assert last(telegram, FORUM).thread_id == topic


async def test_an_edit_changes_the_message_in_place(telegram: FakeTelegram, sender: Sender):
    message_id = await text_in(telegram, sender)

    assert await sender.edit(ANNA, message_id, VIEW) == Sent(message_id)

    [message] = telegram.messages(ANNA)
    assert (message.text, message.buttons[0]["text"]) == ("Done <3", "Again")


async def test_an_edit_that_changes_nothing_is_a_success(telegram: FakeTelegram, sender: Sender):
    message_id = await text_in(telegram, sender)

    assert await sender.edit(ANNA, message_id, View(text="Coming")) == Sent(message_id)


async def test_an_edit_of_what_is_gone_or_a_video_by_now_is_refused(
    telegram: FakeTelegram, sender: Sender, video: VideoFile
):
    message_id = await text_in(telegram, sender)
    await sender.edit_into_video(ANNA, message_id, video, CAPTION)
    is_video = await sender.edit(ANNA, message_id, VIEW)
    telegram.delete_message(ANNA, message_id)
    is_gone = await sender.edit(ANNA, message_id, VIEW)

    assert isinstance(is_video, Refused)
    assert isinstance(is_gone, Refused)
    assert (is_video.reason, is_gone.reason) == (Refusal.NO_TEXT, Refusal.NO_MESSAGE)


async def test_a_video_is_uploaded_with_its_dimensions_and_thumbnail(
    telegram: FakeTelegram, sender: Sender, video: VideoFile
):
    result = await sender.send_video_file(AT_ANNA, video, CAPTION)

    message = last(telegram)
    assert message.video
    assert message.video.thumbnail
    assert message.video.file.content == make_video()
    assert message.video.file.name == "film.mp4"
    assert message.video.file.mime_type == "video/mp4"
    assert (message.video.width, message.video.height, message.video.duration_s) == (320, 180, 2)
    assert message.video.supports_streaming
    assert message.video.thumbnail.size == 1003
    assert message.caption == "A video"
    assert result == Sent(message.message_id, stored(message.video))


async def test_a_large_video_gets_a_thumbnail(telegram: FakeTelegram, sender: Sender, video: VideoFile):
    assert isinstance(video.source, Path)
    video.source.write_bytes(with_free_box(make_video(), bytes(11_000_000)))

    await sender.edit_into_video(ANNA, await text_in(telegram, sender), video, CAPTION)

    shown = last(telegram).video
    assert shown
    assert (shown.width, shown.height, shown.duration_s) == (320, 180, 2)
    assert shown.thumbnail


async def test_a_text_becomes_the_video_in_the_same_message(
    telegram: FakeTelegram, sender: Sender, video: VideoFile
):
    message_id = await text_in(telegram, sender)

    result = await sender.edit_into_video(ANNA, message_id, video, CAPTION)

    [message] = telegram.messages(ANNA)
    assert (message.message_id, message.text, message.caption) == (message_id, None, "A video")
    assert message.video
    assert message.video.supports_streaming
    assert result == Sent(message_id, stored(message.video))


async def test_the_same_edit_twice_is_a_success(telegram: FakeTelegram, sender: Sender, video: VideoFile):
    message_id = await text_in(telegram, sender)
    first = await sender.edit_into_video(ANNA, message_id, video, CAPTION)
    assert isinstance(first, Sent)
    assert first.file
    kept = VideoFile(source=first.file.file_id)

    assert await sender.edit_into_video(ANNA, message_id, kept, CAPTION) == Sent(message_id)

    assert len(telegram.messages(ANNA)) == 1


async def test_a_file_is_sent_as_a_document(telegram: FakeTelegram, sender: Sender, video: VideoFile):
    assert isinstance(video.source, Path)
    source = video.source.rename(video.source.with_name("abc.webm"))
    document = dataclasses.replace(video, source=source, is_video=False, unplayable="webm")

    sent = await sender.send_video_file(AT_ANNA, document, CAPTION)
    turned = await sender.edit_into_video(ANNA, await text_in(telegram, sender), document, CAPTION)

    for result, message in zip((sent, turned), telegram.messages(ANNA), strict=True):
        assert message.document
        assert message.document.file.name == "abc.webm"
        assert isinstance(result, Sent)
        assert result.file == StoredFile(
            file_id=message.document.file.file_id,
            is_video=False,
            unplayable="webm",
            size=len(make_video()),
        )


@pytest.mark.parametrize("unplayable", [None, "hevc"])
async def test_a_file_id_is_sent_without_an_upload(
    telegram: FakeTelegram, sender: Sender, video: VideoFile, *, unplayable: str | None
):
    sample = dataclasses.replace(video, is_video=not unplayable, unplayable=unplayable)
    first = await sender.send_video_file(AT_ANNA, sample, CAPTION)
    assert isinstance(first, Sent)
    assert first.file
    kept = VideoFile(source=first.file.file_id, is_video=not unplayable)

    for chat_id in (GROUP, CHANNEL):
        await sender.edit_into_video(chat_id, await text_in(telegram, sender, chat_id), kept, CAPTION)
        assert asked(telegram)["media"]["media"] == first.file.file_id
        attachment = last(telegram, chat_id).attachment
        assert attachment
        assert attachment.file.content == make_video()


async def test_telegram_fetches_a_link_itself(telegram: FakeTelegram, sender: Sender):
    gateway = FakeGateway()
    await gateway.start()
    task = gateway.add("alibailian", "a1", seconds=0)
    link = gateway.link(task)

    result = await sender.edit_into_video(
        ANNA, await text_in(telegram, sender), VideoFile(source=link), CAPTION
    )
    await gateway.stop()

    assert isinstance(result, Sent)
    assert asked(telegram)["media"]["media"] == link
    shown = last(telegram).video
    assert shown
    assert shown.file.by_url


async def test_a_link_that_telegram_cannot_fetch_is_refused(telegram: FakeTelegram, sender: Sender):
    sample = VideoFile(source="http://127.0.0.1:1/film.mp4")

    result = await sender.edit_into_video(ANNA, await text_in(telegram, sender), sample, CAPTION)

    assert isinstance(result, Refused)
    assert result.reason is Refusal.BAD_FILE


async def test_a_chat_that_forbids_videos_is_a_missing_right(
    telegram: FakeTelegram, sender: Sender, video: VideoFile
):
    telegram.forbid(GROUP, "videos")
    message_id = await text_in(telegram, sender, GROUP)

    for result in (
        await sender.edit_into_video(GROUP, message_id, video, CAPTION),
        await sender.send_video_file(ChatAddress(chat_id=GROUP), video, CAPTION),
    ):
        assert isinstance(result, Refused)
        assert result.reason is Refusal.NO_RIGHTS


async def test_gone_migrated_and_throttled_chats_have_their_own_results(
    telegram: FakeTelegram, sender: Sender
):
    telegram.block(ANNA)
    assert isinstance(await sender.send(AT_ANNA, VIEW), ChatGone)
    telegram.migrate(GROUP, -1009)
    assert await sender.send(ChatAddress(chat_id=GROUP), VIEW) == Migrated(-1009)
    telegram.fail("sendMessage", flood(3))
    assert await sender.send(ChatAddress(chat_id=CHANNEL), VIEW) == RetryAfter(3.0)


async def test_a_lost_response_is_an_unknown_outcome(
    telegram: FakeTelegram, sender: Sender, video: VideoFile
):
    telegram.fail("sendVideo", LOST_RESPONSE)

    assert isinstance(await sender.send_video_file(AT_ANNA, video, CAPTION), Unknown)
    assert len(telegram.videos(ANNA)) == 1


async def test_a_chat_action_is_sent_to_the_topic_and_its_errors_are_ignored(
    telegram: FakeTelegram, sender: Sender
):
    topic = telegram.topic(FORUM, "Films")
    telegram.fail("sendChatAction", Fault(status=500))

    await sender.uploading(ChatAddress(chat_id=FORUM, thread_id=topic))

    assert asked(telegram) == {
        "chat_id": str(FORUM),
        "action": "upload_video",
        "message_thread_id": str(topic),
    }


# uploads


class Watchful(HTTPXRequest):
    """Records the files and timeouts of each request."""

    def __init__(self) -> None:
        super().__init__(httpx_kwargs={"verify": False})
        self.handed: list[RequestData] = []
        self.timeouts: list[tuple[object, object]] = []  # read, write

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        if (data := kwargs.get("request_data")) is not None:
            self.handed.append(data)
            self.timeouts.append((kwargs["read_timeout"], kwargs["write_timeout"]))
        return await super().do_request(*args, **kwargs)


@pytest.fixture
def watchful() -> Watchful:
    return Watchful()


@pytest.fixture
async def bot(telegram: FakeTelegram, watchful: Watchful) -> AsyncIterator[ExtBot[None]]:
    async with ExtBot(telegram.token, base_url=f"{telegram.url}/bot", request=watchful) as connected:
        yield connected


async def test_an_upload_is_streamed_from_the_disk_and_given_time(
    telegram: FakeTelegram, sender: Sender, video: VideoFile, watchful: Watchful
):
    message_id = await text_in(telegram, sender)
    await sender.edit_into_video(ANNA, message_id, video, CAPTION)
    await sender.send_video_file(AT_ANNA, video, CAPTION)

    for data in watchful.handed[-2:]:
        [handle] = [part[1] for part in (data.multipart_data or {}).values() if part[0] == "film.mp4"]
        assert isinstance(handle, BufferedReader)
        assert (handle.name, handle.closed) == (str(video.source), True)
    assert watchful.timeouts[-2:] == [(180.0, 600.0), (180.0, 600.0)]


@asynccontextmanager
async def local_server() -> AsyncIterator[tuple[FakeTelegram, Sender]]:
    """A server that reads files by path, and a sender for it."""
    server = FakeTelegram(local=True)
    server.private_chat(ANNA)
    await server.start()
    request = HTTPXRequest(httpx_kwargs={"verify": False})
    async with ExtBot(server.token, base_url=f"{server.url}/bot", request=request, local_mode=True) as bot:
        yield server, Sender(bot, local_mode=True)
    await server.stop()


async def test_a_local_server_gets_the_path_instead_of_the_bytes(tmp_path: Path, video: VideoFile):
    assert isinstance(video.source, Path)
    sample = dataclasses.replace(video, source=video.source.rename(tmp_path / "a film 电影.mp4"))
    async with local_server() as (server, sender):
        assert isinstance(
            await sender.edit_into_video(ANNA, await text_in(server, sender), sample, CAPTION), Sent
        )
        turned = asked(server)["media"]["media"]
        assert isinstance(await sender.send_video_file(AT_ANNA, sample, CAPTION), Sent)

    assert turned == asked(server)["video"] == (tmp_path / "a film 电影.mp4").as_uri()
    files = [each.video.file for each in server.videos(ANNA) if each.video]
    assert [file.content for file in files] == [make_video()] * 2
    assert [(file.name, file.mime_type) for file in files] == [("a film 电影.mp4", "video/mp4")] * 2
    assert all(each.video and each.video.thumbnail for each in server.videos(ANNA))


async def test_a_local_server_that_can_not_read_the_path_gets_the_bytes(video: VideoFile):
    unreadable = error_response(400, "Bad Request: invalid file HTTP URL specified: Permission denied")
    async with local_server() as (server, sender):
        server.fail("*", unreadable, times=None, when=lambda request: "file://" in str(request.params))
        assert isinstance(
            await sender.edit_into_video(ANNA, await text_in(server, sender), video, CAPTION), Sent
        )
        assert isinstance(await sender.send_video_file(AT_ANNA, video, CAPTION), Sent)

    assert [each.video.file.content for each in server.videos(ANNA) if each.video] == [make_video()] * 2
