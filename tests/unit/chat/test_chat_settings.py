import logging

import pytest

from bot.messages.callback_data import CallbackData, ChooseSetting
from bot.watching.service import Service
from storage.chat_settings import DEFAULT_SETTINGS, ChatSettings, ResultForm, Sound
from storage.sqlite.store import SqliteStore
from tests.fakes import updates
from tests.unit.chat.chat_harness import (
    ANN,
    BORIS,
    CHANNEL,
    EVE,
    GROUP,
    NOW,
    ChatHarness,
    ChatHarnesses,
    named,
)

PRIVATE = {"id": ANN, "type": "private", "first_name": "Ann"}
FILMS = {"id": GROUP, "type": "supergroup", "title": "Films"}
NEWS = {"id": CHANNEL, "type": "channel", "title": "News"}
IN_CHINESE = ChooseSetting(setting="language", value="zh")
NO_SOUND = ChooseSetting(setting="sound", value="none")
ALL_SOUNDS = ChooseSetting(setting="sound", value="all")
FOR_ADMINS = "Only this chat's admins and the bot's admins can change its settings."


async def press(
    harness: ChatHarness, data: CallbackData | str, chat: updates.Json = PRIVATE, user_id: int = ANN
) -> str:
    """The text of the answer to the callback query."""
    packed = data if isinstance(data, str) else data.pack()
    await harness.receive(updates.press(chat, user_id, packed), kind="callback_query")
    return str(harness.request.callback_answers[-1].get("text", ""))


async def test_settings_shows_what_is_chosen_and_a_button_for_each_choice(harness: ChatHarness):
    [shown] = await harness.receive(updates.private(ANN, "/settings"))

    assert shown.splitlines()[1:] == [
        "🌐 Language: Auto",
        "🔔 Sound for: Results only",
        "🎬 Send videos as: Video",
        "📌 Batch card: Not pinned",
    ]
    rows = harness.last["reply_markup"]["inline_keyboard"]
    assert [[button["text"].startswith("✓") for button in row] for row in rows] == [
        [True, False, False],
        [False, True, False],
        [True, False, False],
        [True, False],
    ]


async def test_a_choice_is_saved_and_shown_in_the_same_message(harness: ChatHarness, store: SqliteStore):
    choices = (
        IN_CHINESE,
        NO_SOUND,
        ChooseSetting(setting="result_form", value="both"),
        ChooseSetting(setting="pins_batch_card", value="True"),
    )
    for choice in choices:
        assert await press(harness, choice) == "Saved."

    assert await store.chat_settings(ANN) == ChatSettings(
        language="zh", sound=Sound.NONE, result_form=ResultForm.BOTH, pins_batch_card=True
    )
    assert "视频和文件" in harness.request.edits[-1]["text"]
    assert {edit["message_id"] for edit in harness.request.edits} == {8}

    await press(harness, ChooseSetting(setting="language", value="None"))
    assert (await store.chat_settings(ANN)).language is None


@pytest.mark.parametrize(
    "data",
    [
        "set1|sound|loud",
        "set1|result_form|",
        "set2|language|zh",
        "set1|language|fr",
        "set1|pins_batch_card|2",
        "set1|sound",
        "set1|volume|all",
    ],
)
async def test_a_choice_that_there_is_not_changes_nothing(
    harness: ChatHarness, store: SqliteStore, data: str
):
    assert await press(harness, data) == "This button no longer works."
    assert await store.chat_settings(ANN) == DEFAULT_SETTINGS


async def test_a_member_of_a_group_neither_sees_nor_changes_its_settings(
    harness: ChatHarness, store: SqliteStore
):
    harness.request.admins = [ANN]

    assert await harness.receive(updates.group(GROUP, EVE, "/settings")) == [FOR_ADMINS]
    assert await press(harness, NO_SOUND, FILMS, EVE) == FOR_ADMINS
    assert await store.chat_settings(GROUP) == DEFAULT_SETTINGS
    assert harness.request.edits == []


@pytest.mark.parametrize("user_id", [ANN, BORIS])
async def test_the_admins_of_a_group_and_those_of_the_bot_change_its_settings(
    harness: ChatHarness, store: SqliteStore, user_id: int, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.chat.chat_settings")
    harness.request.admins = [ANN]

    assert await press(harness, NO_SOUND, FILMS, user_id) == "Saved."
    await press(harness, NO_SOUND, FILMS, user_id)

    assert (await store.chat_settings(GROUP)).sound is Sound.NONE
    assert [record.getMessage() for record in caplog.records] == [
        f"User {user_id} set sound to none in chat {GROUP}"
    ]


async def test_anonymous_admins_and_whoever_posts_in_a_channel_get_its_settings(harness: ChatHarness):
    for message, kind in (
        (updates.anonymous_admin(GROUP, "/settings"), "message"),
        (updates.channel_post(CHANNEL, "/settings"), "channel_post"),
    ):
        [shown] = await harness.receive(message, kind=kind)
        assert "Chat settings" in shown


async def test_whoever_presses_in_a_channel_must_be_an_admin_there(harness: ChatHarness):
    harness.request.admins = [ANN]

    assert await press(harness, ALL_SOUNDS, NEWS, EVE) == FOR_ADMINS
    assert await press(harness, ALL_SOUNDS, NEWS, ANN) == "Saved."


async def test_nothing_is_changed_while_telegram_does_not_tell_who_is_an_admin(
    harness: ChatHarness, store: SqliteStore
):
    harness.request.admins = None

    assert "Telegram didn't tell me" in await press(harness, ALL_SOUNDS, FILMS, ANN)
    assert await store.chat_settings(GROUP) == DEFAULT_SETTINGS


async def test_replies_are_in_the_language_of_the_chat_and_sound_as_it_wants(
    harness: ChatHarness, store: SqliteStore
):
    assert "Nothing is being watched" in (await harness.receive(updates.private(ANN, "/tasks")))[0]
    assert "disable_notification" in harness.last

    await store.save_chat_settings(ANN, ChatSettings(language="zh", sound=Sound.ALL))
    assert "没有正在关注" in (await harness.receive(updates.private(ANN, "/tasks")))[0]
    assert "disable_notification" not in harness.last


class CountingService(Service):
    """Counts how often a chat's settings and its last language are read."""

    reads = 0
    language_reads = 0

    async def language_of(self, chat_id: int) -> str | None:
        self.language_reads += 1
        return await super().language_of(chat_id)

    async def chat_settings(self, chat_id: int) -> ChatSettings:
        self.reads += 1
        return await super().chat_settings(chat_id)


async def test_the_settings_are_read_once_for_all_commands_of_a_message_and_for_a_press(
    harnesses: ChatHarnesses, store: SqliteStore
):
    service = CountingService(
        store, clock=lambda: NOW, notify_polling=lambda: None, notify_delivery=lambda: None
    )
    harness = await harnesses.make(service=service)

    await harness.receive(updates.private(ANN, "/settings\n/tasks\n/help"))
    assert (len(harness.request.sent), service.reads) == (3, 1)
    assert await press(harness, IN_CHINESE) == "Saved."
    assert service.reads == 2
    assert "语言" in harness.request.edits[-1]["text"]


async def test_the_last_language_of_a_channel_is_read_once_for_all_commands_of_a_post(
    harnesses: ChatHarnesses, store: SqliteStore
):
    service = CountingService(
        store, clock=lambda: NOW, notify_polling=lambda: None, notify_delivery=lambda: None
    )
    harness = await harnesses.make(named("mine", "videos"), service=service)

    await harness.receive(updates.channel_post(CHANNEL, "/watch mine id-1\n/tasks"), kind="channel_post")

    assert (len(await store.active_watches(CHANNEL)), service.language_reads) == (1, 1)


async def test_a_watch_keeps_the_language_of_who_asked_for_the_time_when_the_chat_has_none(
    harness: ChatHarness, store: SqliteStore
):
    await store.save_chat_settings(ANN, ChatSettings(language="zh"))
    await harness.receive(updates.private(ANN, "/watch mine id-1", language="en"))

    [watched] = await store.active_watches(ANN)
    assert (watched.watch.language, watched.watch.user_name) == ("zh", "Ann")
    await store.save_chat_settings(ANN, DEFAULT_SETTINGS)
    [watched] = await store.active_watches(ANN)
    assert watched.watch.language == "en"
