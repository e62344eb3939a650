"""What a server sends in response is bounded, whatever answers in the Bot API's place."""

import gzip
import itertools
import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from telegram import Bot
from telegram.error import NetworkError

from bot.bot_api.bounds import bound
from bot.bot_api.request import BotApiRequest, NotBotApi
from bot.sandbox.faults import Fault
from bot.sandbox.telegram import FakeTelegram

MIB = 2**20
ME = {"id": 7, "is_bot": True, "first_name": "Reelwatch", "username": "reelwatch_bot"}
CHAT = {"id": 1001, "type": "private"}
LETTERS = "\N{CINEMA}" * 4096  # twelve bytes each, as servers write them

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


def result(value: object) -> bytes:
    return json.dumps({"ok": True, "result": value}).encode()


def padded(value: object, size: int) -> bytes:
    body = result(value)
    return body + b" " * (size - len(body))


def packed(body: bytes, packing: str) -> Fault:
    headers = {"Content-Encoding": packing} if packing else {}
    return Fault(status=200, headers=headers, body=PACKINGS[packing](body))


def update(number: int) -> dict[str, Any]:
    message = {"message_id": 5, "date": 1, "chat": CHAT, "text": LETTERS}
    return {"update_id": number, "message": message | {"reply_to_message": message}}


@pytest.fixture
async def bot(telegram: FakeTelegram) -> AsyncIterator[Bot]:
    """A bot whose own start has asked nothing."""
    request = BotApiRequest(httpx_kwargs={"verify": False})
    async with request:
        yield Bot(
            telegram.token, base_url=f"{telegram.url}/bot", request=request, get_updates_request=request
        )


async def test_a_hundred_of_the_longest_updates_are_read(telegram: FakeTelegram, bot: Bot):
    telegram.fail("getUpdates", Fault(status=200, body=result([update(number) for number in range(100)])))
    assert len(await bot.get_updates()) == 100


@pytest.mark.parametrize("packing", PACKINGS)
async def test_a_response_of_a_mebibyte_is_read(telegram: FakeTelegram, bot: Bot, packing: str):
    telegram.fail("getMe", packed(padded(ME, MIB), packing))
    assert (await bot.get_me()).username == "reelwatch_bot"


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("size", [MIB + 1, 64 * MIB])
async def test_a_response_beyond_a_mebibyte_is_given_up(
    telegram: FakeTelegram, bot: Bot, packing: str, size: int
):
    telegram.fail("getMe", packed(padded(ME, size), packing))
    with pytest.raises(NotBotApi) as caught:
        await bot.get_me()
    assert not caught.value.is_refusal, "it may have been carried out"
    assert telegram.token not in str(caught.value)


async def test_updates_of_nothing_but_commas_are_read(telegram: FakeTelegram, bot: Bot):
    said = [update(number) for number in range(100)]
    body = result(said).replace(json.dumps(LETTERS).encode(), json.dumps("," * 4096).encode())
    telegram.fail("getUpdates", Fault(status=200, body=body))
    [first, *_] = await bot.get_updates()
    assert first.message
    assert first.message.text == "," * 4096


@pytest.mark.parametrize("element", [b"1,", b"[],", b"{},"])
async def test_a_response_of_too_many_elements_is_not_parsed(
    telegram: FakeTelegram, bot: Bot, element: bytes
):
    body = result([update(1)]).removesuffix(b"]}") + b"," + element * 1_000_001 + b"1]}"
    telegram.fail("getUpdates", Fault(status=200, body=body))
    with pytest.raises(NotBotApi):
        await bot.get_updates()


async def test_updates_beyond_sixteen_mebibytes_are_given_up(telegram: FakeTelegram, bot: Bot):
    telegram.fail("getUpdates", Fault(status=200, body=padded([], 16 * MIB + 1)))
    with pytest.raises(NotBotApi):
        await bot.get_updates()


class Dripping(httpx.AsyncByteStream):
    """A body that comes byte by byte."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" "


@pytest.mark.parametrize(("pause_s", "is_read"), [(0.5, True), (1.0, False)])
async def test_a_response_that_drips_for_more_than_a_minute_is_given_up(pause_s: float, is_read: bool):
    request = httpx.Request("POST", "https://telegram.example/bot7:x/getUpdates")
    response = httpx.Response(200, request=request, stream=Dripping())
    ticks = itertools.count()
    await bound(response, clock=lambda: next(ticks) * pause_s)
    if is_read:
        assert len(await response.aread()) == 100
    else:
        with pytest.raises(httpx.ReadTimeout):
            await response.aread()


async def test_a_response_that_is_packed_wrongly_is_no_response(telegram: FakeTelegram, bot: Bot):
    telegram.fail("getMe", Fault(status=200, headers={"Content-Encoding": "gzip"}, body=result(ME)))
    with pytest.raises(NetworkError):
        await bot.get_me()
