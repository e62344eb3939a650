"""What the terminal shows."""

import re
from collections.abc import Callable

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputMediaVideo

from bot.sandbox.sample_video import make_video
from bot.sandbox.screen import Screen
from bot.sandbox.telegram import FakeTelegram
from tests.fakes.places import ANNA, GROUP

VideoFacts = Callable[[], list[str]]


@pytest.fixture
def shown(telegram: FakeTelegram, capsys: pytest.CaptureFixture[str]) -> VideoFacts:
    """What has happened since, as printed, without the clock."""
    events = telegram.subscribe()
    screen = Screen(telegram.state)

    def show() -> list[str]:
        while not events.empty():
            screen.show(events.get_nowait())
        return [re.sub(r"^ +\d+:\d\d  ", "", line) for line in capsys.readouterr().out.splitlines()]

    return show


async def test_messages_are_shown_in_columns_with_chat_and_sender(
    telegram: FakeTelegram, shown: VideoFacts
) -> None:
    telegram.group(-100999, title="影迷群")
    telegram.send(ANNA, "/tasks")
    telegram.send(-100999, "/help", user=telegram.add_user(7, first_name="小林"))

    assert shown() == [
        "Anna        › #1  /tasks",
        "影迷群      › #1  小林: /help",
    ]


async def test_an_edited_card_shows_its_first_line_and_the_new_lines(
    telegram: FakeTelegram, bot: Bot, shown: VideoFacts
) -> None:
    asked = telegram.send(ANNA, "/watch")
    card = await bot.send_message(ANNA, "wan · a1\nQueued\nA fox", reply_to_message_id=asked)
    await bot.edit_message_text("wan · a1\n<b>Running</b>\nA fox", ANNA, card.message_id, parse_mode="HTML")

    assert shown() == [
        "Anna        › #1  /watch",
        "Anna        ‹ #2  wan · a1  ↪ #1",
        "                         Queued",
        "                         A fox",
        "Anna        ✎ #2  wan · a1",
        "                         Running",
    ]


async def test_a_text_that_becomes_a_video_is_shown_with_its_caption_and_buttons(
    telegram: FakeTelegram, bot: Bot, shown: VideoFacts
) -> None:
    asked = telegram.send(ANNA, "/watch")
    sent = await bot.send_message(ANNA, "Done", reply_to_message_id=asked)
    sample = make_video()
    media = InputMediaVideo(
        sample, caption='<a href="https://x.y/">link</a>\n<blockquote>A fox</blockquote>', parse_mode="HTML"
    )
    again = InlineKeyboardButton("Again", callback_data="a")
    await bot.edit_message_media(media, ANNA, sent.message_id, reply_markup=InlineKeyboardMarkup([[again]]))
    telegram.press(ANNA, sent.message_id, "a")

    assert shown()[2:] == [
        f"Anna        ▶ #2  video 320×180 · 2 s · {len(sample) / 1000:.0f} kB  ↪ #1",
        "                         link <https://x.y/>",
        "                         │ A fox",
        "                         [Again]",
        "Anna        › #2  presses [Again]",
    ]


async def test_documents_and_deletions_are_shown(telegram: FakeTelegram, bot: Bot, shown: VideoFacts) -> None:
    sent = await bot.send_document(GROUP, bytes(2000), filename="film.mp4")
    await bot.delete_message(GROUP, sent.message_id)

    assert shown() == ["Group       ▤ #1  file film.mp4 · 2 kB", "Group       ✕ #1  deleted"]


async def test_the_answer_to_a_press_is_shown_beneath(
    telegram: FakeTelegram, bot: Bot, shown: VideoFacts
) -> None:
    again = InlineKeyboardButton("Again", callback_data="a")
    sent = await bot.send_message(ANNA, "x", reply_markup=InlineKeyboardMarkup([[again]]))
    query_id = telegram.press(ANNA, sent.message_id, "a")
    await bot.answer_callback_query(query_id, text="It is coming")

    assert shown()[-1] == "                         (It is coming)"


async def test_a_users_edit_is_marked(telegram: FakeTelegram, shown: VideoFacts) -> None:
    message_id = telegram.send(ANNA, "/tsks")
    telegram.edit(ANNA, message_id, "/tasks")

    assert shown()[-1] == "Anna        › #1  /tasks (edited)"


async def test_a_pipe_gets_no_escape_codes(telegram: FakeTelegram, bot: Bot, shown: VideoFacts) -> None:
    telegram.send(ANNA, "/tasks")
    await bot.send_message(ANNA, "<b>bold</b>", parse_mode="HTML")

    assert "\x1b" not in "".join(shown())
