"""What people do reaches the bot in Telegram's shapes; aiogram's types are the judge of the shapes."""

from typing import Any

import aiogram.types
import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest

from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.events import ButtonPressed, CallbackAnswered, UserSent
from bot.sandbox.telegram.serializers import ANONYMOUS_ADMIN
from tests.fakes.places import ANNA, CHANNEL, FORUM, GROUP


async def pending_updates(telegram: FakeTelegram) -> list[dict[str, Any]]:
    """What waits for the bot, each update judged."""
    updates = await telegram.state.updates.poll(offset=0, limit=100, timeout_s=0)
    for update in updates:
        aiogram.types.Update.model_validate(update)
    return updates


async def test_a_command_in_a_private_chat_carries_its_entity_in_utf16_units(telegram: FakeTelegram) -> None:
    telegram.send(ANNA, "😀 /watch wan a1")

    [update] = await pending_updates(telegram)

    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 3, "length": 6}]
    assert update["message"]["from"]["language_code"] == "en"
    assert update["message"]["chat"] == {"id": ANNA, "type": "private", "first_name": "Anna"}


async def test_a_slash_within_a_word_is_no_command(telegram: FakeTelegram) -> None:
    telegram.send(ANNA, "either/or")

    [update] = await pending_updates(telegram)

    assert "entities" not in update["message"]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("hello", False),
        ("/tasks", True),
        ("/tasks@reelwatch_bot", True),
        ("/tasks@another_bot", False),
    ],
)
async def test_privacy_mode_hides_messages_not_meant_for_the_bot(
    telegram: FakeTelegram, text: str, seen: bool
) -> None:
    telegram.send(GROUP, text, user=telegram.add_user(7, first_name="Ben"))

    assert bool(await pending_updates(telegram)) is seen


async def test_a_channel_post_has_no_sender(telegram: FakeTelegram) -> None:
    telegram.send(CHANNEL, "/tasks")

    [update] = await pending_updates(telegram)

    assert "from" not in update["channel_post"]
    assert update["channel_post"]["sender_chat"]["id"] == CHANNEL


async def test_an_anonymous_administrator_sends_as_the_group(telegram: FakeTelegram) -> None:
    telegram.send(GROUP, "/tasks", user=ANONYMOUS_ADMIN)

    [update] = await pending_updates(telegram)

    assert update["message"]["from"]["username"] == "GroupAnonymousBot"
    assert update["message"]["sender_chat"]["id"] == GROUP


async def test_a_message_in_a_topic_has_its_thread_id_and_replies_to_its_first_message(
    telegram: FakeTelegram,
) -> None:
    topic = telegram.topic(FORUM, "Films")
    telegram.send(FORUM, "/tasks", user=telegram.add_user(7, first_name="Ben"), thread=topic)

    [update] = await pending_updates(telegram)

    assert update["message"]["message_thread_id"] == topic
    assert update["message"]["is_topic_message"] is True
    assert update["message"]["reply_to_message"]["forum_topic_created"]["name"] == "Films"


async def test_a_message_in_general_has_no_thread(telegram: FakeTelegram) -> None:
    telegram.send(FORUM, "/tasks", user=telegram.add_user(7, first_name="Ben"))

    [update] = await pending_updates(telegram)

    assert "message_thread_id" not in update["message"]


async def test_an_edited_message_is_an_edited_message_update(telegram: FakeTelegram) -> None:
    message_id = telegram.send(ANNA, "/tsks")
    telegram.edit(ANNA, message_id, "/tasks")

    [_, update] = await pending_updates(telegram)

    assert update["edited_message"]["text"] == "/tasks"
    assert "edit_date" in update["edited_message"]


async def test_blocking_and_unblocking_are_updates(telegram: FakeTelegram) -> None:
    telegram.block(ANNA)
    telegram.unblock(ANNA)

    blocked, back = await pending_updates(telegram)

    assert blocked["my_chat_member"]["new_chat_member"]["status"] == "kicked"
    assert back["my_chat_member"]["old_chat_member"]["status"] == "kicked"
    assert back["my_chat_member"]["new_chat_member"]["status"] == "member"


async def test_a_blocked_bot_receives_no_messages(telegram: FakeTelegram) -> None:
    telegram.block(ANNA)
    telegram.send(ANNA, "/tasks")

    assert [list(update)[1] for update in await pending_updates(telegram)] == ["my_chat_member"]


async def test_a_migration_is_an_update_in_both_chats(telegram: FakeTelegram) -> None:
    telegram.group(-55, supergroup=False)
    telegram.migrate(-55, -100555)

    old, new = await pending_updates(telegram)

    assert old["message"]["migrate_to_chat_id"] == -100555
    assert new["message"]["migrate_from_chat_id"] == -55
    assert new["message"]["chat"]["id"] == -100555


async def test_subscribers_receive_the_users_messages(telegram: FakeTelegram) -> None:
    events = telegram.subscribe()
    telegram.send(ANNA, "hello")

    event = events.get_nowait()

    assert isinstance(event, UserSent)
    assert event.message.text == "hello"


async def test_a_press_is_an_update_and_answered_once(telegram: FakeTelegram, bot: Bot) -> None:
    again = InlineKeyboardButton("Again", callback_data="again")
    sent = await bot.send_message(ANNA, "x", reply_markup=InlineKeyboardMarkup([[again]]))
    events = telegram.subscribe()
    query_id = telegram.press(ANNA, sent.message_id, "again")

    [update] = await pending_updates(telegram)
    await bot.answer_callback_query(query_id, text="Done")

    assert update["callback_query"]["data"] == "again"
    assert isinstance(events.get_nowait(), ButtonPressed)
    answered = events.get_nowait()
    assert isinstance(answered, CallbackAnswered)
    assert answered.text == "Done"
    with pytest.raises(BadRequest, match="Query is too old"):
        await bot.answer_callback_query(query_id)


async def test_pressing_a_missing_button_is_an_error(telegram: FakeTelegram, bot: Any) -> None:
    sent = await bot.send_message(ANNA, "x")

    with pytest.raises(LookupError, match="no button"):
        telegram.press(ANNA, sent.message_id, "again")


async def test_a_button_in_a_group_is_pressed_by_a_member(telegram: FakeTelegram, bot: Bot) -> None:
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Stop", callback_data="stop")]])
    sent = await bot.send_message(GROUP, "Card", reply_markup=keyboard)
    events = telegram.subscribe()

    query_id = telegram.press(GROUP, sent.message_id, "stop", user=telegram.add_user(7, first_name="Ben"))

    [update] = await pending_updates(telegram)
    assert update["callback_query"]["from"]["first_name"] == "Ben"
    assert update["callback_query"]["message"]["chat"]["id"] == GROUP
    await bot.answer_callback_query(query_id, "No", show_alert=True)
    assert [events.get_nowait() for _ in range(2)][1] == CallbackAnswered(
        query_id=query_id, text="No", is_alert=True
    )


@pytest.mark.parametrize(("chat_id", "status"), [(GROUP, "member"), (CHANNEL, "administrator")])
async def test_adding_and_removing_the_bot_are_updates(
    telegram: FakeTelegram, chat_id: int, status: str
) -> None:
    ben = telegram.add_user(7, first_name="Ben")
    telegram.add_bot(chat_id, user=ben)
    telegram.remove_bot(chat_id, user=ben)

    changes = [update["my_chat_member"] for update in await pending_updates(telegram)]

    assert [(each["old_chat_member"]["status"], each["new_chat_member"]["status"]) for each in changes] == [
        ("left", status),
        (status, "kicked"),
    ]
    assert changes[0]["from"]["id"] == ben


async def test_a_post_is_forwarded_to_the_discussion_group(telegram: FakeTelegram) -> None:
    telegram.forward_to_discussion(CHANNEL, telegram.send(CHANNEL, "/tasks"), GROUP)

    _, update = await pending_updates(telegram)

    assert update["message"]["is_automatic_forward"] is True
    assert (update["message"]["text"], update["message"]["sender_chat"]["id"]) == ("/tasks", CHANNEL)
