"""Webhooks; aiogram's types validate what is sent."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiogram.types
import pytest
from aiohttp import web
from telegram import Bot
from telegram.error import BadRequest, Conflict

from bot.sandbox.change_signal import ChangeSignal
from bot.sandbox.telegram import FakeTelegram
from tests.fakes.places import ANNA
from tests.unit.sandbox.conftest import connected

BORIS = 1002


@dataclass
class Receiver:
    """A bot's webhook: answers with the planned statuses, then with 200."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # secret and update
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    at_s: list[float] = field(default_factory=list)
    change_signal: ChangeSignal = field(default_factory=ChangeSignal)

    @property
    def texts(self) -> list[str]:
        """The texts of the updates, in the order of their arrival."""
        return [update["message"]["text"] for _, update in self.received]

    async def serve(self, request: web.Request) -> web.Response:
        """Record an update and answer it."""
        update = await request.json()
        self.received.append((request.headers.get("X-Telegram-Bot-Api-Secret-Token", ""), update))
        self.change_signal.notify()
        self.at_s.append(asyncio.get_running_loop().time())
        if gate := self.gates.get(update["message"]["text"]):
            await gate.wait()
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A webhook on a free port."""
    receiver, app = Receiver(), web.Application()
    app.add_routes([web.post("/hook", receiver.serve)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    """A server with --local, which sends to http and loopback."""
    server = FakeTelegram(local=True)
    server.private_chat(ANNA)
    server.private_chat(BORIS)
    server.state.webhook.pace = 0.02
    await server.start()
    yield server
    await server.stop()


async def until_sent(telegram: FakeTelegram) -> None:
    """Wait until no update is pending."""
    await telegram.wait_for(lambda: not telegram.state.updates.waiting)


async def test_pending_and_new_updates_are_sent_with_the_secret(
    telegram: FakeTelegram, bot: Bot, receiver: Receiver
):
    telegram.send(ANNA, "before")
    await bot.set_webhook(receiver.url, secret_token="s3cret_-", allowed_updates=["message"])
    telegram.send(BORIS, "after")
    await until_sent(telegram)

    assert receiver.texts == ["before", "after"]
    for secret, update in receiver.received:
        assert secret == "s3cret_-"
        aiogram.types.Update.model_validate(update)
    info = aiogram.types.WebhookInfo.model_validate((await bot.get_webhook_info()).to_dict())
    assert (info.url, info.pending_update_count, info.last_error_message) == (receiver.url, 0, None)
    assert info.allowed_updates == ["message"]


async def test_the_next_update_of_a_chat_waits_for_the_response_to_the_last(
    telegram: FakeTelegram, bot: Bot, receiver: Receiver
):
    gate = receiver.gates["one"] = asyncio.Event()
    telegram.send(ANNA, "one")
    telegram.send(ANNA, "two")
    telegram.send(BORIS, "three")
    await bot.set_webhook(receiver.url)
    await receiver.change_signal.wait_for(lambda: len(receiver.texts) >= 2, timeout_s=30)
    await asyncio.sleep(0.05)
    assert sorted(receiver.texts) == ["one", "three"]
    gate.set()
    await until_sent(telegram)
    assert receiver.texts[-1] == "two"


async def test_an_update_that_arrives_as_the_last_one_is_confirmed_is_sent(
    telegram: FakeTelegram, bot: Bot, receiver: Receiver
):
    updates = telegram.state.updates
    await bot.set_webhook(receiver.url)
    telegram.send(ANNA, "one")
    await updates.until(lambda: not updates.waiting)
    telegram.send(ANNA, "two")
    await until_sent(telegram)
    assert receiver.texts == ["one", "two"]


async def test_a_refused_update_is_sent_again_at_once_and_then_after_growing_delays(
    telegram: FakeTelegram, bot: Bot, receiver: Receiver
):
    receiver.answers = [(500, {}), (502, {}), (404, {})]
    telegram.send(ANNA, "one")
    await bot.set_webhook(receiver.url)
    await until_sent(telegram)

    assert receiver.texts == ["one"] * 4
    delays_s = [after - before for before, after in itertools.pairwise(receiver.at_s)]
    assert delays_s[0] < 0.03
    assert delays_s[1] >= 2 * 0.02
    assert delays_s[2] >= 4 * 0.02
    error = "Wrong response from the webhook: 404 Not Found"
    assert (await bot.get_webhook_info()).last_error_message == error
    await bot.set_webhook(receiver.url)  # the same again changes nothing
    assert (await bot.get_webhook_info()).last_error_message == error


async def test_retry_after_is_obeyed(telegram: FakeTelegram, bot: Bot, receiver: Receiver):
    receiver.answers = [(503, {"Retry-After": "5"})]
    telegram.send(ANNA, "one")
    await bot.set_webhook(receiver.url)
    await until_sent(telegram)

    assert receiver.at_s[1] - receiver.at_s[0] >= 5 * 0.02


async def test_a_webhook_that_refuses_connections_is_reported(telegram: FakeTelegram, bot: Bot):
    async with receiving() as gone:
        url = gone.url
    await bot.set_webhook(url)
    telegram.send(ANNA, "one")
    await telegram.wait_for(lambda: telegram.state.webhook.last_error)
    info = await bot.get_webhook_info()
    assert (info.last_error_message, info.pending_update_count) == ("Connection refused", 1)
    assert info.last_error_date is not None


async def test_a_webhook_ends_polls_and_its_removal_leaves_the_updates_for_them(
    telegram: FakeTelegram, bot: Bot, receiver: Receiver
):
    polling = asyncio.create_task(bot.get_updates(timeout=10))
    await telegram.wait_for(lambda: telegram.requests[-1].method == "getUpdates")
    receiver.gates["one"] = asyncio.Event()
    await bot.set_webhook(receiver.url)
    with pytest.raises(Conflict, match="terminated by setWebhook request"):
        await polling

    telegram.send(ANNA, "one")
    await receiver.change_signal.wait_for(lambda: receiver.received, timeout_s=5)
    await bot.delete_webhook()
    assert [update.message and update.message.text for update in await bot.get_updates()] == ["one"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1/", "An HTTPS URL must be provided"),
        ("https://127.0.0.1:9000/", "only on ports 80, 88, 443 or 8443"),
        ("https://127.0.0.1:8443/", "is reserved"),
        ("https://bot.example/", "Failed to resolve host"),
    ],
)
async def test_urls_that_telegram_refuses(url: str, reason: str):
    server = FakeTelegram()
    await server.start()
    async with connected(server) as bot:
        with pytest.raises(BadRequest, match=f"(?i){reason}"):
            await bot.set_webhook(url)
        with pytest.raises(BadRequest, match="unallowed characters"):
            await bot.set_webhook(url, secret_token="a b")
    await server.stop()
