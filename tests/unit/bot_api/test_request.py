"""Whatever a server responds, a call to the Bot API ends with a result or with a TelegramError."""

import json
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from telegram import Bot, InputMediaVideo
from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, TimedOut

from bot.bot_api.request import BotApiRequest, NotBotApi, flood_wait_s, was_never_sent
from bot.bot_api.socks_transport import SocksTransport
from bot.proxies.diagnosis import ProxyDiagnosis
from bot.proxies.proxy import Proxy, read_proxy
from bot.sandbox.faults import Fault, html_response, json_response
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.api_errors import error_response
from tests.fakes.proxy import FakeProxy
from tests.fakes.raw_port import raw_port, silent

ANNA = 1001
BOT = {"id": 7, "is_bot": True, "first_name": "Reelwatch", "username": "reelwatch_bot"}
CHAT = {"id": ANNA, "type": "private"}
MESSAGE = {"message_id": 5, "date": 1, "chat": CHAT}
NO_RESULTS: list[object] = [
    {},
    [],
    "x",
    None,
    7,
    {"ok": True},
    {"ok": True, "result": None},
    {"ok": "yes", "result": []},
    {"ok": False},
    {"ok": False, "error": "not_authed"},
    {"result": BOT},
    {"detail": "Not Found"},
]
NO_USERS = [
    True,
    [],
    "x",
    {},
    {"id": 7},
    BOT | {"id": "7"},
    BOT | {"id": 10**30},
    BOT | {"is_bot": False},
    BOT | {"first_name": None},
    BOT | {"username": ["reelwatch_bot"]},
    {name: value for name, value in BOT.items() if name != "username"},
]
NO_MESSAGES = [
    True,
    [],
    {},
    {"message_id": 5},
    MESSAGE | {"message_id": "5"},
    MESSAGE | {"message_id": True},
    MESSAGE | {"chat": []},
    MESSAGE | {"chat": {"id": None, "type": "private"}},
    MESSAGE | {"date": "yesterday"},
    MESSAGE | {"entities": 5},
    MESSAGE | {"video": {"file_id": "a"}},
]


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    telegram = FakeTelegram()
    telegram.private_chat(ANNA)
    await telegram.start()
    yield telegram
    await telegram.stop()


@pytest.fixture
async def bot(telegram: FakeTelegram) -> AsyncIterator[Bot]:
    requests = [BotApiRequest(httpx_kwargs={"verify": False}) for _ in range(2)]
    bot = Bot(
        telegram.token, base_url=f"{telegram.url}/bot", request=requests[0], get_updates_request=requests[1]
    )
    async with bot:
        yield bot


def _result(value: object) -> Fault:
    return json_response(200, {"ok": True, "result": value})


@pytest.mark.parametrize("body", NO_RESULTS, ids=str)
async def test_a_response_without_a_result_is_no_bot_api_server(
    telegram: FakeTelegram, bot: Bot, body: object
):
    telegram.fail("*", json_response(200, body), times=None)

    for call in (bot.get_me, bot.get_updates, bot.delete_webhook, bot.get_webhook_info):
        with pytest.raises(NotBotApi) as error:
            await call()
        host = telegram.url.removeprefix("http://")
        assert error.value.message == f"the server at {host} is not a Bot API server; check TELEGRAM_API_URL"
    with pytest.raises(NotBotApi):
        await bot.send_message(ANNA, "hello")


@pytest.mark.parametrize("result", NO_USERS, ids=str)
async def test_what_is_no_bot_is_no_result_of_get_me(telegram: FakeTelegram, bot: Bot, result: object):
    telegram.fail("getMe", _result(result))

    with pytest.raises(NotBotApi):
        await bot.get_me()


@pytest.mark.parametrize(
    "wrong",
    [{"url": 1}, {"pending_update_count": "1"}, {"last_error_message": 1}, {"last_error_date": "now"}],
    ids=str,
)
async def test_what_is_no_webhook_info_is_no_result(
    telegram: FakeTelegram, bot: Bot, wrong: dict[str, object]
):
    right = {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
    telegram.fail("getWebhookInfo", _result(right))
    assert (await bot.get_webhook_info()).url == ""
    telegram.fail("getWebhookInfo", _result(right | wrong))

    with pytest.raises(NotBotApi):
        await bot.get_webhook_info()


@pytest.mark.parametrize("result", NO_MESSAGES, ids=str)
async def test_what_is_no_message_is_no_result_of_sending(telegram: FakeTelegram, bot: Bot, result: object):
    telegram.fail("sendMessage", _result(result))

    with pytest.raises(NotBotApi) as error:
        await bot.send_message(ANNA, "hello")

    assert not error.value.is_refusal  # it may have arrived


async def test_an_edit_of_a_message_that_is_not_the_bots_own_gives_true(telegram: FakeTelegram, bot: Bot):
    telegram.fail("editMessageText", _result(value=True))

    assert await bot.edit_message_text("hello", ANNA, 5) is True


@pytest.mark.parametrize(
    "fault",
    [html_response(200), Fault(status=200), Fault(status=200, body=b"[" * 100_000), Fault(status=204)],
)
async def test_a_page_or_nothing_is_no_bot_api_server(telegram: FakeTelegram, bot: Bot, fault: Fault):
    telegram.fail("getMe", fault)

    with pytest.raises(NotBotApi):
        await bot.get_me()


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 409, 451])
async def test_a_refusal_that_is_not_the_bot_apis_was_not_carried_out(
    telegram: FakeTelegram, bot: Bot, status: int
):
    for fault in (html_response(status), json_response(status, {"detail": "no"}), json_response(status, [1])):
        telegram.fail("sendMessage", fault)
        with pytest.raises(NotBotApi) as error:
            await bot.send_message(ANNA, "hello")
        assert error.value.is_refusal


@pytest.mark.parametrize("status", [408, 413, 429, 502, 504])
@pytest.mark.parametrize("body", [b"<html>people's words</html>", b"[1]", b'{"parameters": 5}'])
async def test_a_proxys_trouble_is_told_by_its_status_alone(
    telegram: FakeTelegram, bot: Bot, status: int, body: bytes
):
    telegram.fail("getUpdates", Fault(status=status, body=body))

    with pytest.raises(NetworkError) as error:
        await bot.get_updates()

    assert error.value.message == f"{HTTPStatus(status).phrase} ({status})"


async def test_an_error_of_the_bot_api_is_known_whatever_its_status(telegram: FakeTelegram, bot: Bot):
    unauthorized: dict[str, Any] = {"ok": False, "error_code": 401, "description": "Unauthorized"}
    for status in (200, 401):
        telegram.fail("getMe", json_response(status, unauthorized))
        with pytest.raises(InvalidToken):
            await bot.get_me()


@pytest.mark.parametrize("parameters", [[1], "x", {"retry_after": "soon"}, {"migrate_to_chat_id": []}, 5])
async def test_parameters_of_the_wrong_shape_are_left_out(
    telegram: FakeTelegram, bot: Bot, parameters: object
):
    body = {"ok": False, "error_code": 400, "description": "Bad Request: no", "parameters": parameters}
    telegram.fail("getMe", json_response(400, body))

    with pytest.raises(BadRequest, match=r"^No$"):
        await bot.get_me()


async def test_a_description_that_is_no_text_is_left_out(telegram: FakeTelegram, bot: Bot):
    telegram.fail("getMe", json_response(400, {"ok": False, "error_code": 400, "description": {"a": 1}}))

    with pytest.raises(BadRequest, match=r"^Bad Request \(400\)$"):
        await bot.get_me()


async def test_a_wait_of_centuries_is_a_day(telegram: FakeTelegram, bot: Bot, monkeypatch: Any):
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    telegram.fail("getMe", error_response(429, "Too Many Requests", retry_after=10**18))

    with pytest.raises(RetryAfter) as error:
        await bot.get_me()

    assert error.value.retry_after.total_seconds() == 86_400  # type: ignore[union-attr]  # PTB_TIMEDELTA is set


def _text(update_id: object, **changes: object) -> dict[str, Any]:
    user = {"id": ANNA, "is_bot": False, "first_name": "Anna"}
    message = {"message_id": 5, "date": 1, "chat": CHAT, "from": user, "text": "hunter2"}
    return {"update_id": update_id, "message": message | changes}


HOSTILE = [
    _text(2, chat=None),
    _text(2, chat={"id": "1", "type": "private"}),
    _text(2, chat={"id": 10**30, "type": "private"}),
    _text(2, **{"from": [1]}),
    _text(2, message_id=None),
    _text(2, text=["hunter2"]),
    _text(2, text={"a": "hunter2"}),
    _text(2, caption=5),
    _text(2, date=10**30),
    _text(2, entities={"type": "bot_command"}),
    _text(2, entities=[{"type": "bot_command", "offset": "0", "length": 5}]),
    _text(2, message_thread_id="7"),
    _text(2, reply_to_message=MESSAGE | {"text": 5}),
    _text(2, photo=5),
    {"update_id": 2, "message": "hunter2"},
    {"update_id": 2, "message": ["hunter2"]},
    {"update_id": 2, "my_chat_member": {"chat": CHAT}},
    {"update_id": 2, "callback_query": {"id": "1", "from": {"id": "x", "is_bot": False, "first_name": "A"}}},
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=json.dumps)
async def test_of_a_malformed_update_only_the_id_is_left_and_the_others_come(
    telegram: FakeTelegram, bot: Bot, hostile: object, caplog: pytest.LogCaptureFixture
):
    telegram.fail("getUpdates", _result([_text(1), hostile, _text(3)]), times=2)

    first, second, third = await bot.get_updates()
    await bot.get_updates()  # as it is not confirmed, it comes again

    assert [first.update_id, second.update_id, third.update_id] == [1, 2, 3]
    assert first.message is not None
    assert third.message is not None
    assert second.to_dict() == {"update_id": 2}
    assert caplog.messages == ["Skipped malformed updates (1): 2"]


@pytest.mark.parametrize("hostile", [None, 7, [], {}, _text("2"), _text(True), _text(2.0), _text(10**30)])
async def test_a_malformed_update_without_an_id_does_not_keep_the_others(
    telegram: FakeTelegram, bot: Bot, hostile: object, caplog: pytest.LogCaptureFixture
):
    telegram.fail("getUpdates", _result([hostile, _text(3)]))

    assert [update.update_id for update in await bot.get_updates()] == [3]
    assert caplog.messages == ["Skipped malformed updates (1): without an id"]


@pytest.mark.parametrize("result", [{}, True, "x", 5, {"update_id": 1}, [None], [{}, 7]])
async def test_what_holds_no_update_at_all_is_no_bot_api_server(
    telegram: FakeTelegram, bot: Bot, result: object
):
    telegram.fail("getUpdates", _result(result))

    with pytest.raises(NotBotApi):
        await bot.get_updates()


async def test_no_more_updates_are_taken_than_telegram_sends(telegram: FakeTelegram, bot: Bot):
    telegram.fail("getUpdates", _result([_text(number) for number in range(1000)]))

    assert len(await bot.get_updates()) == 100


async def test_updates_of_kinds_to_come_are_passed_on(
    telegram: FakeTelegram, bot: Bot, caplog: pytest.LogCaptureFixture
):
    telegram.fail(
        "getUpdates", _result([{"update_id": 1, "telepathy": {"thought": 5}}, _text(2, telepathy=[7])])
    )

    assert [update.update_id for update in await bot.get_updates()] == [1, 2]
    assert caplog.messages == []


@pytest.mark.parametrize("wait", [17, timedelta(seconds=17)])
def test_a_flood_wait_is_a_number_of_seconds_however_python_telegram_bot_has_it(wait: int | timedelta):
    assert flood_wait_s(RetryAfter(wait)) == 17.0


async def test_times_are_sent_as_text_to_a_server_that_does_not_know_their_tag(
    telegram: FakeTelegram, bot: Bot
):
    unknown = 'Bad Request: can\'t parse entities: Unsupported start tag "tg-time" at byte offset 6'
    telegram.fail("sendMessage", json_response(400, {"ok": False, "error_code": 400, "description": unknown}))
    time = '<tg-time unix="1760295779" format="dt">2025-10-12 19:02 UTC</tg-time>'

    await bot.send_message(ANNA, f"<b>until</b> {time}", "HTML")
    await bot.send_video(ANNA, b"\0" * 99, caption=f"again {time}", parse_mode="HTML")
    await bot.edit_message_media(
        InputMediaVideo(b"\1" * 99, caption=f"last {time}", parse_mode="HTML"), ANNA, 2
    )

    shown = [
        (message.plain_text, [kind["type"] for kind in message.entities])
        for message in telegram.messages(ANNA)
    ]
    assert shown == [("until 2025-10-12 19:02 UTC", ["bold"]), ("last 2025-10-12 19:02 UTC", [])]
    assert len(telegram.requests) == 1 + 1 + 3  # getMe, the refused one, and one for each message


async def test_other_errors_in_a_message_with_a_time_are_passed_on(telegram: FakeTelegram, bot: Bot):
    time = '<tg-time unix="1760295779" format="dt">2025-10-12</tg-time>'

    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.send_message(404, time, "HTML")
    await bot.send_message(ANNA, time, "HTML")

    assert [kind["type"] for kind in telegram.messages(ANNA)[0].entities] == ["date_time"]


async def called(
    telegram: FakeTelegram, tried: Proxy, *, limit_s: float = 10.0, **options: Any
) -> NetworkError:
    """The error of a call with these options of httpx; tried: the proxy, when it has failed."""
    diagnosis = ProxyDiagnosis(tried, in_container=False, step_s=limit_s)
    request = BotApiRequest(1, *(limit_s,) * 4, httpx_kwargs=options, diagnosis=diagnosis)
    async with request:
        with pytest.raises(NetworkError) as caught:
            await request.do_request(f"{telegram.url}/bot{telegram.token}/getMe", "POST")
    return caught.value


def over_socks(proxy: Proxy) -> dict[str, Any]:
    transport = SocksTransport(proxy, tls=ssl.create_default_context(), limits=httpx.Limits())
    return {"transport": transport, "trust_env": False}


async def test_a_dead_proxy_is_named_and_nothing_was_sent(telegram: FakeTelegram):
    proxy = read_proxy("socks5h://anna:hunter2@127.0.0.1:9")
    for error in (
        await called(telegram, proxy, **over_socks(proxy)),
        await called(telegram, proxy, proxy="http://127.0.0.1:9", trust_env=False),
    ):
        assert error.message == "the proxy socks5h://127.0.0.1:9 refuses connections"
        assert was_never_sent(error)


async def test_a_silent_proxy_is_a_timeout_in_which_nothing_was_sent(telegram: FakeTelegram):
    async with raw_port(silent) as port:
        proxy = read_proxy(f"socks5h://127.0.0.1:{port}")
        error = await called(telegram, proxy, limit_s=0.4, **over_socks(proxy))

    assert isinstance(error, TimedOut)
    assert error.message == f"the proxy {proxy} accepts connections and speaks no SOCKS"
    assert was_never_sent(error)


async def test_a_login_that_the_proxy_refuses_is_said_also_without_a_tunnel(telegram: FakeTelegram):
    async with FakeProxy.open(login=("a", "b")) as fake:
        error = await called(telegram, fake.proxy("http"), proxy=fake.url("http"), trust_env=False)

    assert error.message == f"the proxy {fake.url('http')} wants a user name and password"
    assert was_never_sent(error)


async def test_an_error_behind_a_proxy_that_works_says_through_which(telegram: FakeTelegram):
    telegram.is_down = True
    async with FakeProxy.open() as fake:
        proxy = fake.proxy("socks5h")
        error = await called(telegram, proxy, **over_socks(proxy))

    assert error.message.endswith(f"through the proxy {proxy}")
    assert not was_never_sent(error)
