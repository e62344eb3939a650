"""Sessions' limits on headers and interim responses."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from bot.providers.session import BoundedHandler, HeadTooLong, TooManyInterim, open_session
from tests.unit.providers.servers import http_server, raw_server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session(connections=4, timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


async def body_of(session: aiohttp.ClientSession, address: str) -> bytes:
    async with session.get(address) as response:
        return await response.read()


async def test_a_few_interim_responses_are_skipped(session: aiohttp.ClientSession):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 16
    async with raw_server(hints + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as address:
        assert await body_of(session, address) == b"{}"


async def test_endless_interim_responses_are_rejected(session: aiohttp.ClientSession):
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 17
    async with raw_server(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as address:
        with pytest.raises(TooManyInterim):
            await body_of(session, address)


async def test_headers_of_64_kib_are_read(session: aiohttp.ClientSession):
    long = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 65_000 + b"\r\nContent-Length: 2\r\n\r\n{}"
    async with raw_server(long) as address:
        assert await body_of(session, address) == b"{}"


LINE = b"X-Line: " + b"y" * 1_000 + b"\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\n" + LINE * 60 + b"\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\n" + LINE * 250 + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + (LINE[:-2] + b"y" * 60_000 + b"\r\n") * 250 + b"Content-Length: 2\r\n\r\n{}",
        HINTS * 16 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        CHUNKED + (LINE[:-2] + b"y" * 60_000 + b"\r\n") * 250 + b"\r\n",
    ],
    ids=["lines", "long-lines", "interim", "trailers"],
)
async def test_a_response_with_too_large_headers_is_rejected(session: aiohttp.ClientSession, response: bytes):
    async with raw_server(response) as address:
        with pytest.raises((HeadTooLong, aiohttp.ClientPayloadError)):
            await body_of(session, address)


async def test_too_large_headers_that_arrive_with_the_body_in_one_piece_are_rejected():
    handler = BoundedHandler(asyncio.get_running_loop())
    handler.set_response_params()
    handler.data_received(b"HTTP/1.1 200 OK\r\n" + LINE * 125 + b"Content-Length: 2\r\n\r\n{}")
    assert await handler.read()

    handler.set_response_params(max_headers=256)
    handler.data_received(b"HTTP/1.1 200 OK\r\n" + LINE * 140 + b"Content-Length: 2\r\n\r\n{}")
    with pytest.raises(HeadTooLong):
        await handler.read()


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\n" + LINE * 120 + b"Content-Length: 2\r\n\r\n{}",
        HINTS * 2 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        CHUNKED + LINE * 100 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=" + b"y" * 100 + b"\r\n{}\r\n0\r\n\r\n",
    ],
    ids=["lines", "interim", "trailers", "chunk-extension"],
)
async def test_a_response_with_very_many_headers_is_read(session: aiohttp.ClientSession, response: bytes):
    async with raw_server(response) as address:
        assert await body_of(session, address) == b"{}"


async def test_a_connection_serves_any_number_of_consecutive_responses(session: aiohttp.ClientSession):
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"{}", headers={"X-Long": "y" * 8_000})

    async with http_server(handler) as address:
        for _ in range(40):
            assert await body_of(session, address) == b"{}"
