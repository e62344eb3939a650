"""What the bot changes afterwards."""

import aiogram.types
import pytest
from telegram import Bot, InputMediaVideo
from telegram.error import BadRequest

from bot.sandbox.sample_video import Colour, make_video
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.events import BotEdited
from tests.fakes.places import ANNA, GROUP

SAMPLE = make_video(Colour.GREEN)


async def test_an_edit_keeps_the_message_id_and_the_history(telegram: FakeTelegram, bot: Bot) -> None:
    sent = await bot.send_message(ANNA, "Queued")
    events = telegram.subscribe()

    await bot.edit_message_text("<b>Running</b>", ANNA, sent.message_id, parse_mode="HTML")

    [message] = telegram.messages(ANNA)
    assert message.text == "Running"
    assert [each.text for each in message.history] == ["Queued"]
    event = events.get_nowait()
    assert isinstance(event, BotEdited)
    assert (event.before.text, event.message.text) == ("Queued", "Running")


async def test_a_text_message_becomes_a_video_in_its_place(telegram: FakeTelegram, bot: Bot) -> None:
    asked = telegram.send(ANNA, "/watch")
    sent = await bot.send_message(ANNA, "Done", reply_to_message_id=asked)

    media = InputMediaVideo(SAMPLE, caption="<b>c</b>", parse_mode="HTML", supports_streaming=True)
    await bot.edit_message_media(media, ANNA, sent.message_id)

    [message] = telegram.videos(ANNA)
    assert (message.message_id, message.reply_to) == (sent.message_id, asked)
    assert (message.text, message.caption) == (None, "c")
    assert message.video is not None
    assert message.video.file.content == SAMPLE
    answer = telegram.state.json(message)
    aiogram.types.Message.model_validate(answer)
    assert answer["caption_entities"] == [{"type": "bold", "offset": 0, "length": 1}]


async def test_the_same_video_is_not_modified_by_file_id_but_is_by_upload(
    telegram: FakeTelegram, bot: Bot
) -> None:
    sent = await bot.send_message(ANNA, "Done")
    await bot.edit_message_media(InputMediaVideo(SAMPLE, caption="c"), ANNA, sent.message_id)
    [message] = telegram.videos(ANNA)
    assert message.video is not None

    await bot.edit_message_media(InputMediaVideo(SAMPLE, caption="c"), ANNA, sent.message_id)
    [message] = telegram.videos(ANNA)
    assert message.video is not None
    with pytest.raises(BadRequest, match="Message is not modified"):
        await bot.edit_message_media(
            InputMediaVideo(message.video.file.file_id, caption="c"), ANNA, sent.message_id
        )
    assert len(telegram.videos(ANNA)) == 1


async def test_equal_text_and_buttons_are_not_modified(bot: Bot) -> None:
    sent = await bot.send_message(ANNA, "Queued")

    with pytest.raises(BadRequest) as refused:
        await bot.edit_message_text(" Queued\n", ANNA, sent.message_id)

    assert refused.value.message == (
        "Message is not modified: specified new message content and reply markup are exactly the same"
        " as a current content and reply markup of the message"
    )


async def test_a_missing_message_or_one_of_another_kind_is_refused(telegram: FakeTelegram, bot: Bot) -> None:
    text = await bot.send_message(ANNA, "x")
    video = await bot.send_video(ANNA, SAMPLE)
    person = telegram.send(ANNA, "y")
    telegram.delete_message(ANNA, text.message_id)

    with pytest.raises(BadRequest, match="Message to edit not found"):
        await bot.edit_message_text("z", ANNA, text.message_id)
    with pytest.raises(BadRequest, match="There is no text in the message to edit"):
        await bot.edit_message_text("z", ANNA, video.message_id)
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await bot.edit_message_text("z", ANNA, person)


async def test_a_bot_deletes_a_message_once_and_only_its_own(telegram: FakeTelegram, bot: Bot) -> None:
    sent = await bot.send_message(GROUP, "x")
    foreign = telegram.send(GROUP, "/y", user=telegram.add_user(7, first_name="Ben"))

    await bot.delete_message(GROUP, sent.message_id)

    assert [message.message_id for message in telegram.messages(GROUP)] == [foreign]
    with pytest.raises(BadRequest, match="Message to delete not found"):
        await bot.delete_message(GROUP, sent.message_id)
    with pytest.raises(BadRequest, match="Message can't be deleted"):
        await bot.delete_message(GROUP, foreign)


async def test_a_caption_is_edited_under_its_video_only(telegram: FakeTelegram, bot: Bot) -> None:
    video = await bot.send_video(ANNA, SAMPLE, caption="a")
    text = await bot.send_message(ANNA, "a")

    await bot.edit_message_caption(ANNA, video.message_id, caption="<b>b</b>", parse_mode="HTML")

    [message] = telegram.videos(ANNA)
    assert message.caption == "b"
    assert [each.caption for each in message.history] == ["a"]
    aiogram.types.Message.model_validate(telegram.state.json(message))
    with pytest.raises(BadRequest, match="no caption in the message"):
        await bot.edit_message_caption(ANNA, text.message_id, caption="b")
    with pytest.raises(BadRequest, match="caption is too long"):
        await bot.edit_message_caption(ANNA, video.message_id, caption="b" * 1025)


async def test_a_message_is_pinned_in_private_and_by_admins_only(telegram: FakeTelegram, bot: Bot) -> None:
    sent = await bot.send_message(ANNA, "A card")
    await bot.pin_chat_message(ANNA, sent.message_id, disable_notification=True)
    assert telegram.pinned(ANNA) == [sent.message_id]

    with pytest.raises(BadRequest, match="to pin not found"):
        await bot.pin_chat_message(ANNA, 99)
    in_group = await bot.send_message(GROUP, "A card")
    with pytest.raises(BadRequest, match="ot enough rights to manage pinned messages"):
        await bot.pin_chat_message(GROUP, in_group.message_id)
