"""What the bot sends, with PTB's own client; aiogram's types judge the answers."""

import io
from pathlib import Path
from typing import Any

import aiogram.types
import pytest
from PIL import Image
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, ReplyParameters
from telegram.error import BadRequest

from bot.sandbox.gateway import FakeGateway
from bot.sandbox.sample_video import make_video, with_free_box
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.events import BotSent
from tests.fakes.places import ANNA, CHANNEL, FORUM, GROUP
from tests.unit.file_host import FileHost
from tests.unit.sandbox.conftest import connected

SAMPLE = make_video()


def png(width: int, height: int) -> bytes:
    """A picture in one colour."""
    target = io.BytesIO()
    Image.new("RGB", (width, height)).save(target, "PNG")
    return target.getvalue()


def validated(telegram: FakeTelegram, chat_id: int) -> dict[str, Any]:
    """The chat's last message as JSON, validated."""
    answer = telegram.state.json(telegram.messages(chat_id)[-1])
    aiogram.types.Message.model_validate(answer)
    return answer


async def test_a_message_is_stored_with_its_markup_and_reply(telegram: FakeTelegram, bot: Bot) -> None:
    events = telegram.subscribe()
    asked = telegram.send(ANNA, "/tasks")

    sent = await bot.send_message(
        ANNA,
        "<b>Nothing</b> yet",
        parse_mode="HTML",
        reply_parameters=ReplyParameters(asked, allow_sending_without_reply=True),
        reply_markup=InlineKeyboardMarkup([[InlineKeyboardButton("Again", callback_data="a")]]),
    )

    message = telegram.messages(ANNA)[-1]
    assert (message.text, message.reply_to, message.from_bot) == ("Nothing yet", asked, True)
    assert sent.reply_to_message is not None
    assert sent.text_html == "<b>Nothing</b> yet"
    assert validated(telegram, ANNA)["reply_markup"]["inline_keyboard"][0][0]["text"] == "Again"
    assert isinstance([events.get_nowait(), events.get_nowait()][1], BotSent)


async def test_an_uploaded_video_is_kept_byte_for_byte(telegram: FakeTelegram, bot: Bot) -> None:
    await bot.send_video(
        ANNA,
        io.BytesIO(SAMPLE),
        caption="<i>c</i>",
        parse_mode="HTML",
        filename="film.mp4",
        width=320,
        height=180,
        duration=2,
        supports_streaming=True,
        thumbnail=b"jpeg",
    )

    [message] = telegram.videos(ANNA)
    assert message.video is not None
    assert message.video.file.content == SAMPLE
    assert message.video.supports_streaming
    assert message.video.thumbnail is not None
    assert message.video.thumbnail.size == 4
    assert message.caption == "c"
    video = validated(telegram, ANNA)["video"]
    assert (video["width"], video["height"], video["duration"]) == (320, 180, 2)
    assert video["mime_type"] == "video/mp4"


async def test_the_size_of_a_small_video_is_probed(telegram: FakeTelegram, bot: Bot) -> None:
    await bot.send_video(ANNA, SAMPLE)

    video = validated(telegram, ANNA)["video"]
    assert (video["width"], video["height"], video["duration"]) == (320, 180, 2)


async def test_a_large_video_without_a_given_size_gets_the_default_size(
    telegram: FakeTelegram, bot: Bot
) -> None:
    await bot.send_video(ANNA, with_free_box(SAMPLE, bytes(11_000_000)))

    video = validated(telegram, ANNA)["video"]
    assert (video["width"], video["height"], video["duration"]) == (320, 320, 0)


async def test_a_thumbnail_that_is_too_large_is_dropped_silently(telegram: FakeTelegram, bot: Bot) -> None:
    await bot.send_video(ANNA, SAMPLE, thumbnail=bytes(204_800))

    [message] = telegram.videos(ANNA)
    assert message.video is not None
    assert message.video.thumbnail is None


async def test_a_video_is_sent_again_by_its_file_id(telegram: FakeTelegram, bot: Bot) -> None:
    first = await bot.send_video(ANNA, SAMPLE, width=99, height=98, duration=97)
    assert first.video is not None

    second = await bot.send_video(GROUP, first.video.file_id)

    assert second.video == first.video


async def test_a_video_cannot_be_sent_as_a_document_by_its_file_id(bot: Bot) -> None:
    sent = await bot.send_video(ANNA, SAMPLE)
    assert sent.video is not None

    with pytest.raises(BadRequest, match="file of type video as document"):
        await bot.send_document(ANNA, sent.video.file_id)


async def test_a_photo_has_the_size_of_its_picture_and_a_caption(telegram: FakeTelegram, bot: Bot) -> None:
    sent = await bot.send_photo(ANNA, png(640, 480), caption="<b>c</b>", parse_mode="HTML")

    message = telegram.messages(ANNA)[-1]
    assert message.photo is not None
    assert (message.caption, message.photo.width, message.photo.height) == ("c", 640, 480)
    [size] = validated(telegram, ANNA)["photo"]
    assert (size["width"], size["height"]) == (640, 480)
    assert sent.photo[0].file_id == size["file_id"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"no picture", "Image_process_failed"),
        (png(10, 300), "Photo_invalid_dimensions"),
        (png(9_000, 1_001), "Photo_invalid_dimensions"),
        (bytes(10 * 1024 * 1024 + 1), "too big for a photo"),
    ],
)
async def test_what_telegram_takes_for_no_photo_is_refused(bot: Bot, content: bytes, error: str) -> None:
    with pytest.raises(BadRequest, match=error):
        await bot.send_photo(ANNA, content)


async def test_a_document_keeps_its_name(telegram: FakeTelegram, bot: Bot) -> None:
    await bot.send_document(ANNA, SAMPLE, filename="film.mp4")

    assert validated(telegram, ANNA)["document"]["file_name"] == "film.mp4"


async def test_a_message_is_sent_to_its_topic(telegram: FakeTelegram, bot: Bot) -> None:
    topic = telegram.topic(FORUM, "Films")
    asked = telegram.send(FORUM, "/tasks", user=telegram.add_user(7, first_name="Ben"), thread=topic)

    sent = await bot.send_message(
        FORUM, "x", message_thread_id=topic, reply_parameters=ReplyParameters(asked)
    )

    assert (sent.message_thread_id, sent.is_topic_message) == (topic, True)
    assert validated(telegram, FORUM)["reply_to_message"]["message_id"] == asked


async def test_in_a_channel_the_bot_sends_as_the_channel(telegram: FakeTelegram, bot: Bot) -> None:
    sent = await bot.send_message(CHANNEL, "x")

    assert sent.from_user is None
    assert validated(telegram, CHANNEL)["sender_chat"]["id"] == CHANNEL
    assert telegram.messages(CHANNEL)[-1].from_bot


async def test_a_video_is_downloaded_from_its_link(telegram: FakeTelegram, bot: Bot) -> None:
    gateway = FakeGateway()
    await gateway.start()
    task = gateway.add("alibailian", "a1", seconds=0)

    await bot.send_video(ANNA, gateway.link(task))
    await gateway.stop()

    [message] = telegram.videos(ANNA)
    assert message.video is not None
    assert message.video.file.content == task.served.content
    assert message.video.file.by_url


async def test_unusable_links_are_refused_with_telegrams_descriptions(bot: Bot, files: FileHost) -> None:
    files.respond_with(b"<html>", headers={"Content-Type": "text/html"})
    gateway = FakeGateway()
    await gateway.start()
    heavy = gateway.add("videos", "heavy", seconds=0, video=bytes(21 * 1024 * 1024))
    dead = gateway.link(heavy).replace("heavy", "dead")
    for link, reason in (
        (f"{files.address()}/page.html", "wrong type of the web page content"),
        (gateway.link(heavy), "failed to get http url content"),
        (dead, "failed to get http url content"),
        ("ftp://127.0.0.1/film.mp4", "unsupported url protocol"),
        ("BAAC-no-such-file", "wrong file identifier/http url specified"),
    ):
        with pytest.raises(BadRequest) as refused:
            await bot.send_video(ANNA, link)
        assert reason in refused.value.message.lower()
    await gateway.stop()


async def test_a_local_server_accepts_files_by_path(tmp_path: Path) -> None:
    sample = tmp_path / "a film.mp4"
    sample.write_bytes(SAMPLE)
    server = FakeTelegram(local=True)
    server.private_chat(ANNA)
    await server.start()
    async with connected(server) as bot:
        await bot.send_video(ANNA, sample)
    await server.stop()

    [message] = server.videos(ANNA)
    assert message.video is not None
    assert message.video.file.content == SAMPLE


async def test_requests_are_recorded_without_the_files(telegram: FakeTelegram, bot: Bot) -> None:
    await bot.send_video(ANNA, SAMPLE, filename="film.mp4", reply_parameters=ReplyParameters(1, None, True))

    request = telegram.requests[-1]
    assert request.method == "sendVideo"
    assert request.params["video"] == f"<film.mp4: {len(SAMPLE)} bytes>"
    assert request.params["reply_parameters"] == {"message_id": 1, "allow_sending_without_reply": True}
