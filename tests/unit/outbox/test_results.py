"""The mapping of Telegram's errors, through python-telegram-bot and a real connection."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from telegram.error import BadRequest, Forbidden, TelegramError, TimedOut
from telegram.error import RetryAfter as TooMany
from telegram.ext import ExtBot

from bot.bot_api.request import BotApiRequest
from bot.outbox.results import (
    ChatGone,
    Migrated,
    Refusal,
    Refused,
    RetryAfter,
    SendResult,
    Sent,
    Transient,
    Unknown,
    as_retryable,
    read_error,
)
from bot.sandbox.faults import DROPPED, Fault, html_response, json_response
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.api_errors import error_response, flood
from tests.fakes.places import ANNA

GONE = [
    "Forbidden: bot was blocked by the user",
    "Forbidden: user is deactivated",
    "Forbidden: bot was kicked from the group chat",
    "Forbidden: bot was kicked from the supergroup chat",
    "Forbidden: bot was kicked from the channel chat",
    "Forbidden: bot is not a member of the supergroup chat",
    "Forbidden: the group chat was deleted",
    "Forbidden: bot can't initiate conversation with a user",
    "Bad Request: chat not found",
    "Bad Request: PEER_ID_INVALID",
]
REFUSALS = [
    (Refusal.NO_THREAD, "message thread not found"),
    (Refusal.NO_THREAD, "TOPIC_CLOSED"),
    (Refusal.NO_THREAD, "TOPIC_DELETED"),
    (Refusal.NO_MESSAGE, "message to edit not found"),
    (Refusal.NOT_EDITABLE, "message can't be edited"),
    (Refusal.NO_MESSAGE, "MESSAGE_ID_INVALID"),
    (Refusal.NO_MESSAGE, "there is no media in the message to edit"),
    (Refusal.NO_TEXT, "there is no text in the message to edit"),
    (Refusal.NO_RIGHTS, "not enough rights to send videos to the chat"),
    (Refusal.NO_RIGHTS, "not enough rights to send text messages to the chat"),
    (Refusal.NO_RIGHTS, "have no write access to the chat"),
    (Refusal.NO_RIGHTS, "need administrator rights in the channel chat"),
    (Refusal.NO_RIGHTS, "CHAT_WRITE_FORBIDDEN"),
    (Refusal.NO_RIGHTS, "CHAT_RESTRICTED"),
    (Refusal.NO_RIGHTS, "CHAT_SEND_VIDEOS_FORBIDDEN"),
    (Refusal.NO_RIGHTS, "CHAT_SEND_MEDIA_FORBIDDEN"),
    (Refusal.BAD_FILE, "failed to get HTTP URL content"),
    (Refusal.BAD_FILE, "wrong type of the web page content"),
    (Refusal.BAD_FILE, "wrong file identifier/HTTP URL specified"),
    (Refusal.BAD_FILE, "wrong HTTP URL specified"),
    (Refusal.BAD_FILE, "can't upload file by URL"),
    (Refusal.BAD_FILE, "invalid file HTTP URL specified: Unsupported URL protocol"),
    (Refusal.BAD_FILE, "WEBPAGE_MEDIA_EMPTY"),
    (Refusal.TOO_LARGE, "file is too big"),
    (Refusal.OTHER, "can't parse entities: unclosed start tag at byte offset 3"),
    (Refusal.OTHER, "message to be replied not found"),
]


async def outcome(telegram: FakeTelegram, bot: ExtBot[None], fault: Fault | None = None) -> SendResult:
    """The result of a message to Anna."""
    if fault is not None:
        telegram.fail("sendMessage", fault)
    with pytest.raises(TelegramError) as raised:
        await bot.send_message(ANNA, "x", read_timeout=1)
    return read_error(raised.value)


@pytest.mark.parametrize("description", GONE)
def test_a_blocked_or_deleted_chat_is_gone(description: str):
    kind = Forbidden if description.startswith("Forbidden") else BadRequest

    assert isinstance(read_error(kind(description)), ChatGone)


@pytest.mark.parametrize(("reason", "description"), REFUSALS)
def test_a_refusal_is_recognised_by_its_text(reason: Refusal, description: str):
    # python-telegram-bot removes the prefix and capitalises the rest.
    assert read_error(BadRequest(f"Bad Request: {description}")) == Refused(reason, description.lower())


def test_a_missing_right_may_be_a_403_too():
    result = read_error(Forbidden("Forbidden: CHAT_WRITE_FORBIDDEN"))

    assert isinstance(result, Refused)
    assert result.reason is Refusal.NO_RIGHTS


async def test_a_refusal_over_a_real_connection_keeps_its_text(telegram: FakeTelegram, bot: ExtBot[None]):
    closed = error_response(400, "Bad Request: TOPIC_CLOSED")
    assert await outcome(telegram, bot, closed) == Refused(Refusal.NO_THREAD, "topic_closed")

    blocked = await outcome(telegram, bot, error_response(403, "Forbidden: bot was blocked by the user"))
    assert isinstance(blocked, ChatGone)


async def test_a_flood_wait_has_its_seconds(telegram: FakeTelegram, bot: ExtBot[None]):
    assert await outcome(telegram, bot, flood(17)) == RetryAfter(17.0)


def test_a_wait_is_read_as_a_duration_too():
    assert read_error(TooMany(timedelta(seconds=2.5))) == RetryAfter(2.5)


def test_a_wait_is_read_as_whole_seconds_in_python_telegram_bot_s_old_way(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PTB_TIMEDELTA")

    with pytest.warns(DeprecationWarning, match="timedelta"):
        assert read_error(TooMany(17)) == RetryAfter(17.0)


async def test_a_supergroup_s_new_id_is_read(telegram: FakeTelegram, bot: ExtBot[None]):
    moved = error_response(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1009)

    assert await outcome(telegram, bot, moved) == Migrated(-1009)


async def test_a_file_that_is_too_large_is_refused(telegram: FakeTelegram, bot: ExtBot[None]):
    for fault in (error_response(413, "Request Entity Too Large"), html_response(413)):
        result = await outcome(telegram, bot, fault)
        assert isinstance(result, Refused)
        assert result.reason is Refusal.TOO_LARGE


@pytest.mark.parametrize(
    "fault",
    [
        error_response(500, "Internal Server Error"),
        html_response(502),
        html_response(200),
        DROPPED,
        Fault(delay_s=2),
    ],
    ids=["500", "HTML", "HTML with 200", "connection closed", "timeout"],
)
async def test_a_meaningless_response_is_an_unknown_outcome(
    telegram: FakeTelegram, bot: ExtBot[None], fault: Fault
):
    assert isinstance(await outcome(telegram, bot, fault), Unknown)


async def test_a_refused_connection_is_transient(telegram: FakeTelegram, bot: ExtBot[None]):
    await telegram.stop()

    assert isinstance(await outcome(telegram, bot), Transient)


@pytest.mark.parametrize("cause", [httpx.ConnectTimeout, httpx.PoolTimeout])
def test_a_timeout_before_sending_is_transient(cause: type[httpx.TimeoutException]):
    error = TimedOut()
    error.__cause__ = cause("")

    assert isinstance(read_error(error), Transient)


async def test_a_full_connection_pool_is_transient(telegram: FakeTelegram):
    telegram.fail("sendMessage", Fault(delay_s=5))
    request = BotApiRequest(connection_pool_size=1, pool_timeout=0.05, httpx_kwargs={"verify": False})
    async with ExtBot(telegram.token, base_url=f"{telegram.url}/bot", request=request) as bot:
        first = asyncio.create_task(bot.send_message(ANNA, "x"))
        await telegram.wait_for(lambda: [each for each in telegram.requests if each.method == "sendMessage"])

        assert isinstance(await outcome(telegram, bot), Transient)

        first.cancel()


async def test_a_refused_token_is_transient(telegram: FakeTelegram, bot: ExtBot[None]):
    assert isinstance(await outcome(telegram, bot, error_response(401, "Unauthorized")), Transient)


async def test_an_unknown_method_is_refused(telegram: FakeTelegram, bot: ExtBot[None]):
    assert await outcome(telegram, bot, error_response(404, "Not Found")) == Refused(
        Refusal.NO_METHOD, "not found"
    )


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Unknown("late"), Transient("late")),
        (Sent(5), Sent(5)),
        (ChatGone("blocked"), ChatGone("blocked")),
    ],
)
def test_for_an_idempotent_call_only_an_unknown_outcome_changes(result: SendResult, expected: SendResult):
    assert as_retryable(result) == expected


@pytest.mark.parametrize(
    "fault", [html_response(403), json_response(404, {"detail": "Not Found"}), html_response(302)]
)
async def test_a_refusal_by_a_server_other_than_telegram_is_transient(
    telegram: FakeTelegram, bot: ExtBot[None], fault: Fault
):
    assert isinstance(await outcome(telegram, bot, fault), Transient)


@pytest.mark.parametrize("body", [{}, {"ok": True}, {"ok": True, "result": True}, []])
async def test_a_success_from_a_server_other_than_telegram_is_an_unknown_outcome(
    telegram: FakeTelegram, bot: ExtBot[None], body: object
):
    assert isinstance(await outcome(telegram, bot, json_response(200, body)), Unknown)
