"""Telegram's refusals and what PTB makes of them, and the failures that are planned."""

import asyncio
import json
import time
from datetime import timedelta

import pytest
from telegram import Bot, ReplyParameters
from telegram.error import (
    BadRequest,
    ChatMigrated,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
)

from bot.sandbox.faults import DROPPED, LOST_RESPONSE, held, html_response
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.api_errors import ApiError, error_response, flood
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.content import reply_markup
from tests.fakes.places import ANNA, FORUM, GROUP
from tests.unit.sandbox.conftest import connected


async def test_an_unknown_chat_is_not_found(bot: Bot) -> None:
    with pytest.raises(BadRequest, match=r"^Chat not found$"):
        await bot.send_message(5, "x")
    with pytest.raises(BadRequest, match=r"^Chat_id is empty$"):
        await bot.send_message("", "x")


async def test_an_unknown_method_and_a_wrong_token_are_refused(telegram: FakeTelegram, bot: Bot) -> None:
    with pytest.raises(EndPointNotFound):
        await bot.do_api_request("sendTelepathy")
    with pytest.raises(InvalidToken):
        async with connected(telegram, token="123:wrong"):
            pass


async def test_a_blocked_bot_is_forbidden_to_send(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.block(ANNA)

    with pytest.raises(Forbidden, match=r"^Forbidden: bot was blocked by the user$"):
        await bot.send_message(ANNA, "x")


async def test_a_migrated_group_names_its_new_id(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.group(-55, supergroup=False)
    telegram.migrate(-55, -100555)

    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(-55, "x")

    assert moved.value.new_chat_id == -100555
    await bot.send_message(moved.value.new_chat_id, "x")


async def test_closed_and_deleted_topics_and_general_are_refused(telegram: FakeTelegram, bot: Bot) -> None:
    closed, deleted = telegram.topic(FORUM, "ThrottledChats"), telegram.topic(FORUM, "Deleted")
    telegram.close_topic(FORUM, closed)
    telegram.delete_topic(FORUM, deleted)

    with pytest.raises(BadRequest, match=r"^Topic_closed$"):
        await bot.send_message(FORUM, "x", message_thread_id=closed)
    for thread_id in (deleted, 1):
        with pytest.raises(BadRequest, match=r"^Message thread not found$"):
            await bot.send_message(FORUM, "x", message_thread_id=thread_id)


async def test_a_reply_to_a_deleted_message_needs_permission(telegram: FakeTelegram, bot: Bot) -> None:
    asked = telegram.send(ANNA, "x")
    telegram.delete_message(ANNA, asked)

    with pytest.raises(BadRequest, match=r"^Message to be replied not found$"):
        await bot.send_message(ANNA, "x", reply_parameters=ReplyParameters(asked))
    sent = await bot.send_message(
        ANNA, "x", reply_parameters=ReplyParameters(asked, allow_sending_without_reply=True)
    )

    assert sent.reply_to_message is None


async def test_a_reply_into_another_topic_is_always_refused(telegram: FakeTelegram, bot: Bot) -> None:
    topic = telegram.topic(FORUM, "Films")
    asked = telegram.send(FORUM, "/x", user=telegram.add_user(7, first_name="Ben"), thread=topic)

    with pytest.raises(BadRequest, match=r"^Message to be replied not found$"):
        await bot.send_message(
            FORUM, "x", reply_parameters=ReplyParameters(asked, allow_sending_without_reply=True)
        )


async def test_texts_outside_the_limits_are_refused(bot: Bot) -> None:
    for text, words in (
        (" \n", "Message text is empty"),
        ("<b></b>", "Message text is empty"),
        ("x" * 4097, "Message is too long"),
        ("<b>x", "Can't parse entities: can't find end tag corresponding to start tag \"b\""),
    ):
        with pytest.raises(BadRequest) as refused:
            await bot.send_message(ANNA, text, parse_mode="HTML")
        assert refused.value.message.lower() == words.lower()
    with pytest.raises(BadRequest, match="caption is too long"):
        await bot.send_video(ANNA, b"x", caption="x" * 1025)
    await bot.send_message(ANNA, f"<b>{'😀' * 4096}</b>", parse_mode="HTML")


@pytest.mark.parametrize(
    ("button", "words"),
    [
        ({"callback_data": "x" * 65}, "BUTTON_DATA_INVALID"),
        ({"callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"url": "nowhere"}, "inline keyboard button URL 'nowhere' is invalid: Wrong HTTP URL"),
        ({"copy_text": {"text": "x" * 257}}, "BUTTON_COPY_TEXT_INVALID"),
        ({}, "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
    ],
)
def test_invalid_buttons_are_refused(button: dict[str, object], words: str) -> None:
    markup = json.dumps({"inline_keyboard": [[{"text": "Press"} | button]]})

    with pytest.raises(ApiError) as refused:
        reply_markup(Arguments(values={"reply_markup": markup}))

    assert refused.value.description == f"Bad Request: {words}"


async def test_forbidden_kinds_of_content_are_refused_one_by_one(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.forbid(GROUP, "videos")

    with pytest.raises(BadRequest, match=r"^Not enough rights to send videos to the chat$"):
        await bot.send_video(GROUP, b"x")
    await bot.send_message(GROUP, "x")


async def test_more_than_fifty_megabytes_are_too_large(bot: Bot) -> None:
    with pytest.raises(NetworkError, match=r"^Request Entity Too Large$"):
        await bot.send_video(ANNA, bytes(51 * 1024 * 1024))


async def test_a_planned_error_occurs_as_often_as_planned(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.fail("sendMessage", error_response(403, "Forbidden: user is deactivated"), times=2)

    for _ in range(2):
        with pytest.raises(Forbidden, match="user is deactivated"):
            await bot.send_message(ANNA, "x")
    await bot.send_message(ANNA, "x")


async def test_a_rate_limit_error_has_retry_after(
    telegram: FakeTelegram, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")  # else PTB warns that it will
    telegram.fail("*", flood(7))

    with pytest.raises(RetryAfter) as refused:
        await bot.send_message(ANNA, "x")

    assert refused.value.retry_after == timedelta(seconds=7)


async def test_faults_can_be_limited_to_some_requests(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.fail("sendMessage", html_response(502), when=lambda request: request.params["text"] == "bad")

    await bot.send_message(ANNA, "good")
    with pytest.raises(NetworkError):
        await bot.send_message(ANNA, "bad")


async def test_clear_faults_removes_all_faults(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.fail("*", html_response(502), times=None)
    telegram.clear_faults()

    await bot.send_message(ANNA, "x")


async def test_a_request_whose_response_is_lost_is_executed(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.fail("sendMessage", LOST_RESPONSE)

    with pytest.raises(NetworkError):
        await bot.send_message(ANNA, "x")

    assert [message.text for message in telegram.messages(ANNA)] == ["x"]


async def test_a_dropped_request_is_not_executed(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.fail("sendMessage", DROPPED)

    with pytest.raises(NetworkError):
        await bot.send_message(ANNA, "x")

    assert telegram.messages(ANNA) == []


async def test_a_held_request_waits_for_its_event(telegram: FakeTelegram, bot: Bot) -> None:
    let_go = asyncio.Event()
    telegram.fail("sendMessage", held(let_go))

    sending = asyncio.create_task(bot.send_message(ANNA, "x"))
    await telegram.wait_for(lambda: telegram.requests and telegram.requests[-1].method == "sendMessage")
    assert telegram.messages(ANNA) == []
    let_go.set()

    await sending
    assert len(telegram.messages(ANNA)) == 1


async def test_an_error_page_is_a_network_error(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.fail("sendMessage", html_response(502))

    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(ANNA, "x")


async def test_during_an_outage_every_connection_is_closed(telegram: FakeTelegram, bot: Bot) -> None:
    telegram.is_down = True
    with pytest.raises(NetworkError):
        await bot.send_message(ANNA, "x")

    telegram.is_down = False
    await bot.send_message(ANNA, "x")


async def test_a_restarted_server_keeps_its_address(telegram: FakeTelegram, bot: Bot) -> None:
    address = telegram.url
    await telegram.stop()
    with pytest.raises(NetworkError):
        await bot.send_message(ANNA, "x")

    await telegram.start()

    assert telegram.url == address
    await bot.send_message(ANNA, "x")


async def test_wait_for_raises_a_timeout(telegram: FakeTelegram) -> None:
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        await telegram.wait_for(lambda: telegram.messages(ANNA), timeout_s=0.05)

    assert time.monotonic() - began < 10
